"""Principal components and coordinates, the same for any number of threads."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kernels.backend import Backend, to_host
from pipeline.neighbors.principal_axes import BLOCK, Centring, centring, principal_axes
from pipeline.neighbors.tiles import strips
from pipeline.runtime.parallel import parallel_starmap

RESIDUAL = 1e-6  # of an eigenvalue, beyond which float32 products have not found its eigenvector


class PrincipalComponents(NamedTuple):
    """The leading principal components of a feature set, on the host, all in float64.

    Attributes
    ----------
    coordinates : (n, k)
        Of the centred rows on the axes; 0 beyond the rank.
    axes : (k, d)
        As of `pipeline.neighbors.principal_axes.PrincipalAxes`, signs included.
    mean : (d,)
    variances : (k,)
        Of the coordinates, with divisor n - 1.
    total : float
        Variance of all features together.
    """

    coordinates: np.ndarray
    axes: np.ndarray
    mean: np.ndarray
    variances: np.ndarray
    total: float


class _Projection(NamedTuple):
    """What one pass over the rows z, with axes V, adds up: in the unit of the centring.

    Attributes
    ----------
    coordinates : (n, k)
        Y = Z V'.
    images : (k, d)
        Y'Z: of an eigenvector its eigenvalue times itself.
    total : float
        Sum of z^2.
    """

    coordinates: np.ndarray
    images: np.ndarray
    total: float


def principal_components(X: np.ndarray, k: int, backend: Backend) -> PrincipalComponents:
    """Principal component analysis (Pearson 1901; Hotelling 1933).

    Of float32 features, the covariance or the Gram matrix is added up of products in float32, which
    take half the time; its eigenvectors v are then put to the test with the rows in float64: where
    |C v - l v| exceeds `RESIDUAL` of the eigenvalue l = v'Cv, as it does where the first variance
    exceeds another by far or the rank is less than k, the products are computed in float64.

    Parameters
    ----------
    X : (n, d) float32 or float64
        On the host; only a few rows at a time are copied.
    k : int
        May exceed the rank.
    backend : Backend
        Computes the products; the eigenproblem of min(n, d) rows is the host's.

    Returns
    -------
    PrincipalComponents
    """
    centre = centring(X, backend)
    precisions = (np.float32, np.float64) if X.dtype == np.float32 else (np.float64,)
    for dtype in precisions:
        axes = principal_axes(X, k, backend=backend, dtype=dtype, centred_by=centre).axes
        found = _project(X, axes, centre, backend)
        eigenvalues = np.square(found.coordinates).sum(axis=0)
        residuals = np.linalg.norm(found.images - eigenvalues[:, None] * axes, axis=1)
        if (residuals < RESIDUAL * eigenvalues).all():
            break
    with np.errstate(over="ignore", under="ignore"):
        unit = 1 / centre.scale
        variances = np.array([*eigenvalues, found.total]) / (len(X) - 1) * unit * unit
        coordinates = found.coordinates * unit
    return PrincipalComponents(
        coordinates, axes, to_host(centre.mean), variances[:-1], float(variances[-1])
    )


def _project(X: np.ndarray, axes: np.ndarray, centre: Centring, backend: Backend) -> _Projection:
    """Project the rows in float64."""
    axes = backend.to_device(axes)

    def part(rows: slice) -> tuple[Any, ...]:
        z = centre.apply(backend.to_device(X[rows]))
        y = z @ axes.T
        return to_host(y), to_host(y.T @ z), float(backend.xp.vdot(z, z))

    with parallel_starmap(backend) as starmap:
        parts = starmap(part, [(rows,) for rows in strips(len(X), BLOCK)])
    coordinates, images, totals = zip(*parts, strict=True)
    return _Projection(np.vstack(coordinates), sum(images), sum(totals))
