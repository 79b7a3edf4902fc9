"""UMAP on the shared exact neighbour graph: umap-learn's memberships and start, an own descent."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_random_state

from pipeline.methods.umap.base import BaseUMAP
from pipeline.methods.umap.descent import descend
from pipeline.methods.umap.library import umap_learn
from pipeline.neighbors.graph import Graph


class UMAP(BaseUMAP):
    """Uniform manifold approximation and projection (McInnes, Healy & Melville 2018).

    Parameters
    ----------
    n_components : int
    n_neighbors : int
        Size of a local neighbourhood, the point itself included, as in umap-learn.
    min_dist, spread : float
        How tightly points may be packed, and over which scale.
    n_epochs : int, optional
        Passes over the edges; by default 500 up to 10,000 points and 200 above.
    init : {"pca", "spectral", "random"} or (n, n_components) array
    learning_rate, repulsion_strength : float
    negative_sample_rate : int
    random_state : int, RandomState or None
        With a seed the result is the same for any number of threads; None draws another one in
        each run.

    Attributes
    ----------
    embedding_ : (n, n_components) float32
    graph_ : (n, n) sparse matrix
        Fuzzy memberships, as in umap-learn.
    n_iter_ : int
        Epochs done.
    diagnostics_ : dict
        loss
            Mean loss of an edge that is drawn: see `pipeline.methods.umap.loss.sampled_loss`.
        n_iter
    """

    def _lay_out(self, X: np.ndarray, graph: Graph | None) -> np.ndarray:
        """See `LayoutEstimator.fit_transform`; the graph needs k >= n_neighbors - 1."""
        self._check_parameters(len(X))
        engine = umap_learn()
        random = check_random_state(self.random_state)
        near = self._neighbors(X, graph)
        self.graph_, _, _ = engine.fuzzy_simplicial_set(
            X,
            self.n_neighbors,
            random,
            "euclidean",
            knn_indices=near.indices,
            knn_dists=near.distances,
        )
        a, b = engine.find_ab_params(self.spread, self.min_dist)
        self.n_iter_ = self._epochs(len(X))
        # No epoch: the start alone, in a box from 0 to 10.
        start, _ = engine.simplicial_set_embedding(
            X,
            self.graph_.copy(),
            self.n_components,
            self.learning_rate,
            a,
            b,
            self.repulsion_strength,
            self.negative_sample_rate,
            0,
            self._start(X, random),
            random,
            "euclidean",
            {},
            densmap=False,
            densmap_kwds={},
            output_dens=False,
        )
        layout = descend(
            self.graph_,
            start,
            a=a,
            b=b,
            n_epochs=self.n_iter_,
            learning_rate=self.learning_rate,
            repulsion_strength=self.repulsion_strength,
            negative_sample_rate=self.negative_sample_rate,
            random=random,
        )
        self.diagnostics_ = self._diagnose(layout)
        return layout
