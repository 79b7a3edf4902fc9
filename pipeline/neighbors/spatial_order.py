"""An order of points in which near ones mostly follow each other."""

from __future__ import annotations

import numpy as np

LEAF = 512  # points that are left in any order
COORDINATES = 32  # of largest variance, of which one is halved at a time
SAMPLE = 1000  # points that tell which: any order of points is right


def spatial_order(Z: np.ndarray) -> np.ndarray:
    """Order points by the leaves of a k-d tree (Bentley 1975).

    Each cell is halved at the median of the coordinate of largest variance in it, among those of
    largest variance in all.

    Parameters
    ----------
    Z : (n, p) float array
        Finite; only some columns are copied.

    Returns
    -------
    (n,) int64
        Rows of Z.
    """
    n, p = Z.shape
    leading = np.arange(p)
    if p > COORDINATES:
        spread = Z[:: max(1, n // SAMPLE)].var(axis=0, dtype=np.float64)
        leading = np.sort(np.argsort(-spread, kind="stable")[:COORDINATES])
    some = Z[:, leading]
    order = np.arange(n)
    cells = [(0, n)]
    while cells:
        first, last = cells.pop()
        if last - first <= LEAF:
            continue
        rows = order[first:last]
        inside = some[rows]
        halved = inside[:, inside.var(axis=0, dtype=np.float64).argmax()]
        middle = (last - first) // 2
        order[first:last] = rows[np.argpartition(halved, middle)]
        cells += [(first, first + middle), (first + middle, last)]
    return order
