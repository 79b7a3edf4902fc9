"""Shortest paths between all pairs, spread over the memory of Dask's workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from kernels.backend import Backend, get_backend, to_host
from kernels.cpu.squared_pairs import PARTS
from kernels.pairs import STRIP, Pairs, pairs_bytes
from pipeline.methods.isomap import geodesics
from pipeline.methods.isomap.geodesics import NeighborhoodGraph
from pipeline.runtime.pair_storage import new_pairs
from pipeline.runtime.workers import Workers

if TYPE_CHECKING:
    from distributed import Future

VECTORS = 8  # multiplied together by the eigensolver


class SpreadPairs:
    """Distances of which each worker stores some strips; as `classical_scaling.StoredPairs`.

    Strip s is in part s modulo PARTS, of which a worker has several, so that sums over each part
    round as on one machine.

    Parameters
    ----------
    graph : NeighborhoodGraph
    workers : Workers
    """

    def __init__(self, graph: NeighborhoodGraph, workers: Workers):
        self.backend, self.n, self._workers = get_backend("cpu"), len(graph.points), workers
        edges = graph.edges
        arrays = edges.indptr, edges.indices, edges.data
        products = 8 * self.n * VECTORS * (PARTS + 2)
        paths = geodesics.memory_needed(self.n, self.backend)
        workers.require_room(
            "isomap",
            held=pairs_bytes(self.n),
            beside=2 * sum(each.nbytes for each in arrays) + max(products, paths),
        )
        # Kept, since the part of a worker that is lost is computed from them again.
        self._shared = [workers.share(each) for each in arrays]

        def write(step: float) -> bool:
            self._parts: list[Future] = []  # those of a smaller step are given up first
            parts = [(step, *part) for part in workers.cut(min(PARTS, -(-self.n // STRIP)))]
            self._parts = workers.hold(_store, parts, *self._shared, name="isomap paths")
            return all(workers.ask(_fits, self._parts))

        self.step = geodesics.fitting_step(graph, write)

    def rows(self, numbers: Sequence[int]) -> np.ndarray:
        """See `StoredPairs`."""
        return np.sum(self._workers.ask(_rows, self._parts, list(numbers)), axis=0)

    def squared_products(self, vectors: np.ndarray) -> np.ndarray:
        """See `StoredPairs`."""
        sent = self._workers.send(vectors)
        return np.concatenate(self._workers.ask(_squared_products, self._parts, sent))

    def fourth_powers(self) -> np.ndarray:
        """See `StoredPairs`."""
        return np.sum(self._workers.ask(_fourth_powers, self._parts), axis=0)


class _Part(NamedTuple):
    """Strips that a worker stores, the parts that they belong to, and whether they fitted."""

    pairs: Pairs
    parts: range
    fits: bool

    def strips(self, part: int) -> range:
        """The strips of a part."""
        return range(part, len(self.pairs.starts) - 1, PARTS)


def _store(
    backend: Backend,
    step: float,
    first: int,
    last: int,
    starts: np.ndarray,
    neighbors: np.ndarray,
    lengths: np.ndarray,
) -> _Part:
    n = len(starts) - 1
    strips = sorted(s for part in range(first, last) for s in range(part, -(-n // STRIP), PARTS))
    pairs = new_pairs(n, step=step, storage="memory", name="isomap", backend=backend, strips=strips)
    vertices = np.arange(n)
    fits = geodesics.write_distances(
        csr_array((lengths, neighbors, starts), shape=(n, n)),
        step,
        np.concatenate([vertices[s * STRIP : (s + 1) * STRIP] for s in strips]),
        lambda i: pairs.strip(strips[i]),
        backend,
    )
    return _Part(pairs, range(first, last), fits)


def _fits(backend: Backend, part: _Part) -> bool:
    return part.fits


def _rows(backend: Backend, part: _Part, numbers: list[int]) -> np.ndarray:
    """Rows, with zeros where other parts have their strips."""
    return np.stack([to_host(part.pairs.row(i, backend.xp)) for i in numbers])


def _squared_products(backend: Backend, part: _Part, vectors: np.ndarray) -> np.ndarray:
    kernel = backend.kernels("squared_pairs").squared_products
    arrays = part.pairs.values, backend.to_device(part.pairs.starts), part.pairs.n
    vectors = backend.to_device(vectors)
    sums = backend.xp.zeros((len(part.parts), *vectors.shape))
    for own, number in zip(sums, part.parts, strict=True):
        for s in part.strips(number):
            kernel(*arrays, s, s + 1, vectors, own[None])
    return to_host(sums)


def _fourth_powers(backend: Backend, part: _Part) -> np.ndarray:
    """The sums of all strips, zero where other parts have theirs."""
    kernel = backend.kernels("squared_pairs").fourth_powers
    arrays = part.pairs.values, backend.to_device(part.pairs.starts), part.pairs.n
    sums: Any = backend.xp.zeros(len(part.pairs.starts) - 1)
    for number in part.parts:
        for s in part.strips(number):
            kernel(*arrays, s, s + 1, sums)
    return to_host(sums)
