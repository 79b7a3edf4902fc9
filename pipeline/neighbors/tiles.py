"""Inner products of all pairs of points, tile by tile: n^2 numbers of which few exist at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kernels.backend import Backend
from pipeline.runtime.log import Progress


def strips(n: int, size: int = 1024) -> list[slice]:
    """Cut n rows into slices of `size`, the last one shorter."""
    return [slice(first, min(first + size, n)) for first in range(0, n, size)]


def upper_tiles(n: int, size: int) -> list[tuple[slice, slice]]:
    """Rows and columns of the square tiles on and above the diagonal of an (n, n) matrix."""
    blocks = strips(n, size)
    return [(rows, columns) for i, rows in enumerate(blocks) for columns in blocks[i:]]


def sweep_products(
    Z: Any,
    consume: Callable[[slice, slice, Any], None],
    *,
    size: int,
    backend: Backend,
    name: str,
) -> None:
    """Show every row its inner products with all other rows; each tile is computed only once.

    A tile above the diagonal serves its rows and, transposed, its columns. A function is called
    instead of an iterator advanced so that no more than two tiles exist at a time.

    Parameters
    ----------
    Z : (n, d) array of the backend
    consume : callable
        Called with rows, columns and their C-ordered products; -inf stands for a row with itself.
        The tiles of a row may come in any order.
    size : int
        Rows and columns of a tile.
    backend : Backend
    name : str
        Of the progress.
    """
    transpose = backend.kernels("knn").transpose
    tiles = upper_tiles(len(Z), size)
    progress = Progress(name, len(tiles))
    for rows, columns in tiles:
        products = Z[rows] @ Z[columns].T
        if rows == columns:
            backend.xp.fill_diagonal(products, -float("inf"))
        else:
            consume(columns, rows, transpose(products))
        consume(rows, columns, products)
        backend.synchronize()  # else progress would count launches, not finished work
        progress.update()
