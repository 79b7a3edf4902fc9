"""Procrustes alignment of two layouts: the eye compares what moved, not how the axes fell."""

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
    """Orthogonal Procrustes alignment: rotate and reflect a layout, which changes no distance.

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
        Only reflect: for layouts whose first axis must stay the first.

    Returns
    -------
    (n, 2) float64
        `xy` itself where no class is in both, or one has no finite median.
    """
    common = np.intersect1d(reference_labels, labels)
    target = _medians(reference, reference_labels, common)
    own = _medians(xy, labels, common)
    if not common.size or not np.isfinite([target, own]).all():
        return xy
    target -= target.mean(axis=0)  # one is enough: what is constant in the other then cancels
    if keep_axes:
        return xy * np.where((own * target).sum(axis=0) < 0, -1, 1)
    rotation, _ = orthogonal_procrustes(own, target)
    return xy @ rotation


def _medians(xy: np.ndarray, labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    return np.array([np.median(xy[labels == each], axis=0) for each in classes], dtype=np.float64)
