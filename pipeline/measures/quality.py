"""Quality: measures of the layouts of a feature set, each exact over all points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from pipeline.errors import InputError
from pipeline.measures.ranks import check_width
from pipeline.neighbors.graph import Graph, knn_graph
from pipeline.neighbors.layout_neighbors import layout_neighbors


class Measure(NamedTuple):
    """How to read a measure."""

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


def measure_layouts(
    layouts: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
    *,
    features: np.ndarray,
    graph: Graph | None = None,
    k: int = 15,
    device: str = "auto",
) -> dict[str, Any]:
    """Measure layouts of one feature set.

    Parameters
    ----------
    layouts : mapping of str to tuple
        By name (rows, xy, labels): (m,) row numbers of the features that were laid out, (m, 2)
        coordinates, (m,) integer classes.
    features : (n, d) array
    graph : Graph, optional
        Exact neighbours of all features, at least k; computed if missing and needed. A layout of
        other rows than all in their order is compared with the exact graph of its own rows.
    k : int
        Neighbours that count.
    device : {"auto", "cpu", "gpu"}
        Of graphs.

    Returns
    -------
    dict
        "k", and "layouts": by name what `measure` returns.

    Raises
    ------
    InputError
        Shapes that do not belong together, rows that the features do not have, non-finite
        coordinates, too few points for k.
    """
    all_rows = np.arange(len(features))
    graphs = {} if graph is None else {all_rows.tobytes(): graph}
    measures = {}
    for name, (rows, xy, labels) in layouts.items():
        rows = _checked_rows(name, rows, xy, len(features))
        key = rows.tobytes()
        if key not in graphs:
            whole = np.array_equal(rows, all_rows)
            graphs[key] = knn_graph(features if whole else features[rows], k=k, device=device)
        measures[name] = measure(xy, labels, graph=graphs[key], k=k)
    return {"k": k, "layouts": measures}


def _checked_rows(name: str, rows: np.ndarray, xy: np.ndarray, n: int) -> np.ndarray:
    """The row numbers of a layout in int64, or an error that says why they cannot be."""
    rows = np.asarray(rows, dtype=np.int64)
    if rows.shape != (len(xy),):
        raise InputError(
            f"layout {name} has {len(xy)} points but row numbers of shape {rows.shape}; give one "
            "row number a point"
        )
    outside = rows[(rows < 0) | (rows >= n)]
    if len(outside):
        raise InputError(
            f"layout {name} has row {outside[0]} but the features have {n} rows; give the "
            "features that were laid out"
        )
    return rows


def measure(
    layout: np.ndarray, labels: np.ndarray, *, graph: Graph | None = None, k: int = 15
) -> dict[str, float]:
    """Measure one layout.

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
        Keys of `MEASURES`, as they apply.

    Raises
    ------
    InputError
        Shapes that do not belong together, non-finite coordinates, too few points for k.
    """
    near = layout_neighbors(layout, k=k)
    result = {"knn_accuracy": knn_accuracy(near, labels, k=k)}
    if graph is not None:
        result["neighborhood_preservation"] = neighborhood_preservation(graph.indices, near, k=k)
    return result


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
    check_width(indices, k)
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
    check_width(features, k)
    check_width(layout, k)
    if len(features) != len(layout):
        raise InputError(
            f"the graph has {len(features)} points but the layout has {len(layout)}; give the "
            "graph of the features that were laid out"
        )
    shared = 0
    for column in range(k):  # k comparisons of (n,) with (n, k): no (n, k, k) array
        shared += int((features[:, column, None] == layout[:, :k]).sum())
    return shared / (len(features) * k)
