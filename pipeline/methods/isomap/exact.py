"""Isomap on all pairs of points: shortest paths through the neighbour graph, drawn to scale."""

from __future__ import annotations

import time
import warnings
from types import ModuleType

import numba
import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike
from scipy.sparse.csgraph import dijkstra
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from kernels.backend import Backend, to_host
from kernels.pairs import STRIP, Pairs, pairs_bytes
from pipeline.errors import InputError
from pipeline.methods.base import LayoutEstimator, neighbours
from pipeline.methods.isomap.classical_scaling import (
    BLOCK,
    Kernel,
    certificate,
    kernel_of_matrix,
    kernel_of_pairs,
    scale,
)
from pipeline.methods.isomap.geodesics import Network, fill, fill_memory, network
from pipeline.methods.pair_storage import choose_storage, new_pairs
from pipeline.methods.solvers.lanczos import Eigenpairs
from pipeline.neighbors.components import crossings
from pipeline.neighbors.graph import Graph
from pipeline.runtime.device import backend_for
from pipeline.runtime.log import log

CHECKED = 8  # sources whose paths are computed again by Dijkstra's method
COLUMNS = 4096  # points placed together between landmarks


class Isomap(LayoutEstimator):
    """Classical scaling of shortest paths through the neighbour graph (Tenenbaum et al. 2000).

    Every pair of points counts, as in scikit-learn; shortest paths are exact, and kept as 16-bit
    fractions of the longest.

    Parameters
    ----------
    n_components : int
    n_neighbors : int
        An edge joins two points if either is among the other's nearest n_neighbors.
    landmarks : int or None
        Place this many random points by their paths and all others by their paths to these (de
        Silva & Tenenbaum 2004): for more points than pairs of them can be kept.
    storage : {"auto", "memory", "disk"}
        Where the pairs are kept: "auto" takes disk only if memory is too small. A GPU has only
        its own memory.
    device : {"auto", "cpu", "gpu"}
        Both give the same paths to the last bit.
    tol : float
        Largest residual |B u - lambda u| of an eigenpair as a share of the largest eigenvalue.
    max_iter : int
        Products with B at most.
    random_state : int, RandomState or None
        Draws the start of the eigensolver, which decides the last digits, and the landmarks.

    Attributes
    ----------
    embedding_ : (n, n_components) float64
        Each column's entry of largest absolute value is positive.
    reconstruction_error_ : float
        What `sklearn.manifold.Isomap.reconstruction_error` returns; with landmarks, of these.
    diagnostics_ : dict
        What `classical_scaling.certificate` returns, and components: pieces of the neighbour graph
        before the shortest edges between them joined them; arcs: edges counted both ways;
        path_error: largest difference between 8 sources' paths and Dijkstra's, as a share of the
        longest; storage or landmarks; seconds_paths and seconds_eigen.
    """

    def __init__(
        self,
        n_components=2,
        *,
        n_neighbors=12,
        landmarks=None,
        storage="auto",
        device="auto",
        tol=1e-6,
        max_iter=100,
        random_state=None,
    ):
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.landmarks = landmarks
        self.storage = storage
        self.device = device
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state

    def _lay_out(self, X: np.ndarray, graph: Graph | None) -> np.ndarray:
        """See `LayoutEstimator.fit_transform`."""
        n, m = len(X), self.landmarks
        if not 1 <= self.n_components < (n if m is None else min(m, n)):
            raise InputError(
                f"n_components is {self.n_components} but must be at least 1 and less than the "
                f"{n} points{'' if m is None else f' and the {m} landmarks'}"
            )
        if m is not None and m > n:
            raise InputError(f"landmarks is {m} but there are only {n} points; choose fewer")
        random = check_random_state(self.random_state)
        backend = backend_for(self.device)
        where = None if m is not None else self._choose_storage(n, backend)
        near = neighbours(
            X, graph, self.n_neighbors, f"n_neighbors {self.n_neighbors}", self.device
        )
        joins = crossings(near, X)
        if joins.pieces > 1:
            warnings.warn(
                f"the graph of {self.n_neighbors} neighbours falls into {joins.pieces} pieces, "
                "which Isomap joins by the shortest edges between them; more neighbours may do",
                stacklevel=2,
            )
        net = network(near, joins)
        self.diagnostics_ = {"components": joins.pieces, "arcs": int(net.edges.nnz)}
        layout = np.empty((n, self.n_components))
        # Sums of more BLAS threads round otherwise, and what is left to BLAS is small.
        with threadpool_limits(1, user_api="blas"):
            if where is None:
                layout[net.points] = self._from_landmarks(net, random, backend)
            else:
                layout[net.points] = self._from_all_pairs(net, where, random, backend)
        largest = np.abs(layout).argmax(axis=0)
        layout *= np.where(layout[largest, np.arange(self.n_components)] < 0, -1, 1)
        return layout

    def _choose_storage(self, n: int, backend: Backend) -> str:
        spare = _beside_pairs(n, self.n_neighbors, backend)
        where = choose_storage(n, storage=self.storage, spare=spare, backend=backend)
        if where == "none":
            on_gpu = backend.name == "gpu"
            nowhere = "the GPU has no" if on_gpu else "neither memory nor the temporary folder has"
            raise InputError(
                f"Isomap keeps every pair of {n:,} points, {pairs_bytes(n) / 1e9:.2g} GB, for "
                f"which {nowhere} room; set landmarks, for example to 2000"
                f"{', or device to cpu' if on_gpu else ''}"
            )
        return where

    def _from_all_pairs(
        self, net: Network, where: str, random: RandomState, backend: Backend
    ) -> np.ndarray:
        n = len(net.points)
        pairs = new_pairs(n, unit=1.0, storage=where, name="isomap", backend=backend)
        start = time.perf_counter()
        pairs = pairs._replace(unit=fill(net, np.arange(n), pairs.strip, backend))
        backend.synchronize()
        seconds = time.perf_counter() - start
        checked = np.linspace(0, n - 1, min(CHECKED, n)).astype(int)
        rows = [_row(pairs, i, backend.xp) * pairs.unit for i in checked]
        self.diagnostics_ |= {
            "storage": where,
            "path_error": _path_error(net, checked, rows),
            "seconds_paths": seconds,
        }
        found = self._scale(kernel_of_pairs(pairs, backend, name="isomap"), random)
        return found.vectors.T * np.sqrt(np.maximum(found.values, 0))

    def _from_landmarks(self, net: Network, random: RandomState, backend: Backend) -> np.ndarray:
        """De Silva & Tenenbaum (2004): coordinates from squared distances to landmarks.

        Their formula subtracts the landmarks' mean squared distances first, which only moves the
        layout; it is centred on all points at the end.
        """
        n, m = len(net.points), self.landmarks
        sources = np.sort(random.choice(n, m, replace=False))
        log.info(
            f"isomap: {m:,} landmarks x {n:,} points in 16 bits, {2e-9 * m * n:.2g} GB in memory"
        )
        xp, to_device = backend.xp, backend.to_device
        rows = xp.empty((m, n), np.uint16)
        start = time.perf_counter()
        unit = fill(net, sources, lambda s: (0, rows[s * STRIP : (s + 1) * STRIP]), backend)
        backend.synchronize()
        seconds = time.perf_counter() - start
        checked = np.linspace(0, m - 1, min(CHECKED, m)).astype(int)
        some_rows = to_host(rows[to_device(checked)])
        self.diagnostics_ |= {
            "landmarks": m,
            "path_error": _path_error(net, sources[checked], some_rows * unit),
            "seconds_paths": seconds,
        }
        among = rows[:, to_device(sources)].astype(np.float64) * unit
        found = self._scale(kernel_of_matrix(among, backend), random)
        lengths = np.sqrt(np.maximum(found.values, 0))[:, None]
        axes = np.divide(
            found.vectors, lengths, out=np.zeros_like(found.vectors), where=lengths > 0
        )
        axes = to_device(axes)
        layout = np.empty((n, self.n_components))
        for first in range(0, n, COLUMNS):
            some = slice(first, first + COLUMNS)
            squares = xp.square(rows[:, some].astype(np.float64) * unit)
            layout[some] = -0.5 * to_host(axes @ squares).T
        return _principal(layout)

    def _scale(self, kernel: Kernel, random: RandomState) -> Eigenpairs:
        start = time.perf_counter()
        found = scale(
            kernel, k=self.n_components, tol=self.tol, max_iter=self.max_iter, random=random
        )
        if not found.converged:
            warnings.warn(
                f"Isomap stopped after max_iter = {self.max_iter} products before tol was reached",
                stacklevel=4,
            )
        self.diagnostics_ |= certificate(kernel, found)
        self.diagnostics_["seconds_eigen"] = time.perf_counter() - start
        self.reconstruction_error_ = self.diagnostics_["reconstruction_error"]
        return found


