"""Eigenpairs of a symmetric matrix as the solvers return them, and how well they are known."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Eigenpairs(NamedTuple):
    """Approximate eigenpairs of a symmetric matrix A.

    Attributes
    ----------
    values : (k,) float64
        Ritz values, those wanted first: ascending for the lowest eigenvalues, falling for the
        largest.
    vectors : (n, k) float64
        Orthonormal columns.
    residuals : (k,) float64
        |A v - value v| of each pair: an eigenvalue of A is at most that far from the value.
    products : int
        Products of A with a block of vectors that were made.
    converged : bool
    """

    values: np.ndarray
    vectors: Any
    residuals: np.ndarray
    products: int
    converged: bool

    def angle_bound(self, wanted: int) -> float:
        """Bound on the sine of the largest angle between wanted and true lowest eigenvectors.

        Residuals over the gap to the next value (Davis & Kahan 1970); 1 where this is smaller
        than its own residual. It holds unless an eigenvalue was missed, to whose eigenvector
        every column of the start would have to be orthogonal. Where all pairs are wanted, they
        are taken to span everything.
        """
        if wanted == len(self.values):
            return 0.0
        gap = self.values[wanted] - self.residuals[wanted] - self.values[wanted - 1]
        worst = float(np.linalg.norm(self.residuals[:wanted]))
        return min(1.0, worst / float(gap)) if gap > 0 else 1.0
