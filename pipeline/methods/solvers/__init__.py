"""Eigensolvers for matrices that are only known by their products, and what they exchange.

`chebyshev` finds the lowest eigenpairs (LLE), `lanczos` the largest (Isomap). No step.
"""
