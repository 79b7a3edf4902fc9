"""Isomap on all pairs of points: shortest paths through the neighbor graph, classically scaled."""

from __future__ import annotations

import time
import warnings
from typing import Any, ClassVar

import numpy as np
from numpy.random import RandomState
from scipy.spatial.distance import squareform
from sklearn.utils import check_random_state
from sklearn.utils.extmath import svd_flip
from threadpoolctl import threadpool_limits

from kernels.backend import Backend, to_host
from kernels.pairs import STRIP, pairs_bytes
from pipeline.errors import InputError
from pipeline.methods.base import LayoutEstimator, nearest_neighbors
from pipeline.methods.isomap import geodesics
from pipeline.methods.isomap.classical_scaling import (
    BLOCK,
    Kernel,
    StoredPairs,
    diagnostics,
    kernel_of_matrix,
    kernel_of_pairs,
    largest_kernel_eigenpairs,
)
from pipeline.methods.isomap.geodesics import (
    NeighborhoodGraph,
    compute_geodesics,
    neighborhood_graph,
    path_error,
)
from pipeline.methods.isomap.landmarks import principal_axes, triangulate
from pipeline.methods.isomap.resources import SAMPLE
from pipeline.methods.isomap.spread import SpreadPairs
from pipeline.methods.landmark_error import compare
from pipeline.methods.parameters import Choices, Number, integer
from pipeline.methods.solvers.eigenpairs import Eigenpairs
from pipeline.neighbors.components import connect_components
from pipeline.neighbors.graph import Graph
from pipeline.runtime.device import backend_for
from pipeline.runtime.log import log
from pipeline.runtime.pair_storage import choose_storage, new_pairs, storage_shortage
from pipeline.runtime.workers import Workers

TINY = float(np.finfo(float).tiny)
CHECKED = 8  # sources whose paths are computed again by Dijkstra's method


