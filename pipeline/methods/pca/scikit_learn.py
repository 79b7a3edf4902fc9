"""PCA by scikit-learn's exact solvers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from threadpoolctl import threadpool_limits

from pipeline.errors import InputError
from pipeline.methods.base import LayoutEstimator, centred
from pipeline.methods.parameters import Choices, integer
from pipeline.neighbors.graph import Graph


class PCA(LayoutEstimator):
    """Principal component analysis (Pearson 1901; Hotelling 1933).

    Parameters
    ----------
    n_components : int
    svd_solver : {"auto", "covariance_eigh", "full"}
        scikit-learn's names, of which both are exact; "auto" takes the eigenvectors of the d x d
        covariance where d <= n, which is far faster, and else the singular vectors.
    random_state : None
        Ignored: nothing is random. The largest entry of each component is positive.

    Attributes
    ----------
    embedding_, components_, mean_, explained_variance_, explained_variance_ratio_
        As in `sklearn.decomposition.PCA`, in float64.
    """

    choices: ClassVar[Choices] = {
        "n_components": (integer(1),),
        "svd_solver": ("auto", "covariance_eigh", "full"),
    }

    def __init__(self, n_components=2, *, svd_solver="auto", random_state=None):
        self.n_components = n_components
        self.svd_solver = svd_solver
        self.random_state = random_state

    def units(self) -> dict[str, int]:
        """See `LayoutEstimator`."""
        return {"embedding_": 1, "mean_": 1, "explained_variance_": 2}

    def _lay_out(self, X: np.ndarray, graph: Graph | None) -> np.ndarray:
        """See `LayoutEstimator.fit_transform`; the graph is not used."""
        from sklearn import decomposition

        self._check_parameters(*X.shape)
        solver = self.svd_solver
        if solver == "auto":
            solver = "covariance_eigh" if X.shape[1] <= len(X) else "full"
        # Centred first: the covariance solver subtracts n m m' afterwards, which cancels.
        Z = centred(X)
        engine = decomposition.PCA(n_components=self.n_components, svd_solver=solver)
        # The last bits of LAPACK's eigenvectors depend on the number of BLAS threads, and more
        # than one make small problems slower.
        with threadpool_limits(1, user_api="blas"):
            layout = engine.fit_transform(Z)
        self._keep(X, engine, engine.components_)
        return layout

    def _check_parameters(self, n: int, d: int) -> None:
        if self.n_components > min(n, d):
            raise InputError(
                f"PCA of {n} points with {d} features has no more than {min(n, d)} components but "
                f"n_components is {self.n_components}; give more features, or choose another method"
            )

    def _keep(self, X: np.ndarray, engine: Any, components: np.ndarray) -> None:
        """Set the attributes of scikit-learn's PCA."""
        self.components_ = components
        self.mean_ = np.mean(X, axis=0, dtype=np.float64)
        self.explained_variance_ = engine.explained_variance_
        self.explained_variance_ratio_ = engine.explained_variance_ratio_
        self.diagnostics_ = {
            "explained_variance_ratio": [float(v) for v in self.explained_variance_ratio_]
        }
