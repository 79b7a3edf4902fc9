"""UMAP by umap-learn on the shared exact neighbour graph."""

from __future__ import annotations

import sys
import warnings
from types import ModuleType

import numpy as np
from sklearn.utils import check_random_state, check_scalar

from pipeline.errors import InputError
from pipeline.methods.base import LayoutEstimator, neighbours
from pipeline.methods.pca.scikit_learn import PCA
from pipeline.neighbors.graph import Graph


class UMAP(LayoutEstimator):
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
        With a seed the result is reproducible and the layout uses one thread; None lets all
        threads move points at once, in an order that differs from run to run.

    Attributes
    ----------
    embedding_ : (n, n_components) float32
    graph_ : (n, n) sparse matrix
        Fuzzy memberships, as in umap-learn.
    n_iter_ : int
        Epochs done.
    """

    def __init__(
        self,
        n_components=2,
        *,
        n_neighbors=15,
        min_dist=0.1,
        spread=1.0,
        n_epochs=None,
        init="pca",
        learning_rate=1.0,
        repulsion_strength=1.0,
        negative_sample_rate=5,
        random_state=None,
    ):
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.min_dist = min_dist
        self.spread = spread
        self.n_epochs = n_epochs
        self.init = init
        self.learning_rate = learning_rate
        self.repulsion_strength = repulsion_strength
        self.negative_sample_rate = negative_sample_rate
        self.random_state = random_state

    def _lay_out(self, X: np.ndarray, graph: Graph | None) -> np.ndarray:
        """See `LayoutEstimator.fit_transform`; the graph needs k >= n_neighbors - 1."""
        self._check_parameters()
        engine = _umap_learn()
        random = check_random_state(self.random_state)
        near = self._neighbours(X, graph)
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
        layout, _ = engine.simplicial_set_embedding(
            X,
            self.graph_,
            self.n_components,
            self.learning_rate,
            a,
            b,
            self.repulsion_strength,
            self.negative_sample_rate,
            self.n_iter_,
            self._start(X, random),
            random,
            "euclidean",
            {},
            densmap=False,
            densmap_kwds={},
            output_dens=False,
            parallel=self.random_state is None,
        )
        self.diagnostics_ = {"n_iter": self.n_iter_}
        return layout

    def _check_parameters(self) -> None:
        check_scalar(self.n_components, "n_components", int, min_val=1)
        check_scalar(self.n_neighbors, "n_neighbors", int, min_val=2)
        check_scalar(self.spread, "spread", (int, float), min_val=1e-6)
        check_scalar(self.min_dist, "min_dist", (int, float), min_val=0, max_val=self.spread)
        check_scalar(self.negative_sample_rate, "negative_sample_rate", int, min_val=0)
        if self.n_epochs is not None:
            check_scalar(self.n_epochs, "n_epochs", int, min_val=1)

    def _epochs(self, n: int) -> int:
        return self.n_epochs or (500 if n <= 10_000 else 200)

    def _neighbours(self, X: np.ndarray, graph: Graph | None) -> Graph:
        near = neighbours(
            X, graph, self.n_neighbors - 1, f"n_neighbors {self.n_neighbors}", self.device
        )
        return with_self_neighbors(near)

    def _start(self, X: np.ndarray, random: np.random.RandomState) -> str | np.ndarray:
        if isinstance(self.init, np.ndarray):
            shape = (len(X), self.n_components)
            if self.init.shape != shape:
                raise InputError(f"init has shape {self.init.shape} but the map needs {shape}")
            return self.init
        if self.init == "pca":
            start = PCA(self.n_components).fit_transform(X)
            start *= 10 / np.abs(start).max()
            # As in umap-learn: a little noise tells coincident points and flat axes apart.
            return start + random.normal(scale=1e-4, size=start.shape)
        if self.init in ("spectral", "random"):
            return self.init
        raise InputError(
            f"init is {self.init!r} but UMAP knows 'pca', 'spectral', 'random' and an array"
        )


def with_self_neighbors(near: Graph) -> Graph:
    """The graph with every point as its own first neighbour, as UMAP's libraries count."""
    itself = np.arange(len(near.indices), dtype=np.int32)[:, None]
    return Graph(
        np.hstack([itself, near.indices]),
        np.hstack([np.zeros_like(itself, dtype=np.float32), near.distances]),
    )


def _umap_learn() -> ModuleType:
    """Import umap-learn without TensorFlow, which it loads for a variant that is not used here."""
    # None in sys.modules makes `import tensorflow` fail, and umap-learn then does without.
    hide = "umap" not in sys.modules and "tensorflow" not in sys.modules
    if hide:
        sys.modules["tensorflow"] = None  # type: ignore[assignment]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImportWarning)
            import umap.umap_
    finally:
        if hide:
            del sys.modules["tensorflow"]
    return umap.umap_
