"""Kernels for NVIDIA GPUs, twins of those in `kernels.cpu`: CuPy arrays in and out.

Nothing is imported from CuPy before a kernel is called, so that every module loads without it.
"""
