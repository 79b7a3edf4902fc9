"""Where the minimisation of stress starts: classical scaling, random coordinates or an array."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from kernels.pairs import TOP
from pipeline.errors import InputError


def classical_scaling(D: np.ndarray, n_components: int) -> np.ndarray:
    """Classical scaling of a matrix of dissimilarities (Torgerson 1952).

    Parameters
    ----------
    D : (n, n) array
        Symmetric.
    n_components : int

    Returns
    -------
    (n, n_components) float64
        Coordinates without a positive eigenvalue are 0.
    """
    n = len(D)
    B = np.square(D, dtype=np.float64) / -2
    B -= B.mean(axis=0)
    B -= B.mean(axis=1, keepdims=True)
    leading = (max(n - n_components, 0), n - 1)
    values, vectors = eigh(B, subset_by_index=leading, overwrite_a=True)
    X = vectors[:, ::-1] * np.sqrt(np.maximum(values[::-1], 0))
    return np.pad(X, ((0, 0), (0, n_components - X.shape[1])))


def check_matrix(D: np.ndarray) -> None:
    """Refuse what is no matrix of dissimilarities, and say where.

    Raises
    ------
    InputError
        Not square, or an entry that is negative, asymmetric or not 0 on the diagonal.
    """
    n = len(D)
    if D.shape[1] != n:
        raise InputError(f"precomputed dissimilarities must be square but have shape {D.shape}")
    for wrong, what in (
        (D < 0, "be non-negative"),
        (np.abs(D - D.T) > 1e-6 * np.abs(D).max(), "be symmetric"),
        (np.diag(np.diag(D)) != 0, "have a diagonal of zeros"),
    ):
        if wrong.any():
            i, j = np.argwhere(wrong)[0]
            entries = " and ".join(
                f"[{r}, {c}] is {D[r, c]:g}" for r, c in dict.fromkeys([(i, j), (j, i)])
            )
            raise InputError(
                f"precomputed dissimilarities must {what} but {entries}; correct the matrix"
            )


def check_start(init: np.ndarray) -> np.ndarray:
    """Return a user's start in float64, refused where no step could be taken from it.

    Raises
    ------
    InputError
        Non-finite values, or all points in one place.
    """
    start = np.asarray(init, dtype=np.float64)
    if not np.isfinite(start).all() or (start == start[0]).all():
        raise InputError("init of MDS must be finite and have points in different places")
    return start


def rescale(start: np.ndarray, precision: np.dtype) -> np.ndarray:
    """Centre a start and give it about the size of the 16-bit numbers, where floats are safe.

    The Guttman transform does not depend on the size, so neither do the steps after the first.
    """
    start = start - start.mean(axis=0)
    largest = np.abs(start).max() or 1.0
    return (start * (TOP / 4 / largest)).astype(precision)
