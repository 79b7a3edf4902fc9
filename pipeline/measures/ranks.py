"""Ranks of layout neighbors by their distance in feature space, and measures made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kernels.backend import Backend, to_host
from pipeline.errors import InputError
from pipeline.measures.overlap import check_width
from pipeline.neighbors.tiles import strips, sweep_products
from pipeline.runtime.device import backend_for
from pipeline.runtime.log import Progress

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
    X: np.ndarray, near: np.ndarray, *, rows: np.ndarray | None = None, device: str = "auto"
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

    Returns
    -------
    (q, m) int32
        1 for the nearest; among equal distances, as far as rounding leaves them equal, the point
        of lower number is the nearer.

    Notes
    -----
    Time q n d multiplications and additions, and half of that for all points, by tiles of inner
    products that each serve their rows and their columns.
    """
    backend = backend_for(device)
    count_nearer = backend.kernels("ranks").count_nearer
    transpose = backend.kernels("knn").transpose
    Z = backend.to_device(X - np.mean(X, axis=0, dtype=np.float64))
    near = backend.to_device(near.astype(np.int32))
    points = backend.to_device(np.arange(len(Z)) if rows is None else np.asarray(rows))
    half_norms, scores = _scores(Z, points, near, backend)
    counts = backend.xp.zeros(near.shape, np.int32)

    def count(a: slice, b: slice, products: Any) -> None:
        count_nearer(products, half_norms[b], b.start, scores[a], near[a], counts[a])

    def count_both(a: slice, b: slice, products: Any) -> None:
        count(a, b, products)
        if a != b:
            count(b, a, transpose(products))

    if rows is None:
        sweep_products(Z, count_both, size=TILE, backend=backend, name="ranks")
    else:
        _sweep_rows(Z, points, count, backend)
    return to_host(counts) + 1


def _sweep_rows(
    Z: Any, points: Any, consume: Callable[[slice, slice, Any], None], backend: Backend
) -> None:
    """Show some points their inner products with all others, see `sweep_products`."""
    tiles = [(a, b) for a in strips(len(points), TILE) for b in strips(len(Z), TILE)]
    progress = Progress("ranks", len(tiles))
    for a, b in tiles:
        products = Z[points[a]] @ Z[b].T
        itself = backend.xp.arange(b.start, b.stop) == points[a][:, None]
        products[itself] = -float("inf")
        consume(a, b, products)
        backend.synchronize()
        progress.update()


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
