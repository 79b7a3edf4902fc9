"""Kernels compiled by numba for CPUs; `kernels.gpu` will hold their twins."""
