"""The lowest singular vectors of a sparse matrix, by inverse iteration with its factors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csc_array, csr_array, eye_array
from scipy.sparse.csgraph import reverse_cuthill_mckee
from scipy.sparse.linalg import SuperLU, norm, splu
from threadpoolctl import threadpool_limits

from pipeline.methods.solvers.eigenpairs import Eigenpairs
from pipeline.runtime.log import log

EPS = float(np.finfo(float).eps)
SMALL = 0.1  # share of the largest entry below which another row is the better one to leave out


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
        A row at which the left null vector of R is not 0.
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
        V = np.linalg.qr(_centred(start))[0]
        for products in range(1, max_products + 1):
            U = np.linalg.qr(inverse.solve_transposed(V))[0]
            V = np.linalg.qr(inverse.solve(U))[0]
            P, values, Q = np.linalg.svd(U.T @ (R @ V))
            U, V, values = U @ P[:, ::-1], V @ Q[::-1].T, values[::-1]
            left = np.linalg.norm(R @ V - U * values, axis=0)
            right = np.linalg.norm(transposed @ U - V * values, axis=0)
            pairs = Eigenpairs(values, V, np.hypot(left, right), products, converged=False)
            known = pairs.residuals[:wanted].max() <= rounding
            if known or pairs.angle_bound(wanted) <= tol:
                return Inverse(pairs._replace(converged=True), inverse.entries)
    return Inverse(pairs, inverse.entries)


def elimination_work(A: csr_array) -> float:
    """Operations of a symmetric elimination of A + A^T, from above.

    The sum of the squared wavefronts in reverse Cuthill-McKee order: as many rows are active at
    each step (George & Liu 1981, chapter 4). A fill-reducing order takes a tenth to all of it.

    Parameters
    ----------
    A : (n, n) csr_array
    """
    pattern = csr_array((np.ones(A.nnz, bool), A.indices, A.indptr), A.shape)
    pattern = (pattern + pattern.T + eye_array(A.shape[0], dtype=bool)).tocsr()
    order = reverse_cuthill_mckee(pattern, symmetric_mode=True)
    pattern = pattern[order][:, order]
    first = np.minimum.reduceat(pattern.indices, pattern.indptr[:-1])  # step at which a row begins
    begun = np.cumsum(np.bincount(first, minlength=len(first)))
    return float(np.square(begun - np.arange(len(begun)), dtype=float).sum())


class _PseudoInverse:
    """The pseudo-inverse of R, of whose null spaces the right one is the constant.

    Without one row and one column R is regular. The solutions of R x = b and R^T z = c that are 0
    there become those of least length by projection: x from the constant, b and z from y, the left
    null vector. All is well conditioned where the row that was left out is one of the large
    entries of y.
    """

    def __init__(self, R: csr_array, pivot: int) -> None:
        self._factor(R, pivot)
        if abs(self.y[self.pivot]) < SMALL * np.abs(self.y).max():
            self._factor(R, int(np.abs(self.y).argmax()))

    def _factor(self, R: csr_array, pivot: int) -> None:
        n = R.shape[0]
        self.pivot = pivot
        self.others = np.delete(np.arange(n), pivot)
        self.factors = _factors(csc_array(R[self.others][:, self.others]))
        y = np.ones(n)
        y[self.others] = self.factors.solve(-R[[pivot]].toarray()[0, self.others], "T")
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
    """L and U of a matrix in an order that keeps them sparse (Davis et al. 2004).

    Where A is singular to the last bit, A + 4 eps I is factored: what is closer than that to 0 is
    0 to rounding.
    """
    try:
        return splu(A, permc_spec="COLAMD")
    except RuntimeError as error:
        log.debug(f"a factor is {error}: its diagonal is shifted by rounding")
        return splu((A + 4 * EPS * eye_array(A.shape[0])).tocsc(), permc_spec="COLAMD")


def _centred(V: np.ndarray) -> np.ndarray:
    return V - V.mean(axis=0)
