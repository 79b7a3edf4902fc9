"""Quality: measures of the layouts of a feature set, each exact over all points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from pipeline.errors import InputError
from pipeline.measures.probe import linear_probe, probe_problem
from pipeline.measures.ranks import check_width
from pipeline.measures.votes import TIES, majority_vote
from pipeline.neighbors.graph import Graph, check_graph, knn_graph
from pipeline.neighbors.layout_neighbors import layout_neighbors
from pipeline.neighbors.scale import scale_features


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
        "share of points whose class is the majority among their k nearest in the layout, the "
        f"point itself left out; {TIES}",
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
    labels: np.ndarray | None = None,
    split: np.ndarray | None = None,
    k: int = 15,
    seed: int = 0,
    device: str = "auto",
) -> dict[str, Any]:
    """Measure layouts of one feature set, and these features by a linear probe.

    Parameters
    ----------
    layouts : mapping of str to tuple
        By name (rows, xy, labels): (m,) row numbers of the features that were laid out, (m, 2)
        coordinates, (m,) integer classes.
    features : (n, d) array
    graph : Graph, optional
        Exact neighbours of all features; computed if needed and missing or of less than k. A
        layout of other rows than all in their order is compared with the exact graph of its own.
    labels : (n,) int array, optional
        Classes of the features, for the probe.
    split : (n,) array of str, optional
        "train" or "test", for the probe.
    k : int
        Neighbours that count; fewer, for all layouts alike, where one of them has not k + 1 points.
    seed : int
        Of the probe.
    device : {"auto", "cpu", "gpu"}
        Of graphs.

    Returns
    -------
    dict
        "k"; "layouts": by name what `measure` returns; "probe": what `linear_probe` returns, where
        labels and split allow one; "warnings": sentences on the result.

    Raises
    ------
    InputError
        Shapes that do not belong together, rows that the features do not have or a layout has
        twice, features or coordinates that are not finite numbers, a graph that is none, a layout
        of one point.
    """
    X = scale_features(features).values
    k, warnings = _fitting(layouts, k)
    all_rows = np.arange(len(X))
    graphs = {}
    if graph is not None and (checked := check_graph(graph, len(X))).indices.shape[1] >= k:
        graphs[all_rows.tobytes()] = checked
    measures = {}
    for name, (rows, xy, classes) in layouts.items():
        rows = _checked_rows(name, rows, xy, len(X))
        key = rows.tobytes()
        if key not in graphs:
            whole = np.array_equal(rows, all_rows)
            graphs[key] = knn_graph(X if whole else X[rows], k=k, device=device)
        measures[name] = measure(xy, classes, graph=graphs[key], k=k)
    result = {"k": k, "layouts": measures}
    if labels is not None and split is not None:
        if problem := probe_problem(np.asarray(labels), np.asarray(split)):
            warnings.append(f"no linear probe: {problem}")
        else:
            result["probe"] = probe = linear_probe(X, labels, split, seed=seed)
            warnings += _remarks(probe, int((np.asarray(split) == "train").sum()))
    return {**result, "warnings": warnings}


def _fitting(layouts: Mapping[str, tuple], k: int) -> tuple[int, list[str]]:
    """The neighbours that the smallest layout has, k at most, and a sentence if they are fewer."""
    points, name = min((len(xy), name) for name, (_, xy, _) in layouts.items())
    if points < 2:
        raise InputError(f"layout {name} has {points} points but needs two to have neighbours")
    if k < points:
        return k, []
    return points - 1, [
        f"{k} neighbours need {k + 1} points but layout {name} has {points}: {points - 1} count"
    ]


def _remarks(probe: Mapping[str, Any], n_train: int) -> list[str]:
    """What to know of a linear probe."""
    remarks = []
    if probe["n_train"] < n_train:
        remarks.append(
            f"the linear probe was trained on {probe['n_train']:,} of {n_train:,} training images"
        )
    if not probe["converged"]:
        remarks.append("the linear probe did not converge")
    return remarks


def _checked_rows(name: str, rows: np.ndarray, xy: np.ndarray, n: int) -> np.ndarray:
    """The row numbers of a layout in int64, or an error that says why they cannot be."""
    rows = np.asarray(rows)
    if rows.shape != (len(xy),):
        raise InputError(
            f"layout {name} has {len(xy)} points but row numbers of shape {rows.shape}; give one "
            "row number a point"
        )
    for what, values, kinds in (("row numbers", rows, "iu"), ("coordinates", xy, "iuf")):
        if np.asarray(values).dtype.kind not in kinds:
            raise InputError(
                f"layout {name} has {what} of type {np.asarray(values).dtype}; lay the features "
                "out again"
            )
    outside = rows[(rows < 0) | (rows >= n)]
    if len(outside):
        raise InputError(
            f"layout {name} has row {outside[0]} but the features have {n} rows; give the "
            "features that were laid out"
        )
    numbers, counts = np.unique(rows, return_counts=True)
    if len(numbers) < len(rows):
        raise InputError(
            f"layout {name} has row {numbers[counts > 1][0]} more than once; lay the features out "
            "again"
        )
    return rows.astype(np.int64)


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
        0 to 1. Who wins a tie: see `majority_vote`.
    """
    labels = np.asarray(labels)
    if labels.shape != (len(indices),):
        raise InputError(
            f"labels have shape {labels.shape} for {len(indices)} points; give one label a point"
        )
    check_width(indices, k)
    return float((majority_vote(labels[indices[:, :k]]) == labels).mean())


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
