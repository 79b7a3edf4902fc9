"""Locally linear embedding under scikit-learn's name and with its parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import manifold
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.validation import validate_data

from pipeline.errors import InputError
from pipeline.methods.lle import exact

SMALLEST_TOL = 1e-9  # a sine that float64 can still tell from 0


class LocallyLinearEmbedding(manifold.LocallyLinearEmbedding):
    """Locally linear embedding in place of `sklearn.manifold.LocallyLinearEmbedding`.

    The layout is that of `pipeline.methods.lle.exact.LocallyLinearEmbedding`, on a GPU where there
    is one: each column's largest coordinate is positive, and closed classes of the graph are
    connected (a warning says so), where scikit-learn draws an arbitrary view of them. New points
    are placed by scikit-learn's own `transform`.

    Parameters
    ----------
    n_neighbors, n_components, reg, neighbors_algorithm, random_state, n_jobs
        As of scikit-learn's class. The search is exact, whatever the algorithm; `n_jobs` is that
        of `transform`, and the layout takes all threads of the process.
    tol : float
        Sine of the largest angle between the layout's plane and the true one.
    method : {"standard"}
        Hessian, modified and LTSA embeddings are refused: scikit-learn has them.
    eigen_solver, max_iter
        Accepted, and of no effect: they choose and limit scikit-learn's eigensolvers. A layout
        that is not known to `tol` is warned of.
    hessian_tol, modified_tol
        Accepted, and of no effect with method "standard".

    Attributes
    ----------
    embedding_ : (n, n_components) float64
    reconstruction_error_ : float
    nbrs_ : NearestNeighbors
    n_features_in_ : int
    feature_names_in_ : (d,) array of str
    diagnostics_ : dict
        As of the exact engine.

    Raises
    ------
    ValueError
        As of scikit-learn's class, or an `InputError`.
    """

    def _fit_transform(self, X: Any) -> None:
        """What `fit` and `fit_transform`, which are scikit-learn's, call."""
        if self.method != "standard":
            raise InputError(
                f"method of LocallyLinearEmbedding is {self.method!r} but only 'standard' is "
                "computed here; use sklearn.manifold.LocallyLinearEmbedding for it"
            )
        X = validate_data(self, X, dtype=np.float64, order="C", ensure_min_samples=2)
        self.nbrs_ = NearestNeighbors(
            n_neighbors=self.n_neighbors, algorithm=self.neighbors_algorithm, n_jobs=self.n_jobs
        ).fit(X)
        engine = exact.LocallyLinearEmbedding(
            self.n_components,
            n_neighbors=self.n_neighbors,
            reg=self.reg,
            tol=max(self.tol, SMALLEST_TOL),
            random_state=self.random_state,
        )
        self.embedding_ = engine.fit_transform(X)
        self.reconstruction_error_ = engine.reconstruction_error_
        self.diagnostics_ = engine.diagnostics_
        self._n_features_out = self.n_components
