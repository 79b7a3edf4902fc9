"""Locally linear embedding (Roweis & Saul 2000): keep the weights that rebuild points.

Engines of the step `methods.embed`: `exact`, converged for all points on CPU or GPU, and
`scikit_learn`.
"""
