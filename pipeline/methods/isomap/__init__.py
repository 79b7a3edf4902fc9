"""Isomap (Tenenbaum et al. 2000): classical scaling of shortest paths through the neighbor graph.

Engines of the step `methods.embed`: `exact`, all pairs on CPU or GPU, and `scikit_learn`.
"""
