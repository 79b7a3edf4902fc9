"""Binary heaps of scores, the largest first: what is kept of a row's candidates."""

import numba
import numpy as np


@numba.njit(cache=True)
def keep(score, name, value, column):
    """Let a score into a heap if it is smaller than the largest."""
    if score < value[0]:
        _sift_down(value, column, 0, score, name)


@numba.njit(cache=True)
def fill(scores, first_column, value, column):
    """Make a heap of as many scores as it holds, from the leaves upwards (Floyd 1964)."""
    m = value.shape[0]
    for node in range(m):
        value[node] = scores[node]
        column[node] = first_column + node if scores[node] < np.inf else -1
    for node in range(m // 2 - 1, -1, -1):
        _sift_down(value, column, node, value[node], column[node])


@numba.njit(cache=True)
def _sift_down(value, column, node, score, name):
    """Put a score in the place of a node of a binary heap, largest score first, or below it."""
    m = value.shape[0]
    while True:
        child = 2 * node + 1
        if child >= m:
            break
        if child + 1 < m and value[child + 1] > value[child]:
            child += 1
        if value[child] <= score:
            break
        value[node], column[node] = value[child], column[child]
        node = child
    value[node], column[node] = score, name
