"""Metric multidimensional scaling on all pairs, exactly, for tens of thousands of points."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from numbers import Integral, Real

import numpy as np
from scipy.linalg import eigh
from sklearn.utils import check_random_state

from kernels.backend import Backend, to_host
from kernels.pairs import TOP
from pipeline.errors import InputError
from pipeline.methods.base import LayoutEstimator
from pipeline.methods.mds import distances as dissimilarities
from pipeline.methods.mds import smacof
from pipeline.methods.mds.distances import (
    Dissimilarities,
    centred_points,
    classical_scaling,
)
from pipeline.methods.pair_storage import choose_storage
from pipeline.neighbors.graph import Graph
from pipeline.runtime.device import backend_for

EXACT = 4096  # points up to which pairs are kept in float64: 70 MB


class MDS(LayoutEstimator):
    """Make map distances equal to dissimilarities, all pairs alike (SMACOF; de Leeuw 1977).

    Parameters
    ----------
    n_components : int
    n_init : int
        Random starts tried, the best is kept; only with init="random".
    init : {"classical_mds", "random"} or (n, n_components) array
        Classical scaling of Euclidean distances is PCA up to signs (Gower 1966) and is computed
        so. The size of a start does not matter.
    max_iter : int
        Passes over all pairs for one start.
    eps : float
        Stop when the stress falls by no more than this share of the sum of squared map distances,
        in a plain step of SMACOF as in a quasi-Newton step.
    metric : {"euclidean", "precomputed"}
        With "precomputed", X is the (n, n) matrix of dissimilarities.
    normalized_stress : bool or "auto"
        Whether `stress_` is Kruskal's stress-1; "auto" is False.
    storage : {"auto", "memory", "disk", "recompute"}
        Where each pair's dissimilarity is kept, in 16 bits: n^2 bytes in all. "recompute" keeps
        none, at the price of n^2 d operations more in each pass. "auto" takes the first of these
        that has room; up to 4,096 points it keeps float64 in memory. A GPU has its own memory, and
        no disk.
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
            Root of the squared error as a share of the squared map distances (Kruskal 1964),
            whatever `stress_` is; summed in float64 over all pairs.
        n_iter, converged
        storage
            "exact" for pairs in float64, else as the parameter.
        identity
            How far that sum is from the stress that the Guttman transform G implies,
            sum of delta^2 + n|X|^2 - 2n <X, G(X)>, as a share of the sum of delta^2.
        rounding
            How far the stress that the steps were judged by is from it, as the same share.
        gradient
            |X - G(X)| / |X|: what a further plain step would change.
        flops, bytes
            Of the distances and all passes over them.
    """

    def __init__(
        self,
        n_components=2,
        *,
        n_init=1,
        init="classical_mds",
        max_iter=300,
        eps=1e-6,
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
        self.metric = metric
        self.normalized_stress = normalized_stress
        self.storage = storage
        self.device = device
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.metric == "precomputed"
        return tags

    def _lay_out(self, X: np.ndarray, graph: Graph | None) -> np.ndarray:
        """See `LayoutEstimator.fit_transform`; the graph is not used: every pair counts."""
        self._check_parameters()
        backend = backend_for(self.device)
        storage = self._resolved_storage(len(X), X.shape[1], backend)
        pairs: Dissimilarities
        if self.metric == "precomputed":
            _check_matrix(X)
            starts = self._starts(len(X), partial(_scaled_classically, X))
            pairs = dissimilarities.given(X, storage=storage, backend=backend)
        else:
            precision = np.dtype(np.float64 if storage == "exact" else np.float32)
            points = centred_points(X, precision, backend)
            starts = self._starts(len(X), partial(classical_scaling, points))
            pairs = dissimilarities.euclidean(points, storage=storage)
        results = [
            smacof.minimise_stress(
                pairs,
                backend.to_device(_sized(start, pairs.precision)),
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
        stress, figures = _verified(best, pairs)
        self.n_iter_ = best.n_iter
        is_stress_1 = self.normalized_stress is True
        self.stress_ = figures["stress_1"] if is_stress_1 else stress * pairs.unit**2

        n, d = X.shape
        count = n * (n - 1) // 2
        passes = sum(result.n_iter + 1 for result in results)
        products = passes if storage == "recompute" else int(self.metric == "euclidean")
        self.diagnostics_ = {
            "n_iter": best.n_iter,
            "converged": best.converged,
            "storage": storage,
            **figures,
            "flops": count * (passes * (7 * self.n_components + 5) + products * 2 * d),
            "bytes": count * passes * (8 if storage == "exact" else 2),
        }
        X = to_host(best.X)
        return (X - X.mean(axis=0, dtype=np.float64)) * pairs.unit

    def _check_parameters(self) -> None:
        for name in ("n_components", "n_init", "max_iter"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or int(value) < 1:
                raise InputError(f"{name} of MDS is {value!r} but must be an integer >= 1")
        if not isinstance(self.eps, Real) or not float(self.eps) >= 0:
            raise InputError(f"eps of MDS is {self.eps!r} but must be a number >= 0")
        for name, words in (
            ("metric", ("euclidean", "precomputed")),
            ("normalized_stress", (True, False, "auto")),
            ("storage", ("auto", "memory", "disk", "recompute")),
        ):
            value = getattr(self, name)
            if not any(value is word or value == word for word in words):
                known = ", ".join(map(str, words))
                raise InputError(f"{name} of MDS is {value!r} but must be one of {known}")
        if self.n_init != 1 and not (isinstance(self.init, str) and self.init == "random"):
            raise InputError(
                f"n_init is {self.n_init} but only init='random' has more than one start"
            )
        if self.metric == "precomputed" and self.storage == "recompute":
            raise InputError(
                "storage 'recompute' of MDS needs features but metric is 'precomputed'; choose "
                "memory or disk"
            )

    def _starts(self, n: int, classical_scaling: Callable[[int], np.ndarray]) -> list[np.ndarray]:
        """(n, n_components) coordinates that the passes start from, of any size."""
        if not isinstance(self.init, str):
            return [_checked_start(self.init, (n, self.n_components))]
        if self.init == "random":
            random = check_random_state(self.random_state)
            return [random.uniform(size=(n, self.n_components)) for _ in range(self.n_init)]
        if self.init == "classical_mds":
            return [classical_scaling(self.n_components)]
        raise InputError(
            f"init is {self.init!r} but MDS knows 'classical_mds', 'random' and an array"
        )

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


def _check_matrix(D: np.ndarray) -> None:
    """Refuse what is no matrix of dissimilarities, and say where."""
    n = len(D)
    if D.shape[1] != n:
        raise InputError(f"precomputed dissimilarities must be square but have shape {D.shape}")
    for wrong, what in (
        (D < 0, "be non-negative"),
        (np.abs(D - D.T) > 1e-6 * np.abs(D).max(), "be symmetric"),
        (np.diag(np.diag(D)) != 0, "have a diagonal of zeros"),
    ):
        if wrong.any():
            i, j = np.argwhere(wrong)[0]
            raise InputError(
                f"precomputed dissimilarities must {what} but [{i}, {j}] is {D[i, j]:g} and "
                f"[{j}, {i}] is {D[j, i]:g}; correct the matrix"
            )


def _scaled_classically(D: np.ndarray, p: int) -> np.ndarray:
    """Classical scaling (Torgerson 1952); coordinates without a positive eigenvalue are 0."""
    n = len(D)
    B = np.square(D, dtype=np.float64) / -2
    B -= B.mean(axis=0)
    B -= B.mean(axis=1, keepdims=True)
    values, vectors = eigh(B, subset_by_index=(max(n - p, 0), n - 1), overwrite_a=True)
    X = vectors[:, ::-1] * np.sqrt(np.maximum(values[::-1], 0))
    return np.pad(X, ((0, 0), (0, p - X.shape[1])))


def _checked_start(init: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    start = np.asarray(init)
    if start.shape != shape:
        raise InputError(
            f"init of MDS has shape {start.shape} but the map has {shape}; give one row a point"
        )
    start = start.astype(np.float64)
    if not np.isfinite(start).all() or (start == start[0]).all():
        raise InputError("init of MDS must be finite and have points in different places")
    return start


def _sized(start: np.ndarray, precision: np.dtype) -> np.ndarray:
    """The start centred and of about the size of the 16-bit numbers, where floats are safe.

    Guttman's transform does not depend on the size, so neither do the steps after the first.
    """
    start = start - start.mean(axis=0)
    largest = np.abs(start).max() or 1.0
    return (start * (TOP / 4 / largest)).astype(precision)


def _verified(found: smacof.Result, pairs: Dissimilarities) -> tuple[float, dict[str, float]]:
    """Stress summed again in float64, in the pairs' unit, and what it says; see `MDS`."""
    X = found.X.astype(np.float64)
    G, stress = smacof.guttman_transform(pairs, X)
    nowhere = smacof.guttman_transform(pairs, np.zeros_like(X))[1]  # sum of delta^2
    size = smacof.sum_of_squares(X)
    if size == 0:  # all points coincide, and so do their images
        return stress, {"stress_1": 0.0, "identity": 0.0, "rounding": 0.0, "gradient": 0.0}
    implied = nowhere + size - 2 * len(X) * float((X * G).sum())
    return stress, {
        "stress_1": float(np.sqrt(stress / size)),
        "identity": abs(implied - stress) / nowhere,
        "rounding": abs(found.stress - stress) / nowhere,
        "gradient": float(np.linalg.norm(X - G) / np.linalg.norm(X)),
    }
