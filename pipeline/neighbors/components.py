"""Connected components of a neighbor graph, and the shortest edges that connect them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from pipeline.errors import InputError
from pipeline.neighbors.graph import Graph
from pipeline.neighbors.scale import scale_features
from pipeline.neighbors.tiles import strips
from pipeline.runtime.log import Progress
from pipeline.runtime.memory import available_memory

ROWS, COLUMNS = 512, 4096  # of a tile of products: 8 MB in float32
PAIR_BYTES = 60  # of `Pairs` twice, and the least squared distance that a product has found
IN_DOUBT = 1 << 18  # differences of coordinates in memory together: 2 MB in float64


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

    Raises
    ------
    InputError
        So many components that the edges between every two do not fit into memory.
    """
    n_components, labels = _components(graph.indices)
    if n_components == 1:
        none = np.empty(0, np.int64)
        return ConnectingEdges(1, none, none, np.empty(0))
    _check_memory(n_components)
    order = np.argsort(labels, kind="stable")
    members = np.split(order, np.searchsorted(labels[order], np.arange(1, n_components)))
    edges = NearestPairSearch(X).nearest_pairs(members, name="connecting components")
    return ConnectingEdges(n_components, edges.rows, edges.columns, edges.distances)


def _check_memory(n_components: int) -> None:
    """Refuse components whose edges have no room."""
    needed = n_components**2 / 2 * PAIR_BYTES
    if needed > available_memory():
        raise InputError(
            f"the graph has {n_components:,} connected components, and the edges between every two "
            f"need {needed / 1e9:.2g} GB of memory; more neighbours a point leave fewer components"
        )


class Pairs(NamedTuple):
    """The nearest pair of points of every two sets: of i and j < i at place i (i - 1) / 2 + j.

    Attributes
    ----------
    rows, columns : (m,) int64
        The point of set i and that of set j.
    distances : (m,) float64, Euclidean
    """

    rows: np.ndarray
    columns: np.ndarray
    distances: np.ndarray


class NearestPairSearch:
    """Exact search for the nearest two points of sets, by float32 products of tiles.

    Parameters
    ----------
    X : (n, d) float array
        In any unit.

    Notes
    -----
    A squared distance of centred rows of norm at most 1 that is computed from d products is off
    by at most about 4 (d + 8) units of rounding (Higham 2002, section 3.1). So only a pair that
    comes within twice that of the least can be the nearest: float64 differences decide among
    these.
    """

    def __init__(self, X: np.ndarray) -> None:
        self.X, self.exponent = scale_features(X)
        mean = self.X.mean(axis=0, dtype=np.float64)
        parts = strips(len(X))
        largest = max(np.linalg.norm(self.X[strip] - mean, axis=1).max() for strip in parts)
        self.Z = np.empty(X.shape, np.float32)
        for strip in parts:  # no float64 copy of all points
            self.Z[strip] = (self.X[strip] - mean) / (largest or 1)
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
        pairs = self.nearest_pairs([columns, rows])
        return int(pairs.rows[0]), int(pairs.columns[0]), float(pairs.distances[0])

    def nearest_pairs(self, sets: list[np.ndarray], *, name: str | None = None) -> Pairs:
        """Find the nearest two points of every two sets in one sweep over tiles of all points.

        Parameters
        ----------
        sets : list of int arrays
            Rows of X, as of `nearest_pair`.
        name : str, optional
            Of the progress; without it there is none.

        Returns
        -------
        Pairs
        """
        points = np.concatenate(sets)
        starts = np.cumsum([0, *map(len, sets)])
        members = np.repeat(np.arange(len(sets)), np.diff(starts))
        count = len(sets) * (len(sets) - 1) // 2
        least = np.full(count, np.inf, np.float32)
        nearest = Pairs(np.full(count, -1), np.full(count, -1), np.full(count, np.inf))
        tops = range(starts[1], len(points), ROWS)  # no set comes before the first
        progress = Progress(name, len(tops)) if name else None
        for top in tops:
            a = slice(top, top + ROWS)
            # The sets before that of the last row; those after it have rows of their own.
            for b in strips(starts[members[a][-1]], COLUMNS):
                self._keep_nearest(points[a], points[b], members[a], members[b], least, nearest)
            if progress:
                progress.update()
        return nearest._replace(distances=np.ldexp(nearest.distances, self.exponent))

    def _keep_nearest(
        self,
        a: np.ndarray,
        b: np.ndarray,
        sets_a: np.ndarray,
        sets_b: np.ndarray,
        least: np.ndarray,
        nearest: Pairs,
    ) -> None:
        """Update the nearest pairs by a tile: rows a and columns b of X, and the sets of both."""
        squared = self.Z[a] @ self.Z[b].T
        squared *= -2
        squared += self.squared_norms[a, None]
        squared += self.squared_norms[b]
        first_a, first_b = (np.flatnonzero(np.diff(s, prepend=-1)) for s in (sets_a, sets_b))
        i, j = sets_a[first_a, None], sets_b[first_b]
        place = np.where(j < i, i * (i - 1) // 2 + j, 0)  # of all pairs of sets of the tile
        found = np.minimum.reduceat(np.minimum.reduceat(squared, first_b, axis=1), first_a, axis=0)
        least[place[j < i]] = np.minimum(least[place[j < i]], found[j < i])
        limits = np.where(j < i, least[place] + self.slack, -np.inf).astype(np.float32)
        sizes_a, sizes_b = np.diff(first_a, append=len(a)), np.diff(first_b, append=len(b))
        in_doubt = squared <= limits.repeat(sizes_a, axis=0).repeat(sizes_b, axis=1)
        rows, columns = np.nonzero(in_doubt)
        places = place.repeat(sizes_a, axis=0).repeat(sizes_b, axis=1)[in_doubt]
        for part in strips(len(rows), max(1, IN_DOUBT // self.X.shape[1])):
            self._decide(places[part], a[rows[part]], b[columns[part]], nearest)

    def _decide(
        self, places: np.ndarray, rows: np.ndarray, columns: np.ndarray, nearest: Pairs
    ) -> None:
        """Update the nearest pairs by some pairs of points, from float64 differences."""
        differences = self.X[rows].astype(np.float64) - self.X[columns]
        # Added up from the first feature to the last, as by SciPy's cdist: its ties are ties here.
        differences *= differences
        distances = np.sqrt(np.add.accumulate(differences, axis=1, out=differences)[:, -1])
        old = np.unique(places)
        places = np.concatenate([old, places])
        rows, columns, distances = (
            np.concatenate([kept[old], new])
            for kept, new in zip(nearest, (rows, columns, distances), strict=True)
        )
        order = np.lexsort((columns, rows, distances, places))
        best = order[np.diff(places[order], prepend=-1) > 0]
        for kept, new in zip(nearest, (rows, columns, distances), strict=True):
            kept[old] = new[best]


def _components(indices: np.ndarray) -> tuple[int, np.ndarray]:
    """Number of connected components, and the number of each point's."""
    n, k = indices.shape
    edges = csr_array(
        (np.ones(n * k, np.int8), np.ravel(indices), np.arange(n + 1) * k), shape=(n, n)
    )
    count, labels = connected_components(edges, directed=False)
    return int(count), labels
