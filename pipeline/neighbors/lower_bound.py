"""Lower-bound embedding: fewer coordinates, whose distances never exceed those of the features.

For centred rows z let q be the coordinates in p principal components and r the length of the
rest, |z|^2 = |q|^2 + r^2. The rest of z_i - z_j is at least |r_i - r_j| long, so that

    |z_i - z_j|^2  >=  |q_i - q_j|^2 + (r_i - r_j)^2,

the squared distance of the p + 1 coordinates (q, r). A search that finds the k nearest of these
may leave out, without a look at z, every point whose bound exceeds a distance already computed.
What rounding does to the inequality is in `safe_limit`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.backend import Backend
from pipeline.neighbors.tiles import strips


def lower_bound_embedding(
    X: Any, *, k: int, width: int, backend: Backend
) -> tuple[Any, Any, float]:
    """Lower-bound embedding of X: p principal components, and the length of the rest.

    Its distances never exceed those of X, and norms are kept: |(q, r)| = |z|.

    Parameters
    ----------
    X : (n, d) float32 or float64 array of the backend
    k, width : int
        p is so large that for nearly all rows at most `width` others are bounded by the distance
        of the k-th neighbour.
    backend : Backend

    Returns
    -------
    Z : (n, p + 1) float32 array of the backend
        Or all d centred coordinates, where p would be more than half of them, or n is so small
        that the eigenvectors do not pay (`MIN_ROWS_PER_FEATURE` of `kernels.cpu.knn`, `.gpu.knn`).
    norms : (n,) float64 array of the backend
    scale : float
        Z is this times as large as X. Centring keeps |a|^2 + |b|^2 - 2ab from cancelling for
        features far from the origin; scaling by a power of two is exact and keeps products from
        overflowing.
    """
    xp = backend.xp
    n, d = X.shape
    mean = X.mean(axis=0, dtype=np.float64)
    largest = max(float(abs(X[strip] - mean).max()) for strip in strips(n))
    scale = 2.0 ** -int(np.frexp(largest)[1]) if largest else 1.0
    worth_it = n > backend.kernels("knn").MIN_ROWS_PER_FEATURE * d
    axes = _leading_components(X, mean, scale) if worth_it else np.empty((d, 0))
    Z = xp.empty(X.shape, np.float32)
    Q = np.empty((n, axes.shape[1]), np.float32)
    norms = xp.empty(n)
    for strip in strips(n):
        z = (X[strip] - mean) * scale
        Z[strip] = z
        norms[strip] = xp.linalg.norm(z, axis=1)
        if worth_it:
            Q[strip] = z @ axes
    p = _components_needed(Z, Q, norms, k, width) if worth_it else None
    if p is None:
        return Z, norms, scale
    return np.column_stack([Q[:, :p], _rest(Q, norms, p)]), norms, scale


def _leading_components(X: np.ndarray, mean: np.ndarray, scale: float) -> np.ndarray:
    """The first half of the principal axes, (d, d // 2) float64.

    Any orthonormal axes give a valid bound, so float32 products do for the covariance.
    """
    d = X.shape[1]
    covariance = np.zeros((d, d))
    for strip in strips(len(X), 4096):
        z = ((X[strip] - mean) * scale).astype(np.float32)
        covariance += z.T @ z
    axes = np.linalg.eigh(covariance)[1]  # ascending
    return np.ascontiguousarray(axes[:, ::-1][:, : d // 2])


def _rest(Q: np.ndarray, norms: np.ndarray, p: int) -> np.ndarray:
    """Length of what the first p components leave of each row."""
    squared = np.einsum("ij,ij->i", Q[:, :p], Q[:, :p], dtype=np.float64)
    return np.sqrt(np.maximum(norms**2 - squared, 0)).astype(np.float32)


def _components_needed(
    Z: np.ndarray, Q: np.ndarray, norms: np.ndarray, k: int, width: int
) -> int | None:
    """The fewest components that prove 98 % of a sample of rows, None if there are not enough.

    Fewer make shorter products but leave more rows to search again; where the balance lies
    depends on the features: 28 components explain 97 % of the variance of one set and prove
    next to nothing, another needs 400.
    """
    sample = np.linspace(0, len(Z) - 1, 128).astype(int)

    def squared_distances(A: np.ndarray) -> np.ndarray:
        return norms[sample, None] ** 2 + norms**2 - 2 * (A[sample] @ A.T)  # (128, n)

    true = squared_distances(Z)
    reach = np.partition(true, k, axis=1)[:, k, None]  # of the k-th, after the row itself
    step = max(1, Z.shape[1] // 40)
    for p in range(step, Q.shape[1] + 1, step):
        bounded = squared_distances(np.column_stack([Q[:, :p], _rest(Q, norms, p)])) <= reach
        if np.mean(bounded.sum(axis=1) <= width) >= 0.98:
            return p
    return None


def safe_limit(norms: Any, radius: Any, p: int) -> Any:
    """The largest computed score that a point within `radius` of each row can have.

    The score of a point at distance r from row i is at most (r^2 - |z_i|^2) / 2. Such a point has
    norm at most R = |z_i| + r, so rounding (of z, of the half norm, of a dot product of p terms
    in any order, of their difference) moves its score by at most (p + 8) u R^2, up to
    second-order terms, plus what underflow can lose. The rotation in float64 moves each end of a
    pair by less than 1e-6 R (the rest's length is a root of a difference), the score by 2e-6 r R.

    Parameters
    ----------
    norms, radius : (n,) float64
        |z_i|, and a distance of each row in the same scale.
    p : int
        Coordinates.

    Returns
    -------
    (n,) float64
    """
    u = 2.0**-24  # unit roundoff of float32
    gamma = (p + 8) * u / (1 - (p + 8) * u)
    R = norms + radius
    slack = gamma * R**2 + 2e-6 * radius * R + 1e-12 * R**2 + 4 * p * np.finfo(np.float32).tiny
    return (radius**2 * (1 + 1e-12) - norms**2) / 2 + slack
