"""Measures of one layout, each exact over all of its points."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from kernels.backend import to_host
from pipeline.errors import InputError
from pipeline.neighbors.graph import Graph
from pipeline.neighbors.lower_bound import strips
from pipeline.runtime.device import backend_for
from pipeline.runtime.log import Progress

BLOCK = 4096  # rows of a tile of products: 128 MB in float64


class Measure(NamedTuple):
    """How to read a figure."""

    title: str
    low: float
    high: float
    better: str  # "higher" or "lower"
    meaning: str


MEASURES: dict[str, Measure] = {
    "knn_accuracy": Measure(
        "k-NN accuracy",
        0.0,
        1.0,
        "higher",
        "share of points whose class is the majority among their k nearest in the layout",
    ),
    "neighborhood_preservation": Measure(
        "neighborhood preservation",
        0.0,
        1.0,
        "higher",
        "mean share of a point's k nearest in feature space that are among its k nearest in the "
        "layout; k / (n - 1) by chance",
    ),
}


def measure(
    layout: np.ndarray, labels: np.ndarray, *, graph: Graph | None = None, k: int = 15
) -> dict[str, float]:
    """Measure a layout.

    Parameters
    ----------
    layout : (n, 2) array
    labels : (n,) int array
        Class of each point.
    graph : Graph, optional
        Exact neighbours in feature space, at least k; without it only the accuracy is measured.
    k : int
        Neighbours that count.

    Returns
    -------
    dict
        Keys of `MEASURES`, as they apply, and "k".

    Raises
    ------
    InputError
        Shapes that do not belong together, places that are not finite, too few points for k.
    """
    near = layout_neighbors(layout, k=k)
    result = {"knn_accuracy": knn_accuracy(near, labels, k=k)}
    if graph is not None:
        result["neighborhood_preservation"] = neighborhood_preservation(graph.indices, near, k=k)
    return {**result, "k": k}


def knn_accuracy(indices: np.ndarray, labels: np.ndarray, *, k: int = 15) -> float:
    """Leave-one-out accuracy of the k-nearest-neighbour classifier.

    Parameters
    ----------
    indices : (n, >= k) int array
        Neighbours of each point, nearest first, without the point itself: of a layout or, for the
        accuracy in feature space, a graph's.
    labels : (n,) int array
    k : int

    Returns
    -------
    float
        0 to 1. Among classes with equally many votes the one whose first vote is nearest wins.
    """
    labels = np.asarray(labels)
    if labels.shape != (len(indices),):
        raise InputError(
            f"labels have shape {labels.shape} for {len(indices)} points; give one label a point"
        )
    _check_width(indices, k)
    classes, labels = np.unique(labels, return_inverse=True)
    right = 0
    for rows in np.array_split(np.arange(len(indices)), -(-len(indices) // 4096)):
        votes = np.zeros((len(rows), len(classes)))
        here = np.arange(len(rows))
        for rank in range(k):
            voted = labels[indices[rows, rank]]
            # A first vote counts a little more the nearer it is, all of it less than one vote.
            votes[here, voted] += 1 + (votes[here, voted] == 0) * (k - rank) / (2 * k)
        right += int((votes.argmax(axis=1) == labels[rows]).sum())
    return right / len(indices)


def neighborhood_preservation(features: np.ndarray, layout: np.ndarray, *, k: int = 15) -> float:
    """Mean share of the k nearest neighbours that two spaces have in common.

    Q_NX(k) of Lee & Verleysen (2009, Neurocomputing 72, 1431-1443), of the family of neighbourhood
    measures begun by Venna & Kaski (2006).

    Parameters
    ----------
    features, layout : (n, >= k) int arrays
        Neighbours of each point, nearest first.
    k : int

    Returns
    -------
    float
        0 to 1; k / (n - 1) for unrelated neighbours.
    """
    _check_width(features, k)
    _check_width(layout, k)
    if len(features) != len(layout):
        raise InputError(
            f"the graph has {len(features)} points but the layout has {len(layout)}; give the "
            "graph of the features that were laid out"
        )
    shared = 0
    for column in range(k):  # k comparisons of (n,) with (n, k): no (n, k, k) array
        shared += int((features[:, column, None] == layout[:, :k]).sum())
    return shared / (len(features) * k)


def trustworthiness(
    features: np.ndarray, near: np.ndarray, *, k: int = 15, device: str = "auto"
) -> float:
    """How far, in feature space, the layout's neighbours are from being neighbours there.

    M1 of Venna & Kaski (2001, ICANN): one minus a multiple of the sum of r - k, over all points
    and those of their k nearest in the layout whose rank r in feature space is more than k. Their
    M2, the continuity, is the same with the spaces exchanged: ``trustworthiness(layout, graph)``.

    Parameters
    ----------
    features : (n, d) array
    near : (n, >= k) int array
        Neighbours of each point in the layout, nearest first.
    k : int
        Less than n / 2.
    device : {"auto", "cpu", "gpu"}

    Returns
    -------
    float
        0 to 1; 1 if the layout's neighbours are those in feature space.
    """
    n = len(features)
    _check_width(near, k)
    if 2 * k >= n:
        raise InputError(f"k is {k} but must be less than half of {n} points")
    late = np.maximum(ranks(features, near[:, :k], device=device) - k, 0)
    return 1 - 2 * int(late.sum()) / (n * k * (2 * n - 3 * k - 1))


def ranks(X: np.ndarray, near: np.ndarray, *, device: str = "auto") -> np.ndarray:
    """Rank of given neighbours among all other points by their distance in float64.

    Parameters
    ----------
    X : (n, d) array
    near : (n, m) int array
        For each point some others, in any order.
    device : {"auto", "cpu", "gpu"}

    Returns
    -------
    (n, m) int32
        1 for the nearest; among equal distances, as far as rounding leaves them equal, the point
        of lower number is the nearer.

    Notes
    -----
    Time n^2 d flops, by tiles of inner products that each serve their rows and their columns.
    """
    backend = backend_for(device)
    xp, knn, kernels = backend.xp, backend.kernels("knn"), backend.kernels("ranks")
    n = len(X)
    Z = backend.to_device(X - np.mean(X, axis=0, dtype=np.float64))
    near = backend.to_device(near.astype(np.int32))
    half_norms, scores = xp.empty(n), xp.empty(near.shape)
    for rows in strips(n):
        half_norms[rows] = xp.square(Z[rows]).sum(axis=1) / 2
        for column in range(near.shape[1]):  # no (rows, m, d) array
            squared = xp.square(Z[near[rows, column]] - Z[rows]).sum(axis=1)
            scores[rows, column] = squared / 2 - half_norms[rows]
    counts = xp.zeros(near.shape, np.int32)

    def count(products, a, b):
        kernels.count_nearer(products, half_norms[b], b.start, scores[a], near[a], counts[a])

    blocks = strips(n, BLOCK)
    tiles = [(a, b) for i, a in enumerate(blocks) for b in blocks[i:]]
    progress = Progress("ranks", len(tiles))
    for a, b in tiles:
        products = Z[a] @ Z[b].T
        if a == b:
            xp.fill_diagonal(products, -np.inf)
        else:
            count(knn.transpose(products), b, a)
        count(products, a, b)
        backend.synchronize()  # before progress is shown
        progress.update()
    return to_host(counts) + 1


def layout_neighbors(layout: np.ndarray, *, k: int = 15) -> np.ndarray:
    """The k nearest neighbours of each point of a layout, by a k-d tree.

    Points in exactly the same place would be neighbours in the order of their rows, which in a
    sorted data set is the order of the classes. They are told apart by a seeded random shift of
    at most a millionth of the way to the nearest other place: a fair, reproducible draw.

    Parameters
    ----------
    layout : (n, 2) array
    k : int

    Returns
    -------
    (n, k) int64
        Nearest first, the point itself left out.
    """
    points = np.asarray(layout, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(f"a layout has shape {points.shape} but must have two columns")
    if not np.isfinite(points).all():
        raise InputError("a layout has points without a finite place; compute it again")
    if not 1 <= k < len(points):
        raise InputError(
            f"k is {k} but must be from 1 to {len(points) - 1} for {len(points)} points"
        )
    points = jitter_duplicates(points)
    _, near = cKDTree(points).query(points, k=k + 1, workers=-1)
    # The point itself is the nearest; should rounding hide it, the farthest is left out instead.
    itself = near == np.arange(len(points))[:, None]
    itself[~itself.any(axis=1), -1] = True
    return near[~itself].reshape(len(points), k)


def jitter_duplicates(points: np.ndarray) -> np.ndarray:
    places, place, count = np.unique(points, axis=0, return_inverse=True, return_counts=True)
    if len(places) == len(points):
        return points
    if len(places) == 1:
        reach = np.ones(1)
    else:
        reach = cKDTree(places).query(places, k=2, workers=-1)[0][:, 1]
    shift = np.random.default_rng(0).uniform(-1, 1, points.shape) * 5e-7
    return points + shift * (reach * (count > 1))[place.ravel(), None]


def _check_width(indices: np.ndarray, k: int) -> None:
    if not 1 <= k <= indices.shape[1]:
        raise InputError(
            f"k is {k} but the graph has {indices.shape[1]} neighbours a point; choose a smaller "
            "k or compute a larger graph"
        )