class Isomap(LayoutEstimator):
    """Isomap: classical scaling of shortest paths in the neighbour graph (Tenenbaum et al. 2000).

    Every pair of points counts, as in scikit-learn; shortest paths are exact, and kept as 16-bit
    fractions of the longest. An eigenvalue that this rounding alone can make, at most some 4e-5 of
    the largest of points along a line, is taken for 0: its axis has no coordinates, and a warning
    says so.

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
        What `classical_scaling.diagnostics` returns, for features in the power of two in which the
        largest is between 0.5 and 1; flat_axes: how many were within rounding; components:
        connected components of the neighbour graph before the shortest edges between them
        connected them; arcs: edges counted both ways; path_error: largest difference between 8
        sources' paths and Dijkstra's, as a share of the longest; storage or landmarks;
        seconds_paths and seconds_eigen; with landmarks what `landmark_error.compare` returns, of
        points that are scaled exactly by the paths among them.
    """

    spreads = True

    choices: ClassVar[Choices] = {
        "n_components": (integer(1),),
        "n_neighbors": (integer(1),),
        "landmarks": (integer(1), None),
        "storage": ("auto", "memory", "disk"),
        "tol": (Number(TINY),),
        "max_iter": (integer(1),),
    }

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

    def units(self) -> dict[str, int]:
        """See `LayoutEstimator`."""
        return {"embedding_": 1, "reconstruction_error_": 2}

    def _lay_out(
        self, X: np.ndarray, graph: Graph | None, workers: Workers | None = None
    ) -> np.ndarray:
        """See `LayoutEstimator.fit_transform`."""
        # Before the neighbours are searched for.
        self._check_parameters(len(X))
        storage = self._choose_storage(len(X)) if workers is None else self._storage_on_workers()
        return self._lay_out_graph(self._neighborhood_graph(X, graph, workers), storage, workers)

    def lay_out_graph(self, graph: NeighborhoodGraph) -> np.ndarray:
        """Lay the points of any graph out, whatever its metric; n_neighbors is not used.

        Parameters
        ----------
        graph : NeighborhoodGraph

        Returns
        -------
        (n, n_components) float64
            As `embedding_`, in the unit of the graph; `reconstruction_error_` and `diagnostics_`
            are set.

        Raises
        ------
        InputError
            As of `fit_transform`.
        """
        self._check_parameters(len(graph.points))
        storage = self._choose_storage(len(graph.points))
        self.diagnostics_ = {}
        return self._lay_out_graph(graph, storage)

    def _lay_out_graph(
        self, graph: NeighborhoodGraph, storage: str | None, workers: Workers | None = None
    ) -> np.ndarray:
        random = check_random_state(self.random_state)
        backend = backend_for(self.device if workers is None else "cpu")
        layout = np.empty((len(graph.points), self.n_components))
        # Sums of more BLAS threads round otherwise, and what is left to BLAS is small.
        with threadpool_limits(1, user_api="blas"):
            if storage is None:
                layout[graph.points] = self._from_landmarks(graph, random, backend)
            else:
                layout[graph.points] = self._from_all_pairs(
                    graph, storage, random, backend, workers
                )
        return svd_flip(layout, None)[0]

    def _check_parameters(self, n: int) -> None:
        m = self.landmarks
        if not self.n_components < (n if m is None else min(m, n)):
            raise InputError(
                f"n_components is {self.n_components} but must be less than the "
                f"{n} points{'' if m is None else f' and the {m} landmarks'}"
            )
        if m is not None and m > n:
            raise InputError(f"landmarks is {m} but there are only {n} points; choose fewer")

    def _choose_storage(self, n: int) -> str | None:
        """Where the pairs of n points are stored; None with landmarks."""
        if self.landmarks is not None:
            return None
        backend = backend_for(self.device)
        spare = _memory_beside_pairs(n, self.n_neighbors, backend)
        storage = choose_storage(n, storage=self.storage, spare=spare, backend=backend)
        if storage == "none":
            has_no, remedy = storage_shortage(backend)
            raise InputError(
                f"Isomap keeps every pair of {n:,} points, {pairs_bytes(n) / 1e9:.2g} GB, for "
                f"which {has_no} room; set landmarks, for example to 2000, or {remedy}"
            )
        return storage

    def _storage_on_workers(self) -> str:
        if self.landmarks is not None or self.storage == "disk":
            word = "storage" if self.landmarks is None else "landmarks"
            raise InputError(
                f"{word} is {getattr(self, word)!r} but Dask's workers store all pairs in their "
                "memory: leave it out, or Dask"
            )
        return "memory"

    def _neighborhood_graph(
        self, X: np.ndarray, graph: Graph | None, workers: Workers | None = None
    ) -> NeighborhoodGraph:
        """The connected graph of all neighbours; a warning where edges had to connect it."""
        near = nearest_neighbors(
            X, graph, self.n_neighbors, f"n_neighbors {self.n_neighbors}", self.device, workers
        )
        connections = connect_components(near, X)
        count = connections.n_components
        if count > 1:
            warnings.warn(
                f"the graph of {self.n_neighbors} neighbours has {count} connected components, "
                "which Isomap connects by the shortest edges between them; more neighbours may do",
                stacklevel=3,
            )
        connected = neighborhood_graph(near, connections)
        self.diagnostics_ = {"components": count, "arcs": int(connected.edges.nnz)}
        return connected

    def _from_all_pairs(
        self,
        graph: NeighborhoodGraph,
        storage: str,
        random: RandomState,
        backend: Backend,
        workers: Workers | None,
    ) -> np.ndarray:
        n = len(graph.points)
        start = time.perf_counter()
        pairs: StoredPairs | SpreadPairs
        if workers is None:
            empty = new_pairs(n, step=1.0, storage=storage, name="isomap", backend=backend)
            step = compute_geodesics(graph, np.arange(n), empty.strip, backend)
            backend.synchronize()
            pairs = StoredPairs(empty._replace(step=step), backend, name="isomap")
        else:
            pairs = SpreadPairs(graph, workers)
        seconds = time.perf_counter() - start
        checked = np.linspace(0, n - 1, min(CHECKED, n)).astype(int)
        self.diagnostics_ |= {
            "storage": storage,
            "path_error": path_error(graph, checked, pairs.rows(list(checked)) * pairs.step),
            "seconds_paths": seconds,
        }
        kernel = kernel_of_pairs(pairs)
        rounding = geodesics.rounding(n, pairs.step, backend)
        solution = self._eigenpairs(kernel, rounding, random)
        return solution.vectors * np.sqrt(np.maximum(solution.values, 0))

    def _from_landmarks(
        self, graph: NeighborhoodGraph, random: RandomState, backend: Backend
    ) -> np.ndarray:
        """Landmark MDS (de Silva & Tenenbaum 2004) of the paths to random landmarks."""
        n, m = len(graph.points), self.landmarks
        sources = np.sort(random.choice(n, m, replace=False))
        log.info(
            f"isomap: {m:,} landmarks x {n:,} points in 16 bits, {2e-9 * m * n:.2g} GB in memory"
        )
        start = time.perf_counter()
        rows, step = _paths_from(graph, sources, backend)
        backend.synchronize()
        seconds = time.perf_counter() - start
        checked = np.linspace(0, m - 1, min(CHECKED, m)).astype(int)
        checked_rows = to_host(rows[backend.to_device(checked)]) * step
        self.diagnostics_ |= {
            "landmarks": m,
            "path_error": path_error(graph, sources[checked], checked_rows),
            "seconds_paths": seconds,
        }
        among = rows[:, backend.to_device(sources)].astype(np.float64) * step
        kernel = kernel_of_matrix(among, backend)
        solution = self._eigenpairs(kernel, geodesics.rounding(n, step, backend), random)
        layout = principal_axes(triangulate(rows, step, solution, backend))
        self.diagnostics_ |= self._error(graph, layout, random, backend)
        return layout

    def _error(
        self, graph: NeighborhoodGraph, layout: np.ndarray, random: RandomState, backend: Backend
    ) -> dict[str, Any]:
        """What `landmark_error.compare` returns, of points that are scaled by their own paths."""
        n = len(graph.points)
        sample = np.sort(random.choice(n, min(SAMPLE, n), replace=False))
        rows, step = _paths_from(graph, sample, backend)
        among = rows[:, backend.to_device(sample)].astype(np.float64) * step
        pairs, _ = largest_kernel_eigenpairs(
            kernel_of_matrix(among, backend),
            k=self.n_components,
            tol=self.tol,
            max_iter=self.max_iter,
            random=random,
        )
        alone = pairs.vectors * np.sqrt(np.maximum(pairs.values, 0))
        return compare(layout[sample], alone, squareform(to_host(among), checks=False))

    def _eigenpairs(self, kernel: Kernel, rounding: float, random: RandomState) -> Eigenpairs:
        """The largest eigenpairs of a kernel of distances, each off by at most `rounding`.

        Values that may be 0 but for rounding are 0; diagnostics have them as they were.
        """
        start = time.perf_counter()
        pairs, negative_sum = largest_kernel_eigenpairs(
            kernel, k=self.n_components, tol=self.tol, max_iter=self.max_iter, random=random
        )
        if not pairs.converged:
            warnings.warn(
                f"Isomap stopped after max_iter = {self.max_iter} products before tol was reached",
                stacklevel=4,
            )
        self.diagnostics_ |= diagnostics(kernel, pairs, negative_sum)
        self.diagnostics_["seconds_eigen"] = time.perf_counter() - start
        self.reconstruction_error_ = self.diagnostics_["reconstruction_error"]
        flat = pairs.values <= kernel.error_bound(rounding)
        self.diagnostics_["flat_axes"] = int(flat.sum())
        if flat.any():
            warnings.warn(
                f"{flat.sum()} of {self.n_components} axes of Isomap are within the rounding of "
                "the paths to 16 bits, so that their coordinates are 0: the points may lie along "
                "fewer dimensions",
                stacklevel=4,
            )
        return pairs._replace(values=np.where(flat, 0.0, pairs.values))


def _paths_from(
    graph: NeighborhoodGraph, sources: np.ndarray, backend: Backend
) -> tuple[Any, float]:
    """Shortest paths from some vertices to all, (m, n) uint16, and their quantisation step."""
    rows = backend.xp.empty((len(sources), len(graph.points)), np.uint16)
    step = compute_geodesics(
        graph, sources, lambda s: (0, rows[s * STRIP : (s + 1) * STRIP]), backend
    )
    return rows, step


def _memory_beside_pairs(n: int, k: int, backend: Backend) -> int:
    """Bytes needed beyond the features, the graph and the pairs, in the memory of the pairs."""
    graph = 150 * k * n  # while it is made: edges, sorted and unsorted, with 64-bit indices
    parts = backend.kernels("squared_pairs").PARTS
    products = 8 * n * BLOCK * (parts + 40)  # partial sums; Lanczos's basis, its copy
    return graph + max(geodesics.memory_needed(n, backend), products)
