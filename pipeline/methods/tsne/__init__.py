"""t-distributed stochastic neighbour embedding.

Engines: `opentsne` and `cuml` approximate the repulsion, `exact` sums it over all pairs.
"""
