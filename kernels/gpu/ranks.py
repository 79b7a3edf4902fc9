"""Ranks of neighbours among all points; see `kernels.cpu.ranks` and `cuda/ranks.cu`."""

from __future__ import annotations

from kernels.gpu import cuda

THREADS = 256
CONSTANTS = {"THREADS": THREADS, "HELD": 16}


def count_nearer(products, half_norms, first_column, scores, columns, counts):
    """Count, for some neighbours of each row, the columns that are nearer to the row.

    As `kernels.cpu.ranks.count_nearer`.
    """
    b, c = products.shape
    cuda.launch(
        "ranks",
        "count_nearer",
        b,
        THREADS,
        (products, half_norms, first_column, c, scores, columns, scores.shape[1], counts),
        REAL=products.dtype,
        **CONSTANTS,
    )
