"""SMACOF for metric multidimensional scaling: Guttman transform and stress over all pairs."""

import numba
import numpy as np

from kernels.pairs import STRIP

CHUNKS = 32  # partial sums: more than most machines have cores, few enough to add up quickly
TILE = 1024  # columns side by side: their coordinates and sums stay in the first-level cache


@numba.njit(parallel=True, cache=True)
def guttman_sums(values, starts, X, sums, squares, first_fold, last_fold):
    """Accumulate the Guttman transform and the raw stress over some folds.

    With dissimilarities delta_ij and layout distances d_ij = |x_i - x_j|,

        sums_i = sum_j (delta_ij / d_ij) (x_i - x_j)      squares = sum_{i<j} (delta_ij - d_ij)^2

    so that sums / n is the Guttman transform of X for unit weights (Guttman 1968; de Leeuw 1977;
    Borg & Groenen 2005, equation 8.25) and `squares` its raw stress. Coincident points contribute
    nothing to the sums.

    Parameters
    ----------
    values : uint16 or float64
        Dissimilarities in strips, see `kernels.pairs.Pairs`; each pair is read once.
    starts : (strips + 1,) int64
        Where strips start in `values`; only those of the requested folds are read.
    X : (p, n) float32 or float64
        Coordinates in the unit of the values, p >= 2. Terms have its precision, sums over more
        than a tile are float64.
    sums : (chunks, p, n) float64
        Updated in place: partial sums, to be added up over chunks.
    squares : (chunks,) float64
        Likewise.
    first_fold, last_fold : int
        Folds first_fold to last_fold - 1; chunk c has every fold t = first_fold + c modulo chunks.

    Notes
    -----
    Which pair goes to which chunk, and in which order, never depends on the number of threads,
    so neither does any bit of the result.
    """
    chunks, n = sums.shape[0], X.shape[1]
    strips = starts.shape[0] - 1
    for c in numba.prange(chunks):
        for fold in range(first_fold + c, last_fold, chunks):
            step = max(1, strips - 1 - 2 * fold)  # to the other strip, if it is another
            for s in range(fold, strips - fold, step):
                first = s * STRIP
                rows = min(STRIP, n - first)
                strip = values[starts[s] : starts[s] + rows * (n - first)]
                strip = strip.reshape(rows, n - first)
                squares[c] += _strip_sums(strip, first, X, sums[c])


# Reassociation and contraction let the loops over columns run in vector registers; roots and
# quotients keep their rounding.
@numba.njit(cache=True, fastmath={"reassoc", "contract", "nsz"})
def _strip_sums(strip, first, X, sums):
    """Add the pairs right of one strip's diagonal to `sums`; return their squared errors.

    Two coordinates share one loop, so that layouts in the plane are fast; further ones are added
    before it and after it.
    """
    rows, width = strip.shape
    p = X.shape[0]
    number = X.dtype.type
    tiny = number(1e-20)  # stands for a squared distance of 0
    pull = np.empty((p, TILE), X.dtype)  # of the strip's rows at the tile's columns
    beyond = np.zeros(TILE, X.dtype)  # squared differences of the further coordinates
    ratio = np.empty(TILE, X.dtype)
    squares = 0.0
    for left in range(0, width, TILE):
        right = min(left + TILE, width)
        pull[:] = 0
        for i in range(min(rows, right - 1)):
            start = max(left, i + 1)
            m = right - start
            delta = strip[i, start:right]
            row, there, here = first + i, slice(first + start, first + right), start - left
            for k in range(2, p):
                zi, z = X[k, row], X[k, there]
                for j in range(m):
                    dz = zi - z[j]
                    beyond[j] = dz * dz if k == 2 else beyond[j] + dz * dz
            xi, x, x_pull, x_sum = X[0, row], X[0, there], pull[0, here:], number(0)
            yi, y, y_pull, y_sum = X[1, row], X[1, there], pull[1, here:], number(0)
            row_squares = number(0)
            for j in range(m):
                dx, dy = xi - x[j], yi - y[j]
                d = np.sqrt(max(dx * dx + dy * dy + beyond[j], tiny))
                error = number(delta[j]) - d
                row_squares += error * error
                w = number(delta[j]) / d
                ratio[j] = w
                x_sum += w * dx
                y_sum += w * dy
                x_pull[j] += w * dx
                y_pull[j] += w * dy
            squares += row_squares
            sums[0, row] += x_sum
            sums[1, row] += y_sum
            for k in range(2, p):
                zi, z, z_pull, z_sum = X[k, row], X[k, there], pull[k, here:], number(0)
                for j in range(m):
                    z_sum += ratio[j] * (zi - z[j])
                    z_pull[j] += ratio[j] * (zi - z[j])
                sums[k, row] += z_sum
        for k in range(p):
            for j in range(left, right):
                sums[k, first + j] -= pull[k, j - left]
    return squares
