"""Uniform manifold approximation and projection.

Engines: `umap_learn`, `cuml`.
"""
