"""Ranks of neighbours among all points, counted without sorting all distances."""

import numba
import numpy as np

CHUNK = 512  # scores that are compared with all neighbours of a row while they are in cache


@numba.njit(parallel=True, cache=True)
def count_nearer(products, half_norms, first_column, scores, columns, counts):
    """Count, for some neighbours of each row, the columns that are nearer to the row.

    Called once per block of columns, it leaves each neighbour's rank, less one. Columns are
    ordered by the score half_norms[j] - products[i, j], as their distances are (see
    `kernels.cpu.knn.keep_nearest`), those of equal score by number.

    Parameters
    ----------
    products : (b, c) float32 or float64
        Inner products of b rows with c columns; -inf excludes a pair.
    half_norms : (c,), dtype of products
        Half the squared norms of the columns.
    first_column : int
        Number of the block's first column.
    scores, columns : (b, m), dtype of products, (b, m) int32
        The neighbours, in any order. However its score was rounded, none is nearer than itself.
    counts : (b, m) int32
        Added to, in place.
    """
    b, c = products.shape
    for i in numba.prange(b):
        row = np.empty(CHUNK, products.dtype)
        for first in range(0, c, CHUNK):
            width = min(CHUNK, c - first)
            for j in range(width):
                row[j] = half_norms[first + j] - products[i, first + j]
            for s in range(scores.shape[1]):
                score = scores[i, s]
                itself = min(max(columns[i, s] - first_column - first, -1), width)
                nearer = 0
                for j in range(itself):  # before it, a column of the same score comes first
                    nearer += row[j] <= score
                for j in range(itself + 1, width):
                    nearer += row[j] < score
                counts[i, s] += nearer
