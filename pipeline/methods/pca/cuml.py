"""PCA by RAPIDS cuML, on a GPU."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_scalar

from kernels.gpu import cuda
from pipeline.errors import InputError
from pipeline.methods import rapids
from pipeline.methods.base import centred
from pipeline.methods.pca import scikit_learn as pca
from pipeline.neighbors.graph import Graph


class PCA(pca.PCA):
    """Principal component analysis (Pearson 1901; Hotelling 1933).

    Parameters
    ----------
    n_components : int
    svd_solver : {"covariance_eigh"}
        Eigenvectors of the covariance, in float64: what cuML calls "full".
    random_state : None
        Ignored: nothing is random. The largest entry of each component is positive.

    Attributes
    ----------
    embedding_, components_, mean_, explained_variance_, explained_variance_ratio_
        As in `sklearn.decomposition.PCA`, in float64.
    """

    device = "gpu"

    def _lay_out(self, X: np.ndarray, graph: Graph | None) -> np.ndarray:
        """See `LayoutEstimator.fit_transform`; the graph is not used."""
        check_scalar(self.n_components, "n_components", int, min_val=1, max_val=min(X.shape))
        if self.svd_solver != "covariance_eigh":
            raise InputError(
                f"svd_solver is {self.svd_solver!r} but cuML's PCA knows 'covariance_eigh'; "
                "choose it, or engine sklearn"
            )
        decomposition = rapids.load("cuml.decomposition")
        engine = decomposition.PCA(
            n_components=self.n_components, svd_solver="full", output_type="numpy"
        )
        with rapids.log_as_warnings():
            # Centred on the GPU: the features cross the bus as they are, not in float64.
            layout = engine.fit_transform(centred(cuda.array_module().asarray(X)))
        signs = _signs(engine.components_)
        self._keep(X, engine, signs[:, None] * engine.components_)
        return signs * layout


def _signs(components: np.ndarray) -> np.ndarray:
    """Signs that make the largest entry of each component positive, as in scikit-learn."""
    largest = np.abs(components).argmax(axis=1)
    return np.where(components[np.arange(len(components)), largest] < 0, -1.0, 1.0)
