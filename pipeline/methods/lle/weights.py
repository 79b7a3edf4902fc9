"""How each point is rebuilt from its neighbours: a graph in one piece, and the weights on it."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from kernels.backend import Backend, get_backend, to_host
from pipeline.errors import InputError
from pipeline.methods.solvers.chebyshev import Apply
from pipeline.methods.solvers.csr import csr_arrays
from pipeline.runtime.log import Progress

CPU = get_backend("cpu")
TILE = 256  # rows of a tile of products: 72 MB at 70,000 points
STRIP = 4096  # points whose weights one call of the kernel solves for


def closed_classes(indices: np.ndarray, joins: np.ndarray | None = None) -> list[np.ndarray]:
    """Sets of points that reach each other along neighbours, and no point outside.

    Parameters
    ----------
    indices : (n, k) int
        Neighbours of each point.
    joins : (m, 2) int, optional
        More edges, from the first point to the second.

    Returns
    -------
    list of int64 arrays
        The members of each class, ascending; larger classes first.
    """
    return _closed_classes(_edges(indices, np.empty((0, 2), int) if joins is None else joins))


def joining_neighbours(X: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Edges that leave one closed class: the shortest way of each other one to another class.

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
    joins = np.empty((0, 2), np.int64)
    Z = None
    while len(classes := _closed_classes(edges := _edges(indices, joins))) > 1:
        if Z is None:
            Z = X - X.mean(axis=0, dtype=np.float64).astype(X.dtype)
            half_norms = np.square(Z).sum(axis=1) / 2
        progress = Progress("LLE, joining pieces", len(classes) - 1)
        for members, basin in zip(classes[1:], _basins(edges, classes)[1:], strict=True):
            joins = np.vstack([joins, _shortest_exit(Z, half_norms, members, basin)])
            progress.update()
    return joins


def _edges(indices: np.ndarray, joins: np.ndarray) -> csr_array:
    n, k = indices.shape
    sources = np.concatenate([np.repeat(np.arange(n), k), joins[:, 0]])
    targets = np.concatenate([indices.ravel(), joins[:, 1]])
    return csr_array((np.ones(len(sources), bool), (sources, targets)), (n, n))


def _closed_classes(edges: csr_array) -> list[np.ndarray]:
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


def _shortest_exit(
    Z: np.ndarray, half_norms: np.ndarray, members: np.ndarray, basin: np.ndarray
) -> tuple[int, int]:
    """The point among `members` that is nearest to a point outside `basin`, and that point."""
    best = (np.inf, -1, -1)
    for some in np.array_split(members, -(-len(members) // TILE)):
        scores = half_norms - Z[some] @ Z.T  # orders each row as its distances do
        scores[:, basin] = np.inf
        other = scores.argmin(axis=1)
        distances = np.linalg.norm(Z[some] - Z[other], axis=1)
        a = distances.argmin()
        best = min(best, (float(distances[a]), int(some[a]), int(other[a])))
    return best[1:]


def weight_matrix(
    X: np.ndarray,
    indices: np.ndarray,
    joins: np.ndarray,
    *,
    reg: float,
    backend: Backend = CPU,
) -> csr_array:
    """The weights of every point's neighbours as a sparse matrix with rows of sum 1.

    Parameters
    ----------
    X : (n, d) float32 or float64
    indices : (n, k) int32
        Neighbours of each point.
    joins : (m, 2) int64
        Points with further neighbours, and these.
    reg : float
    backend : Backend
        Solves for the weights.

    Returns
    -------
    (n, n) csr_array of float64
    """
    n = len(X)
    joined = np.unique(joins[:, 0])
    plain = np.setdiff1d(np.arange(n), joined)
    parts = [(rows, indices[rows]) for rows in np.array_split(plain, -(-n // STRIP))]
    for point in joined:
        near = np.concatenate([indices[point], joins[joins[:, 0] == point, 1]])
        parts.append((np.array([point]), near[None].astype(np.int32)))
    progress = Progress("LLE, weights", n)
    points, solve = backend.to_device(X), backend.kernels("lle").barycenter_weights
    weights = []
    for rows, near in parts:
        given = backend.to_device(rows), backend.to_device(near)
        weights.append(to_host(solve(points, *given, reg)))
        progress.update(len(rows))
    values = np.concatenate([some.ravel() for some in weights])
    if not np.isfinite(values).all():
        raise InputError(
            f"reg is {reg:g}, too small to solve for the weights of these features; 1e-3 is usual"
        )
    sources = np.concatenate([np.repeat(rows, near.shape[1]) for rows, near in parts])
    targets = np.concatenate([near.ravel() for _, near in parts])
    return csr_array((values, (sources, targets)), (n, n))


def products_with(W: csr_array, backend: Backend = CPU) -> Apply:
    """Products of M = (I - W)^T (I - W) with blocks of a backend, for `lowest_eigenpairs`."""
    add_residual = backend.kernels("lle").add_residual
    rows, columns = csr_arrays(W, backend), csr_arrays(W.T.tocsr(), backend)

    def apply(V: Any, scale: float, shift: float, decay: float, out: Any) -> None:
        Z = backend.xp.zeros_like(V)
        add_residual(*rows, V, V, 1.0, 0.0, 0.0, Z)
        add_residual(*columns, Z, V, scale, shift, decay, out)

    return apply
