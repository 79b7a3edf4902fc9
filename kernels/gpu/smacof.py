"""SMACOF for metric multidimensional scaling; see `kernels.cpu.smacof` and `cuda/smacof.cu`."""

from __future__ import annotations

from kernels.gpu import cuda
from kernels.pairs import STRIP

CHUNKS = 1  # partial sums: each has one owner, which adds it up in a fixed order
ROWS = 8  # of a block in `later_sums`: what is loaded of a column serves all of them
COLUMNS = 32  # of a block in `earlier_sums`: 64 bytes of a row of 16-bit numbers
THREADS = 256
CONSTANTS = {"STRIP": STRIP, "ROWS": ROWS, "COLUMNS": COLUMNS, "THREADS": THREADS}


def guttman_sums(values, starts, X, sums, squares, first_fold, last_fold):
    """Accumulate the Guttman transform and the raw stress over some folds.

    As `kernels.cpu.smacof.guttman_sums`, with sums of shape (1, p, n) and squares of shape (1,).
    """
    p, n = X.shape
    strips, parts = len(starts) - 1, 2 * (last_fold - first_fold)
    row_squares = cuda.array_module().zeros(n)
    macros = {"REAL": X.dtype, "VALUE": values.dtype, "P": p, **CONSTANTS}
    cuda.launch(
        "smacof",
        "later_sums",
        (STRIP // ROWS, parts),
        THREADS,
        (values, starts, X, n, strips, first_fold, sums, row_squares),
        **macros,
    )
    cuda.launch(
        "smacof",
        "earlier_sums",
        -(-n // COLUMNS),
        THREADS,
        (values, starts, X, n, strips, first_fold, parts, sums),
        **macros,
    )
    squares += row_squares.sum()
