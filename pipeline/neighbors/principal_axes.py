"""Principal axes of a feature set, with the same bits for any number of threads.

The last bits of a library's PCA depend on BLAS's threads, and a descent such as t-SNE's turns
them into another layout.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import eigh

from kernels.backend import Backend, to_host
from pipeline.neighbors.tiles import strips
from pipeline.runtime.parallel import StarMap, parallel_starmap

BLOCK = 256  # rows in float64 at a time, which fit into a core's cache
STRIP = 2048  # rows, or columns where these are more, that one thread centres and multiplies
SUMS = 8  # of products, each of strips in a row: as many threads are busy, with a matrix each


class PrincipalAxes(NamedTuple):
    """Orthonormal directions of largest variance.

    Attributes
    ----------
    axes : (k, d) float64
        On the host, largest variance first; the largest entry of each is positive, as in
        `sklearn.decomposition.PCA`. Rows beyond the rank of the centred features are 0.
    variances : (k,) float64
        With divisor n - 1, in the squared unit of the features (infinite or 0 where float64 cannot
        hold them); 0 beyond the rank.
    """

    axes: np.ndarray
    variances: np.ndarray


class Centring(NamedTuple):
    """Subtract the mean, and scale so that no square overflows or vanishes.

    Attributes
    ----------
    mean : (d,) float64 array of the backend
    scale : float
        A power of two, which is exact: the largest centred magnitude becomes 0.25 to 2.
    """

    mean: Any
    scale: float

    def apply(self, rows: Any, columns: slice = slice(None)) -> Any:
        """Centred, scaled rows in float64, of which the caller may have chosen some columns."""
        z = rows - self.mean[columns]
        z *= self.scale
        return z

    def rounded(self, rows: Any, dtype: type, columns: slice = slice(None)) -> Any:
        """As `apply`, rounded to a dtype, with few rows in float64 at a time."""
        z = rows.astype(dtype)
        for block in strips(len(z), BLOCK):
            z[block] = self.apply(rows[block], columns)
        return z


def centring(X: Any, backend: Backend) -> Centring:
    """The `Centring` of an (n, d) array on the host or of the backend, read once, strip by strip.

    Sums are of differences from the first row: a constant column has exactly its value as mean.
    """
    first = backend.to_device(X[0]).astype(np.float64)

    def from_first(rows: slice) -> tuple[Any, float]:
        difference = backend.to_device(X[rows]) - first
        return difference.sum(axis=0), float(max(difference.max(), -difference.min()))

    with parallel_starmap(backend) as starmap:
        parts = starmap(from_first, [(rows,) for rows in strips(len(X), BLOCK)])
    mean = first + sum(total for total, _ in parts) / len(X)
    largest = max(most for _, most in parts)
    # The exponent of a denormal spread is so low that its inverse would overflow.
    return Centring(mean, 2.0 ** min(-int(np.frexp(largest)[1]), 1023))


def principal_axes(
    X: Any,
    k: int,
    *,
    backend: Backend,
    dtype: type = np.float64,
    centred_by: Centring | None = None,
) -> PrincipalAxes:
    """Principal component analysis: the k axes of largest variance (Pearson 1901; Hotelling 1933).

    From the eigenvectors u of the covariance Z'Z where d <= n, and of the Gram matrix ZZ' where
    n < d, whose axes are Z'u / |Z'u|; Z are the centred rows.

    Parameters
    ----------
    X : (n, d) float32 or float64 array
        On the host or of the backend, finite; only a few rows at a time are copied in float64.
    k : int
        May exceed the rank.
    backend : Backend
        Computes the products; the eigenproblem of min(n, d) rows is the host's.
    dtype : {np.float64, np.float32}
        Of the products of a strip, which are added up in float64.
    centred_by : Centring, optional
        Of X, where it is known; else computed.

    Returns
    -------
    PrincipalAxes
    """
    n, d = X.shape
    centre = centred_by or centring(X, backend)
    with parallel_starmap(backend) as starmap:  # LAPACK, too, on one thread
        route = _by_covariance if d <= n else _by_gram_matrix
        values, axes = route(X, min(k, n, d), centre, dtype, starmap, backend)
    axes *= np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
    missing = k - len(axes)
    with np.errstate(over="ignore", under="ignore"):
        variances = values / max(n - 1, 1) / centre.scale / centre.scale
    return PrincipalAxes(np.pad(axes, ((0, missing), (0, 0))), np.pad(variances, (0, missing)))


def _by_covariance(
    X: Any, k: int, centre: Centring, dtype: type, starmap: StarMap, backend: Backend
) -> tuple[np.ndarray, np.ndarray]:
    """The k largest eigenvalues of Z'Z and its eigenvectors as rows, zeros beyond the rank."""

    def products(rows: slice) -> Any:
        z = centre.rounded(backend.to_device(X[rows]), dtype)
        return z.T @ z

    values, vectors = _leading_eigenpairs(_sum(products, len(X), starmap, backend), k)
    return values, vectors.T * (values > 0)[:, None]


def _by_gram_matrix(
    X: Any, k: int, centre: Centring, dtype: type, starmap: StarMap, backend: Backend
) -> tuple[np.ndarray, np.ndarray]:
    """As `_by_covariance`, from the eigenvectors of ZZ'."""

    def some_columns(columns: slice) -> Any:
        return centre.rounded(backend.to_device(X[:, columns]), dtype, columns)

    def products(columns: slice) -> Any:
        z = some_columns(columns)
        return z @ z.T

    d = X.shape[1]
    values, vectors = _leading_eigenpairs(_sum(products, d, starmap, backend), k)
    u = backend.to_device(vectors)
    parts = starmap(
        lambda part: to_host(some_columns(part).T @ u), [(p,) for p in strips(d, STRIP)]
    )
    # Orthonormal to the last bits, which Z'u / |Z'u| is not for small eigenvalues.
    axes = np.linalg.qr(np.vstack(parts))[0].T
    return values, axes * (values > 0)[:, None]


def _sum(
    products: Callable[[slice], Any], length: int, starmap: StarMap, backend: Backend
) -> np.ndarray:
    """Add up the products of all strips in float64, on the host, always in the same order.

    Each of `SUMS` sums belongs to one thread, and no more of them exist at a time than threads.
    """
    parts = strips(length, STRIP)
    cuts = [len(parts) * i // SUMS for i in range(SUMS + 1)]
    runs = [(parts[i:j],) for i, j in pairwise(cuts) if i < j]

    def add_up(run: list[slice]) -> Any:
        subtotal = products(run[0]).astype(np.float64, copy=False)
        for part in run[1:]:
            subtotal += products(part)
        return subtotal

    total: Any = 0.0
    for first in range(0, len(runs), backend.threads):
        for subtotal in starmap(add_up, runs[first : first + backend.threads]):
            total += subtotal
    return to_host(total)


def _leading_eigenpairs(S: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k largest eigenvalues, descending, and eigenvectors as columns; S is overwritten.

    Eigenvalues that rounding alone may have made, up to len(S) units of the largest, become 0.
    """
    last = len(S) - 1
    # Symmetric, so that its transpose is S in the order of LAPACK, which then needs no copy.
    values, vectors = eigh(S.T, subset_by_index=(last + 1 - k, last), overwrite_a=True)
    values, vectors = values[::-1], vectors[:, ::-1]
    values = np.where(values > len(S) * np.finfo(np.float64).eps * values[0], values, 0.0)
    return values, vectors
