"""Isomap by scikit-learn, for as many points as its N x N arrays allow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import numpy as np
from sklearn.utils import check_random_state

from pipeline.methods.base import LayoutEstimator, centred, nearest_neighbors
from pipeline.methods.parameters import Choices, Number, integer
from pipeline.neighbors.components import count_components
from pipeline.neighbors.graph import Graph


class Isomap(LayoutEstimator):
    """Isomap: classical scaling of shortest paths in the neighbour graph (Tenenbaum et al. 2000).

    Parameters
    ----------
    n_neighbors, n_components, eigen_solver, tol, max_iter, path_method
        As in `sklearn.manifold.Isomap`; 12 neighbours by default.
    random_state : int, RandomState or None
        Draws the start of the eigensolver, which decides the last digits.

    Attributes
    ----------
    embedding_ : (n, n_components) float64
    reconstruction_error_ : float
        What `sklearn.manifold.Isomap.reconstruction_error` returns.
    diagnostics_ : dict
        With "components", the number of connected components of the neighbour graph before
        scikit-learn connected them by the shortest edges between them.
    """

    choices: ClassVar[Choices] = {
        "n_components": (integer(1),),
        "n_neighbors": (integer(1),),
        "eigen_solver": ("auto", "arpack", "dense"),
        "tol": (Number(0),),
        "max_iter": (integer(1), None),
        "path_method": ("auto", "FW", "D"),
    }

    def __init__(
        self,
        n_components=2,
        *,
        n_neighbors=12,
        eigen_solver="auto",
        tol=0,
        max_iter=None,
        path_method="auto",
        random_state=None,
    ):
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.eigen_solver = eigen_solver
        self.tol = tol
        self.max_iter = max_iter
        self.path_method = path_method
        self.random_state = random_state

    def units(self) -> dict[str, int]:
        """See `LayoutEstimator`."""
        return {"embedding_": 1, "reconstruction_error_": 2}

    def _lay_out(self, X: np.ndarray, graph: Graph | None) -> np.ndarray:
        """See `LayoutEstimator.fit_transform`.

        scikit-learn finds the neighbours itself; the graph only counts its components.
        """
        from sklearn import manifold

        Z = centred(X)
        parameters = self.get_params()
        del parameters["random_state"]
        engine = manifold.Isomap(**parameters)
        with _global_random_state(self.random_state):
            layout = engine.fit_transform(Z)
        with np.errstate(invalid="ignore"):  # the root of a difference that rounding made negative
            self.reconstruction_error_ = float(np.nan_to_num(engine.reconstruction_error()))
        near = nearest_neighbors(
            Z, graph, self.n_neighbors, f"n_neighbors {self.n_neighbors}", self.device
        )
        self.diagnostics_ = {
            "components": count_components(near.indices),
            "reconstruction_error": self.reconstruction_error_,
        }
        return layout


@contextmanager
def _global_random_state(random_state: int | np.random.RandomState | None) -> Iterator[None]:
    """Lend NumPy's global generator a state: scikit-learn's Isomap knows no other way to seed."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.set_state(check_random_state(random_state).get_state())  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
