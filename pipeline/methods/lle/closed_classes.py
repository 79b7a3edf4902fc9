"""Closed classes of a directed neighbor graph, and the edges that leave only one.

The eigenvalue 0 of LLE's matrix has one eigenvector for each closed communicating class of the
Markov chain that the weights make (Kemeny & Snell 1960): points that reach each other along
neighbours, and no others.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from pipeline.neighbors.components import NearestPairSearch
from pipeline.runtime.log import Progress


def closed_classes(indices: np.ndarray, connections: np.ndarray | None = None) -> list[np.ndarray]:
    """Sets of points that reach each other along neighbours, and no point outside.

    Parameters
    ----------
    indices : (n, k) int
        Neighbours of each point.
    connections : (m, 2) int, optional
        More edges, from the first point to the second.

    Returns
    -------
    list of int64 arrays
        The members of each class, ascending; larger classes first.
    """
    return _closed_classes(
        _edges(indices, np.empty((0, 2), int) if connections is None else connections)
    )


def connect_closed_classes(X: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Edges that leave one closed class: the shortest one of each other class to the outside.

    Each round at least halves the number of classes, as in Boruvka's minimum spanning tree.

    Parameters
    ----------
    X : (n, d) float array
    indices : (n, k) int
        Neighbours of each point.

    Returns
    -------
    (m, 2) int64
        Points, and the further neighbour of each; empty for a single closed class.
    """
    connections = np.empty((0, 2), np.int64)
    search = None
    while len(classes := _closed_classes(edges := _edges(indices, connections))) > 1:
        search = search or NearestPairSearch(X)
        progress = Progress("LLE, connecting closed classes", len(classes) - 1)
        for members, basin in zip(classes[1:], _basins(edges, classes)[1:], strict=True):
            outside = np.setdiff1d(np.arange(len(X)), basin)
            connections = np.vstack([connections, search.nearest_pair(members, outside)[:2]])
            progress.update()
    return connections


def _edges(indices: np.ndarray, connections: np.ndarray) -> csr_array:
    n, k = indices.shape
    sources = np.concatenate([np.repeat(np.arange(n), k), connections[:, 0]])
    targets = np.concatenate([indices.ravel(), connections[:, 1]])
    return csr_array((np.ones(len(sources), bool), (sources, targets)), (n, n))


def _closed_classes(edges: csr_array) -> list[np.ndarray]:
    """The strongly connected components that no edge leaves, larger ones first."""
    count, labels = connected_components(edges, connection="strong")
    sources = np.repeat(labels, np.diff(edges.indptr))
    closed = np.ones(count, bool)
    closed[sources[sources != labels[edges.indices]]] = False
    classes = [np.flatnonzero(labels == label) for label in np.flatnonzero(closed)]
    return sorted(classes, key=len, reverse=True)


def _basins(edges: csr_array, classes: list[np.ndarray]) -> list[np.ndarray]:
    """For each closed class the points that lead into it and into no other."""
    back = edges.T.tocsr()
    basins = [
        breadth_first_order(back, members[0], return_predecessors=False) for members in classes
    ]
    alternatives = np.bincount(np.concatenate(basins), minlength=edges.shape[0])
    return [basin[alternatives[basin] == 1] for basin in basins]
