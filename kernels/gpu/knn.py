"""Exact k-nearest-neighbour search; see `kernels.cpu.knn` and `cuda/knn.cu`."""

from __future__ import annotations

from kernels.gpu import cuda

THREADS = 256
SHARED = 2048  # keys of a block that fit in shared memory: of 16 bytes, 32 KB
BLOCKS = 512  # at a time, where more are selected and their buffers are in global memory
SIDE = 32  # of the squares that are transposed
# Rows of a tile of products, the first that fits: what is kept of a row is read and written once a
# tile.
TILES = (8192, 4096, 2048, 1024)
SPATIAL_ORDER = False  # not measured
# Principal components never pay: all coordinates of 70,000 points are multiplied in less time.
MIN_ROWS_PER_FEATURE = float("inf")
# The buffer of a block is the smallest that holds what is selected and one more key a thread.
CONSTANTS = {
    "THREADS": THREADS,
    "EACH": 4,
    "THREADS_PER_CANDIDATE": 32,
    "SIDE": SIDE,
    "SIZE": 2 * THREADS,
    "SHARED": 2 * THREADS,
}


def keep_nearest(products, half_norms, first_column, values, columns):
    """Keep, for each row, the m columns of smallest half_norms[j] - products[i, j].

    As `kernels.cpu.knn.keep_nearest`, and among equal scores the smaller columns. What is kept is
    sorted, largest first: a heap, as on the CPU, and no other may be passed.
    """
    b, c = products.shape
    m = values.shape[1]
    blocks, scratch, macros = _buffers(b, m)
    cuda.launch(
        "knn",
        "keep_nearest",
        blocks,
        THREADS,
        (products, half_norms, first_column, b, c, values, columns, m, scratch),
        REAL=products.dtype,
        **macros,
    )


def keep_nearest_of_columns(products, half_norms, first_row, values, columns):
    """Keep, for each column, the m rows of smallest half_norms[i] - products[i, j].

    As `kernels.cpu.knn.keep_nearest_of_columns`.
    """
    keep_nearest(_transpose(products), half_norms, first_row, values, columns)


def rank_candidates(X, rows, starts, candidates, k):
    """Sort each row's candidates by (true squared distance, row number) and return the first k.

    As `kernels.cpu.knn.rank_candidates`; the sum over features runs in another order, so that
    squared distances differ in their last digits.
    """
    xp = cuda.array_module()
    r = len(rows)
    indices, squared = xp.empty((r, k), "int32"), xp.empty((r, k))
    blocks, scratch, macros = _buffers(r, k)
    cuda.launch(
        "knn",
        "rank_candidates",
        blocks,
        THREADS,
        (X, rows, starts, candidates, r, X.shape[1], k, float("inf"), indices, squared, scratch),
        REAL=X.dtype,
        **macros,
    )
    return indices, squared


def _transpose(A):
    """A copy of A.T in C order; A must be C-ordered too."""
    rows, columns = A.shape
    out = cuda.array_module().empty((columns, rows), A.dtype)
    cuda.launch(
        "knn",
        "transpose",
        (-(-columns // SIDE), -(-rows // SIDE)),
        THREADS,
        (A, rows, columns, out),
        REAL=A.dtype,
        **CONSTANTS,
    )
    return out


def _buffers(rows, selected):
    """Number of blocks, their buffers if these must be in global memory, and macros."""
    xp = cuda.array_module()
    size = max(2 * THREADS, 1 << (selected + THREADS - 1).bit_length())
    if size <= SHARED:
        return rows, xp.empty(0), {**CONSTANTS, "SIZE": size, "SHARED": size}
    blocks = min(rows, BLOCKS)
    return blocks, xp.empty(2 * blocks * size), {**CONSTANTS, "SIZE": size, "SHARED": 1}
