"""Principal component analysis by blocks of rows, on CPU or GPU."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from pipeline.errors import InputError
from pipeline.methods.base import LayoutEstimator
from pipeline.methods.parameters import Choices, integer
from pipeline.methods.pca.principal_components import principal_components
from pipeline.neighbors.graph import Graph
from pipeline.runtime.device import backend_for


class PCA(LayoutEstimator):
    """Principal component analysis (Pearson 1901; Hotelling 1933).

    From the eigenvectors of the covariance where d <= n, else of the Gram matrix of the points.

    Parameters
    ----------
    n_components : int
    device : {"auto", "cpu", "gpu"}
    random_state : None
        Ignored: nothing is random. The largest entry of each component is positive.

    Attributes
    ----------
    embedding_, components_, mean_, explained_variance_, explained_variance_ratio_
        As in `sklearn.decomposition.PCA`, in float64; beyond the rank they are 0.
    """

    choices: ClassVar[Choices] = {"n_components": (integer(1),)}

    def __init__(self, n_components=2, *, device="auto", random_state=None):
        self.n_components = n_components
        self.device = device
        self.random_state = random_state

    def units(self) -> dict[str, int]:
        """See `LayoutEstimator`."""
        return {"embedding_": 1, "mean_": 1, "explained_variance_": 2}

    def _lay_out(self, X: np.ndarray, graph: Graph | None) -> np.ndarray:
        """See `LayoutEstimator.fit_transform`; the graph is not used."""
        n, d = X.shape
        if self.n_components > min(n, d):
            raise InputError(
                f"PCA of {n} points with {d} features has no more than {min(n, d)} components but "
                f"n_components is {self.n_components}; give more features, or choose another method"
            )
        found = principal_components(X, self.n_components, backend_for(self.device))
        self.components_ = found.axes
        self.mean_ = found.mean
        self.explained_variance_ = found.variances
        self.explained_variance_ratio_ = found.variances / (found.total or 1.0)
        self.diagnostics_ = {
            "explained_variance_ratio": [float(v) for v in self.explained_variance_ratio_]
        }
        return found.coordinates
