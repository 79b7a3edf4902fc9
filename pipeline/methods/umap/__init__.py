"""Uniform manifold approximation and projection.

Engines: `tunescope`, whose descent has a kernel for the CPU alone, and on a GPU `cuml`.
"""
