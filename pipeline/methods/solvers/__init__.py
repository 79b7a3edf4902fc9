"""Eigensolvers for large sparse or implicit matrices, and what they exchange.

`inverse` finds the lowest singular vectors of a matrix that can be factored (LLE), `chebyshev` the
lowest eigenvectors of one that is only known by its products (LLE), `lanczos` the largest
(Isomap). No step.
"""
