"""What all estimators of this package share."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from pipeline.errors import InputError
from pipeline.graph import Graph, check_features, knn_graph


class LayoutEstimator(BaseEstimator):
    """A scikit-learn estimator that lays points out and may use their shared neighbour graph.

    A subclass defines `fit_transform(X, y=None, graph=None)` and sets

    Attributes
    ----------
    embedding_ : (n, n_components) array
    certificate_ : dict
        Figures on what was computed and verified, in plain numbers and strings.
    """

    embedding_: np.ndarray
    certificate_: dict[str, Any]

    def fit(self, X: np.ndarray, y: None = None, graph: Graph | None = None) -> LayoutEstimator:
        """Compute `embedding_`; parameters as in `fit_transform`."""
        self.fit_transform(X, graph=graph)
        return self

    def fit_transform(
        self, X: np.ndarray, y: None = None, graph: Graph | None = None
    ) -> np.ndarray:
        """Lay the rows of X out.

        Parameters
        ----------
        X : (n, d) array
            Features, finite.
        y : None
            Ignored, there for scikit-learn's pipelines.
        graph : Graph, optional
            Exact nearest neighbours of X; computed if needed and not given.

        Returns
        -------
        (n, n_components) array

        Raises
        ------
        InputError
            The features, the graph or a parameter cannot be used.
        """
        raise NotImplementedError


def centred(X: np.ndarray) -> np.ndarray:
    """X minus its mean, in float64, so that no method loses digits far from the origin."""
    X = check_features(X)
    return X - X.mean(axis=0, dtype=np.float64)


def neighbours(X: np.ndarray, graph: Graph | None, k: int, why: str) -> Graph:
    """The first k neighbours of every point, out of `graph` or computed now.

    Raises
    ------
    InputError
        The graph belongs to other points or has fewer than k neighbours; `why` names the
        parameter that asks for k.
    """
    if graph is None:
        return knn_graph(X, k=k)
    n, available = graph.indices.shape
    if n != len(X):
        raise InputError(
            f"the graph has {n} points but the features have {len(X)}; give the graph of these "
            "features"
        )
    if k > available:
        raise InputError(
            f"{why} needs {k} neighbours a point but the graph has k = {available}; lower it or "
            f"compute the graph with k >= {k}"
        )
    return Graph(graph.indices[:, :k], graph.distances[:, :k])
