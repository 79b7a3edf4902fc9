"""Turn one layout towards another, so that the eye compares what moved, not how axes fell."""

from __future__ import annotations

import numpy as np
from scipy.linalg import orthogonal_procrustes


def procrustes_align(
    reference: np.ndarray,
    reference_labels: np.ndarray,
    xy: np.ndarray,
    labels: np.ndarray,
    *,
    keep_axes: bool = False,
) -> np.ndarray:
    """Rotate a layout, and mirror it if that helps, towards another; no distance changes.

    The orthogonal matrix takes the medians of the classes that both have as near as possible to
    those of the reference, both centred (orthogonal Procrustes, Schönemann 1966). Medians: the few
    points of a long arm must not decide how the others lie.

    Parameters
    ----------
    reference, xy : (m, 2), (n, 2) float array
        Two layouts, not necessarily of the same points.
    reference_labels, labels : (m,), (n,) int array
        Class of each point.
    keep_axes : bool
        Only mirror: for layouts whose first axis must stay the first.

    Returns
    -------
    (n, 2) float64
        `xy` itself where no class is in both, or one has no finite median.
    """
    common = np.intersect1d(reference_labels, labels)
    target = _medians(reference, reference_labels, common)
    found = _medians(xy, labels, common)
    if not common.size or not np.isfinite([target, found]).all():
        return xy
    target -= target.mean(axis=0)  # one is enough: what is constant in the other then cancels
    if keep_axes:
        return xy * np.where((found * target).sum(axis=0) < 0, -1, 1)
    turn, _ = orthogonal_procrustes(found, target)
    return xy @ turn


def _medians(xy: np.ndarray, labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    return np.array([np.median(xy[labels == each], axis=0) for each in classes], dtype=np.float64)