def _beside_pairs(n: int, k: int, backend: Backend) -> int:
    """Bytes needed beyond the features, the graph and the pairs, in the memory of the pairs."""
    on_gpu = backend.name == "gpu"
    # At its making, by the CPU: arcs, sorted and unsorted, with 64-bit indices.
    network = (16 if on_gpu else 150) * k * n
    searches = 1 if on_gpu else numba.get_num_threads()
    parts = backend.kernels("squared_pairs").PARTS
    products = 8 * n * BLOCK * (parts + 40)  # partial sums; Lanczos's basis, its copy
    return network + max(fill_memory(n, searches, backend), products)


def _row(pairs: Pairs, i: int, xp: ModuleType = np) -> np.ndarray:
    """Row i of the whole symmetric matrix; `xp` is the module of its arrays."""
    row = xp.zeros(pairs.n, np.uint16)
    for s in range(i // STRIP):
        first, strip = pairs.strip(s)
        row[first : first + STRIP] = strip[:, i - first]
    first, strip = pairs.strip(i // STRIP)
    row[first:i] = strip[: i - first, i - first]
    row[i:] = strip[i - first, i - first :]
    return to_host(row)


def _path_error(net: Network, vertices: np.ndarray, rows: ArrayLike) -> float:
    """Largest difference between rows and Dijkstra's distances, as a share of the longest path."""
    errors = np.abs(rows - dijkstra(net.edges, indices=vertices))
    return float(errors.max() / net.longest)


def _principal(layout: np.ndarray) -> np.ndarray:
    """Centred and turned to its axes of largest variance, as the layout of all pairs is."""
    centred = layout - layout.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    return centred @ axes[:, ::-1]
