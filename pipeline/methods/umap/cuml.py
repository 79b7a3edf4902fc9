"""UMAP by RAPIDS cuML on the shared exact neighbour graph, on a GPU."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_random_state

from pipeline.methods import rapids
from pipeline.methods.umap.base import BaseUMAP
from pipeline.neighbors.graph import Graph


class UMAP(BaseUMAP):
    """Uniform manifold approximation and projection (McInnes, Healy & Melville 2018).

    Parameters
    ----------
    n_components, n_neighbors, min_dist, spread, n_epochs, learning_rate, repulsion_strength, \
negative_sample_rate
        As in `pipeline.methods.umap.tunescope.UMAP`.
    init : {"pca", "spectral", "random"} or (n, n_components) array
        The first and the last are stretched to a box from 0 to 10, as umap-learn does.
    random_state : int, RandomState or None
        With a seed the result is reproducible.

    Attributes
    ----------
    embedding_ : (n, n_components) float32
    graph_ : (n, n) sparse matrix
        Fuzzy memberships, as in umap-learn.
    n_iter_ : int
        Epochs done.
    diagnostics_ : dict
        As in `pipeline.methods.umap.tunescope.UMAP`.
    """

    device = "gpu"

    def _lay_out(self, X: np.ndarray, graph: Graph | None) -> np.ndarray:
        """See `LayoutEstimator.fit_transform`; the graph needs k >= n_neighbors - 1."""
        self._check_parameters(len(X))
        manifold = rapids.load("cuml.manifold")
        near = self._neighbors(X, graph)
        self.n_iter_ = self._epochs(len(X))
        engine = manifold.UMAP(
            n_components=self.n_components,
            n_neighbors=self.n_neighbors,
            min_dist=self.min_dist,
            spread=self.spread,
            n_epochs=self.n_iter_,
            init=self._scaled_start(X),
            learning_rate=self.learning_rate,
            repulsion_strength=self.repulsion_strength,
            negative_sample_rate=self.negative_sample_rate,
            random_state=self.random_state,
            # A point's edges pull one after the other, as in umap-learn. All at once, the default,
            # they throw points of many edges far out (github.com/NVIDIA/cuml/pull/7974).
            force_serial_epochs=True,
            precomputed_knn=tuple(near),
            output_type="numpy",
        )
        with rapids.log_as_warnings():
            layout = engine.fit_transform(X)
        self.graph_ = engine.graph_.tocsr()
        self.diagnostics_ = self._diagnose(layout)
        return layout

    def _scaled_start(self, X: np.ndarray) -> str | np.ndarray:
        """The start in the box that umap-learn's descent would see."""
        start = self._start(X, check_random_state(self.random_state))
        if isinstance(start, str):
            return start
        low, high = start.min(axis=0), start.max(axis=0)
        return (10 * (start - low) / (high - low)).astype(np.float32)
