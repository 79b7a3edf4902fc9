"""Metric multidimensional scaling by scikit-learn, for as many points as its N x N arrays allow."""

from __future__ import annotations

import warnings

import numpy as np

from kernels.backend import get_backend
from pipeline.methods.base import centred
from pipeline.methods.mds.base import BaseMDS
from pipeline.methods.pca.principal_components import principal_components
from pipeline.neighbors.graph import Graph


class MDS(BaseMDS):
    """Metric multidimensional scaling: minimise raw stress by SMACOF (de Leeuw 1977).

    Parameters
    ----------
    n_components : int
    n_init : int
        Random starts, of which the lowest stress is kept; only with init="random".
    init : {"classical_mds", "random"} or (n, n_components) array
        Classical scaling of Euclidean distances is PCA up to signs (Gower 1966) and is computed
        so, without scikit-learn's eigenvalues of an N x N matrix.
    max_iter : int
    eps : float
        Stop when the stress falls by less than this share of the sum of squared distances in
        the layout.
    normalized_stress : bool or "auto"
        Whether `stress_` is Kruskal's stress-1; "auto" is False.
    random_state : int, RandomState or None

    Attributes
    ----------
    embedding_ : (n, n_components) float64
    stress_ : float
    n_iter_ : int
    diagnostics_ : dict
        "n_iter", "converged" and "stress_1", Kruskal's stress-1 (1964), whatever `stress_` is.
    """

    def __init__(
        self,
        n_components=2,
        *,
        n_init=1,
        init="classical_mds",
        max_iter=300,
        eps=1e-6,
        normalized_stress="auto",
        random_state=None,
    ):
        self.n_components = n_components
        self.n_init = n_init
        self.init = init
        self.max_iter = max_iter
        self.eps = eps
        self.normalized_stress = normalized_stress
        self.random_state = random_state

    def _lay_out(self, X: np.ndarray, graph: Graph | None) -> np.ndarray:
        """See `LayoutEstimator.fit_transform`; the graph is not used: every pair counts."""
        from sklearn import manifold

        self._check_parameters(len(X))
        Z = centred(X)
        engine = manifold.MDS(
            self.n_components,
            n_init=self.n_init,
            init="random",  # or the array below
            max_iter=self.max_iter,
            eps=self.eps,
            normalized_stress=self.normalized_stress,
            random_state=self.random_state,
        )
        layout = engine.fit_transform(Z, init=self._start(Z))
        self.stress_ = float(engine.stress_)
        self.n_iter_ = int(engine.n_iter_)
        # The sum of squared distances of all pairs is n times that to the mean.
        squared = len(layout) * float(np.square(layout - layout.mean(axis=0)).sum())
        is_stress_1 = self.normalized_stress is True
        stress_1 = self.stress_ if is_stress_1 else (self.stress_ / squared) ** 0.5
        converged = self.n_iter_ < self.max_iter
        if not converged:
            warnings.warn(
                f"MDS stopped after max_iter = {self.max_iter} passes before eps was reached",
                stacklevel=2,
            )
        self.diagnostics_ = {
            "stress_1": float(stress_1),
            "n_iter": self.n_iter_,
            "converged": converged,
        }
        return layout

    def _start(self, Z: np.ndarray) -> np.ndarray | None:
        if self._starts_at_random:
            return None
        if isinstance(self.init, str):
            return principal_components(Z, self.n_components, get_backend("cpu")).coordinates
        return self.init
