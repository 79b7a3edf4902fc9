"""Ranks of layout neighbors by their distance in feature space, and measures made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.backend import Backend, to_host
from pipeline.errors import InputError
from pipeline.neighbors.tiles import strips, sweep_products
from pipeline.runtime.device import backend_for

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
    n = len(features)
    check_width(near, k)
    if 2 * k >= n:
        raise InputError(f"k is {k} but must be less than half of {n} points")
    late = np.maximum(ranks(features, near[:, :k], device=device) - k, 0)
    return 1 - 2 * int(late.sum()) / (n * k * (2 * n - 3 * k - 1))


def ranks(X: np.ndarray, near: np.ndarray, *, device: str = "auto") -> np.ndarray:
    """Rank some neighbours of each point among all other points by their distance in float64.

    Parameters
    ----------
    X : (n, d) array
    near : (n, m) int array
        For each point some others, in any order.
    device : {"auto", "cpu", "gpu"}

    Returns
    -------
    (n, m) int32
        1 for the nearest; among equal distances, as far as rounding leaves them equal, the point
        of lower number is the nearer.

    Notes
    -----
    Time n^2 d flops, by tiles of inner products that each serve their rows and their columns.
    """
    backend = backend_for(device)
    count_nearer = backend.kernels("ranks").count_nearer
    Z = backend.to_device(X - np.mean(X, axis=0, dtype=np.float64))
    near = backend.to_device(near.astype(np.int32))
    half_norms, scores = _scores(Z, near, backend)
    counts = backend.xp.zeros(near.shape, np.int32)

    def count(a: slice, b: slice, products: Any) -> None:
        count_nearer(products, half_norms[b], b.start, scores[a], near[a], counts[a])

    sweep_products(Z, count, size=TILE, backend=backend, name="ranks")
    return to_host(counts) + 1


def _scores(Z: Any, near: Any, backend: Backend) -> tuple[Any, Any]:
    """Half squared norms (n,), and scores (n, m) that order neighbours as their distances do."""
    xp = backend.xp
    half_norms, scores = xp.empty(len(Z)), xp.empty(near.shape)
    for rows in strips(len(Z)):
        half_norms[rows] = xp.square(Z[rows]).sum(axis=1) / 2
        for column in range(near.shape[1]):  # no (rows, m, d) array
            squared = xp.square(Z[near[rows, column]] - Z[rows]).sum(axis=1)
            scores[rows, column] = squared / 2 - half_norms[rows]
    return half_norms, scores


def check_width(indices: np.ndarray, k: int) -> None:
    """Refuse a k that exceeds the neighbours of each point, or is not positive.

    Raises
    ------
    InputError
    """
    if not 1 <= k <= indices.shape[1]:
        raise InputError(
            f"k is {k} but the graph has {indices.shape[1]} neighbours a point; choose a smaller "
            "k or compute a larger graph"
        )
