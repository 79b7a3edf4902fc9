"""Exact k-nearest-neighbour search: select candidates by rounded scores, rank them exactly."""

import numba
import numpy as np

from kernels.cpu._heaps import fill, keep

CHUNK = 64  # scores compared together: four cache lines of float32
STRIP = 256  # columns that one thread reads row by row
# Rows of a tile of products, the first that fits: 64 MB in float32, enough for BLAS to run at full
# speed.
TILES = (4096,)
SPATIAL_ORDER = True  # fewer scores enter a heap
# So many times as many points as features, and principal components cost less than they save.
MIN_ROWS_PER_FEATURE = 8.0


@numba.njit(parallel=True, cache=True)
def keep_nearest(products, half_norms, first_column, values, columns):
    """Keep, for each row, the m columns of smallest half_norms[j] - products[i, j].

    Since |x_i - x_j|^2 / 2 = |x_i|^2 / 2 + (|x_j|^2 / 2 - x_i.x_j), this score orders the columns
    of a row as their distances do. Called once per block of columns, it leaves the m best of all.

    Parameters
    ----------
    products : (b, c) float32
        Inner products of b rows with c columns; -inf excludes a pair.
    half_norms : (c,) float32
        Half the squared norms of the columns.
    first_column : int
        Number of the block's first column.
    values, columns : (b, m) float32, (b, m) int32
        A binary heap a row, largest score first, updated in place; starts as +inf, or any limit
        for the scores that may enter, and -1.

    Notes
    -----
    A score enters only if it is *smaller* than the largest kept, so at the end every column left
    out scores at least `values[i, 0]`.
    """
    c, m = products.shape[1], values.shape[1]
    for i in numba.prange(products.shape[0]):
        row, value, column = products[i], values[i], columns[i]
        begin = 0
        if m <= c and value[0] == np.inf and np.all(column < 0):
            begin = m
            fill(half_norms[:m] - row[:m], first_column, value, column)
        whole = begin + (c - begin) // CHUNK * CHUNK
        for first in range(begin, whole, CHUNK):
            part, half = row[first : first + CHUNK], half_norms[first : first + CHUNK]
            # Few scores enter: a loop of fixed length without a branch, in vector registers, skips
            # the rest.
            entering = 0
            for j in range(CHUNK):
                entering += half[j] - part[j] < value[0]
            if entering:
                for j in range(CHUNK):
                    keep(half[j] - part[j], first_column + first + j, value, column)
        for j in range(whole, c):
            keep(half_norms[j] - row[j], first_column + j, value, column)


@numba.njit(parallel=True, cache=True)
def keep_nearest_of_columns(products, half_norms, first_row, values, columns):
    """Keep, for each column, the m rows of smallest half_norms[i] - products[i, j].

    As `keep_nearest` of the transposed products, which are read as they lie.

    Parameters
    ----------
    products : (b, c) float32
    half_norms : (b,) float32
        Of the rows.
    first_row : int
    values, columns : (c, m) float32, (c, m) int32
        A heap a column of the products.
    """
    b, c = products.shape
    for strip in numba.prange(-(-c // STRIP)):
        begin, end = strip * STRIP, min((strip + 1) * STRIP, c)
        whole = begin + (end - begin) // CHUNK * CHUNK
        largest = values[begin:end, 0].copy()
        for i in range(b):
            row, half = products[i], half_norms[i]
            for first in range(begin, whole, CHUNK):
                part, most = row[first : first + CHUNK], largest[first - begin :][:CHUNK]
                entering = 0
                for j in range(CHUNK):
                    entering += half - part[j] < most[j]
                if entering:
                    for j in range(first, first + CHUNK):
                        keep(half - row[j], first_row + i, values[j], columns[j])
                        largest[j - begin] = values[j, 0]
            for j in range(whole, end):
                keep(half - row[j], first_row + i, values[j], columns[j])


# Reassociation lets the sum over features run in vector registers; the result stays the same
# from run to run and for (i, j) and (j, i).
@numba.njit(parallel=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def rank_candidates(X, rows, starts, candidates, k):
    """Sort each row's candidates by (true squared distance, row number) and return the first k.

    Parameters
    ----------
    X : (n, d) float32 or float64
        Points, not centred: differences are taken in float64, nothing is expanded.
    rows : (r,) int64
        The requested rows.
    starts : (r + 1,) int64
        The candidates of rows[i] are candidates[starts[i]:starts[i + 1]], at least k of them.
    candidates : int32
        Row numbers, without the row itself.
    k : int
        Neighbours wanted.

    Returns
    -------
    indices, squared : (r, k) int32, (r, k) float64
    """
    indices = np.empty((rows.shape[0], k), np.int32)
    squared = np.empty((rows.shape[0], k), np.float64)
    for r in numba.prange(rows.shape[0]):
        x = X[rows[r]].astype(np.float64)
        near = np.sort(candidates[starts[r] : starts[r + 1]])
        last = near.shape[0] - 1
        d2 = np.empty(near.shape[0] + 3)
        # Four at a time, whose cache misses overlap; the last one again where fewer are left, so
        # that all sums are made alike and equal points are equally far.
        for c in range(0, near.shape[0], 4):
            y0, y1 = X[near[c]], X[near[min(c + 1, last)]]
            y2, y3 = X[near[min(c + 2, last)]], X[near[min(c + 3, last)]]
            total0, total1, total2, total3 = 0.0, 0.0, 0.0, 0.0
            for f in range(x.shape[0]):
                e0, e1 = x[f] - np.float64(y0[f]), x[f] - np.float64(y1[f])
                e2, e3 = x[f] - np.float64(y2[f]), x[f] - np.float64(y3[f])
                total0 += e0 * e0
                total1 += e1 * e1
                total2 += e2 * e2
                total3 += e3 * e3
            d2[c], d2[c + 1], d2[c + 2], d2[c + 3] = total0, total1, total2, total3
        # Stable: equal distances stay by number.
        order = np.argsort(d2[: last + 1], kind="mergesort")[:k]
        indices[r] = near[order]
        squared[r] = d2[order]
    return indices, squared
