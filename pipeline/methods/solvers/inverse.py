"""The lowest singular vectors of a sparse matrix, by inverse iteration with its factors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csc_array, csr_array, eye_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import SuperLU, norm, splu
from threadpoolctl import threadpool_limits

from kernels.backend import get_backend
from kernels.cpu.minimum_degree import minimum_degree
from pipeline.methods.solvers.csr import csr_arrays
from pipeline.methods.solvers.eigenpairs import Eigenpairs
from pipeline.runtime.log import log

EPS = float(np.finfo(float).eps)
# Share of a column's largest entry from which the diagonal is the pivot: solutions are as good as
# with the largest, to 1e-15, and factors as sparse as with 0, whose solutions are off by 1e-14.
DIAGONAL = 0.3
# Share of the left null vector's largest entry that the row left out has at least: where it is
# less, solutions lack three digits or more, and iterations need some of them.
SMALL = 1e-3


class Inverse(NamedTuple):
    """What inverse iteration found.

    Attributes
    ----------
    pairs : Eigenpairs
        The lowest singular values, ascending, their right singular vectors, and the lengths of
        (R v - value u, R^T u - value v): eigenpairs of the symmetric matrix ((0, R), (R^T, 0)).
    entries : int
        Entries of the factors.
    """

    pairs: Eigenpairs
    entries: int


class Elimination(NamedTuple):
    """An order of elimination, and what a factorisation in it takes.

    Attributes
    ----------
    order : (n,) int64
    work : float
        Sum of the squared lengths of the columns of the lower factor, if all pivots are diagonal.
    entries : int
        Sum of the lengths; the upper factor has as many, and those between components.
    """

    order: np.ndarray
    work: float
    entries: int


def lowest_singular_pairs(
    R: csr_array, start: np.ndarray, *, wanted: int, pivot: int, tol: float, max_products: int
) -> Inverse:
    """Inverse subspace iteration for the lowest singular values of R above that of the constant.

    Factors of R^T R, the usual way (scipy's `eigsh` with sigma = 0), are of little use here: they
    are those of a matrix that is off by eps |R|^2, so that eigenvalues below some 1e-15 are noise.
    Here R itself is factored, whose singular values are the roots: values down to 1e-15, that is
    eigenvalues down to 1e-30, are told apart (Golub & Van Loan 2013, section 8.6). R also has a
    fifth of the entries and its factors a half.

    Parameters
    ----------
    R : (n, n) csr_array of float64
        R 1 = 0, and only multiples of the constant are mapped to 0.
    start : (n, b) float64
        Random; wanted <= b < n. With b > wanted the gap is known, and each product lowers the
        error by the ratio of the eigenvalues number `wanted` and b + 1.
    wanted : int
        Vectors that must converge.
    pivot : int
        A row at which the left null vector of R is not 0, best where it is large.
    tol : float
        Largest sine of the angle between wanted and true singular vectors, by
        `Eigenpairs.angle_bound`; residuals of a few units of rounding are accepted too.
    max_products : int
        Products of (R^T R)^+ with the block at most.

    Returns
    -------
    Inverse
    """
    with threadpool_limits(1, user_api="blas"):  # whose sums depend on its number of threads
        inverse = _PseudoInverse(R, pivot)
        transposed = R.T.tocsr()
        rounding = 8 * EPS * np.sqrt(norm(R, 1) * norm(R, np.inf))
        V, previous = np.linalg.qr(_centred(start))[0], np.inf
        for products in range(1, max_products + 1):
            U = np.linalg.qr(inverse.solve_transposed(V))[0]
            V = np.linalg.qr(inverse.solve(U))[0]
            P, values, Q = np.linalg.svd(U.T @ (R @ V))
            U, V, values = U @ P[:, ::-1], V @ Q[::-1].T, values[::-1]
            left = np.linalg.norm(R @ V - U * values, axis=0)
            right = np.linalg.norm(transposed @ U - V * values, axis=0)
            pairs = Eigenpairs(values, V, np.hypot(left, right), products, converged=False)
            largest = pairs.residuals[:wanted].max()
            if largest <= rounding or pairs.angle_bound(wanted) <= tol:
                return Inverse(pairs._replace(converged=True), inverse.entries)
            if largest > previous / 2:  # for lack of digits, perhaps
                inverse.leave_out_best()
            previous = largest
    return Inverse(pairs, inverse.entries)


def elimination(A: csr_array) -> Elimination:
    """An order of elimination for sparse factors of a matrix without symmetry.

    Block triangular form: strongly connected components follow each other so that all entries
    between them are above the diagonal, where nearly none come to them (Duff & Reid 1978). Of
    features with hubs, most points are nobody's neighbour, each of these a component of its own.
    Within a component, approximate minimum degrees of the graph of A + A^T.

    Parameters
    ----------
    A : (n, n) csr_array
    """
    _, labels = connected_components(A, connection="strong")
    sources, targets = np.repeat(np.arange(A.shape[0]), np.diff(A.indptr)), A.indices
    within = (labels[sources] == labels[targets]) & (sources != targets)
    sources, targets = sources[within], targets[within]
    ones = np.ones(2 * len(sources), np.int8)
    edges = np.concatenate([sources, targets]), np.concatenate([targets, sources])
    starts, neighbors, _ = csr_arrays(csr_array((ones, edges), A.shape), get_backend("cpu"))
    order, work, entries = minimum_degree(starts, neighbors)
    # SciPy numbers a component after those that it leads to; were it not so, factors would be
    # as right, and less sparse.
    return Elimination(order[np.argsort(-labels[order], kind="stable")], work, entries)


class _PseudoInverse:
    """The pseudo-inverse of R, of whose null spaces the right one is the constant.

    Without one row and one column R is regular. The solutions of R x = b and R^T z = c that are 0
    there become those of least length by projection: x from the constant, b and z from y, the left
    null vector. The smaller the entry of y that belongs to the row left out, the more digits cancel
    in the projections.
    """

    def __init__(self, R: csr_array, pivot: int) -> None:
        self.R, self.order = R, elimination(R).order
        self._factor(pivot)
        if abs(self.y[self.pivot]) < SMALL * np.abs(self.y).max():
            self.leave_out_best()

    def leave_out_best(self) -> None:
        """Factor again without the row of y's largest entry, if another one was left out."""
        best = int(np.abs(self.y).argmax())
        if best != self.pivot:
            self._factor(best)

    def _factor(self, pivot: int) -> None:
        self.pivot = pivot
        self.others = self.order[self.order != pivot]
        self.factors = _factors(csc_array(self.R[self.others][:, self.others]))
        y = np.ones(self.R.shape[0])
        y[self.others] = self.factors.solve(-self.R[[pivot]].toarray()[0, self.others], "T")
        self.y = y / np.linalg.norm(y)

    @property
    def entries(self) -> int:
        """Entries of both factors."""
        return int(self.factors.nnz)

    def solve(self, B: np.ndarray) -> np.ndarray:
        """R^+ B."""
        return _centred(self._solve(self._without_y(B), "N"))

    def solve_transposed(self, C: np.ndarray) -> np.ndarray:
        """(R^T)^+ C."""
        return self._without_y(self._solve(_centred(C), "T"))

    def _solve(self, B: np.ndarray, how: str) -> np.ndarray:
        X = np.zeros_like(B)
        X[self.others] = self.factors.solve(B[self.others], how)
        return X

    def _without_y(self, B: np.ndarray) -> np.ndarray:
        return B - np.outer(self.y, self.y @ B)


def _factors(A: csc_array) -> SuperLU:
    """L and U of a matrix in the order it has, with pivots on the diagonal unless these are small.

    Where A is singular to the last bit, A + 4 eps I is factored: what is closer than that to 0 is
    0 to rounding.
    """

    def factors(A: csc_array) -> SuperLU:
        symmetric = {"SymmetricMode": True}
        return splu(A, permc_spec="NATURAL", diag_pivot_thresh=DIAGONAL, options=symmetric)

    try:
        return factors(A)
    except RuntimeError as error:
        log.debug(f"a factor is {error}: its diagonal is shifted by rounding")
        return factors((A + 4 * EPS * eye_array(A.shape[0])).tocsc())


def _centred(V: np.ndarray) -> np.ndarray:
    return V - V.mean(axis=0)
