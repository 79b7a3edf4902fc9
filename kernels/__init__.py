"""The numerical core: loops over all pairs, neighbors or edges, once for the CPU and once for GPUs.

`backend` chooses between the twins in `cpu` and `gpu`; `reference` has the same in plain NumPy, for
tests. Imports NumPy, SciPy and numba, CuPy only when a GPU is used, and nothing of `pipeline`.
"""
