"""Kernels for CPUs, compiled by numba and run on all threads: NumPy arrays in and out.

A module a topic; `kernels.gpu` has the same modules, functions and parameters.
"""
