"""Gradient of t-SNE: exact repulsion, attraction along a sparse matrix; the KL divergence."""

import numba
import numpy as np

TILE = 512  # columns whose terms are summed up in the precision of the layout


@numba.njit(parallel=True, cache=True)
def repulsive_sums(Y, first, last):
    """Repulsive forces of all points on some, not yet normalised.

    With q_ij = 1 / (1 + |y_i - y_j|^2),

        F_i = sum_j q_ij^2 (y_i - y_j)      Q_i = sum_{j != i} q_ij

    so that Z = sum_i Q_i normalises the layout's similarities (van der Maaten & Hinton 2008).

    Parameters
    ----------
    Y : (2, n) float32 or float64
        A layout; one on a line has a second coordinate of 0. Terms have its precision, sums over
        more than a tile are float64.

    first, last : int
        The points first to last - 1 are pushed.

    Returns
    -------
    F : (2, last - first) float64
    Q : (last - first,) float64
    """
    x, y = Y[0], Y[1]
    F, Q = np.empty((2, last - first)), np.empty(last - first)
    for i in numba.prange(last - first):
        F[0, i], F[1, i], Q[i] = _repulsion(x, y, first + i)
    return F, Q


# Reassociation and contraction let the loop over columns run in vector registers; quotients keep
# their rounding. A check of divisors would keep it from that. In a parallel loop numba makes the
# check where it has just compiled the code, not where that comes from its cache: a function of its
# own, without it, rounds alike in both.
@numba.njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _repulsion(x, y, i):
    """Sums over all points j != i: both coordinates of F_i, and Q_i."""
    number = x.dtype.type
    one = number(1)
    xi, yi = x[i], y[i]
    x_total = y_total = 0.0
    total = -1.0  # for the point itself
    for left in range(0, x.shape[0], TILE):
        x_sum = y_sum = q_sum = number(0)
        for j in range(left, min(left + TILE, x.shape[0])):
            dx, dy = xi - x[j], yi - y[j]
            q = one / (one + dx * dx + dy * dy)
            x_sum += q * q * dx
            y_sum += q * q * dy
            q_sum += q
        x_total += x_sum
        y_total += y_sum
        total += q_sum
    return x_total, y_total, total


@numba.njit(parallel=True, cache=True, fastmath={"contract"})
def attractive_sums(starts, columns, values, Y):
    """Attractive forces along a sparse matrix: A_i = sum_j p_ij q_ij (y_i - y_j).

    Parameters
    ----------
    starts : (n + 1,) int64
        Row i of the similarities has its entries at starts[i]:starts[i + 1].
    columns, values : int32, float64
        Of each entry.
    Y : (2, n) float32 or float64
        See `repulsive_sums`.

    Returns
    -------
    (2, n) float64
    """
    n = Y.shape[1]
    A = np.empty((2, n))
    for i in numba.prange(n):
        x_total = y_total = 0.0
        for e in range(starts[i], starts[i + 1]):
            dx = np.float64(Y[0, i]) - np.float64(Y[0, columns[e]])
            dy = np.float64(Y[1, i]) - np.float64(Y[1, columns[e]])
            w = values[e] / (1 + dx * dx + dy * dy)
            x_total += w * dx
            y_total += w * dy
        A[0, i], A[1, i] = x_total, y_total
    return A


@numba.njit(parallel=True, cache=True)
def divergence_sums(starts, columns, values, Y, total):
    """Kullback-Leibler divergence by points: sum_j p_ij log(p_ij / (q_ij / Z)).

    Parameters
    ----------
    starts, columns, values, Y
        As in `attractive_sums`.
    total : float
        Z, see `repulsive_sums`.

    Returns
    -------
    (n,) float64
    """
    n = Y.shape[1]
    sums = np.zeros(n)
    for i in numba.prange(n):
        for e in range(starts[i], starts[i + 1]):
            if values[e] > 0:
                dx = np.float64(Y[0, i]) - np.float64(Y[0, columns[e]])
                dy = np.float64(Y[1, i]) - np.float64(Y[1, columns[e]])
                sums[i] += values[e] * np.log(values[e] * total * (1 + dx * dx + dy * dy))
    return sums
