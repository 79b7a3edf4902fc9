"""The dissimilarities of all pairs: kept, or computed again in every pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

import numba
import numpy as np
from scipy.linalg import eigh
from threadpoolctl import threadpool_limits

from kernels.cpu.distances import later_distances
from kernels.cpu.smacof import CHUNKS, folds
from kernels.pairs import STRIP, TOP, Pairs, strip_starts
from pipeline.methods.storage import new_pairs
from pipeline.progress import Clock, tell

TILE = 2048  # columns of a product: with as many rows as a strip has, 2 MB in float32


class Block(NamedTuple):
    """Some folds of the strips of all pairs, as `kernels.cpu.smacof.guttman_sums` takes them."""

    values: np.ndarray
    starts: np.ndarray
    first_fold: int
    last_fold: int


class Points(NamedTuple):
    """Points whose Euclidean distances are the dissimilarities.

    Attributes
    ----------
    Z : (n, d) float32 or float64
        Centred; multiplied by a power of two, which is exact, so that no square overflows.
    squared_norms : (n,), dtype of Z
    unit : float
        In Z's scale, what the value 1 stands for: no distance is larger than 65535 of it.
    scale : float
        Z is this times as large as the features.
    """

    Z: np.ndarray
    squared_norms: np.ndarray
    unit: float
    scale: float


class Kept:
    """Dissimilarities in memory or on disk.

    Parameters
    ----------
    pairs : Pairs
        uint16, or float64 without rounding.

    Attributes
    ----------
    n : int
        Points.
    unit : float
        The dissimilarity that the value 1 stands for.
    precision : dtype
        Of coordinates that do the values justice.
    """

    def __init__(self, pairs: Pairs):
        self.pairs = pairs
        self.n, self.unit = pairs.n, pairs.unit
        self.precision = np.dtype(np.float32 if pairs.values.dtype == np.uint16 else np.float64)

    def blocks(self) -> Iterator[Block]:
        """All folds, few enough at a time for an interrupt to be noticed soon."""
        for some in _fold_ranges(self.n):
            yield Block(self.pairs.values, self.pairs.starts, some.start, some.stop)


class Recomputed:
    """Euclidean distances, rounded to the same 16 bits as if they were kept.

    Parameters
    ----------
    points : Points

    Attributes
    ----------
    n, unit, precision
        As of `Kept`.
    """

    precision = np.dtype(np.float32)

    def __init__(self, points: Points):
        self.points = points
        self.n, self.unit = len(points.Z), points.unit / points.scale
        strips = len(strip_starts(self.n)) - 1
        longest = max(len(some) for some in _fold_ranges(self.n))
        self._room = np.empty(longest * STRIP * (self.n + STRIP), np.uint16)
        self._starts = np.zeros(strips + 1, np.int64)
        tflop = self.n**2 * points.Z.shape[1] / 1e12
        tell(f"MDS: no room for the pairs, every pass computes them again: {tflop:.2g} TFLOP")

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
            yield Block(self._room, self._starts, some.start, some.stop)


Dissimilarities = Kept | Recomputed


def _fold_ranges(n: int) -> list[range]:
    """A fold for every chunk of a kernel's sums, again and again."""
    return [range(t, min(t + CHUNKS, folds(n))) for t in range(0, folds(n), CHUNKS)]


