"""Classical scaling of distances that need not be Euclidean (Torgerson 1952; Gower 1966).

The kernel B = -1/2 J D^2 J, with D^2 the squared distances and J = I - 1/n the centring, would be
the inner products of the points if there were points with these distances. Its n x n numbers are
never written down: J B = B, so B v = -1/2 J (D^2 v) for every centred v.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kernels.backend import Backend, to_host
from kernels.pairs import Pairs
from pipeline.methods.solvers.eigenpairs import Eigenpairs
from pipeline.methods.solvers.lanczos import largest_eigenpairs
from pipeline.runtime.log import Progress

if TYPE_CHECKING:
    from pipeline.methods.isomap.spread import SpreadPairs

BLOCK = 8  # vectors multiplied together: enough for Lanczos's method to start well at random


class Kernel(NamedTuple):
    """The doubly centred kernel B = -1/2 J D^2 J of n points.

    Attributes
    ----------
    n : int
    multiply : callable
        (b, n) float64 array of the backend with rows that sum to zero -> the rows times B.
    trace : float
        The sum of all eigenvalues.
    squared_norm : float
        The sum of all squared eigenvalues.
    backend : Backend
        Where the distances are.
    """

    n: int
    multiply: Callable[[Any], Any]
    trace: float
    squared_norm: float
    backend: Backend

    def error_bound(self, rounding: float) -> float:
        """Bound on how far an eigenvalue is off where each distance is by up to `rounding`.

        Eigenvalues move by at most the spectral norm of the change of B (Weyl 1912), and J only
        shrinks: |dB| <= 1/2 |d(D^2)|_F, where the entries of d(D^2) are at most 2 d e + e^2 for
        distances d and e = `rounding`. So |dB| <= e (|D|_F + n e / 2), and |D|_F^2 = 1'D^2 1 is
        2 n trace(B).
        """
        return rounding * ((2 * self.n * self.trace) ** 0.5 + self.n * rounding / 2)


class StoredPairs:
    """Distances that are stored as pairs.

    Parameters
    ----------
    pairs : Pairs
    backend : Backend
        Whose memory they are in.
    name : str
        Of the progress of a long product.

    Attributes
    ----------
    n : int
    step : float
    backend : Backend
    """

    def __init__(self, pairs: Pairs, backend: Backend, *, name: str):
        self.backend, self.n, self.step = backend, pairs.n, pairs.step
        self._name, self._kernels = name, backend.kernels("squared_pairs")
        self._strips = len(pairs.starts) - 1
        self._pairs = pairs
        self._arrays = pairs.values, backend.to_device(pairs.starts), pairs.n

    def rows(self, numbers: Sequence[int]) -> np.ndarray:
        """Rows of the matrix of distances, in steps, on the host."""
        return np.stack([to_host(self._pairs.row(i, self.backend.xp)) for i in numbers])

    def squared_products(self, vectors: Any) -> Any:
        """Products of the squares, in steps^2, with vectors: see `kernels.cpu.squared_pairs`.

        Parameters
        ----------
        vectors : (b, n) float64 array of the backend

        Returns
        -------
        (parts, b, n) float64 array of the backend
            Partial sums; whoever computes them, each has the same bits on one type of processor.
        """
        sums = self.backend.xp.zeros((self._kernels.PARTS, *vectors.shape))
        for block in self._blocks(f"{self._name} product"):
            self._kernels.squared_products(*self._arrays, *block, vectors, sums)
        return sums

    def fourth_powers(self) -> Any:
        """The (strips,) sums of the fourth powers of each strip, in steps^4."""
        sums = self.backend.xp.zeros(self._strips)
        for block in self._blocks(f"{self._name} norm"):
            self._kernels.fourth_powers(*self._arrays, *block, sums)
        return sums

    def _blocks(self, name: str) -> Iterator[tuple[int, int]]:
        """Ranges of strips, short enough to notice an interrupt soon."""
        progress = Progress(name, self._strips)
        for first in range(0, self._strips, self._kernels.STRIPS):
            last = min(first + self._kernels.STRIPS, self._strips)
            yield first, last
            progress.update(last - first)


def kernel_of_pairs(pairs: StoredPairs | SpreadPairs) -> Kernel:
    """The kernel of distances that are stored as pairs, here or by Dask's workers."""

    def times_squares(vectors: Any) -> Any:
        return pairs.squared_products(vectors).sum(axis=0) * pairs.step**2

    row_sums = times_squares(pairs.backend.xp.ones((1, pairs.n)))[0]
    sum_fourth_powers = 2 * float(pairs.fourth_powers().sum()) * pairs.step**4
    return _kernel(pairs.n, times_squares, row_sums, sum_fourth_powers, pairs.backend)


