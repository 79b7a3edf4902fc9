"""Connected components of a neighbor graph, and the shortest edges that connect them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from pipeline.neighbors.graph import Graph
from pipeline.neighbors.tiles import strips
from pipeline.runtime.log import Progress

ROWS, COLUMNS = 512, 4096  # of a tile of products: 8 MB in float32


class ConnectingEdges(NamedTuple):
    """The shortest edge between every two connected components of a graph.

    Attributes
    ----------
    n_components : int
    rows, columns : (m,) int64
        The points that each edge connects; m = n_components (n_components - 1) / 2.
    distances : (m,) float64, Euclidean
    """

    n_components: int
    rows: np.ndarray
    columns: np.ndarray
    distances: np.ndarray


def count_components(indices: np.ndarray) -> int:
    """Number of connected components of a graph whose edges go both ways.

    Parameters
    ----------
    indices : (n, k) int
        Neighbours of each point.
    """
    return _components(indices)[0]


def connect_components(graph: Graph, X: np.ndarray) -> ConnectingEdges:
    """Find the shortest edge between every two connected components of a graph.

    They are what scikit-learn adds before it computes paths (`_fix_connected_components`), found
    without its distance matrix.

    Parameters
    ----------
    graph : Graph
        Its edges go both ways.
    X : (n, d) float array
        The points of the graph.

    Returns
    -------
    ConnectingEdges
    """
    n_components, labels = _components(graph.indices)
    edges = []
    if n_components > 1:
        order = np.argsort(labels, kind="stable")
        members = np.split(order, np.searchsorted(labels[order], np.arange(1, n_components)))
        search = NearestPairSearch(X)
        progress = Progress("connecting components", n_components - 1)
        for i in range(1, n_components):
            edges += [search.nearest_pair(members[i], members[j]) for j in range(i)]
            progress.update()
    rows, columns, distances = zip(*edges, strict=True) if edges else ((), (), ())
    return ConnectingEdges(
        n_components,
        np.array(rows, np.int64),
        np.array(columns, np.int64),
        np.array(distances, np.float64),
    )


class NearestPairSearch:
    """Exact search for the nearest two points of two sets, by float32 products of tiles.

    Parameters
    ----------
    X : (n, d) float array

    Notes
    -----
    A squared distance of centred rows of norm at most 1 that is computed from d products is off
    by at most about 4 (d + 8) units of rounding (Higham 2002, section 3.1). So only a pair that
    comes within twice that of the least can be the nearest: float64 differences decide among
    these.
    """

    def __init__(self, X: np.ndarray) -> None:
        mean = X.mean(axis=0, dtype=np.float64)
        parts = strips(len(X))
        largest = max(np.linalg.norm(X[strip] - mean, axis=1).max() for strip in parts)
        self.X = X
        self.Z = np.empty(X.shape, np.float32)
        for strip in parts:  # no float64 copy of all points
            self.Z[strip] = (X[strip] - mean) / (largest or 1)
        self.squared_norms = np.einsum("ij,ij->i", self.Z, self.Z)
        self.slack = np.float32(8 * (X.shape[1] + 8) * 2.0**-24)

    def nearest_pair(self, rows: np.ndarray, columns: np.ndarray) -> tuple[int, int, float]:
        """Find the nearest two points, one in each of two sets of rows of X.

        Parameters
        ----------
        rows, columns : (r,) int, (c,) int
            Ascending; not empty, and without a point in common.

        Returns
        -------
        row, column : int
            Of equally near pairs the one of the lowest row, then of the lowest column.
        distance : float
            Euclidean, from differences in float64.
        """
        least = np.float32(np.inf)
        best = (np.inf, -1, -1)
        for b in (columns[strip] for strip in strips(len(columns), COLUMNS)):
            Z_b = self.Z[b].T
            for a in (rows[strip] for strip in strips(len(rows), ROWS)):
                squared = self.Z[a] @ Z_b
                squared *= -2
                squared += self.squared_norms[a, None]
                squared += self.squared_norms[b]
                least = min(least, squared.min())
                in_doubt = squared <= least + self.slack
                i, j = np.flatnonzero(in_doubt.any(axis=1)), np.flatnonzero(in_doubt.any(axis=0))
                if len(i):
                    best = min(best, self._nearest_of_all(a[i], b[j]))
        distance, row, column = best
        return row, column, distance

    def _nearest_of_all(self, rows: np.ndarray, columns: np.ndarray) -> tuple[float, int, int]:
        """Distance, row and column of the nearest pair, from all distances in float64."""
        distances = cdist(self.X[rows].astype(np.float64), self.X[columns].astype(np.float64))
        i, j = np.unravel_index(distances.argmin(), distances.shape)
        return float(distances[i, j]), int(rows[i]), int(columns[j])


def _components(indices: np.ndarray) -> tuple[int, np.ndarray]:
    """Number of connected components, and the number of each point's."""
    n, k = indices.shape
    edges = csr_array(
        (np.ones(n * k, np.int8), np.ravel(indices), np.arange(n + 1) * k), shape=(n, n)
    )
    count, labels = connected_components(edges, directed=False)
    return int(count), labels
