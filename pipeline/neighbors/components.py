"""The shortest edges between the pieces of a neighbour graph that falls apart."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from pipeline.neighbors.graph import Graph

BLOCK = 256  # rows of a tile of products: 72 MB at 70,000 points
ROWS = 16  # rows whose distances are taken in float64 together


class Crossings(NamedTuple):
    """What joins the pieces of a graph.

    Attributes
    ----------
    pieces : int
    rows, columns : (m,) int64
        For every two pieces the nearest two points, one in each; m = pieces (pieces - 1) / 2.
    distances : (m,) float64, Euclidean
    """

    pieces: int
    rows: np.ndarray
    columns: np.ndarray
    distances: np.ndarray


def crossings(graph: Graph, X: np.ndarray) -> Crossings:
    """Find the shortest crossing edge of every two pieces of a graph whose edges go both ways.

    They are what scikit-learn adds before it computes paths (`_fix_connected_components`), found
    without its distance matrix: tiles of float32 products leave few pairs in doubt, and float64
    differences decide among these.

    Parameters
    ----------
    graph : Graph
    X : (n, d) float array
        The points of the graph.

    Returns
    -------
    Crossings
    """
    n, k = graph.indices.shape
    arcs = csr_array(
        (np.ones(n * k, np.int8), np.ravel(graph.indices), np.arange(n + 1) * k), shape=(n, n)
    )
    pieces, labels = connected_components(arcs, directed=False)
    if pieces == 1:
        return Crossings(1, np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    order = np.argsort(labels, kind="stable")
    members = np.split(order, np.searchsorted(labels[order], np.arange(1, pieces)))
    rows, others = _in_doubt(X[order], [len(some) for some in members])
    pair = labels[order[rows]] * np.int64(pieces) + others
    edges = [
        _nearest(X, order[rows[pair == one]], members[one % pieces]) for one in np.unique(pair)
    ]
    i, j, distance = zip(*edges, strict=True)
    return Crossings(
        pieces, np.array(i, np.int64), np.array(j, np.int64), np.array(distance, np.float64)
    )


def _in_doubt(X: np.ndarray, sizes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows that may hold the nearest point to an earlier piece, and which piece that is.

    The rows of X are sorted by piece. A squared distance of centred rows of norm at most 1 that
    is computed from d products is off by at most about 4 (d + 8) units of rounding (Higham 2002,
    section 3.1); the bound is doubled because two of them are compared.
    """
    Z = X - X.mean(axis=0, dtype=np.float64)
    Z = (Z / (np.linalg.norm(Z, axis=1).max() or 1)).astype(np.float32)
    norms = np.square(Z).sum(axis=1)
    slack = np.float32(8 * (X.shape[1] + 8) * 2.0**-24)

    piece = np.repeat(np.arange(len(sizes)), sizes)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    best = np.full((len(sizes), len(sizes)), np.inf, np.float32)
    doubtful = []
    for first in range(sizes[0], len(X), BLOCK):
        mine = piece[first : first + BLOCK]
        earlier = mine[-1]  # pieces before that of the block's last row
        squared = Z[first : first + BLOCK] @ Z[: starts[earlier]].T
        squared *= -2
        squared += norms[: starts[earlier]]
        nearest = np.minimum.reduceat(squared, starts[:earlier], axis=1)
        nearest += norms[first : first + BLOCK, None]
        nearest[np.arange(earlier) >= mine[:, None]] = np.inf
        np.minimum.at(best[:, :earlier], mine, nearest)
        i, other = np.nonzero(nearest <= best[mine, :earlier] + slack)
        other, i = other[other < mine[i]], i[other < mine[i]]
        doubtful.append((first + i, other, nearest[i, other]))
    rows, others, squared = (np.concatenate(some) for some in zip(*doubtful, strict=True))
    kept = squared <= best[piece[rows], others] + slack
    return rows[kept], others[kept]


def _nearest(X: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> tuple[int, int, float]:
    """The nearest pair between some rows and columns of X, the first of equals."""
    theirs = X[columns].astype(np.float64)
    best = (-1, -1, np.inf)
    for some in np.split(rows, np.arange(ROWS, len(rows), ROWS)):
        distances = cdist(X[some].astype(np.float64), theirs)
        i, j = np.unravel_index(distances.argmin(), distances.shape)
        if distances[i, j] < best[2]:
            best = int(some[i]), int(columns[j]), float(distances[i, j])
    return best
