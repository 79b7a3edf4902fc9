"""The algebraically largest eigenpairs of a symmetric operator, by block Lanczos iteration."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from kernels.backend import to_host
from pipeline.methods.solvers.eigenpairs import Eigenpairs

DROP = 1e-12  # directions this small against the operator are rounding, not part of its range


def largest_eigenpairs(
    multiply: Callable[[Any], Any],
    start: Any,
    *,
    k: int,
    tol: float,
    max_iter: int,
    xp: ModuleType,
) -> tuple[Eigenpairs, float]:
    """Block Lanczos with full reorthogonalisation (Golub & Underwood 1977).

    Parameters
    ----------
    multiply : callable
        (b, n) float64 -> (b, n) float64, the rows times a symmetric n x n matrix A.
    start : (b, n) float64
        Standard normal numbers, or their projection on the range of A; b >= k.
    k : int
        Pairs wanted.
    tol : float
        Stop when every residual is at most tol times the largest eigenvalue.
    max_iter : int
        Block products at most, at least 1.
    xp : module
        NumPy or CuPy, whichever the start is an array of, and what `multiply` takes and returns.

    Returns
    -------
    pairs : Eigenpairs
        The k largest, falling, in NumPy's arrays; the residuals are from a product made for this
        purpose, which is counted.
    negative_sum : float
        Estimate of the sum of the absolute values of all negative eigenvalues.

    Notes
    -----
    The rows of Q are the basis and T = Q A Q' the projections of its products; T is small, and
    decomposed by NumPy wherever Q is. If S holds the eigenvectors of T, the residual of a Ritz
    pair is the norm of what is left of the last product times the last rows of S (Saad 2011,
    section 6.5).

    With a normal start the same T is a block Gauss quadrature (Golub & Meurant 2010, chapter 11):
    sum over the Ritz values of f(value) times the mean squared share of the start in it estimates
    the trace of f(A); here f is the negative part.
    """
    block, start_weights = _orthonormal_rows(start, 0.0, xp)
    basis = xp.empty((0, start.shape[1]))
    T = np.empty((0, 0))
    converged, products = False, 0
    while len(block) and not converged and products < max_iter:
        image = multiply(block)
        products += 1
        basis = xp.vstack([basis, block])
        columns = basis @ image.T
        image -= columns.T @ basis
        image -= (basis @ image.T).T @ basis
        T = _bordered(T, to_host(columns))
        values, S = np.linalg.eigh(T)
        width = len(block)
        block, coupling = _orthonormal_rows(image, DROP * np.abs(values).max(), xp)
        residuals = np.linalg.norm(coupling.T @ S[-width:, -k:], axis=0)
        converged = len(values) >= k and bool((residuals <= tol * values[-1]).all())

    share = np.square(start_weights @ S[: start_weights.shape[1]]).mean(axis=0)
    negative_sum = float(share @ np.maximum(-values, 0))
    vectors = xp.asarray(S[:, : -k - 1 : -1].T) @ basis
    values = values[: -k - 1 : -1]
    remainder = multiply(vectors) - xp.asarray(values)[:, None] * vectors
    residuals = to_host(xp.linalg.norm(remainder, axis=1))
    converged = converged or not len(block)
    pairs = Eigenpairs(values, to_host(vectors).T, residuals, products + 1, converged)
    return pairs, negative_sum


def _orthonormal_rows(rows: Any, least: float, xp: ModuleType) -> tuple[Any, np.ndarray]:
    """Q with orthonormal rows and R such that rows = R Q, without singular values up to `least`."""
    R, singular_values, Q = xp.linalg.svd(rows, full_matrices=False)
    R, singular_values = to_host(R), to_host(singular_values)
    kept = singular_values > least
    return Q[xp.asarray(kept)], R[:, kept] * singular_values[kept]


def _bordered(T: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """T with new last columns and, by symmetry, rows."""
    m, b = columns.shape
    wider = np.zeros((m, m))
    wider[: m - b, : m - b] = T
    wider[:, m - b :] = columns
    wider[m - b :, :] = columns.T
    wider[m - b :, m - b :] = (columns[m - b :] + columns[m - b :].T) / 2
    return wider
