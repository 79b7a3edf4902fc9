"""The numerical core: imports NumPy, SciPy and numba, nothing else."""
