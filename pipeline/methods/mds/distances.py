"""The dissimilarities of all pairs of points: stored, or recomputed in every pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from kernels.backend import Backend, to_host
from kernels.pairs import STRIP, TOP, Pairs, folds, strip_starts
from pipeline.neighbors.principal_axes import centring
from pipeline.neighbors.tiles import strips
from pipeline.runtime.log import Progress, log
from pipeline.runtime.pair_storage import new_pairs
from pipeline.runtime.parallel import parallel_starmap

CHUNKS = 32  # of the folds, fold t in chunk t modulo 32: as many as the kernel has partial sums
ALL_CHUNKS = range(CHUNKS)


class Points(NamedTuple):
    """Points whose Euclidean distances are the dissimilarities.

    Attributes
    ----------
    backend : Backend
        Where the distances are computed.
    Z : (n, d) float32 or float64 array of the backend
        Centred; multiplied by a power of two, which is exact, so that no square overflows.
    squared_norms : (n,) array of the backend, dtype of Z
    step : float
        Quantisation step in Z's scale: no distance is longer than 65535 steps.
    scale : float
        Z is this times as large as the features.
    """

    backend: Backend
    Z: Any
    squared_norms: Any
    step: float
    scale: float


def centred_points(X: np.ndarray, dtype: np.dtype, backend: Backend) -> Points:
    """Prepare points for the distances of all pairs.

    Parameters
    ----------
    X : (n, d) float32 or float64
    dtype : float32 or float64
        Precision of the distances.
    backend : Backend

    Notes
    -----
    No distance exceeds the sum of the two largest norms; a tighter bound would need another sweep,
    and the rounding errors of all pairs add only step^2 / 12 to their mean squared error.
    """
    centre = centring(X, backend)
    Z = backend.xp.empty(X.shape, dtype)
    squared_norms = backend.xp.empty(len(Z))
    for rows in strips(len(Z)):
        Z[rows] = centre.apply(backend.to_device(X[rows]))
        squared_norms[rows] = backend.xp.square(Z[rows], dtype=np.float64).sum(axis=1)
    bound = float(np.sqrt(np.sort(to_host(squared_norms))[-2:]).sum())
    step = bound / TOP if bound else 1.0
    return Points(backend, Z, squared_norms.astype(dtype), step, centre.scale)


class Dissimilarities:
    """The dissimilarities of all pairs of points.

    Attributes
    ----------
    backend : Backend
        Where passes over the pairs are computed, or where what workers computed is added up.
    n : int
        Points.
    step : float
        Quantisation step: the dissimilarity of value 1.
    precision : dtype
        Of coordinates that do the values justice.
    """

    backend: Backend
    n: int
    step: float
    precision: np.dtype

    def guttman_sums(self, columns: Any) -> tuple[Any, Any]:
        """One pass over all pairs, see `kernels.cpu.smacof.guttman_sums`.

        Parameters
        ----------
        columns : (p, n) array of the backend
            Coordinates in quantisation steps, p >= 2; the pass has their precision.

        Returns
        -------
        (chunks, p, n), (chunks,) float64 arrays of the backend
            Partial sums; whoever computes them, each has the same bits on one type of processor.
        """
        raise NotImplementedError


class StoredDistances(Dissimilarities):
    """Dissimilarities in memory or on disk.

    Parameters
    ----------
    backend : Backend
    pairs : Pairs
        uint16, or float64 without rounding; their values are an array of the backend.
    chunks : range
        Those that the pairs belong to.
    """

    def __init__(self, backend: Backend, pairs: Pairs, chunks: range = ALL_CHUNKS):
        self.backend, self.pairs, self.chunks = backend, pairs, chunks
        self.n, self.step = pairs.n, pairs.step
        self.precision = np.dtype(np.float32 if pairs.values.dtype == np.uint16 else np.float64)

    def __sizeof__(self) -> int:
        """Dask asks, before it moves it to another worker or to a disk."""
        return int(self.pairs.values.nbytes)

    def guttman_sums(self, columns: Any) -> tuple[Any, Any]:
        """See `Dissimilarities`; of the own chunks."""
        starts = self.backend.to_device(self.pairs.starts)
        blocks = ((self.pairs.values, starts, block) for block in _fold_ranges(self.n, self.chunks))
        return _sums(blocks, columns, self.chunks, self.backend)


class RecomputedDistances(Dissimilarities):
    """Euclidean distances, rounded to the same 16 bits as if they were stored.

    Parameters
    ----------
    points : Points
    """

    precision = np.dtype(np.float32)

    def __init__(self, points: Points):
        self.backend, self.points = points.backend, points
        self.n, self.step = len(points.Z), points.step / points.scale
        strips = len(strip_starts(self.n)) - 1
        longest = max(len(block) for block in _fold_ranges(self.n))
        self._buffer = self.backend.xp.empty(longest * STRIP * (self.n + STRIP), np.uint16)
        self._starts = np.zeros(strips + 1, np.int64)
        tflop = self.n**2 * points.Z.shape[1] / 1e12
        log.info(f"MDS: no room for the pairs, every pass computes them again: {tflop:.2g} TFLOP")

    def guttman_sums(self, columns: Any) -> tuple[Any, Any]:
        """See `Dissimilarities`."""
        return _sums(self._blocks(), columns, ALL_CHUNKS, self.backend)

    def _blocks(self) -> Iterator[tuple[Any, Any, range]]:
        """All folds; each block overwrites the one before."""
        for block in _fold_ranges(self.n):
            end = 0
            strips = []
            for s in _strips_of(block, self.n):
                rows, width = _strip_shape(s, self.n)
                self._starts[s], start, end = end, end, end + rows * width
                strips.append((s, self._buffer[start:end].reshape(rows, width)))
            _compute_strips(self.points, strips)
            starts = self.backend.to_device(self._starts)
            yield self._buffer, starts, block


def euclidean_distances(
    points: Points, *, storage: str, chunks: range = ALL_CHUNKS
) -> Dissimilarities:
    """Euclidean distances of all pairs of points.

    Parameters
    ----------
    points : Points
    storage : {"exact", "memory", "disk", "recompute"}
        "exact" is in memory and without rounding, the others have 16 bits.
    chunks : range
        Which of the pairs are stored; all by default.
    """
    if storage == "recompute":
        return RecomputedDistances(points)
    n = len(points.Z)
    strips_there = [s for block in _fold_ranges(n, chunks) for s in _strips_of(block, n)]
    pairs = _empty_pairs(n, points.step / points.scale, storage, points.backend, strips_there)
    progress = Progress("MDS, distances", len(pairs.values))
    for block in _fold_ranges(n, chunks):
        strips = [(s, pairs.strip(s)[1]) for s in _strips_of(block, pairs.n)]
        _compute_strips(points, strips)
        progress.update(sum(strip.size for _, strip in strips))
    return StoredDistances(points.backend, pairs, chunks)


def precomputed_distances(D: np.ndarray, *, storage: str, backend: Backend) -> StoredDistances:
    """Store the upper half of a symmetric (n, n) matrix; `storage` as in `euclidean_distances`."""
    pairs = _empty_pairs(len(D), (D.max() or 1.0) / TOP, storage, backend)
    for s in range(len(pairs.starts) - 1):
        first, strip = pairs.strip(s)
        values = D[first : first + STRIP, first:] / pairs.step
        strip[:] = backend.to_device(values if storage == "exact" else np.rint(values))
    return StoredDistances(backend, pairs)


def _empty_pairs(
    n: int, step: float, storage: str, backend: Backend, strips_there: list[int] | None = None
) -> Pairs:
    if storage == "exact":
        starts = strip_starts(n, strips_there)
        return Pairs(backend.xp.empty(starts[-1]), starts, n, step)
    return new_pairs(
        n, step=step, storage=storage, name="MDS", backend=backend, strips=strips_there
    )


def _sums(
    blocks: Iterable[tuple[Any, Any, range]], columns: Any, chunks: range, backend: Backend
) -> tuple[Any, Any]:
    """The partial sums of some chunks over blocks of folds, with what their pairs lie in."""
    xp, kernels = backend.xp, backend.kernels("smacof")
    parts = min(kernels.CHUNKS, len(chunks), folds(columns.shape[1]))
    sums, squares = xp.zeros((parts, *columns.shape)), xp.zeros(parts)
    for values, starts, block in blocks:
        kernels.guttman_sums(values, starts, columns, sums, squares, block.start, block.stop)
    return sums, squares


def _compute_strips(points: Points, strips: Iterable[tuple[int, Any]]) -> None:
    """Compute the distances of strips into their arrays, tile by tile."""
    kernels = points.backend.kernels("distances")
    tile = kernels.TILE

    def compute_tile(s: int, strip: Any, left: int) -> None:
        first = s * STRIP
        rows, columns = slice(first, first + len(strip)), slice(first + left, first + left + tile)
        kernels.later_distances(
            points.Z[rows] @ points.Z[columns].T,
            points.Z,
            points.squared_norms,
            rows.start,
            columns.start,
            points.step,
            strip[:, left : left + tile],
        )

    with parallel_starmap(points.backend) as starmap:
        starmap(
            compute_tile,
            ((s, strip, left) for s, strip in strips for left in range(0, strip.shape[1], tile)),
        )


def _fold_ranges(n: int, chunks: range = ALL_CHUNKS) -> list[range]:
    """The folds of some chunks, one of each at a time: few enough to notice an interrupt soon."""
    last = folds(n)
    return [
        range(min(t + chunks.start, last), min(t + chunks.stop, last))
        for t in range(0, last, CHUNKS)
    ]


def _strips_of(block: range, n: int) -> list[int]:
    """The strips of a block's folds."""
    last = -(-n // STRIP) - 1
    return sorted({s for fold in block for s in (fold, last - fold)})


def _strip_shape(s: int, n: int) -> tuple[int, int]:
    first = s * STRIP
    return min(STRIP, n - first), n - first
