"""The nearest of some chosen points, such as the training images, to every point."""

from __future__ import annotations

import numpy as np

from pipeline.errors import InputError
from pipeline.neighbors.graph import Graph
from pipeline.neighbors.tiles import strips


def nearest_among(X: np.ndarray, graph: Graph, chosen: np.ndarray, *, k: int = 15) -> np.ndarray:
    """The k nearest chosen rows of every row, itself left out.

    Where the exact graph lists k chosen neighbours of a row, these are the nearest there are; the
    rows for which it lists fewer are compared with all chosen rows.

    Parameters
    ----------
    X : (n, d) array
        The features of the graph, in the unit of `scale_features`.
    graph : Graph
        Exact neighbours of X.
    chosen : (n,) bool array
        More than k of them.
    k : int

    Returns
    -------
    (n, k) int64
        Nearest first. Equal distances, in a graph's list, are in the order of the rows.

    Raises
    ------
    InputError
        Too few chosen rows.
    """
    check_chosen(chosen, k)
    listed = chosen[graph.indices]
    near = np.empty((len(X), k), np.int64)
    enough = listed.sum(axis=1) >= k
    rows = np.flatnonzero(enough)
    # A stable sort moves the chosen to the front and leaves them in their order.
    order = np.argsort(~listed[rows], axis=1, kind="stable")[:, :k]
    near[rows] = np.take_along_axis(graph.indices[rows], order, axis=1)
    rows, candidates = np.flatnonzero(~enough), np.flatnonzero(chosen)
    if len(rows):
        near[rows] = _among_candidates(X, rows, candidates, k)
    return near


def _among_candidates(
    X: np.ndarray, rows: np.ndarray, candidates: np.ndarray, k: int
) -> np.ndarray:
    """The k nearest candidates of some rows, by inner products in float64."""
    centre = X[candidates].mean(axis=0, dtype=np.float64)
    others = X[candidates] - centre
    half_norms = np.square(others).sum(axis=1) / 2
    near = np.empty((len(rows), k), np.int64)
    for strip in strips(len(rows), max(2**24 // len(candidates), 1)):
        scores = half_norms - (X[rows[strip]] - centre) @ others.T
        scores[rows[strip, None] == candidates] = np.inf
        nearest = np.argpartition(scores, k - 1, axis=1)[:, :k]
        order = np.argsort(np.take_along_axis(scores, nearest, axis=1), axis=1, kind="stable")
        near[strip] = candidates[np.take_along_axis(nearest, order, axis=1)]
    return near


def check_chosen(chosen: np.ndarray, k: int) -> None:
    """Refuse k neighbours where not more than k points are chosen.

    Raises
    ------
    InputError
    """
    if not 1 <= k < (count := int(np.count_nonzero(chosen))):
        raise InputError(
            f"k is {k} but must be from 1 to {count - 1} for {count} points to choose among"
        )
