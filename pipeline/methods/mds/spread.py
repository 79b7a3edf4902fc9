"""The distances of all pairs, spread over the memory of Dask's workers."""

from __future__ import annotations

import numpy as np

from kernels.backend import Backend, to_host
from kernels.pairs import folds, pairs_bytes
from pipeline.methods.mds.distances import (
    CHUNKS,
    Dissimilarities,
    Points,
    StoredDistances,
    euclidean_distances,
)
from pipeline.runtime.workers import Workers


class SpreadDistances(Dissimilarities):
    """Euclidean distances of which each worker stores some chunks.

    Only coordinates go to the workers in a pass, and only sums come back.

    Parameters
    ----------
    points : Points
        On the CPU, in float32, or in float64 for "exact".
    storage : {"exact", "memory"}
        As of `euclidean_distances`; workers without room for their part have it on disk.
    workers : Workers
    """

    def __init__(self, points: Points, storage: str, workers: Workers):
        self.backend, self._workers = points.backend, workers
        self.precision = points.Z.dtype
        self.n, self.step = len(points.Z), points.step / points.scale
        chunks = min(CHUNKS, folds(self.n))
        held = pairs_bytes(self.n) * (4 if storage == "exact" else 1)
        beside = 2 * points.Z.nbytes + 16 * self.n * (chunks + 4)
        workers.require_room("MDS", held=held, beside=beside)
        # Kept, since the part of a worker that is lost is computed from them again.
        self._shared = [workers.share(each) for each in (points.Z, points.squared_norms)]
        parts = [(storage, *part) for part in workers.cut(chunks)]
        self._parts = workers.hold(
            _store, parts, *self._shared, points.step, points.scale, name="MDS, distances"
        )

    def guttman_sums(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Dissimilarities`."""
        sent = self._workers.send(columns)
        sums, squares = zip(*self._workers.ask(_sums_of_part, self._parts, sent), strict=True)
        return np.concatenate(sums), np.concatenate(squares)


def _store(
    backend: Backend,
    storage: str,
    first: int,
    last: int,
    Z: np.ndarray,
    squared_norms: np.ndarray,
    step: float,
    scale: float,
) -> Dissimilarities:
    points = Points(backend, backend.to_device(Z), backend.to_device(squared_norms), step, scale)
    return euclidean_distances(points, storage=storage, chunks=range(first, last))


def _sums_of_part(
    backend: Backend, part: StoredDistances, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    sums, squares = part.guttman_sums(backend.to_device(columns))
    return to_host(sums), to_host(squares)
