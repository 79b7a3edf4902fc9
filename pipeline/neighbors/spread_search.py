"""The steps of an exact search on Dask's workers; see `search`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kernels.backend import Backend, to_host
from kernels.cpu.candidates import merge_candidates
from pipeline.neighbors.search import Points, Search, keep_between
from pipeline.neighbors.tiles import strips
from pipeline.runtime.workers import Workers

LARGEST = 65_536  # rows of a group: a worker has the heaps of two
ROWS = 4096  # ranked together: some megabytes of candidates


class SpreadSearch:
    """As `Search`, whose functions the workers call, on arrays of the host.

    Rows are cut into groups, and a part is the pairs of two groups, or of one, so that each tile
    of products serves its rows and its columns, as on one machine. Which candidates are found does
    not depend on who finds them, or in which order: the smallest scores of each row, and among
    equal ones at the limit any, since such rows are searched again.

    Parameters
    ----------
    points : Points
    k, tile : int
    workers : Workers
    """

    def __init__(self, points: Points, k: int, tile: int, workers: Workers):
        self._n, self._k, self._tile, self._workers = len(points.Z), k, tile, workers
        kept = sum(each.nbytes for each in points)
        workers.require_room("graph", held=0, beside=2 * kept + 8 * min(tile, self._n) ** 2)
        self._shared = [workers.share(each) for each in points]

    def candidates(self, width: int) -> tuple[np.ndarray, np.ndarray]:
        """See `Search`."""
        values = np.full((self._n, width), np.inf, np.float32)
        columns = np.full((self._n, width), -1, np.int32)
        pairs = self._pairs_of_groups()
        # The limits are those of the moment when a worker gets the part: few pass later ones.
        parts = ((a, b, values[a, 0].copy(), values[b, 0].copy()) for a, b in pairs)
        options = (width, self._k, self._tile)
        for number, found in self._workers.each(
            _candidates, parts, *options, *self._shared, name="graph", total=len(pairs)
        ):
            for rows, entered in zip(pairs[number], found, strict=False):  # one, of equal rows
                merge_candidates(*entered, values[rows], columns[rows])
        return values, columns

    def _pairs_of_groups(self) -> list[tuple[slice, slice]]:
        """Groups of whole tiles, enough for every worker to have several pairs of them."""
        tiles = -(-self._n // self._tile)
        wanted = max((8 * self._workers.count) ** 0.5, self._n / LARGEST)
        groups = strips(self._n, self._tile * max(1, round(tiles / wanted)))
        return [
            (groups[i], groups[i + off])
            for off in range(len(groups))
            for i in range(len(groups) - off)
        ]

    def rank(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Search`."""
        indices = np.empty((self._n, self._k), np.int32)
        squared = np.empty((self._n, self._k))
        rows = strips(self._n, ROWS)
        parts = ((part, columns[part]) for part in rows)
        for number, found in self._workers.each(
            _rank, parts, self._k, self._tile, *self._shared, name="graph ranks", total=len(rows)
        ):
            indices[rows[number]], squared[rows[number]] = found
        return indices, squared

    def again(
        self, rows: np.ndarray, limits: np.ndarray, together: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """See `Search`."""
        parts = [(rows[part], limits[part]) for part in strips(len(rows), together)]
        options = (self._k, self._tile)
        for number, found in self._workers.each(
            _again, parts, *options, *self._shared, name="graph rows again", total=len(parts)
        ):
            yield parts[number][0], *found


def _on_worker(backend: Backend, k: int, tile: int, points: tuple[np.ndarray, ...]) -> Search:
    return Search(Points(*map(backend.to_device, points)), k, tile, backend)


def _candidates(
    backend: Backend,
    a: slice,
    b: slice,
    limits_a: np.ndarray,
    limits_b: np.ndarray,
    width: int,
    k: int,
    tile: int,
    *points: np.ndarray,
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """What the pairs of rows a with rows b let into heaps that have these limits already.

    Returns
    -------
    list of (counts, scores, names)
        Of a, and of b if it is another: candidates of each row, one row's after the other's.
    """
    search = _on_worker(backend, k, tile, points)
    xp = backend.xp
    heaps = []
    for limits in (limits_a,) if a == b else (limits_a, limits_b):
        values = xp.repeat(backend.to_device(limits)[:, None], width, axis=1)
        heaps.append((values, xp.full(values.shape, -1, np.int32)))
    keep_between(search.points, a, b, heaps[0], heaps[-1], search)
    found = []
    for values, columns in heaps:
        entered = columns >= 0
        counts = entered.sum(axis=1, dtype=np.int32)
        found.append((to_host(counts), to_host(values[entered]), to_host(columns[entered])))
    return found


def _rank(
    backend: Backend,
    part: slice,
    columns: np.ndarray,
    k: int,
    tile: int,
    *points: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    found = _on_worker(backend, k, tile, points).rank(backend.to_device(columns), part.start)
    return to_host(found[0]), to_host(found[1])


def _again(
    backend: Backend,
    rows: np.ndarray,
    limits: np.ndarray,
    k: int,
    tile: int,
    *points: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    search = _on_worker(backend, k, tile, points)
    rows, limits = backend.to_device(rows), backend.to_device(limits)
    ((_, indices, squared),) = search.again(rows, limits, len(rows))
    return to_host(indices), to_host(squared)
