"""Metric multidimensional scaling under scikit-learn's name and with its parameters."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn import manifold
from sklearn.metrics import pairwise_distances
from sklearn.utils.validation import validate_data

from pipeline.errors import InputError
from pipeline.methods.mds import exact
from pipeline.methods.mds.resources import EXACT


class MDS(manifold.MDS):
    """Metric multidimensional scaling in place of `sklearn.manifold.MDS`.

    Raw stress over all pairs is minimised by `pipeline.methods.mds.exact.MDS`, on a GPU where
    there is one: from the same starts and with the same criterion to stop as scikit-learn's
    SMACOF, but by quasi-Newton steps, so that passes are fewer and the minimum may be another.
    Up to 4,096 points dissimilarities are float64, beyond that 16 bits.

    Parameters
    ----------
    n_components, n_init, init, max_iter, eps, random_state, normalized_stress
        As of scikit-learn's class, of which 1.9 warns where `init` is not given.
    metric, metric_params
        As of scikit-learn's class. Other dissimilarities than Euclidean distances are computed by
        `sklearn.metrics.pairwise_distances`, n^2 numbers in float64.
    metric_mds : {True}
        Non-metric scaling is refused: scikit-learn has it.
    dissimilarity : {"euclidean", "precomputed"}
        Deprecated by scikit-learn, as is a `metric` of True or False.
    n_jobs, verbose
        Accepted, and of no effect: all threads of the process serve one start after the other.

    Attributes
    ----------
    embedding_ : (n, n_components) float64
    stress_ : float
    n_iter_ : int
    dissimilarity_matrix_ : (n, n) array
        Of Euclidean distances for up to 4,096 points alone.
    n_features_in_ : int
    feature_names_in_ : (d,) array of str
    diagnostics_ : dict
        As of the exact engine.

    Raises
    ------
    ValueError
        As of scikit-learn's class, or an `InputError`.
    """

    dissimilarity_matrix_: np.ndarray

    def fit_transform(self, X: Any, y: None = None, init: np.ndarray | None = None) -> np.ndarray:
        """Lay the rows of X out.

        Parameters
        ----------
        X : (n, d) array, or (n, n) array of dissimilarities with metric "precomputed"
        y : None
            Ignored.
        init : (n, n_components) array, optional
            The start.

        Returns
        -------
        (n, n_components) float64
        """
        self._validate_params()
        metric = self._checked_metric()
        X = validate_data(self, X, order="C", ensure_min_samples=2)
        if X.shape[0] == X.shape[1] and metric != "precomputed":
            warnings.warn(
                "X is a square matrix, whose rows are taken for points; a matrix of "
                "dissimilarities needs metric='precomputed'",
                stacklevel=2,
            )
        start = self._checked_start() if init is None else np.asarray(init)
        engine = exact.MDS(
            self.n_components,
            n_init=self.n_init if isinstance(start, str) and start == "random" else 1,
            init=start,
            max_iter=self.max_iter,
            eps=self.eps,
            metric="euclidean" if metric == "euclidean" else "precomputed",
            normalized_stress=self.normalized_stress,
            random_state=self.random_state,
        )
        if hasattr(self, "dissimilarity_matrix_"):
            del self.dissimilarity_matrix_  # of an earlier fit to fewer points
        if metric == "precomputed":
            self.dissimilarity_matrix_ = X
        elif metric != "euclidean" or len(X) <= EXACT:
            parameters = self.metric_params or {}
            self.dissimilarity_matrix_ = pairwise_distances(X, metric=metric, **parameters)
        self.embedding_ = engine.fit_transform(
            X if metric == "euclidean" else self.dissimilarity_matrix_
        )
        self.stress_, self.n_iter_ = float(engine.stress_), engine.n_iter_
        self.diagnostics_ = engine.diagnostics_
        return self.embedding_

    def _checked_metric(self) -> Any:
        """The metric that the parameters, deprecated ones too, ask for."""
        metric, metric_mds = self.metric, self.metric_mds
        if isinstance(metric, bool):
            warnings.warn(
                f"Use metric_mds={metric} instead of metric={metric}, which scikit-learn "
                "deprecates",
                FutureWarning,
                stacklevel=3,
            )
            metric, metric_mds = "euclidean", metric
        if self.dissimilarity != "deprecated":
            if metric != "euclidean":
                raise InputError(
                    f"You provided both `dissimilarity`, {self.dissimilarity!r}, and `metric`, "
                    f"{metric!r}; use only metric"
                )
            warnings.warn(
                "The `dissimilarity` parameter is deprecated by scikit-learn; use metric",
                FutureWarning,
                stacklevel=3,
            )
            metric = self.dissimilarity
        if not metric_mds:
            raise InputError(
                "metric_mds of MDS is False but only metric scaling is computed here; use "
                "sklearn.manifold.MDS for non-metric scaling"
            )
        return metric

    def _checked_start(self) -> str:
        if self.init != "warn":
            return self.init
        warnings.warn(
            "The default value of `init` is 'random', and 'classical_mds' from scikit-learn 1.10 "
            "on; give one of them",
            FutureWarning,
            stacklevel=3,
        )
        return "random"
