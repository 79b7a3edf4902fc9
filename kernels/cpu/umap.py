"""Stochastic gradient descent on UMAP's cross-entropy, stratified: threads share no point."""

import numba
import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
LARGEST_STEP = 4.0  # of a coordinate, times the learning rate


@numba.njit(inline="always")
def _mix(x):
    """Finaliser of SplitMix64 (Steele, Lea & Flood 2014): all bits of x decide each bit."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@numba.njit(inline="always")
def _clip(x, largest):
    return min(max(x, -largest), largest)


@numba.njit(parallel=True, cache=True, fastmath={"reassoc", "contract", "nsz", "arcp"})
def descend_epoch(
    strata, starts, heads, tails, shares, bounds, Y, epoch, rate, a, b, repulsion, negatives, seed
):
    """One epoch of stochastic gradient descent on the fuzzy cross-entropy; Y is overwritten.

    With q(d) = 1 / (1 + a d^2b), an edge (i, j) that is drawn moves both ends along the gradient of
    -log q, and i then along that of -log(1 - q) of some other points, with d their distance:

        y_i -= rate * 2 a b d^(2b-2) q (y_i - y_j)                           y_j the other way
        y_i += rate * 2 b repulsion q / (0.001 + d^2) (y_i - y_k)            of each k

    where no coordinate of a gradient exceeds 4 (McInnes, Healy & Melville 2018, section 3.2, with
    the constants of umap-learn). Edges are in strata one after the other, and in tasks side by
    side: those of a stratum have no point in common (Gemulla, Nijkamp, Haas & Sismanis 2011). A
    task draws the points that repel among its own, so that the result has the same bits for any
    number of threads: of as many blocks as there are, one draw is from the head's block and all
    others from the task's other one, which makes all points as likely over the strata.

    Parameters
    ----------
    strata : (s, t, 2) int64
        The two blocks of points of each task, in none of which a block occurs twice.
    starts : (s, t + 1) int64
        The edges of a task are starts[s, t]:starts[s, t + 1].
    heads, tails : (m,) int32
        Points of each edge.
    shares : (m,) float64
        Of the epochs, in which an edge is drawn: where epoch * share passes an integer.
    bounds : (blocks + 1,) int64
        The points of a block are bounds[b]:bounds[b + 1]; the number of blocks is a power of two.
    Y : (n, p) float32 or float64
        The layout, C-ordered.
    epoch : int
        From 1 on.
    rate, a, b, repulsion : float
    negatives : int
        Points that repel, for each edge drawn.
    seed : uint64
    """
    number = Y.dtype.type
    rate, a, b = number(rate), number(a), number(b)
    pull, push = number(-2) * a * b, number(2 * repulsion) * b
    one, near, largest = number(1), number(0.001), number(LARGEST_STEP)
    p = Y.shape[1]
    others = np.uint64(len(bounds) - 2)
    count, tasks = strata.shape[:2]
    for s in range(count):
        for t in numba.prange(tasks):
            first, second = strata[s, t]
            state = _mix(seed + _mix(np.uint64((epoch * count + s) * tasks + t)))
            for e in range(starts[s, t], starts[s, t + 1]):
                if np.floor(epoch * shares[e]) == np.floor((epoch - 1) * shares[e]):
                    continue
                i, j = np.int64(heads[e]), np.int64(tails[e])
                in_first = bounds[first] <= i < bounds[first + 1]
                own, other = (first, second) if in_first else (second, first)
                d2 = number(0)
                for c in range(p):
                    d2 += (Y[i, c] - Y[j, c]) ** 2
                if d2 > 0:
                    power = d2**b
                    g = pull * power / (d2 * (a * power + one))
                    for c in range(p):
                        move = rate * _clip(g * (Y[i, c] - Y[j, c]), largest)
                        Y[i, c] += move
                        Y[j, c] -= move
                for _ in range(negatives):
                    state += GOLDEN
                    bits = _mix(state)
                    block = own if bits & others == 0 else other
                    size = np.uint64(bounds[block + 1] - bounds[block])
                    k = bounds[block] + np.int64(((bits >> np.uint64(32)) * size) >> np.uint64(32))
                    d2 = number(0)
                    for c in range(p):
                        d2 += (Y[i, c] - Y[k, c]) ** 2
                    if d2 > 0:
                        g = push / ((near + d2) * (a * d2**b + one))
                        for c in range(p):
                            Y[i, c] += rate * _clip(g * (Y[i, c] - Y[k, c]), largest)