def kernel_of_matrix(distances: Any, backend: Backend) -> Kernel:
    """The kernel of a symmetric (n, n) float64 matrix of distances with a zero diagonal."""
    xp = backend.xp
    squares = xp.square(distances)
    return _kernel(
        len(squares),
        lambda vectors: vectors @ squares,
        squares.sum(axis=0),
        float(xp.square(squares).sum()),
        backend,
    )


def _kernel(
    n: int,
    times_squares: Callable[[Any], Any],
    row_sums: Any,
    sum_fourth_powers: float,
    backend: Backend,
) -> Kernel:
    """From D^2: products, row sums, and the sum of its squares.

    tr(J D^2 J) = -1'D^2 1 / n, and |J D^2 J|^2 = |D^2|^2 - 2 |D^2 1|^2 / n + (1'D^2 1 / n)^2.
    """

    def multiply(vectors: Any) -> Any:
        products = times_squares(vectors)
        return -0.5 * (products - products.mean(axis=1, keepdims=True))

    mean = float(row_sums.sum()) / n
    squared_norm = (sum_fourth_powers - 2 * float(row_sums @ row_sums) / n + mean**2) / 4
    return Kernel(n, multiply, mean / 2, squared_norm, backend)


def largest_kernel_eigenpairs(
    kernel: Kernel, *, k: int, tol: float, max_iter: int, random: np.random.RandomState
) -> tuple[Eigenpairs, float]:
    """The k largest eigenpairs of a kernel, k < n; see `solvers.lanczos.largest_eigenpairs`."""
    block = min(max(BLOCK, k), kernel.n - 1)
    start = random.normal(size=(block, kernel.n))
    start -= start.mean(axis=1, keepdims=True)
    return largest_eigenpairs(
        kernel.multiply,
        kernel.backend.to_device(start),
        k=k,
        tol=tol,
        max_iter=max_iter,
        xp=kernel.backend.xp,
    )


def diagnostics(kernel: Kernel, pairs: Eigenpairs, negative_sum: float) -> dict[str, Any]:
    """What is known of a solution.

    Parameters
    ----------
    kernel : Kernel
    pairs : Eigenpairs
    negative_sum : float
        Of the absolute values of all negative eigenvalues, estimated.

    Returns
    -------
    dict
        eigenvalues; eigen_residual: the largest residual as a share of the largest eigenvalue;
        explained: the eigenvalues' share of the trace; negative_share: the share of negative
        eigenvalues in the sum of all absolute values, estimated; n_iter: products; converged;
        reconstruction_error: |B - what the eigenpairs make| / n in the Frobenius norm.
    """
    missed = kernel.squared_norm - float(np.square(pairs.values).sum())
    return {
        "eigenvalues": [float(value) for value in pairs.values],
        "eigen_residual": float(pairs.residuals.max() / pairs.values[0]),
        "explained": float(pairs.values.sum() / kernel.trace),
        "negative_share": negative_sum / (kernel.trace + 2 * negative_sum),
        "n_iter": pairs.products,
        "converged": pairs.converged,
        "reconstruction_error": max(missed, 0.0) ** 0.5 / kernel.n,
    }
