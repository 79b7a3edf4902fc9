"""Ranks of layout neighbors by their distance in feature space, and measures made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kernels.backend import Backend, to_host
from pipeline.errors import InputError
from pipeline.measures.overlap import check_width
from pipeline.neighbors.tiles import multiply, strips
from pipeline.runtime.device import backend_for
from pipeline.runtime.log import Progress
from pipeline.runtime.workers import Workers

if TYPE_CHECKING:
    from distributed import Client

TILE = 4096  # rows of a tile of products: 128 MB in float64


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
    check_width(near, k)
    n = len(features)
    return float(trust_scores(ranks(features, near[:, :k], device=device), n, k).mean())


def trust_scores(ranks: np.ndarray, n: int, k: int) -> np.ndarray:
    """Of each point its part in the trustworthiness, which is their mean.

    Parameters
    ----------
    ranks : (q, k) int array
        In one space, of the k nearest neighbours in the other.
    n : int
        Points of a space, more than 2 k.
    k : int

    Returns
    -------
    (q,) float64
    """
    if 2 * k >= n:
        raise InputError(f"k is {k} but must be less than half of {n} points")
    return 1 - 2 * np.maximum(ranks - k, 0).sum(axis=1) / (k * (2 * n - 3 * k - 1))


def ranks(
    X: np.ndarray,
    near: np.ndarray,
    *,
    rows: np.ndarray | None = None,
    device: str = "auto",
    client: Client | None = None,
) -> np.ndarray:
    """Rank some neighbours of points among all other points by their distance in float64.

    Parameters
    ----------
    X : (n, d) array
    near : (q, m) int array
        For each of these points some others, in any order.
    rows : (q,) int array, optional
        The points; all by default.
    device : {"auto", "cpu", "gpu"}
    client : distributed.Client, optional
        Of Dask workers that compute parts, see `pipeline.runtime.workers.Workers`.

    Returns
    -------
    (q, m) int32
        1 for the nearest; among equal distances, as far as rounding leaves them equal, the point
        of lower number is the nearer.

    Notes
    -----
    Time q n d multiplications and additions, by tiles of inner products. The same input gives the
    same ranks for any number of threads and of workers.
    """
    Z = X - np.mean(X, axis=0, dtype=np.float64)
    near = near.astype(np.int32)
    points = np.arange(len(Z)) if rows is None else np.asarray(rows)
    parts = strips(len(points), TILE)
    found = np.empty(near.shape, np.int32)
    if client is None:
        backend = backend_for(device)
        on_device = backend.to_device(Z)
        progress = Progress("ranks", len(parts))
        for part in parts:
            found[part] = _ranks_of_part(backend, points[part], near[part], on_device)
            progress.update()
        return found
    arguments = [(points[part], near[part]) for part in parts]
    with Workers(client, backend_for(device).name) as workers:
        workers.require_room("ranks", held=0, beside=2 * Z.nbytes + 4 * 8 * min(TILE, len(Z)) ** 2)
        shared = workers.share(Z)
        for number, counted in workers.each(
            _ranks_of_part, arguments, shared, name="ranks", total=len(parts)
        ):
            found[parts[number]] = counted
    return found


def _ranks_of_part(
    backend: Backend, points: np.ndarray, near: np.ndarray, Z: np.ndarray
) -> np.ndarray:
    """Ranks of some neighbours of at most a tile of points, among the centred rows Z."""
    xp = backend.xp
    count_nearer = backend.kernels("ranks").count_nearer
    points, near, Z = (backend.to_device(array) for array in (points, near, Z))
    half_norms, scores = _scores(Z, points, near, backend)
    counts = xp.zeros(near.shape, np.int32)
    own = Z[points]
    memory = xp.empty(len(own) * min(TILE, len(Z)))
    for columns in strips(len(Z), TILE):
        width = columns.stop - columns.start
        tile = memory[: len(own) * width].reshape(len(own), width)
        multiply(own, Z[columns], tile, backend)
        tile[xp.arange(columns.start, columns.stop) == points[:, None]] = -float("inf")
        count_nearer(tile, half_norms[columns], columns.start, scores, near, counts)
    backend.synchronize()
    return to_host(counts) + 1


def _scores(Z: Any, points: Any, near: Any, backend: Backend) -> tuple[Any, Any]:
    """Half squared norms (n,), and scores (q, m) that order neighbours as their distances do."""
    xp = backend.xp
    half_norms, scores = xp.empty(len(Z)), xp.empty(near.shape)
    for rows in strips(len(Z)):
        half_norms[rows] = xp.square(Z[rows]).sum(axis=1) / 2
    for rows in strips(len(points)):
        own = Z[points[rows]]
        for column in range(near.shape[1]):  # no (rows, m, d) array
            squared = xp.square(Z[near[rows, column]] - own).sum(axis=1)
            scores[rows, column] = squared / 2 - half_norms[points[rows]]
    return half_norms, scores
