"""Metric multidimensional scaling of all pairs, exactly, for tens of thousands of points."""

from __future__ import annotations

import warnings
from typing import ClassVar

import numpy as np
from scipy.spatial.distance import pdist
from sklearn.base import clone
from sklearn.utils import check_random_state

from kernels.backend import Backend, get_backend, to_host
from pipeline.errors import InputError
from pipeline.methods.landmark_error import SAMPLE, compare
from pipeline.methods.mds import initialization, landmarks, smacof
from pipeline.methods.mds.base import BaseMDS
from pipeline.methods.mds.distances import (
    Dissimilarities,
    Points,
    centred_points,
    euclidean_distances,
    precomputed_distances,
)
from pipeline.methods.mds.resources import EXACT
from pipeline.methods.mds.spread import SpreadDistances
from pipeline.methods.parameters import Choices, integer
from pipeline.methods.pca.principal_components import principal_components
from pipeline.neighbors.graph import Graph
from pipeline.runtime.device import backend_for
from pipeline.runtime.pair_storage import choose_storage
from pipeline.runtime.workers import Workers


class MDS(BaseMDS):
    """Metric multidimensional scaling: minimise raw stress by SMACOF (de Leeuw 1977).

    All pairs count, with equal weights.

    Parameters
    ----------
    n_components : int
    n_init : int
        Random starts, of which the lowest stress is kept; only with init="random".
    init : {"landmarks", "classical_mds", "random"} or (n, n_components) array
        Classical scaling of Euclidean distances is PCA up to signs (Gower 1966) and is computed
        so. "landmarks" goes on from there with 2,000 points among themselves and all others by
        these (see `mds.landmarks`), which leaves few passes over all pairs; up to 4,096 points, of
        other than two components and of a precomputed metric it is classical scaling. The size of a
        start does not matter.
    max_iter : int
        Passes over all pairs for one start.
    eps : float
        Stop when the stress falls by no more than this share of the sum of squared distances in
        the layout, in a plain step of SMACOF as in a quasi-Newton step.
    landmarks : int or None
        Lay this many points out among themselves and all others by their distances to these alone,
        for more points than pairs of them can be stored, or passed over; in one or two components,
        of features.
    metric : {"euclidean", "precomputed"}
        With "precomputed", X is the (n, n) matrix of dissimilarities.
    normalized_stress : bool or "auto"
        Whether `stress_` is Kruskal's stress-1; "auto" is False.
    storage : {"auto", "memory", "disk", "recompute"}
        Where each pair's dissimilarity is stored, in 16 bits: n^2 bytes in all. "recompute" stores
        none, at the price of n^2 d operations more in each pass. "auto" takes the first of these
        that has room; up to 4,096 points it stores float64 in memory. A GPU has its own memory,
        and no disk.
    device : {"auto", "cpu", "gpu"}
    random_state : int, RandomState or None
        Draws the random starts, as scikit-learn does.

    Attributes
    ----------
    embedding_ : (n, n_components) float64
        Centred.
    stress_ : float
    n_iter_ : int
    n_features_in_ : int
    diagnostics_ : dict
        stress_1
            Kruskal's stress-1 (1964): root of the squared errors' share of the squared distances
            in the layout, whatever `stress_` is; summed in float64 over all pairs.
        n_iter, converged
        storage
            "exact" for pairs in float64, else as the parameter.
        identity
            Difference between that sum and the stress that the Guttman transform G implies,
            sum of delta^2 + n|X|^2 - 2n <X, G(X)>, as a share of the sum of delta^2.
        rounding
            Difference between that sum and the stress of the last step, as the same share.
        gradient
            |X - G(X)| / |X|: the relative change by a further plain step.
        flops, bytes
            Of the distances and all passes over them.
        With landmarks: their number; n_iter and converged, of these; stress_1, of all pairs with a
        landmark; and what `landmark_error.compare` returns, of points laid out exactly.
    """

    spreads = True

    choices: ClassVar[Choices] = {
        **BaseMDS.choices,
        "init": ("landmarks", *BaseMDS.choices["init"]),
        "landmarks": (integer(3), None),
        "metric": ("euclidean", "precomputed"),
        "storage": ("auto", "memory", "disk", "recompute"),
    }

    def __init__(
        self,
        n_components=2,
        *,
        n_init=1,
        init="landmarks",
        max_iter=300,
        eps=1e-6,
        landmarks=None,
        metric="euclidean",
        normalized_stress="auto",
        storage="auto",
        device="auto",
        random_state=None,
    ):
        self.n_components = n_components
        self.n_init = n_init
        self.init = init
        self.max_iter = max_iter
        self.eps = eps
        self.landmarks = landmarks
        self.metric = metric
        self.normalized_stress = normalized_stress
        self.storage = storage
        self.device = device
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.metric == "precomputed"
        return tags

    def _check_features(self, X: np.ndarray) -> None:
        if self.metric == "precomputed":
            initialization.check_matrix(X)

    def _lay_out(
        self, X: np.ndarray, graph: Graph | None, workers: Workers | None = None
    ) -> np.ndarray:
        """See `LayoutEstimator.fit_transform`; the graph is not used: every pair counts."""
        self._check_parameters(len(X))
        n, d = X.shape
        backend = backend_for(self.device)
        if self.landmarks is not None:
            if workers is not None:
                raise InputError("landmarks of MDS are laid out on one machine: leave Dask out")
            return self._by_landmarks(X, backend)
        if workers is None:
            storage = self._resolved_storage(n, d, backend)
        else:
            storage = self._storage_on_workers(n)
            backend = get_backend("cpu")
        dissimilarities, starts = self._prepare(X, storage, backend, workers)
        results = [
            smacof.minimise_stress(
                dissimilarities,
                backend.to_device(initialization.rescale(start, dissimilarities.precision)),
                max_iter=self.max_iter,
                eps=self.eps,
            )
            for start in starts
        ]
        best = min(results, key=lambda result: result.stress)
        if not best.converged:
            warnings.warn(
                f"MDS stopped after max_iter = {self.max_iter} passes before eps was reached",
                stacklevel=3,
            )
        stress, errors = smacof.stress_diagnostics(best, dissimilarities)
        step = dissimilarities.step
        self.n_iter_ = best.n_iter
        self.stress_ = errors["stress_1"] if self.normalized_stress is True else stress * step**2
        self.diagnostics_ = {
            "n_iter": best.n_iter,
            "converged": best.converged,
            "storage": storage,
            **errors,
            **self._work(n, d, storage, passes=sum(result.n_iter + 1 for result in results)),
        }
        layout = to_host(best.X)
        return (layout - layout.mean(axis=0, dtype=np.float64)) * step

    def _prepare(
        self, X: np.ndarray, storage: str, backend: Backend, workers: Workers | None
    ) -> tuple[Dissimilarities, list[np.ndarray]]:
        """The dissimilarities, and starts of shape (n, n_components) and any size."""
        if self.metric == "precomputed":
            starts = self._user_starts(len(X)) or [
                initialization.classical_scaling(X, self.n_components)
            ]
            return precomputed_distances(X, storage=storage, backend=backend), starts
        precision = np.dtype(np.float64 if storage == "exact" else np.float32)
        points = centred_points(X, precision, backend)
        starts = self._user_starts(len(X)) or [self._scaled(X, points)]
        if workers is not None:
            return SpreadDistances(points, storage, workers), starts
        return euclidean_distances(points, storage=storage), starts

    def _scaled(self, X: np.ndarray, points: Points) -> np.ndarray:
        """Classical scaling of Euclidean distances, which is PCA, and where `init` says so more."""
        n, p = len(X), self.n_components
        coordinates = principal_components(X, p, points.backend).coordinates
        if self.init == "classical_mds" or n <= EXACT or p != 2:
            return coordinates
        few = landmarks.spread_out(coordinates, landmarks.START)
        placed = landmarks.place_by_landmarks(
            points, few, coordinates, max_iter=self.max_iter, eps=self.eps
        )
        return placed.layout if np.ptp(placed.layout, axis=0).any() else coordinates

    def _by_landmarks(self, X: np.ndarray, backend: Backend) -> np.ndarray:
        """See the parameter `landmarks`."""
        random = check_random_state(self.random_state)
        points = centred_points(X, np.dtype(np.float32), backend)
        coordinates = principal_components(X, self.n_components, backend).coordinates
        few = np.sort(random.choice(len(X), self.landmarks, replace=False))
        placed = landmarks.place_by_landmarks(
            points, few, coordinates, max_iter=self.max_iter, eps=self.eps
        )
        if not placed.converged:
            warnings.warn(
                f"MDS stopped after max_iter = {self.max_iter} passes over the landmarks before "
                "eps was reached",
                stacklevel=4,
            )
        layout = placed.layout / points.scale
        sample = np.sort(random.choice(len(X), min(SAMPLE, len(X)), replace=False))
        alone = clone(self).set_params(landmarks=None, storage="auto").fit(X[sample])
        self.n_iter_ = placed.n_iter
        self.stress_ = placed.stress_1 if self.normalized_stress is True else placed.stress
        self.diagnostics_ = {
            "landmarks": self.landmarks,
            "n_iter": placed.n_iter,
            "converged": placed.converged,
            "stress_1": placed.stress_1,
            "stress_1_is": "of pairs with a landmark",
            **compare(layout[sample], alone.embedding_, pdist(X[sample])),
        }
        return layout - layout.mean(axis=0)

    def _user_starts(self, n: int) -> list[np.ndarray]:
        """Random starts or the array that `init` asks for; none for classical scaling."""
        if not isinstance(self.init, str):
            return [initialization.check_start(self.init)]
        if self._starts_at_random:
            random = check_random_state(self.random_state)
            return [random.uniform(size=(n, self.n_components)) for _ in range(self.n_init)]
        return []

    def _work(self, n: int, d: int, storage: str, *, passes: int) -> dict[str, int]:
        """Floating-point operations and bytes of the distances and all passes over them."""
        pairs = n * (n - 1) // 2
        products = passes if storage == "recompute" else int(self.metric == "euclidean")
        return {
            "flops": pairs * (passes * (7 * self.n_components + 5) + products * 2 * d),
            "bytes": pairs * passes * (8 if storage == "exact" else 2),
        }

    def _check_parameters(self, n: int) -> None:
        super()._check_parameters(n)
        if self.landmarks is not None:
            self._check_landmarks(n)
        if self.metric == "precomputed" and self.storage == "recompute":
            raise InputError(
                "storage 'recompute' of MDS needs features but metric is 'precomputed'; choose "
                "memory or disk"
            )

    def _check_landmarks(self, n: int) -> None:
        if self.landmarks > n:
            raise InputError(f"landmarks is {self.landmarks} but there are only {n} points")
        for name, value, only in (
            ("metric", self.metric, ("euclidean",)),
            ("init", self.init, ("landmarks", "classical_mds")),
            ("n_components", self.n_components, (1, 2)),
        ):
            if not isinstance(value, str | int) or value not in only:
                raise InputError(
                    f"{name} of MDS is {value!r} but with landmarks must be "
                    f"{' or '.join(map(repr, only))}"
                )

    def _storage_on_workers(self, n: int) -> str:
        if self.metric == "precomputed" or self.storage in ("disk", "recompute"):
            word = "metric" if self.metric == "precomputed" else "storage"
            raise InputError(
                f"{word} is {getattr(self, word)!r} but Dask's workers compute the distances of "
                "features and store them in their memory: leave it out, or Dask"
            )
        return "exact" if self.storage == "auto" and n <= EXACT else "memory"

    def _resolved_storage(self, n: int, d: int, backend: Backend) -> str:
        if self.storage == "recompute":
            return "recompute"
        if self.storage == "auto" and n <= EXACT:
            return "exact"
        place = choose_storage(n, storage=self.storage, spare=8 * n * d, backend=backend)
        if place == "none" and self.metric == "precomputed":
            raise InputError(
                f"the pairs of {n:,} points fit neither in memory nor on disk; set TMPDIR to a "
                "larger disk, device to cpu, or give fewer points"
            )
        return "recompute" if place == "none" else place
