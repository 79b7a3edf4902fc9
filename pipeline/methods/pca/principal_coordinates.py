"""Principal coordinates to start other methods from, with the same bits for any number of threads.

scikit-learn's PCA gives the same to rounding, but its last bits depend on BLAS's threads, and a
descent such as t-SNE's turns them into another layout.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import eigh

from kernels.backend import Backend, to_host
from kernels.pairs import STRIP
from pipeline.runtime.parallel import parallel_starmap


def principal_coordinates(X: np.ndarray, n_components: int, backend: Backend) -> np.ndarray:
    """PCA by the eigenvectors of the covariance matrix, in float64 (Pearson 1901; Hotelling 1933).

    Parameters
    ----------
    X : (n, d) float32 or float64
        On the host.
    n_components : int
    backend : Backend
        Computes the products; the d x d eigenproblem is the host's.

    Returns
    -------
    (n, n_components) float64
        On the host, centred; coordinates beyond the d dimensions are 0. The largest entry of each
        component is positive, as in `sklearn.decomposition.PCA`.
    """
    Z, scale = centre(X, np.dtype(np.float64), backend)
    return project(Z, n_components, backend) / scale


def centre(X: np.ndarray, dtype: np.dtype, backend: Backend) -> tuple[Any, float]:
    """Subtract the mean of all rows, and scale so that no square overflows.

    Parameters
    ----------
    X : (n, d) float32 or float64
        On the host; only a few rows at a time are copied in float64.
    dtype : float32 or float64
    backend : Backend

    Returns
    -------
    Z : (n, d) array of the backend
    scale : float
        Z is this times as large as X: a power of two, which is exact.
    """
    mean = backend.to_device(X.mean(axis=0, dtype=np.float64))
    strips = [slice(first, first + STRIP) for first in range(0, len(X), STRIP)]
    largest = max(float(abs(backend.to_device(X[rows]) - mean).max()) for rows in strips)
    scale = 2.0 ** -int(np.frexp(largest)[1]) if largest else 1.0
    Z = backend.xp.empty(X.shape, dtype)
    for rows in strips:
        Z[rows] = (backend.to_device(X[rows]) - mean) * scale
    return Z, scale


def project(Z: Any, n_components: int, backend: Backend) -> np.ndarray:
    """Project centred points on their principal axes.

    Parameters
    ----------
    Z : (n, d) float32 or float64 array of the backend
        Its dtype is that of a tile's inner products; tiles are added up in float64.
    n_components : int
    backend : Backend

    Returns
    -------
    (n, n_components) float64
        As of `principal_coordinates`.
    """
    size = 4 * backend.kernels("distances").TILE  # rows of a tile: few d x d sums at a time
    tiles = [(Z[first : first + size],) for first in range(0, len(Z), size)]
    with parallel_starmap(backend) as starmap:
        scatter = to_host(sum(starmap(lambda z: (z.T @ z).astype(np.float64), tiles)))
        axes = backend.to_device(_leading_eigenvectors(scatter, n_components))
        coordinates = np.vstack(starmap(lambda z: to_host(z @ axes), tiles))
    return np.pad(coordinates, ((0, 0), (0, n_components - coordinates.shape[1])))


def _leading_eigenvectors(S: np.ndarray, k: int) -> np.ndarray:
    """Eigenvectors of the k largest eigenvalues, (d, min(k, d)), largest first, signs fixed."""
    d = len(S)
    vectors = eigh(S, subset_by_index=(max(d - k, 0), d - 1))[1][:, ::-1]
    vectors *= np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])])
    return vectors
