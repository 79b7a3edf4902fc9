"""Binary heaps of scores, the largest first: what is kept of a row's candidates."""

import numba


@numba.njit(cache=True)
def keep(score, name, value, column):
    """Let a score into a heap if it is smaller than the largest."""
    if score < value[0]:
        _replace_largest(value, column, score, name)


@numba.njit(cache=True)
def _replace_largest(value, column, score, name):
    """Replace the root of a binary heap, largest score first, and sift down."""
    m = value.shape[0]
    node = 0
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
