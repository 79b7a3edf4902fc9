"""Inner products of all pairs of points, tile by tile: n^2 numbers of which few exist at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kernels.backend import Backend
from pipeline.runtime.log import Progress
from pipeline.runtime.parallel import parallel_starmap

ROWS = 512  # of a product of one thread: many enough for BLAS to run at full speed


def strips(n: int, size: int = 1024) -> list[slice]:
    """Cut n rows into slices of `size`, the last one shorter."""
    return [slice(first, min(first + size, n)) for first in range(0, n, size)]


def multiply(a: Any, b: Any, out: Any, backend: Backend) -> None:
    """Inner products of rows a with rows b, with the same bits for any number of threads.

    Parameters
    ----------
    a, b : (r, d), (c, d) arrays of the backend
    out : (r, c) array of the backend
        Filled.
    backend : Backend
    """

    def multiply_rows(rows: slice) -> None:
        backend.xp.matmul(a[rows], b.T, out=out[rows])

    with parallel_starmap(backend) as starmap:
        starmap(multiply_rows, ((rows,) for rows in strips(len(a), ROWS)))


def upper_tiles(n: int, size: int) -> list[tuple[slice, slice]]:
    """Rows and columns of the square tiles of an (n, n) matrix, from its diagonal upwards."""
    blocks = strips(n, size)
    return [
        (blocks[i], blocks[i + off]) for off in range(len(blocks)) for i in range(len(blocks) - off)
    ]


def tiles_between(a: slice, b: slice, size: int) -> list[tuple[slice, slice]]:
    """Rows and columns of the tiles of rows a and columns b; of a with itself the upper ones."""
    if a == b:
        tiles = upper_tiles(a.stop - a.start, size)
    else:
        tiles = [
            (rows, columns)
            for rows in strips(a.stop - a.start, size)
            for columns in strips(b.stop - b.start, size)
        ]
    return [(_shift(rows, a.start), _shift(columns, b.start)) for rows, columns in tiles]


def _shift(part: slice, by: int) -> slice:
    return slice(part.start + by, part.stop + by)


def sweep_products(
    Z: Any,
    consume: Callable[[slice, slice, Any], None],
    *,
    size: int,
    backend: Backend,
    name: str,
    between: tuple[slice, slice] | None = None,
) -> None:
    """Show the inner products of all pairs of rows; each tile is computed only once.

    A function is called instead of an iterator advanced so that only one tile exists at a time.

    Parameters
    ----------
    Z : (n, d) array of the backend
    consume : callable
        Called with rows, columns and their C-ordered products, which it must not keep; -inf stands
        for a row with itself. Tiles come from the diagonal upwards: one of other columns than rows
        serves both.
    size : int
        Rows and columns of a tile.
    backend : Backend
    name : str
        Of the progress.
    between : (slice, slice), optional
        Only the pairs of these rows with those, which are the same or have none in common.
    """
    a, b = between or (slice(0, len(Z)), slice(0, len(Z)))
    tiles = tiles_between(a, b, size)
    progress = Progress(name, len(tiles))
    # Memory for all tiles: pages that are new each time cost as much as the products.
    memory = backend.xp.empty(min(size, len(Z)) ** 2, Z.dtype)
    for rows, columns in tiles:
        left, right = Z[rows], Z[columns]
        products = memory[: len(left) * len(right)].reshape(len(left), len(right))
        backend.xp.matmul(left, right.T, out=products)
        if rows == columns:
            backend.xp.fill_diagonal(products, -float("inf"))
        consume(rows, columns, products)
        backend.synchronize()  # else progress would count launches, not finished work
        progress.update()
