"""Kernels for NVIDIA GPUs, from the sources in `kernels/cuda`: CuPy arrays in and out.

A module a topic, as in `kernels.cpu`. CuPy is imported when a kernel is called, not before.
"""
