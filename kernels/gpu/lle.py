"""Locally linear embedding: weights and products; see `kernels.cpu.lle` and `cuda/lle.cu`."""

from __future__ import annotations

from kernels.gpu import cuda

SIDE = 16  # neighbours of a tile of inner products, each of which has a thread
FEATURES = 32  # of a tile: 128 bytes of a row in single precision
SMALL = 64  # neighbours whose matrix stays in shared memory
BLOCKS = 1024  # at a time, of larger matrices: a few for every processor of a GPU
THREADS = 256  # of a block in `add_residual`
CONSTANTS = {"SIDE": SIDE, "FEATURES": FEATURES, "SMALL": SMALL}


def barycenter_weights(X, rows, indices, reg):
    """Barycentric weights: those of sum 1 that best reconstruct each point from its neighbours.

    As `kernels.cpu.lle.barycenter_weights`.
    """
    xp = cuda.array_module()
    count, k = indices.shape
    weights = xp.empty((count, k))
    triangle = (k + 1) * (k + 2) // 2
    blocks = count
    if k > SMALL:
        blocks = min(count, BLOCKS, max(1, cuda.free_memory() // (8 * triangle)))
    scratch = xp.empty(blocks * triangle if k > SMALL else 0)
    cuda.launch(
        "lle",
        "barycenter_weights",
        blocks,
        SIDE * SIDE,
        (X, X.shape[1], rows, count, indices, k, float(reg), scratch, weights),
        REAL=X.dtype,
        **CONSTANTS,
    )
    return weights


def add_residual(starts, columns, weights, Z, V, scale, shift, decay, out):
    """Set out = scale (I - W) Z + shift V + decay out in a single pass through memory.

    As `kernels.cpu.lle.add_residual`.
    """
    n, b = Z.shape
    threads_per_row = min(b, THREADS)
    cuda.launch(
        "lle",
        "add_residual",
        -(-n // (THREADS // threads_per_row)),
        THREADS,
        (
            starts,
            columns,
            weights,
            Z,
            V,
            n,
            b,
            threads_per_row,
            float(scale),
            float(shift),
            float(decay),
            out,
        ),
        REAL=Z.dtype,
        **CONSTANTS,
    )
