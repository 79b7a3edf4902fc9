"""Kernels compiled by numba for CPUs; their twins are in `kernels.gpu`."""
