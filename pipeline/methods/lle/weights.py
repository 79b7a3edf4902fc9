"""LLE's reconstruction weights as a sparse matrix, and products with (I - W)^T (I - W)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from kernels.backend import Backend, get_backend, to_host
from pipeline.errors import InputError
from pipeline.methods.solvers.chebyshev import Apply
from pipeline.methods.solvers.csr import csr_arrays
from pipeline.runtime.log import Progress

CPU = get_backend("cpu")
POINTS = 4096  # whose weights one call of the kernel solves for


def weight_matrix(
    X: np.ndarray,
    indices: np.ndarray,
    connections: np.ndarray,
    *,
    reg: float,
    backend: Backend = CPU,
) -> csr_array:
    """Reconstruction weights of every point's neighbours, a sparse matrix with rows of sum 1.

    Parameters
    ----------
    X : (n, d) float32 or float64
    indices : (n, k) int32
        Neighbours of each point.
    connections : (m, 2) int64
        Points with further neighbours, and these.
    reg : float
    backend : Backend
        Solves for the weights.

    Returns
    -------
    (n, n) csr_array of float64
    """
    parts = _equally_many_neighbors(indices, connections)
    progress = Progress("LLE, weights", len(X))
    points, solve = backend.to_device(X), backend.kernels("lle").barycenter_weights
    weights = []
    for rows, near in parts:
        weights.append(
            to_host(solve(points, backend.to_device(rows), backend.to_device(near), reg))
        )
        progress.update(len(rows))
    values = np.concatenate([part.ravel() for part in weights])
    if not np.isfinite(values).all():
        raise InputError(
            f"reg is {reg:g}, too small to solve for the weights of these features; 1e-3 is usual"
        )
    sources = np.concatenate([np.repeat(rows, near.shape[1]) for rows, near in parts])
    targets = np.concatenate([near.ravel() for _, near in parts])
    return csr_array((values, (sources, targets)), (len(X), len(X)))


def _equally_many_neighbors(
    indices: np.ndarray, connections: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Points and their neighbours, in parts that one call of the kernel can solve for."""
    n = len(indices)
    connected = np.unique(connections[:, 0])
    plain = np.setdiff1d(np.arange(n), connected)
    parts = [(rows, indices[rows]) for rows in np.array_split(plain, -(-n // POINTS))]
    for point in connected:
        near = np.concatenate([indices[point], connections[connections[:, 0] == point, 1]])
        parts.append((np.array([point]), near[None].astype(np.int32)))
    return parts


def products_with(W: csr_array, backend: Backend = CPU) -> Apply:
    """Products of M = (I - W)^T (I - W) with blocks of a backend, for `lowest_eigenpairs`."""
    add_residual = backend.kernels("lle").add_residual
    rows, columns = csr_arrays(W, backend), csr_arrays(W.T.tocsr(), backend)

    def apply(V: Any, scale: float, shift: float, decay: float, out: Any) -> None:
        Z = backend.xp.zeros_like(V)
        add_residual(*rows, V, V, 1.0, 0.0, 0.0, Z)
        add_residual(*columns, Z, V, scale, shift, decay, out)

    return apply
