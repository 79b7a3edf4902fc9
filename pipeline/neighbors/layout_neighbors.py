"""The nearest neighbors of each point of a layout, in the plane."""

from __future__ import annotations

import numba
import numpy as np
from scipy.spatial import cKDTree

from pipeline.errors import InputError
from pipeline.neighbors.nearest_among import check_chosen
from pipeline.neighbors.scale import scale_features


def layout_neighbors(
    layout: np.ndarray, *, k: int = 15, chosen: np.ndarray | None = None
) -> np.ndarray:
    """The k nearest neighbours of each point of a layout, by a k-d tree.

    Coincident points would be neighbours in the order of their rows, which in a sorted data set
    is the order of the classes; `jitter_duplicates` draws their order at random.

    Parameters
    ----------
    layout : (n, 2) array
    k : int
    chosen : (n,) bool array, optional
        The points that may be neighbours, such as the training images; all by default.

    Returns
    -------
    (n, k) int64
        Nearest first, the point itself left out.

    Raises
    ------
    InputError
        Not two finite columns, or not more than k points to choose among.
    """
    points = np.asarray(layout, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(f"a layout has shape {points.shape} but must have two columns")
    if not np.isfinite(points).all():
        raise InputError("a layout has points with non-finite coordinates; compute it again")
    chosen = np.ones(len(points), bool) if chosen is None else chosen
    check_chosen(chosen, k)
    candidates = np.flatnonzero(chosen)
    points = jitter_duplicates(scale_features(points).values)  # squares of 1e200 overflow
    tree = cKDTree(points[candidates])
    near = candidates[tree.query(points, k=k + 1, workers=numba.get_num_threads())[1]]
    # The point itself is the nearest, if it is chosen; else the farthest is left out instead, as
    # where rounding hides it.
    itself = near == np.arange(len(points))[:, None]
    itself[~itself.any(axis=1), -1] = True
    return near[~itself].reshape(len(points), k)


def jitter_duplicates(points: np.ndarray) -> np.ndarray:
    """Shift coincident points by a seeded random millionth of the way to the nearest other one.

    Parameters
    ----------
    points : (n, 2) float64

    Returns
    -------
    (n, 2) float64
        The points themselves where all are distinct.
    """
    positions, position, count = np.unique(points, axis=0, return_inverse=True, return_counts=True)
    if len(positions) == len(points):
        return points
    nearest = np.ones(1)
    if len(positions) > 1:
        nearest = cKDTree(positions).query(positions, k=2, workers=numba.get_num_threads())[0][:, 1]
    shift = np.random.default_rng(0).uniform(-1, 1, points.shape) * 5e-7
    return points + shift * (nearest * (count > 1))[position.ravel(), None]
