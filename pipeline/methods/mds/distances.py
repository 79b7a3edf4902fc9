"""The dissimilarities of all pairs: kept, or computed again in every pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import numba
import numpy as np
from scipy.linalg import eigh
from threadpoolctl import threadpool_limits

from kernels.backend import Backend, to_host
from kernels.pairs import STRIP, TOP, Pairs, folds, strip_starts
from pipeline.methods.pair_storage import new_pairs
from pipeline.runtime.log import Progress, log

FOLDS = 32  # added up at a time, a second or so: as many as the kernel has partial sums


class Block(NamedTuple):
    """Some folds of the strips of all pairs, as `kernels.cpu.smacof.guttman_sums` takes them."""

    values: Any
    starts: Any
    first_fold: int
    last_fold: int


class Points(NamedTuple):
    """Points whose Euclidean distances are the dissimilarities.

    Attributes
    ----------
    backend : Backend
        Where the distances are computed.
    Z : (n, d) float32 or float64 array of the backend
        Centred; multiplied by a power of two, which is exact, so that no square overflows.
    squared_norms : (n,) array of the backend, dtype of Z
    unit : float
        In Z's scale, what the value 1 stands for: no distance is larger than 65535 of it.
    scale : float
        Z is this times as large as the features.
    """

    backend: Backend
    Z: Any
    squared_norms: Any
    unit: float
    scale: float


class StoredDistances:
    """Dissimilarities in memory or on disk.

    Parameters
    ----------
    backend : Backend
    pairs : Pairs
        uint16, or float64 without rounding; their values are an array of the backend.

    Attributes
    ----------
    backend : Backend
        Where passes over the pairs are computed.
    n : int
        Points.
    unit : float
        The dissimilarity that the value 1 stands for.
    precision : dtype
        Of coordinates that do the values justice.
    """

    def __init__(self, backend: Backend, pairs: Pairs):
        self.backend, self.pairs = backend, pairs
        self.n, self.unit = pairs.n, pairs.unit
        self.precision = np.dtype(np.float32 if pairs.values.dtype == np.uint16 else np.float64)

    def blocks(self) -> Iterator[Block]:
        """All folds, few enough at a time for an interrupt to be noticed soon."""
        starts = self.backend.to_device(self.pairs.starts)
        for some in _fold_ranges(self.n):
            yield Block(self.pairs.values, starts, some.start, some.stop)


class RecomputedDistances:
    """Euclidean distances, rounded to the same 16 bits as if they were kept.

    Parameters
    ----------
    points : Points

    Attributes
    ----------
    backend, n, unit, precision
        As of `StoredDistances`.
    """

    precision = np.dtype(np.float32)

    def __init__(self, points: Points):
        self.backend, self.points = points.backend, points
        self.n, self.unit = len(points.Z), points.unit / points.scale
        strips = len(strip_starts(self.n)) - 1
        longest = max(len(some) for some in _fold_ranges(self.n))
        self._room = self.backend.xp.empty(longest * STRIP * (self.n + STRIP), np.uint16)
        self._starts = np.zeros(strips + 1, np.int64)
        tflop = self.n**2 * points.Z.shape[1] / 1e12
        log.info(f"MDS: no room for the pairs, every pass computes them again: {tflop:.2g} TFLOP")

    def blocks(self) -> Iterator[Block]:
        """All folds; each block overwrites the one before."""
        for some in _fold_ranges(self.n):
            end = 0
            tasks = []
            for s in _strips_of(some, self.n):
                rows, width = _strip_shape(s, self.n)
                self._starts[s], start, end = end, end, end + rows * width
                tasks.append((s, self._room[start:end].reshape(rows, width)))
            _fill(self.points, tasks)
            starts = self.backend.to_device(self._starts)
            yield Block(self._room, starts, some.start, some.stop)


Dissimilarities = StoredDistances | RecomputedDistances


def _fold_ranges(n: int) -> list[range]:
    return [range(t, min(t + FOLDS, folds(n))) for t in range(0, folds(n), FOLDS)]


def _strips_of(some: range, n: int) -> list[int]:
    """The strips of some folds."""
    last = -(-n // STRIP) - 1
    return sorted({s for fold in some for s in (fold, last - fold)})


def _strip_shape(s: int, n: int) -> tuple[int, int]:
    first = s * STRIP
    return min(STRIP, n - first), n - first


def _fill(points: Points, strips: Iterable[tuple[int, Any]]) -> None:
    """Put the distances of strips, given with their room, where they belong."""
    kernels = points.backend.kernels("distances")
    tile = kernels.TILE

    def fill(s: int, strip: Any, left: int) -> None:
        first = s * STRIP
        rows, columns = slice(first, first + len(strip)), slice(first + left, first + left + tile)
        kernels.later_distances(
            points.Z[rows] @ points.Z[columns].T,
            points.Z,
            points.squared_norms,
            rows.start,
            columns.start,
            points.unit,
            strip[:, left : left + tile],
        )

    with _each(points.backend) as each:
        each(
            fill,
            ((s, strip, left) for s, strip in strips for left in range(0, strip.shape[1], tile)),
        )


@contextmanager
def _each(backend: Backend) -> Iterator[Callable[[Callable, Iterable[tuple]], list]]:
    """Call a function for each of some arguments, side by side, with BLAS on one thread each.

    How BLAS shares one product among its threads decides the last bits of the result; products
    that each belong to one thread have the same bits for any number of threads. A GPU is busy
    with one call at a time.
    """
    if backend.name == "gpu":
        yield lambda function, arguments: [function(*a) for a in arguments]
        return
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(numba.get_num_threads()) as pool:
        yield lambda function, arguments: list(pool.map(lambda a: function(*a), arguments))


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
    Only one float64 copy of a few rows is made at a time. No distance exceeds the sum of the two
    largest norms; a tighter bound would need another sweep, and the rounding errors of all pairs
    add only unit^2 / 12 to their mean squared error.
    """
    xp = backend.xp
    mean = backend.to_device(X.mean(axis=0, dtype=np.float64))
    rows = [slice(first, first + STRIP) for first in range(0, len(X), STRIP)]
    largest = max(float(abs(backend.to_device(X[some]) - mean).max()) for some in rows)
    scale = 2.0 ** -int(np.frexp(largest)[1]) if largest else 1.0
    Z = xp.empty(X.shape, dtype)
    squared_norms = xp.empty(len(X))
    for some in rows:
        Z[some] = (backend.to_device(X[some]) - mean) * scale
        squared_norms[some] = xp.square(Z[some], dtype=np.float64).sum(axis=1)
    bound = float(np.sqrt(np.sort(to_host(squared_norms))[-2:]).sum())
    unit = bound / TOP if bound else 1.0
    return Points(backend, Z, squared_norms.astype(dtype), unit, scale)


