"""The steps of an exact search: candidates by score, their ranks, and rows searched again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from kernels.backend import Backend
from pipeline.neighbors.tiles import strips, sweep_products


class Points(NamedTuple):
    """What is searched.

    Attributes
    ----------
    X : (n, d) array
        Features, which decide who is near.
    Z : (n, p) float32 array
        Coordinates that bound their distances from below, see `lower_bound`, in another order.
    half_norms : (n,) float32 array
        Half the squared norms of Z's rows.
    order : (n,) int64 array
        The row of X that each row of Z is.
    """

    X: Any
    Z: Any
    half_norms: Any
    order: Any


class Search:
    """The steps on one machine; all rows and columns are those of Z.

    Parameters
    ----------
    points : Points
        Arrays of the backend.
    k : int
        Neighbours wanted.
    tile : int
        Rows and columns of a tile of products.
    backend : Backend
    """

    def __init__(self, points: Points, k: int, tile: int, backend: Backend):
        self.points, self.k, self.tile, self.backend = points, k, tile, backend
        self._rank = backend.kernels("knn").rank_candidates
        self._numbers = points.order.astype(np.int32)

    def candidates(self, width: int) -> tuple[Any, Any]:
        """The `width` best-scoring columns of every row: heaps, see `kernels.cpu.knn`.

        Returns
        -------
        values, columns : (n, width) float32, (n, width) int32
        """
        n, xp = len(self.points.Z), self.backend.xp
        values = xp.full((n, width), np.inf, np.float32)
        columns = xp.full((n, width), -1, np.int32)
        whole = slice(0, n)
        keep_between(self.points, whole, whole, (values, columns), (values, columns), self)
        return values, columns

    def rank(self, columns: Any, first: int = 0) -> tuple[Any, Any]:
        """The k nearest candidates of the rows from `first` on: numbers and squared distances.

        Parameters
        ----------
        columns : (r, width) int32
        first : int

        Returns
        -------
        indices, squared : (r, k) int32, (r, k) float64
            Rows of X.
        """
        r, width = columns.shape
        starts = self.backend.xp.arange(r + 1) * width
        rows = self.points.order[first : first + r]
        near = self._numbers[columns].reshape(-1)
        return self._rank(self.points.X, rows, starts, near, self.k)

    def again(self, rows: Any, limits: Any, together: int) -> Iterator[tuple[Any, Any, Any]]:
        """Search rows again, among all columns that score at most a limit.

        Parameters
        ----------
        rows : (r,) int64
        limits : (r,) float64
        together : int
            Rows at a time.

        Yields
        ------
        rows, indices, squared
            Some of the rows, and as `rank`.
        """
        X, Z, half_norms, order = self.points
        xp = self.backend.xp
        for part in strips(len(rows), together):
            some = rows[part]
            products = Z[some] @ Z.T
            products[xp.arange(len(some)), some] = -np.inf
            within = half_norms - products <= limits[part][:, None]
            starts = xp.concatenate([xp.zeros(1, np.int64), xp.cumsum(within.sum(axis=1))])
            near = self._numbers[xp.nonzero(within)[1]]
            yield some, *self._rank(X, order[some], starts, near, self.k)


def keep_between(
    points: Points,
    a: slice,
    b: slice,
    heaps_a: tuple[Any, Any],
    heaps_b: tuple[Any, Any],
    search: Search,
) -> None:
    """Let the pairs of rows a with rows b into the heaps of both; a and b may be the same.

    Parameters
    ----------
    points : Points
    a, b : slice
    heaps_a, heaps_b : (values, columns)
        Of these rows; the same arrays where a is b.
    search : Search
        Whose tiles and backend.
    """
    knn = search.backend.kernels("knn")
    (values_a, columns_a), (values_b, columns_b) = heaps_a, heaps_b

    def keep(rows: slice, columns: slice, products: Any) -> None:
        own = slice(rows.start - a.start, rows.stop - a.start)
        half = points.half_norms[columns]
        knn.keep_nearest(products, half, columns.start, values_a[own], columns_a[own])
        if rows != columns:
            own = slice(columns.start - b.start, columns.stop - b.start)
            half = points.half_norms[rows]
            knn.keep_nearest_of_columns(products, half, rows.start, values_b[own], columns_b[own])

    sweep_products(
        points.Z, keep, size=search.tile, backend=search.backend, name="graph", between=(a, b)
    )


def searched_together(n: int, tile: int) -> int:
    """Rows that are searched again together: their products with all rows make half a tile."""
    return max(1, min(512, tile * tile // (2 * n)))
