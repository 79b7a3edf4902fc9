"""Locally linear embedding by scikit-learn, for as many points as its factorisation allows."""

from __future__ import annotations

import warnings
from typing import ClassVar

import numpy as np

from pipeline.methods.base import LayoutEstimator, centred, nearest_neighbors
from pipeline.methods.lle.closed_classes import closed_classes
from pipeline.methods.parameters import Choices, Number, integer
from pipeline.neighbors.components import count_components
from pipeline.neighbors.graph import Graph


class LocallyLinearEmbedding(LayoutEstimator):
    """Locally linear embedding: keep the weights that rebuild points (Roweis & Saul 2000).

    Parameters
    ----------
    n_neighbors, n_components, reg, eigen_solver, tol, max_iter, random_state
        As in `sklearn.manifold.LocallyLinearEmbedding` with method="standard"; 12 neighbours by
        default.

    Attributes
    ----------
    embedding_ : (n, n_components) float64
        Each column has length 1: coordinates are about n ** -0.5. The largest coordinate of a
        column is positive.
    reconstruction_error_ : float
    diagnostics_ : dict
        With "components" of the neighbour graph and its "closed_classes": LLE has one constant
        solution for each class, so that with two or more it draws a class as a point.
    """

    choices: ClassVar[Choices] = {
        "n_components": (integer(1),),
        "n_neighbors": (integer(1),),
        "reg": (Number(0),),
        "eigen_solver": ("auto", "arpack", "dense"),
        "tol": (Number(0),),
        "max_iter": (integer(1),),
    }

    def __init__(
        self,
        n_components=2,
        *,
        n_neighbors=12,
        reg=1e-3,
        eigen_solver="auto",
        tol=1e-6,
        max_iter=100,
        random_state=None,
    ):
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.reg = reg
        self.eigen_solver = eigen_solver
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state

    def _lay_out(self, X: np.ndarray, graph: Graph | None) -> np.ndarray:
        """See `LayoutEstimator.fit_transform`.

        scikit-learn finds the neighbours itself; the graph only counts components and classes.
        """
        from sklearn import manifold
        from sklearn.utils.extmath import svd_flip

        Z = centred(X)
        engine = manifold.LocallyLinearEmbedding(**self.get_params())
        layout = engine.fit_transform(Z)
        self.reconstruction_error_ = float(engine.reconstruction_error_)
        near = nearest_neighbors(
            Z, graph, self.n_neighbors, f"n_neighbors {self.n_neighbors}", self.device
        )
        classes = len(closed_classes(near.indices))
        if classes > 1:
            warnings.warn(
                f"the graph of {self.n_neighbors} neighbours has {classes} closed classes, which "
                "LLE draws as points or lines; more neighbours may connect them",
                stacklevel=2,
            )
        self.diagnostics_ = {
            "components": count_components(near.indices),
            "closed_classes": classes,
            "reconstruction_error": self.reconstruction_error_,
        }
        return svd_flip(layout, None)[0]