def classical_scaling(points: Points, p: int) -> np.ndarray:
    """Classical scaling of the distances, which is PCA (Gower 1966), with the signs of `PCA`.

    Returns
    -------
    (n, p) float64
        On the host, in the unit of the distances; coordinates beyond the dimensions of the points
        are 0.
    """
    backend = points.backend
    size = 4 * backend.kernels("distances").TILE  # rows of a partial sum: few d x d at a time
    rows = [(points.Z[first : first + size],) for first in range(0, len(points.Z), size)]
    with _each(backend) as each:
        covariance = to_host(sum(each(lambda z: (z.T @ z).astype(np.float64), rows)))
        d = len(covariance)
        axes = eigh(covariance, subset_by_index=(max(d - p, 0), d - 1))[1][:, ::-1]
        axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
        axes = backend.to_device(axes)
        X = np.vstack(each(lambda z: to_host(z @ axes), rows)) / points.unit
    return np.pad(X, ((0, 0), (0, p - X.shape[1])))


def euclidean(points: Points, *, storage: str) -> Dissimilarities:
    """Euclidean distances of all pairs of points.

    Parameters
    ----------
    points : Points
    storage : {"exact", "memory", "disk", "recompute"}
        "exact" is in memory and without rounding, the others have 16 bits.
    """
    if storage == "recompute":
        return RecomputedDistances(points)
    pairs = _new_pairs(len(points.Z), points.unit / points.scale, storage, points.backend)
    progress = Progress("MDS, distances", len(pairs.values))
    for block in _fold_ranges(pairs.n):
        strips = [(s, pairs.strip(s)[1]) for s in _strips_of(block, pairs.n)]
        _fill(points, strips)
        progress.update(sum(strip.size for _, strip in strips))
    return StoredDistances(points.backend, pairs)


def given(D: np.ndarray, *, storage: str, backend: Backend) -> StoredDistances:
    """Keep the upper half of a symmetric (n, n) matrix; `storage` as in `euclidean`."""
    pairs = _new_pairs(len(D), (D.max() or 1.0) / TOP, storage, backend)
    for s in range(len(pairs.starts) - 1):
        first, strip = pairs.strip(s)
        values = D[first : first + STRIP, first:] / pairs.unit
        strip[:] = backend.to_device(values if storage == "exact" else np.rint(values))
    return StoredDistances(backend, pairs)


def _new_pairs(n: int, unit: float, storage: str, backend: Backend) -> Pairs:
    if storage == "exact":
        starts = strip_starts(n)
        return Pairs(backend.xp.empty(starts[-1]), starts, n, unit)
    return new_pairs(n, unit=unit, storage=storage, name="MDS", backend=backend)
