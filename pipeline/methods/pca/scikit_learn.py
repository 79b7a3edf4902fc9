"""PCA by scikit-learn's exact covariance solver."""

from __future__ import annotations

from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from pipeline.methods.base import LayoutEstimator, centred
from pipeline.neighbors.graph import Graph


class PCA(LayoutEstimator):
    """Principal component analysis (Pearson 1901; Hotelling 1933).

    Parameters
    ----------
    n_components : int
    svd_solver : {"covariance_eigh", "full"}
        scikit-learn's names; both are exact, the first is far faster for n > d.
    random_state : None
        Ignored: nothing is random. The largest entry of each component is positive.

    Attributes
    ----------
    embedding_, components_, mean_, explained_variance_, explained_variance_ratio_
        As in `sklearn.decomposition.PCA`, in float64.
    """

    def __init__(self, n_components=2, *, svd_solver="covariance_eigh", random_state=None):
        self.n_components = n_components
        self.svd_solver = svd_solver
        self.random_state = random_state

    def _lay_out(self, X: np.ndarray, graph: Graph | None) -> np.ndarray:
        """See `LayoutEstimator.fit_transform`; the graph is not used."""
        from sklearn import decomposition

        # Centred first: the covariance solver subtracts n m m' afterwards, which cancels.
        Z = centred(X)
        engine = decomposition.PCA(n_components=self.n_components, svd_solver=self.svd_solver)
        # The last bits of LAPACK's eigenvectors depend on the number of BLAS threads, and more
        # than one make small problems slower.
        with threadpool_limits(1, user_api="blas"):
            layout = engine.fit_transform(Z)
        self._keep(X, engine, engine.components_)
        return layout

    def _keep(self, X: np.ndarray, engine: Any, components: np.ndarray) -> None:
        """Set the attributes of scikit-learn's PCA."""
        self.components_ = components
        self.mean_ = np.mean(X, axis=0, dtype=np.float64)
        self.explained_variance_ = engine.explained_variance_
        self.explained_variance_ratio_ = engine.explained_variance_ratio_
        self.diagnostics_ = {
            "explained_variance_ratio": [float(v) for v in self.explained_variance_ratio_]
        }
