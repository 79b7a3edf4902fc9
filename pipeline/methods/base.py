"""The base class of all estimators, and the inputs that several of them take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from pipeline.errors import InputError
from pipeline.methods.parameters import Choices, check_values
from pipeline.neighbors.graph import Graph, knn_graph
from pipeline.neighbors.scale import scale_features
from pipeline.runtime.device import backend_for
from pipeline.runtime.workers import Workers

if TYPE_CHECKING:
    from distributed import Client


class LayoutEstimator(BaseEstimator):
    """A scikit-learn estimator that lays points out and may use their shared neighbour graph.

    A subclass defines `_lay_out(X, graph)`, which returns the layout and sets `diagnostics_`, what
    its parameters may be in `choices`, and by `units()` which results are in the features' unit.

    Features are scaled by a power of two before they are laid out, and results back, so that no
    square overflows or vanishes: X times 2^k gives the same layout bit for bit.

    Attributes
    ----------
    choices : mapping
        What the parameters may be: see `pipeline.methods.parameters.check_values`.
    objective : str
        What a descent lowers, by its name in `diagnostics_`; empty where nothing descends.
    spreads : bool
        Whether Dask's workers can compute parts: `_lay_out` takes `workers`, too.
    embedding_ : (n, n_components) array
    n_features_in_ : int
    diagnostics_ : dict
        Convergence, errors and the objective's value, in plain numbers and strings.
    """

    choices: ClassVar[Choices] = {}
    objective: ClassVar[str] = ""
    spreads: ClassVar[bool] = False
    device = "cpu"  # of an estimator that does not take it as a parameter

    embedding_: np.ndarray
    diagnostics_: dict[str, Any]

    def fit(
        self,
        X: np.ndarray,
        y: None = None,
        graph: Graph | None = None,
        client: Client | None = None,
    ) -> LayoutEstimator:
        """Compute `embedding_`; parameters as in `fit_transform`."""
        self.fit_transform(X, graph=graph, client=client)
        return self

    def fit_transform(
        self,
        X: np.ndarray,
        y: None = None,
        graph: Graph | None = None,
        client: Client | None = None,
    ) -> np.ndarray:
        """Lay the rows of X out.

        Parameters
        ----------
        X : (n, d) array
            Features, finite, at least two rows; float32 is kept, all else becomes float64.
        y : None
            Ignored, there for scikit-learn's pipelines.
        graph : Graph, optional
            Exact nearest neighbours of X, in its unit; computed where needed and missing.
        client : distributed.Client, optional
            Of Dask workers that compute parts, see `pipeline.runtime.workers.Workers`; the layout
            has the same bits as without.

        Returns
        -------
        (n, n_components) array

        Raises
        ------
        ValueError
            The features, the graph or a parameter cannot be used; scikit-learn's words where it
            finds the mistake, else an `InputError`.
        """
        X = validate_data(self, X, dtype=(np.float64, np.float32), order="C", ensure_min_samples=2)
        check_values(self.choices, self.get_params(deep=False), type(self).__name__)
        self._check_features(X)
        X, exponent = scale_features(X)
        if graph is not None and exponent:
            graph = Graph(graph.indices, np.ldexp(graph.distances, -exponent))
        with self._workers(client) as workers:
            self.embedding_ = self._lay_out(X, graph, **workers)
        with np.errstate(over="ignore"):  # the variance of features of 1e200 is infinite
            for name, power in self.units().items():
                setattr(self, name, np.ldexp(getattr(self, name), power * exponent))
        return self.embedding_

    def units(self) -> dict[str, int]:
        """Attributes that are in a power of the unit of the features, and that power."""
        return {}

    def start_from(self, layout: np.ndarray) -> np.ndarray:
        """Another layout of the same points as `init`, in the size that this descent starts with.

        Parameters
        ----------
        layout : (n, n_components) array

        Returns
        -------
        (n, n_components) array
        """
        return layout

    @contextmanager
    def _workers(self, client: Client | None) -> Iterator[dict[str, Workers]]:
        """The argument of `_lay_out` that a client makes."""
        if client is None:
            yield {}
            return
        if not self.spreads:
            raise InputError(
                f"{type(self).__name__} of {type(self).__module__} computes alone: leave client out"
            )
        with Workers(client, backend_for(self.device).name) as workers:
            yield {"workers": workers}

    def _check_features(self, X: np.ndarray) -> None:
        """Refuse features of a parameter that not all features go with, in their own unit."""

    def _lay_out(self, X: np.ndarray, graph: Graph | None) -> np.ndarray:
        """Lay out checked features: C-ordered, finite, float32 or float64."""
        raise NotImplementedError


def centred(X: np.ndarray) -> np.ndarray:
    """X minus its mean, in float64, so that no method loses digits far from the origin."""
    return X - X.mean(axis=0, dtype=np.float64)


def nearest_neighbors(
    X: np.ndarray,
    graph: Graph | None,
    k: int,
    why: str,
    device: str,
    workers: Workers | None = None,
) -> Graph:
    """The first k neighbours of every point, out of `graph` or computed now, here or by workers.

    Raises
    ------
    InputError
        k is less than 1, or the graph belongs to other points or has fewer than k neighbours;
        `why` names the parameter that asks for k.
    """
    if k < 1:
        raise InputError(f"{why} needs {k} neighbours a point but there must be 1; raise it")
    if graph is None:
        return knn_graph(X, k=k, device=device, client=None if workers is None else workers.client)
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


def check_init(init: str | np.ndarray, shape: tuple[int, int], method: str) -> None:
    """Refuse a start that is an array of another shape than the layout.

    Raises
    ------
    InputError
    """
    if not isinstance(init, str) and init.shape != shape:
        raise InputError(
            f"init of {method} has shape {init.shape} but the layout needs {shape}; give one "
            "row a point"
        )


def with_self_neighbors(graph: Graph) -> Graph:
    """Prepend every point as its own first neighbour at distance 0, as UMAP's libraries count."""
    itself = np.arange(len(graph.indices), dtype=np.int32)[:, None]
    return Graph(
        np.hstack([itself, graph.indices]),
        np.hstack([np.zeros_like(itself, dtype=np.float32), graph.distances]),
    )
