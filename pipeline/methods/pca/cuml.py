"""PCA by RAPIDS cuML, on a GPU."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from sklearn.utils.extmath import svd_flip

from kernels.gpu import cuda
from pipeline.methods import rapids
from pipeline.methods.base import centred
from pipeline.methods.parameters import Choices
from pipeline.methods.pca import scikit_learn as pca
from pipeline.neighbors.graph import Graph


class PCA(pca.PCA):
    """Principal component analysis (Pearson 1901; Hotelling 1933).

    Parameters
    ----------
    n_components : int
    svd_solver : {"auto", "covariance_eigh"}
        Eigenvectors of the covariance, in float64: what cuML calls "full".
    random_state : None
        Ignored: nothing is random. The largest entry of each component is positive.

    Attributes
    ----------
    embedding_, components_, mean_, explained_variance_, explained_variance_ratio_
        As in `sklearn.decomposition.PCA`, in float64.
    """

    choices: ClassVar[Choices] = {
        **pca.PCA.choices,
        "svd_solver": ("auto", "covariance_eigh"),
    }
    device = "gpu"

    def _lay_out(self, X: np.ndarray, graph: Graph | None) -> np.ndarray:
        """See `LayoutEstimator.fit_transform`; the graph is not used."""
        self._check_parameters(*X.shape)
        decomposition = rapids.load("cuml.decomposition")
        engine = decomposition.PCA(
            n_components=self.n_components, svd_solver="full", output_type="numpy"
        )
        with rapids.log_as_warnings():
            # Centred on the GPU: the features cross the bus as they are, not in float64.
            layout = engine.fit_transform(centred(cuda.array_module().asarray(X)))
        layout, components = svd_flip(layout, engine.components_, u_based_decision=False)
        self._keep(X, engine, components)
        return layout
