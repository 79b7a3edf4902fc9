"""Isomap under scikit-learn's name and with its parameters."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse
from scipy.sparse.csgraph import connected_components, dijkstra, shortest_path
from sklearn import manifold
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.extmath import svd_flip
from sklearn.utils.graph import _fix_connected_components
from sklearn.utils.validation import check_is_fitted

from kernels.backend import get_backend
from pipeline.errors import InputError
from pipeline.methods.isomap import exact
from pipeline.methods.isomap.classical_scaling import kernel_of_matrix
from pipeline.methods.isomap.geodesics import (
    NeighborhoodGraph,
    graph_of_edges,
    neighborhood_graph,
)
from pipeline.methods.mds.initialization import classical_scaling
from pipeline.neighbors.components import connect_components
from pipeline.neighbors.graph import knn_graph
from pipeline.neighbors.tiles import strips

FEW = 1024  # points whose paths SciPy finds in about a second, in float64
FLAT = 1e-12  # an eigenvalue's share of the largest that rounding can make, as of scikit-learn
ANCHORS = 8  # points whose paths say where the origin of the layout is
TOGETHER = 1024  # new points whose paths are found together
PATHS = 1 << 24  # lengths of paths in memory: 128 MB
LARGEST = 2.0**200  # of numbers whose fourth powers, of which many are summed, float64 holds


class Isomap(manifold.Isomap):
    """Isomap in place of `sklearn.manifold.Isomap`: the same layout, signs included.

    Up to 1,024 points the paths are SciPy's, in float64. More are laid out by
    `pipeline.methods.isomap.exact.Isomap`, on a GPU where there is one: all pairs in 16 bits, n^2
    bytes, so that coordinates are off by about 1e-5 of the longest path. (It also takes landmarks,
    and pairs on disk, under parameters that scikit-learn does not have.)

    Parameters
    ----------
    n_neighbors, radius, n_components, neighbors_algorithm, n_jobs, metric, p, metric_params
        As of scikit-learn's class. The Euclidean n_neighbors of more than 1,024 points are found
        by `pipeline.neighbors.graph.knn_graph`; all others, those of a sparse, precomputed or new
        X among them, by `sklearn.neighbors.NearestNeighbors`.
    path_method
        As of scikit-learn's class up to 1,024 points, then of no effect.
    eigen_solver, tol, max_iter
        Accepted, and of no effect: they choose and limit scikit-learn's eigensolvers. Eigenpairs
        are those of LAPACK up to 1,024 points, then known to a residual of 1e-6.

    Attributes
    ----------
    embedding_ : (n, n_components) array
        float32 for such an X, else float64.
    dist_matrix_ : (n, n) array
        Lengths of the shortest paths; for up to 1,024 points alone.
    reconstruction_error_ : float
        What `reconstruction_error()` returns.
    nbrs_ : NearestNeighbors
    n_features_in_ : int
    feature_names_in_ : (d,) array of str
    diagnostics_ : dict
        As of the exact engine for more than 1,024 points, else empty.

    Raises
    ------
    ValueError
        As of scikit-learn's class, or an `InputError`.
    RuntimeError
        A sparse precomputed graph has several connected components.
    """

    dist_matrix_: np.ndarray

    def _fit_transform(self, X: Any) -> None:
        """What `fit` and `fit_transform`, which are scikit-learn's, call."""
        if self.n_neighbors is not None and self.radius is not None:
            raise InputError(
                f"Both n_neighbors and radius are provided, {self.n_neighbors} and {self.radius}; "
                "set one of them to None"
            )
        if self.n_neighbors is None and self.radius is None:
            raise InputError("n_neighbors and radius are both None; set one of them to a number")
        if hasattr(self, "dist_matrix_"):
            del self.dist_matrix_  # of an earlier fit to fewer points
        self.nbrs_ = NearestNeighbors(
            n_neighbors=self.n_neighbors,
            radius=self.radius,
            algorithm=self.neighbors_algorithm,
            metric=self.metric,
            p=self.p,
            metric_params=self.metric_params,
            n_jobs=self.n_jobs,
        ).fit(X)
        _check_magnitude(self.nbrs_._fit_X)
        self.n_features_in_ = self.nbrs_.n_features_in_
        if hasattr(self.nbrs_, "feature_names_in_"):
            self.feature_names_in_ = self.nbrs_.feature_names_in_
        dtype = np.float32 if self.nbrs_._fit_X.dtype == np.float32 else np.float64
        n = self.nbrs_.n_samples_fit_
        if not self.n_components < n:
            raise InputError(
                f"n_components is {self.n_components} but must be less than n_samples = {n}; "
                "choose fewer, or give more points"
            )
        few = n <= FEW
        self._graph = self._own_graph() if self._is_euclidean() and not few else self._graph_of()
        layout = self._lay_out_few(dtype) if few else self._lay_out_many()
        self._set_projection(layout)
        self.embedding_ = layout.astype(dtype)
        self._n_features_out = self.n_components

    def _is_euclidean(self) -> bool:
        """Whether the graph is that of the nearest neighbours in rows of numbers."""
        metric = self.nbrs_.effective_metric_
        return (
            metric == "euclidean"
            and self.n_neighbors is not None
            and not self.nbrs_.effective_metric_params_
            and not issparse(self.nbrs_._fit_X)
        )

    def _own_graph(self) -> NeighborhoodGraph:
        X = np.asarray(self.nbrs_._fit_X)
        near = knn_graph(X, k=self.n_neighbors)
        connections = connect_components(near, X)
        _warn_of_components(connections.n_components)
        return neighborhood_graph(near, connections)

    def _graph_of(self) -> NeighborhoodGraph:
        """The graph that scikit-learn finds and connects."""
        near = self.nbrs_
        if self.n_neighbors is not None:
            graph = near.kneighbors_graph(mode="distance")
        else:
            graph = near.radius_neighbors_graph(mode="distance")
        count, labels = connected_components(graph, directed=False)
        if count > 1 and self.metric == "precomputed" and issparse(near._fit_X):
            raise RuntimeError(  # as scikit-learn does: not of a value, but of what is unknown
                f"The number of connected components of the neighbors graph is {count}, and a "
                "precomputed sparse graph has no distances between them; give the full matrix or "
                "more neighbours"
            )
        if count > 1:
            _warn_of_components(count)
            graph = _fix_connected_components(
                near._fit_X,
                graph,
                count,
                labels,
                metric=near.effective_metric_,
                **near.effective_metric_params_,
            )
        edges = graph.tocoo()
        return graph_of_edges(edges.row, edges.col, edges.data, graph.shape[0])

    def _lay_out_few(self, dtype: type) -> np.ndarray:
        edges, points, _ = self._graph
        D = np.empty(edges.shape)
        D[np.ix_(points, points)] = shortest_path(edges, method=self.path_method, directed=False)
        layout = svd_flip(classical_scaling(D, self.n_components), None)[0]
        values = np.square(layout).sum(axis=0)
        flat = values <= FLAT * values.max()
        if flat.any():
            warnings.warn(
                f"{flat.sum()} of {self.n_components} axes of Isomap have no positive eigenvalue, "
                "so that their coordinates are 0: the points may lie along fewer dimensions",
                stacklevel=6,
            )
            layout[:, flat] = values[flat] = 0
        missed = kernel_of_matrix(D, get_backend("cpu")).squared_norm - np.square(values).sum()
        self.reconstruction_error_ = float(max(missed, 0.0) ** 0.5 / len(D))
        self.dist_matrix_ = D.astype(dtype)
        self.diagnostics_: dict[str, Any] = {}
        return layout

    def _lay_out_many(self) -> np.ndarray:
        n = len(self._graph.points)
        degree = -(-self._graph.edges.nnz // n)
        engine = exact.Isomap(self.n_components, n_neighbors=degree, random_state=0)
        layout = engine.lay_out_graph(self._graph)
        self.reconstruction_error_ = engine.reconstruction_error_
        self.diagnostics_ = engine.diagnostics_
        return layout

    def _set_projection(self, layout: np.ndarray) -> None:
        """Coordinates of a point from the lengths d of its paths: d^2 times axes, and an origin.

        An eigenvector v of the kernel's value l has -1/2 D^2 v = l v + c 1, so that -1/2 d^2 v
        less c is l times the coordinate of v: as of `KernelPCA.transform`, with c from a few points
        that have been laid out.
        """
        edges, points, _ = self._graph
        values = np.square(layout).sum(axis=0)
        axes = np.divide(layout, values, out=np.zeros_like(layout), where=values > 0)
        self._axes = -0.5 * axes[points]
        anchors = np.linspace(0, len(points) - 1, min(ANCHORS, len(points))).astype(int)
        projected = np.square(dijkstra(edges, indices=anchors)) @ self._axes
        self._origin = (layout[points[anchors]] - projected).mean(axis=0)

    def reconstruction_error(self) -> float:
        """|K(D) - K(D_fit)| / n of the kernels of the paths and of the layout's distances."""
        check_is_fitted(self)
        return self.reconstruction_error_

    def transform(self, X: Any) -> np.ndarray:
        """Lay new points out by their shortest paths through their neighbours to all points.

        Parameters
        ----------
        X : (q, d) array or sparse matrix
            With metric "precomputed", distances or a sparse graph of shape (q, n).

        Returns
        -------
        (q, n_components) array
            float32 for such an X, else float64.
        """
        check_is_fitted(self)
        if self.n_neighbors is not None:
            distances, indices = self.nbrs_.kneighbors(X)
        else:
            distances, indices = self.nbrs_.radius_neighbors(X)
        alone = [i for i, near in enumerate(indices) if len(near) == 0]
        if alone:
            raise InputError(
                f"row {alone[0]} of X has no neighbour within radius = {self.radius}; raise it or "
                "leave such rows out"
            )
        layout = np.empty((len(indices), self.n_components))
        for part in strips(len(layout), max(1, min(TOGETHER, PATHS // len(self._axes)))):
            paths = self._paths_from(distances[part], indices[part])
            layout[part] = np.square(paths) @ self._axes + self._origin
        return layout.astype(np.float32 if getattr(X, "dtype", None) == np.float32 else np.float64)

    def _paths_from(self, distances: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Lengths of the paths from new points, which lead to their neighbours and not back."""
        edges, points, _ = self._graph
        n, new = len(points), len(indices)
        vertex = np.empty(n, np.int64)
        vertex[points] = np.arange(n)
        ends = edges.nnz + np.cumsum([len(near) for near in indices])
        whole = csr_array(
            (
                np.concatenate([edges.data, *distances]),
                np.concatenate([edges.indices, vertex[np.concatenate(list(indices))]]),
                np.concatenate([edges.indptr, ends]),
            ),
            shape=(n + new, n + new),
        )
        return dijkstra(whole, indices=n + np.arange(new))[:, :n]


def _check_magnitude(X: Any) -> None:
    """Refuse numbers, of an array or a sparse matrix, whose powers leave float64."""
    largest = max(float(X.max()), -float(X.min()))
    if largest and not 1 / LARGEST <= largest <= LARGEST:
        raise InputError(
            f"the largest magnitude in X is {largest:g}, whose powers leave the range of float64; "
            "divide X by it"
        )


def _warn_of_components(count: int) -> None:
    if count > 1:
        warnings.warn(
            f"the number of connected components of the neighbors graph is {count}: Isomap "
            "connects them by the shortest edges between them; more neighbours may do",
            stacklevel=6,
        )