def _strips_of(some: range, n: int) -> list[int]:
    """The strips of some folds."""
    last = -(-n // STRIP) - 1
    return sorted({s for fold in some for s in (fold, last - fold)})


def _strip_shape(s: int, n: int) -> tuple[int, int]:
    first = s * STRIP
    return min(STRIP, n - first), n - first


def _fill(points: Points, strips: Iterable[tuple[int, np.ndarray]]) -> None:
    """Put the distances of strips, given with their room, where they belong."""

    def fill(s: int, strip: np.ndarray, left: int) -> None:
        first = s * STRIP
        rows, columns = slice(first, first + len(strip)), slice(first + left, first + left + TILE)
        later_distances(
            points.Z[rows] @ points.Z[columns].T,
            points.Z,
            points.squared_norms,
            rows.start,
            columns.start,
            points.unit,
            strip[:, left : left + TILE],
        )

    with _threads() as each:
        each(
            fill,
            ((s, strip, left) for s, strip in strips for left in range(0, strip.shape[1], TILE)),
        )


@contextmanager
def _threads() -> Iterator[Callable[[Callable, Iterable[tuple]], list]]:
    """Call a function for each of some arguments, side by side, with BLAS on one thread each.

    How BLAS shares one product among its threads decides the last bits of the result; products
    that each belong to one thread have the same bits for any number of threads.
    """
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(numba.get_num_threads()) as pool:
        yield lambda function, arguments: list(pool.map(lambda a: function(*a), arguments))


def centred_points(X: np.ndarray, dtype: np.dtype) -> Points:
    """Prepare points for the distances of all pairs.

    Parameters
    ----------
    X : (n, d) float32 or float64
    dtype : float32 or float64
        Precision of the distances.

    Notes
    -----
    Only one float64 copy of a few rows is made at a time. No distance exceeds the sum of the two
    largest norms; a tighter bound would need another sweep, and the rounding errors of all pairs
    add only unit^2 / 12 to their mean squared error.
    """
    mean = X.mean(axis=0, dtype=np.float64)
    rows = [slice(first, first + STRIP) for first in range(0, len(X), STRIP)]
    largest = max(np.abs(X[some] - mean).max() for some in rows)
    scale = 2.0 ** -np.frexp(largest)[1] if largest else 1.0
    Z = np.empty(X.shape, dtype)
    squared_norms = np.empty(len(X))
    for some in rows:
        Z[some] = (X[some] - mean) * scale
        squared_norms[some] = np.square(Z[some], dtype=np.float64).sum(axis=1)
    bound = np.sqrt(np.sort(squared_norms)[-2:]).sum()
    return Points(Z, squared_norms.astype(dtype), bound / TOP if bound else 1.0, scale)


def classical_scaling(points: Points, p: int) -> np.ndarray:
    """Classical scaling of the distances, which is PCA (Gower 1966), with the signs of `PCA`.

    Returns
    -------
    (n, p) float64
        In the unit of the distances; coordinates beyond the dimensions of the points are 0.
    """
    size = 4 * TILE  # rows of a partial sum: few matrices of d x d at a time
    rows = [(points.Z[first : first + size],) for first in range(0, len(points.Z), size)]
    with _threads() as each:
        covariance = sum(each(lambda z: (z.T @ z).astype(np.float64), rows))
        d = len(covariance)
        axes = eigh(covariance, subset_by_index=(max(d - p, 0), d - 1))[1][:, ::-1]
        axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
        X = np.vstack(each(lambda z: z @ axes, rows)) / points.unit
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
        return Recomputed(points)
    pairs = _new_pairs(len(points.Z), points.unit / points.scale, storage)
    clock = Clock("MDS, distances", len(pairs.values))
    for block in _fold_ranges(pairs.n):
        strips = [(s, pairs.strip(s)[1]) for s in _strips_of(block, pairs.n)]
        _fill(points, strips)
        clock.step(sum(strip.size for _, strip in strips))
    return Kept(pairs)


def given(D: np.ndarray, *, storage: str) -> Kept:
    """Keep the upper half of a symmetric (n, n) matrix; `storage` as in `euclidean`."""
    pairs = _new_pairs(len(D), (D.max() or 1.0) / TOP, storage)
    for s in range(len(pairs.starts) - 1):
        first, strip = pairs.strip(s)
        values = D[first : first + STRIP, first:] / pairs.unit
        strip[:] = values if storage == "exact" else np.rint(values)
    return Kept(pairs)


def _new_pairs(n: int, unit: float, storage: str) -> Pairs:
    if storage == "exact":
        starts = strip_starts(n)
        return Pairs(np.empty(starts[-1]), starts, n, unit)
    return new_pairs(n, unit=unit, storage=storage, name="MDS")
