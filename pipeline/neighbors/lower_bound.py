"""Lower-bound embedding: fewer coordinates, whose distances never exceed those of the features.

For centred rows z let q be the coordinates in p orthonormal axes and r the length of the residual
e = z - A'q, so that |z|^2 = |q|^2 + r^2. The residuals of two rows differ by at least |r_i - r_j|:

    |z_i - z_j|^2  =  |q_i - q_j|^2 + |e_i - e_j|^2  >=  |q_i - q_j|^2 + (r_i - r_j)^2,

the squared distance of the p + 1 coordinates (q, r). A search that finds the k nearest of these
may leave out, without a look at z, every point whose bound exceeds a distance already computed.
What rounding does to the inequality is in `safe_limit`.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, NamedTuple

import numpy as np

from kernels.backend import Backend
from pipeline.neighbors.principal_axes import Centring, centring, principal_axes
from pipeline.neighbors.tiles import strips


class LowerBound(NamedTuple):
    """Points whose distances never exceed those of the features, beyond float32 rounding.

    Attributes
    ----------
    Z : (n, p + 1) float32 array of the backend
        p principal coordinates and the length of the residual; or all d centred coordinates.
    norms : (n,) float64 array of the backend
        Lengths of the centred rows, which are those of Z's rows before rounding.
    scale : float
        Z is this times as large as the features.
    """

    Z: Any
    norms: Any
    scale: float


def lower_bound_embedding(X: Any, *, k: int, width: int, backend: Backend) -> LowerBound:
    """Lower-bound embedding of X: p principal coordinates, and the length of the residual.

    Parameters
    ----------
    X : (n, d) float32 or float64 array of the backend
        Finite, and small enough for sums over rows.
    k, width : int
        p is so large that for nearly all rows at most `width` others are bounded by the distance
        of the k-th neighbour.
    backend : Backend

    Returns
    -------
    LowerBound
        With all d coordinates where p would be more than half of them, or n is so small that the
        eigenvectors do not pay (`MIN_ROWS_PER_FEATURE` of `kernels.cpu.knn`, `.gpu.knn`).

    Notes
    -----
    Centring keeps |a|^2 + |b|^2 - 2ab from cancelling for features far from the origin; scaling
    by a power of two is exact and keeps products from overflowing.
    """
    n, d = X.shape
    centre = centring(X, backend)
    whole = _all_coordinates(X, centre, backend)
    if d < 2 or n <= backend.kernels("knn").MIN_ROWS_PER_FEATURE * d:
        return whole
    # Any orthonormal axes give a valid bound, so float32 products do for the covariance.
    axes = principal_axes(X, d // 2, backend=backend, dtype=np.float32, centred_by=centre).axes
    axes = backend.to_device(axes)
    p = _axes_needed(whole, axes, k, width, backend)
    return whole if p is None else _project(X, centre, axes[:p], whole.norms, backend)


def _all_coordinates(X: Any, centre: Centring, backend: Backend) -> LowerBound:
    """The centred rows themselves, rounded to float32."""
    xp = backend.xp
    Z, norms = xp.empty(X.shape, np.float32), xp.empty(len(X))
    for strip in strips(len(X)):
        z = centre.apply(X[strip])
        Z[strip] = z
        norms[strip] = xp.sqrt(xp.einsum("ij,ij->i", z, z))
    return LowerBound(Z, norms, centre.scale)


def _project(X: Any, centre: Centring, axes: Any, norms: Any, backend: Backend) -> LowerBound:
    """Coordinates (q, r) on the axes, all in float64 before any is rounded to float32.

    A residual's length that is the root of |z|^2 - |q|^2 would be off by up to sqrt(2 u) |z| with
    rounded q, 5,000 times the rounding of q itself.
    """
    xp = backend.xp
    Z = xp.empty((len(X), len(axes) + 1), np.float32)
    for strip in strips(len(X)):
        z = centre.apply(X[strip])
        q = z @ axes.T
        Z[strip, :-1] = q
        Z[strip, -1] = xp.linalg.norm(z - q @ axes, axis=1)
    return LowerBound(Z, norms, centre.scale)


def _axes_needed(whole: LowerBound, axes: Any, k: int, width: int, backend: Backend) -> int | None:
    """The fewest axes that prove 98 % of a sample of rows, None if there are not enough.

    Fewer make shorter products but leave more rows to search again; where the balance lies
    depends on the features: 28 axes explain 97 % of the variance of one set and prove next to
    nothing, another needs 400. An estimate, in float32: time hangs on it, no neighbour.
    """
    xp = backend.xp
    Z, norms = whole.Z, whole.norms
    half_norms = (norms**2 / 2).astype(np.float32)
    sample = xp.asarray(np.linspace(0, len(Z) - 1, 128).astype(int))
    scores = half_norms - Z[sample] @ Z.T  # (128, n), as in `safe_limit`
    reach = xp.partition(scores, k, axis=1)[:, k, None]  # of the k-th, after the row itself
    Q = Z @ axes.T.astype(np.float32)
    step = max(1, Z.shape[1] // 40)

    def proves(p: int) -> bool:
        q = Q[:, :p]
        rest = norms**2 - xp.square(q).sum(axis=1, dtype=np.float64)
        r = xp.sqrt(xp.maximum(rest, 0)).astype(np.float32)
        scores = half_norms - q[sample] @ q.T
        scores -= r[sample, None] * r
        return float(((scores <= reach).sum(axis=1) <= width).mean()) >= 0.98

    # More axes never bound less, so that halving finds the fewest.
    numbers = range(step, len(axes) + 1, step)
    first = bisect_left(numbers, True, key=proves)
    return numbers[first] if first < len(numbers) else None


def safe_limit(norms: Any, radius: Any, p: int) -> Any:
    """The largest computed score that a point within `radius` of each row can have.

    The score of a point at distance t from row i is at most (t^2 - |z_i|^2) / 2. Such a point has
    norm at most R = |z_i| + t, so rounding to float32 (of z, of the half norm, of a dot product of
    p terms in any order, of their difference) moves its score by at most (p + 8) u R^2, up to
    second-order terms, plus what underflow can lose.

    What is computed in float64 before (z, axes orthonormal to rounding, q and e, each off by at
    most some d sqrt(p) units of |z|; Higham 2002, section 3.5) moves each end of a pair by less
    than 1e-8 R for d up to 20,000 features, hence the score by 2e-8 t R, and |z|^2 by less than
    2e-9 R^2; t^2, a sum of d squares, is off by less than 1e-10 of it.

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
    slack = gamma * R**2 + 2e-8 * radius * R + 1e-9 * R**2 + 4 * p * np.finfo(np.float32).tiny
    return (radius**2 * (1 + 1e-10) - norms**2) / 2 + slack
