"""Products of the squared distance matrix; see `kernels.cpu.squared_pairs` and its `.cu`."""

from __future__ import annotations

from kernels.gpu import cuda
from kernels.pairs import STRIP

PARTS = 1  # partial sums: each has one owner, which adds it up in a fixed order
STRIPS = 1 << 15  # multiplied without a check for interrupts: all that fit any GPU
VECTORS = 8  # multiplied together: what is loaded of a pair serves all of them
ROWS = 4  # of a group in `later_products`: what is loaded of the vectors serves all of them
COLUMNS = 32  # of a group, each of which a thread has: 64 bytes of a row of 16-bit numbers
THREADS = 256
CONSTANTS = {"STRIP": STRIP, "ROWS": ROWS, "COLUMNS": COLUMNS, "THREADS": THREADS}


def squared_products(values, starts, n, first_strip, last_strip, vectors, sums):
    """Accumulate the products of the symmetric matrix of squares with vectors, strip by strip.

    As `kernels.cpu.squared_pairs.squared_products`, with sums of shape (1, b, n).
    """
    vectors = cuda.array_module().ascontiguousarray(vectors)
    pairs, strips = (values, starts, n), last_strip - first_strip
    for first in range(0, len(vectors), VECTORS):
        vector_block, block_sums = (
            vectors[first : first + VECTORS],
            sums[0, first : first + VECTORS],
        )
        macros = {"VALUE": values.dtype, "B": len(vector_block), **CONSTANTS}
        cuda.launch(
            "squared_pairs",
            "later_products",
            (STRIP // ROWS * COLUMNS // THREADS, strips),
            THREADS,
            (*pairs, first_strip, vector_block, block_sums),
            **macros,
        )
        cuda.launch(
            "squared_pairs",
            "earlier_products",
            -(-n // COLUMNS),
            THREADS,
            (*pairs, first_strip, last_strip, vector_block, block_sums),
            **macros,
        )


def fourth_powers(values, starts, n, first_strip, last_strip, sums):
    """Sum the fourth powers of each strip's numbers above the diagonal.

    As `kernels.cpu.squared_pairs.fourth_powers`.
    """
    cuda.launch(
        "squared_pairs",
        "fourth_powers",
        last_strip - first_strip,
        THREADS,
        (values, starts, n, first_strip, sums),
        VALUE=values.dtype,
        B=1,
        **CONSTANTS,
    )
