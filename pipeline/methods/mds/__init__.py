"""Metric multidimensional scaling of all pairs of points.

Engines: `exact` (SMACOF over stored or recomputed distances), `scikit_learn`.
"""
