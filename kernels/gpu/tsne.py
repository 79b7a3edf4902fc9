"""Gradient and KL divergence of t-SNE; see `kernels.cpu.tsne` and `cuda/tsne.cu`."""

from __future__ import annotations

from kernels.gpu import cuda

THREADS = 128  # of a block, and columns of a tile
ROWS = 4  # of a thread in `repulsive_sums`: what is loaded of a column serves all of them
CHUNKS = 16  # of the columns, so that few rows keep a GPU busy too
THREADS_PER_ROW = 32  # of the sparse matrix
CONSTANTS = {"THREADS": THREADS, "ROWS": ROWS, "THREADS_PER_ROW": THREADS_PER_ROW}


def repulsive_sums(Y, first, last):
    """Repulsive forces of all points on some, not yet normalised.

    As `kernels.cpu.tsne.repulsive_sums`.
    """
    n, rows = Y.shape[1], last - first
    chunks = min(CHUNKS, -(-n // THREADS))
    sums = cuda.array_module().empty((chunks, 3, rows))
    cuda.launch(
        "tsne",
        "repulsive_sums",
        (-(-rows // (ROWS * THREADS)), chunks),
        THREADS,
        (Y, n, first, rows, sums),
        REAL=Y.dtype,
        **CONSTANTS,
    )
    total = sums.sum(axis=0)
    return total[:2], total[2] - 1  # without the point itself


def attractive_sums(starts, columns, values, Y):
    """Attractive forces along a sparse matrix: A_i = sum_j p_ij q_ij (y_i - y_j).

    As `kernels.cpu.tsne.attractive_sums`.
    """
    n = Y.shape[1]
    A = cuda.array_module().empty((2, n))
    cuda.launch(
        "tsne",
        "attractive_sums",
        -(-n // (THREADS // THREADS_PER_ROW)),
        THREADS,
        (starts, columns, values, Y, n, A),
        REAL=Y.dtype,
        **CONSTANTS,
    )
    return A


def divergence_sums(starts, columns, values, Y, total):
    """Kullback-Leibler divergence by points: sum_j p_ij log(p_ij / (q_ij / Z)).

    As `kernels.cpu.tsne.divergence_sums`.
    """
    n = Y.shape[1]
    sums = cuda.array_module().empty(n)
    cuda.launch(
        "tsne",
        "divergence_sums",
        -(-n // (THREADS // THREADS_PER_ROW)),
        THREADS,
        (starts, columns, values, Y, n, float(total), sums),
        REAL=Y.dtype,
        **CONSTANTS,
    )
    return sums
