"""Neighbours that two spaces have in common, for one and for every number of neighbours."""

from __future__ import annotations

import numpy as np

from pipeline.errors import InputError
from pipeline.neighbors.tiles import strips


def neighbors_kept(features: np.ndarray, layout: np.ndarray, *, k: int = 15) -> np.ndarray:
    """Of each point, the share of its k nearest neighbours that two spaces have in common.

    Their mean is Q_NX(k) of Lee & Verleysen (2009, Neurocomputing 72, 1431-1443), of the family of
    neighbourhood measures begun by Venna & Kaski (2006).

    Parameters
    ----------
    features, layout : (n, >= k) int arrays
        Neighbours of each point, nearest first.
    k : int

    Returns
    -------
    (n,) float64
        0 to 1; k / (n - 1) on average for unrelated neighbours.
    """
    check_width(features, k)
    check_width(layout, k)
    if len(features) != len(layout):
        raise InputError(
            f"the graph has {len(features)} points but the layout has {len(layout)}; give the "
            "graph of the features that were laid out"
        )
    shared = np.zeros(len(features))
    for column in range(k):  # k comparisons of (n,) with (n, k): no (n, k, k) array
        shared += (features[:, column, None] == layout[:, :k]).sum(axis=1)
    return shared / k


def co_ranking(features: np.ndarray, layout: np.ndarray) -> np.ndarray:
    """Share of neighbours in common for each number of neighbours, Q_NX(1) to Q_NX(K).

    Lee & Verleysen (2009, Neurocomputing 72, 1431-1443).

    Parameters
    ----------
    features, layout : (n, K) int arrays
        Neighbours of each point, nearest first.

    Returns
    -------
    (K,) float64
    """
    n, width = features.shape
    check_width(layout, width)
    counts = np.zeros(width, np.int64)
    places = np.arange(width)
    for rows in strips(n, 8192):
        own = layout[rows, :width]
        for i in places:  # a neighbour at places i and j is shared by max(i, j) + 1 and more
            _, j = np.nonzero(features[rows, i, None] == own)
            counts += np.bincount(np.maximum(i, j), minlength=width)
    return np.cumsum(counts) / (n * (places + 1))


def r_nx(q_nx: np.ndarray, n: int) -> np.ndarray:
    """Q_NX over chance: 0 for unrelated neighbours, 1 where all are kept.

    R_NX(k) = ((n - 1) Q_NX(k) - k) / (n - 1 - k) of Lee, Peluffo-Ordonez & Verleysen (2015,
    Neurocomputing 169, 246-261).

    Parameters
    ----------
    q_nx : (K,) float array
        K at most n - 2: where every point is a neighbour, nothing is better than chance.
    n : int

    Returns
    -------
    (K,) float64
    """
    k = np.arange(1, len(q_nx) + 1)
    return ((n - 1) * q_nx - k) / (n - 1 - k)


def area(curve: np.ndarray) -> float:
    """The area under R_NX with the logarithm of k as its axis: the mean weighted by 1 / k.

    Parameters
    ----------
    curve : (K,) float array
    """
    return float(np.average(curve, weights=1 / np.arange(1, len(curve) + 1)))


def check_width(indices: np.ndarray, k: int) -> None:
    """Refuse a k that exceeds the neighbours of each point, or is not positive.

    Raises
    ------
    InputError
    """
    if not 1 <= k <= indices.shape[1]:
        raise InputError(
            f"k is {k} but the graph has {indices.shape[1]} neighbours a point; choose a smaller "
            "k or compute a larger graph"
        )
