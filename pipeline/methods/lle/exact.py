"""Locally linear embedding of all points, converged."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import csr_array, eye_array
from scipy.sparse.csgraph import reverse_cuthill_mckee
from sklearn.utils import check_random_state
from sklearn.utils.extmath import svd_flip

from kernels.backend import Backend, to_host
from pipeline.errors import InputError
from pipeline.methods.base import LayoutEstimator, nearest_neighbors
from pipeline.methods.lle.closed_classes import closed_classes, connect_closed_classes
from pipeline.methods.lle.weights import products_with, weight_matrix
from pipeline.methods.parameters import Choices, Number, integer
from pipeline.methods.solvers.chebyshev import lowest_eigenpairs
from pipeline.methods.solvers.eigenpairs import Eigenpairs
from pipeline.methods.solvers.inverse import elimination, lowest_singular_pairs
from pipeline.neighbors.components import count_components
from pipeline.neighbors.graph import Graph
from pipeline.runtime.device import backend_for
from pipeline.runtime.log import log
from pipeline.runtime.memory import available_memory

BLOCK = 16  # vectors of a filter: two cache lines a point; 8 take as long, 24 longer
SPARE = 5  # vectors beyond those wanted and one a class: 8 as quick as 4 or 16, by factors
MOST_CLASSES = 64  # whose eigenvectors are separated from all others; more would be slow
STEPS = 20  # of a walk, towards where it often is

# Multiplications a point, of a factorisation, up to which it is tried first. On one core 5e9 take
# a second: 1.5e6 take as long as 1,300 (of 70,000 points) to 3,000 products (of 16,000, in cache)
# with a block. Of images and clusters of 1,000 to 70,000 points filters made 270 to 2,000, but
# 6,000 to 20,000 of some after fine-tuning, whose factorisations took 4e3 to 1.2e6. A GPU is taken
# to make 20 products in the time of one.
FIRST_WORK = {"cpu": 1.5e6, "gpu": 7e4}
LAST_WORK = 1e12  # up to which it is tried where filters did not converge: minutes
FACTOR_BYTES = 32  # of an entry of the lower and one of the upper factor, while they are made

TINY = float(np.finfo(float).tiny)


class LocallyLinearEmbedding(LayoutEstimator):
    """Locally linear embedding: keep the weights that rebuild points (Roweis & Saul 2000).

    The layout is spanned by the eigenvectors of M = (I - W)^T (I - W) with the lowest eigenvalues
    above 0, where row i of W holds the weights of point i. At 70,000 points these are 1e7 to 1e11
    times smaller than the largest, and as small after fine-tuning at 2,000: they are found by
    inverse iteration with the factors of I - W where these are sparse, else by Chebyshev filters
    of high degree, until the *plane* that they span is known to `tol`.

    Parameters
    ----------
    n_components : int
    n_neighbors : int
    reg : float
        Share of the trace that is added to the diagonal of each point's matrix.
    eigen_solver : {"auto", "inverse", "chebyshev"}
        See `pipeline.methods.solvers`. "auto" takes "inverse" where the factors are sparse, or
        where filters do not converge, see `solvers_to_try`: below some 4,000 points of any data,
        below 10,000 of most, and of 70,000 where these lie in clusters or along few dimensions.
    tol : float
        Sine of the largest angle between the layout's plane and the true one, by the bound of
        Davis & Kahan (1970); scikit-learn's `tol` is ARPACK's.
    max_iter : int
        Products with blocks of 16 or more vectors at most: of M, of which 2,000 are usual at 8,000
        points and 8,000 at 70,000, or of its inverse, of which 2 to 10 are.
    device : {"auto", "cpu", "gpu"}
        Of weights and products with M; classes of the graph, the order of points and inverse
        iteration are the CPU's.
    random_state : int, RandomState or None
        Draws the start, which decides the last digits.

    Attributes
    ----------
    embedding_ : (n, n_components) float64
        Each column has length 1: coordinates are about n ** -0.5. The largest coordinate of a
        column is positive.
    reconstruction_error_ : float
        Sum of the eigenvalues, as in scikit-learn.
    diagnostics_ : dict
        "eigen_solver", "converged", "n_iter" (block products), "error" (the bound on the sine),
        "eigen_residual" (largest), "eigenvalues" (one more than wanted: the gap), "participation"
        (the share of all points that carries each column: a few points, a spike, may be LLE's
        true answer), "components" of the graph, its "closed_classes" and the "connections" that
        connected them, "reconstruction_error"; "factor_entries" of inverse iteration, or "flops"
        and "bytes" of the products of Chebyshev filters.

    Notes
    -----
    M has one eigenvalue 0 for each closed class of the directed graph: points that reach each
    other along neighbours, and nothing else. One closed class has the constant eigenvector,
    which is left out as usual. With more, eigenvectors of 0 separate the classes and show nothing
    within them: scikit-learn leaves out one, so that the layout is an arbitrary view of the rest;
    leaving out all shows the inside of one class and every other class as one point. Here
    each closed class but the largest gets one more neighbour, by its shortest edge to the
    outside, until one is left. The layout then has the classes in relation to each other, but
    draws them, as all nearly closed ones, as points or lines; a warning says so. It is unique
    unless they are so far apart that the weights of these edges vanish in rounding, for which
    there is another warning.
    """

    choices: ClassVar[Choices] = {
        "n_components": (integer(1),),
        "n_neighbors": (integer(1),),
        "reg": (Number(TINY),),
        "eigen_solver": ("auto", "inverse", "chebyshev"),
        "tol": (Number(TINY),),
        "max_iter": (integer(1),),
    }

    def __init__(
        self,
        n_components=2,
        *,
        n_neighbors=12,
        reg=1e-3,
        eigen_solver="auto",
        tol=1e-3,
        max_iter=20_000,
        device="auto",
        random_state=None,
    ):
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.reg = reg
        self.eigen_solver = eigen_solver
        self.tol = tol
        self.max_iter = max_iter
        self.device = device
        self.random_state = random_state

    def _lay_out(self, X: np.ndarray, graph: Graph | None) -> np.ndarray:
        """See `LayoutEstimator.fit_transform`."""
        self._check_parameters(len(X))
        backend = backend_for(self.device)
        near = nearest_neighbors(
            X, graph, self.n_neighbors, f"n_neighbors {self.n_neighbors}", self.device
        )
        indices = np.ascontiguousarray(near.indices)
        classes = len(closed_classes(indices))
        connections = connect_closed_classes(X, indices)
        if len(connections):
            warnings.warn(
                f"the graph of {self.n_neighbors} neighbours has {classes} closed classes, which "
                "LLE draws as points or lines; they were connected by their nearest points, more "
                "neighbours may connect them better",
                stacklevel=3,
            )
        W = weight_matrix(X, indices, connections, reg=self.reg, backend=backend)
        closed = closed_classes(indices, connections)[0]
        solver, pairs, error, work = self._lowest_eigenpairs(W, closed, classes, backend)
        embedding, _ = svd_flip(pairs.vectors[:, : self.n_components], None)
        self.reconstruction_error_ = float(pairs.values[: self.n_components].sum())
        self.diagnostics_ = {
            "eigen_solver": solver,
            **self._convergence(pairs, error),
            "participation": [float(share) for share in participation(embedding)],
            "components": count_components(indices),
            "closed_classes": classes,
            "connections": len(connections),
            "reconstruction_error": self.reconstruction_error_,
            **work,
        }
        return embedding

    def _check_parameters(self, n: int) -> None:
        if not self.n_components < n:
            raise InputError(
                f"n_components is {self.n_components} but {n} points have 1 to {n - 1} dimensions; "
                "choose one of these"
            )

    def _lowest_eigenpairs(
        self, W: csr_array, closed: np.ndarray, classes: int, backend: Backend
    ) -> tuple[str, Eigenpairs, float, dict[str, Any]]:
        """The solver that was used last, the pairs of M, the bound on their angle, the work."""
        solve = {"inverse": self._by_inverse_iteration, "chebyshev": self._by_chebyshev_filters}
        asked_for = self.eigen_solver
        for solver in solvers_to_try(W, backend) if asked_for == "auto" else [asked_for]:
            pairs, error, work = solve[solver](W, closed, classes, backend)
            if pairs.converged:
                break
        return solver, pairs, error, work

    def _vectors(self, classes: int) -> int:
        """Width of a block: a vector for each further class, whose eigenvalues crowd near 0."""
        return self.n_components + min(classes, MOST_CLASSES) + SPARE

    def _start(self, n: int, width: int) -> np.ndarray:
        return check_random_state(self.random_state).standard_normal((n, min(n - 1, width)))

    def _by_inverse_iteration(
        self, W: csr_array, closed: np.ndarray, classes: int, backend: Backend
    ) -> tuple[Eigenpairs, float, dict[str, Any]]:
        """Lowest eigenpairs of M, the bound on their angle and the work, from factors of I - W.

        The singular values of I - W are the roots of the eigenvalues, and the bound on the angle
        is theirs. The left null vector is not 0 on the one closed class, and nowhere else.
        """
        n = W.shape[0]
        start = self._start(n, self._vectors(classes))
        log.info(f"LLE: {n:,} points x {self.n_neighbors} neighbours, inverse iteration")
        R = (eye_array(n) - W).tocsr()
        found = lowest_singular_pairs(
            R,
            start,
            wanted=self.n_components,
            pivot=often_visited(W, closed),
            tol=self.tol,
            max_products=self.max_iter,
        )
        roots = found.pairs
        values, V = roots.values**2, roots.vectors
        residuals = np.linalg.norm(R.T @ (R @ V) - V * values, axis=0)
        pairs = roots._replace(values=values, residuals=residuals)
        return pairs, roots.angle_bound(self.n_components), {"factor_entries": found.entries}

    def _by_chebyshev_filters(
        self, W: csr_array, closed: np.ndarray, classes: int, backend: Backend
    ) -> tuple[Eigenpairs, float, dict[str, Any]]:
        """The same from products with M alone, without its constant eigenvector."""
        n = W.shape[0]
        start = self._start(n, max(BLOCK, -(-self._vectors(classes) // 8) * 8))
        width = start.shape[1]
        order = reverse_cuthill_mckee(W)  # neighbours close in memory: half the cache misses
        log.info(
            f"LLE: {n:,} points x {self.n_neighbors} neighbours, Chebyshev filters of {width} "
            f"vectors, {(9 * 8 * width * n + 48 * W.nnz) / 1e9:.2g} GB beyond the features"
        )
        pairs = lowest_eigenpairs(
            products_with(W[order][:, order], backend),
            backend.to_device(start),
            wanted=self.n_components,
            null=backend.xp.full((n, 1), n**-0.5),
            tol=self.tol,
            max_products=self.max_iter,
            name="LLE",
            xp=backend.xp,
        )
        vectors = np.empty_like(start)
        vectors[order] = to_host(pairs.vectors)
        pairs = pairs._replace(vectors=vectors)
        return pairs, pairs.angle_bound(self.n_components), _work(W, pairs)

    def _convergence(self, pairs: Eigenpairs, error: float) -> dict[str, Any]:
        """What was reached, with a warning if that is not what was asked for."""
        if not pairs.converged:
            warnings.warn(
                f"LLE stopped after max_iter = {self.max_iter} products before its plane was "
                f"known to tol = {self.tol:g} (sine of the angle, bounded by {error:.2g}): the "
                "layout is not that of LLE; raise max_iter",
                stacklevel=4,
            )
        elif error > self.tol:
            warnings.warn(
                "eigenvalues of LLE agree to rounding, so that its plane is not unique: components "
                "are far apart or points equal; more neighbours may connect them",
                stacklevel=4,
            )
        return {
            "converged": pairs.converged,
            "n_iter": pairs.products,
            "error": error,
            "eigen_residual": float(pairs.residuals[: self.n_components].max()),
            "eigenvalues": [float(value) for value in pairs.values[: self.n_components + 1]],
        }


def solvers_to_try(W: csr_array, backend: Backend) -> list[str]:
    """Eigensolvers in the order in which they should be tried until one converges.

    By the work of a factorisation and by its memory.

    Parameters
    ----------
    W : (n, n) csr_array
    backend : Backend
        Multiplies by M.
    """
    _, work, entries = elimination(W)
    if work > LAST_WORK or FACTOR_BYTES * entries > available_memory("cpu"):
        return ["chebyshev"]
    quick = work <= FIRST_WORK[backend.name] * W.shape[0]
    return ["inverse"] if quick else ["chebyshev", "inverse"]


def often_visited(W: csr_array, closed: np.ndarray) -> int:
    """A point at which the left null vector of I - W is not 0, and large by all probability.

    The vector is the stationary distribution of the walk that the weights make, had they one sign:
    a few lazy steps from anywhere in the closed class lead towards it.

    Parameters
    ----------
    W : (n, n) csr_array
    closed : (m,) int64
        The closed class, outside which the vector is 0.
    """
    visits = np.zeros(W.shape[0])
    visits[closed] = 1.0
    for _ in range(STEPS):
        visits = (visits + W.T @ visits) / 2
    return int(np.abs(visits).argmax())


def participation(vectors: np.ndarray) -> np.ndarray:
    """The share of all points that carries each column: 1 if they are equal, 1/n for a spike.

    (sum v^2)^2 / (n sum v^4), the participation ratio (Bell & Dean 1970) over n.
    """
    squared = np.square(vectors)
    return squared.sum(axis=0) ** 2 / (len(vectors) * np.square(squared).sum(axis=0))


def _work(W: csr_array, pairs: Eigenpairs) -> dict:
    """Operations and bytes of all products: two entries of W each, with a row of the block."""
    width = pairs.vectors.shape[1]
    entries = 2 * pairs.products * W.nnz
    return {"flops": 2 * width * entries, "bytes": (8 * width + 12) * entries}
