"""The lowest eigenvectors of a symmetric operator, by Chebyshev-filtered subspace iteration."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from scipy.linalg import eigh, eigh_tridiagonal
from threadpoolctl import threadpool_limits

from kernels.backend import to_host
from pipeline.methods.solvers.eigenpairs import Eigenpairs
from pipeline.runtime.log import Progress

# Logarithm of the factor by which a filter raises the wanted part: a large one costs products
# before the cut is known, a small one costs subspaces. From 3 to 8, 5 took the least time.
GAIN = 5.0

# apply(V, scale, shift, decay, out) sets out = scale M V + shift V + decay out, all (n, b).
Apply = Callable[[Any, float, float, float, Any], None]


def lowest_eigenpairs(
    apply: Apply,
    start: Any,
    *,
    wanted: int,
    null: Any,
    tol: float,
    max_products: int,
    name: str = "eigenvectors",
    xp: ModuleType = np,
) -> Eigenpairs:
    """Chebyshev-filtered subspace iteration for the lowest eigenpairs of a semi-definite M.

    A Chebyshev polynomial of M, small between the largest Ritz value of the block and the largest
    eigenvalue, takes the place of a power of M (Zhou & Saad 2007). Each polynomial has the degree
    that raises 0 over that interval by exp(GAIN), so degrees grow by themselves while the Ritz
    values fall.

    Parameters
    ----------
    apply : callable
        See `Apply`; the only thing that is known of M.
    start : (n, b) float64
        Random; b > wanted unless the block spans everything. The wider the block, the further the
        first eigenvalue outside it and the lower the degrees.
    wanted : int
        Eigenvectors that must converge.
    null : (n, p) float64
        Orthonormal eigenvectors to leave out; b + p <= n.
    tol : float
        Largest sine of the angle between wanted and true eigenvectors; see
        `Eigenpairs.angle_bound`. Residuals of a few units of rounding are accepted too: equal
        eigenvalues have no gap.
    max_products : int
        Where to give up.
    name : str
        Of the progress.
    xp : module
        NumPy or CuPy, whose arrays `start` and `null` are and `apply` is given. Blocks of n rows
        stay there; only what is as small as b x b is solved on the host.

    Returns
    -------
    Eigenpairs
        All b of the block, ascending; those after the wanted ones are upper bounds of eigenvalues.
        The vectors are an array of `xp`, all else is NumPy's.
    """
    with threadpool_limits(1, user_api="blas"):  # whose sums depend on its number of threads
        V = _orthonormal(start, null, xp)
        upper, products = _upper_bound(apply, V, xp)
        cut, gain = upper / 100, GAIN
        while True:
            degree = int(np.ceil(gain / 2 / np.sqrt(cut / upper)))
            degree = max(1, min(degree, max_products - products - 1))
            V = _orthonormal(_filter(apply, V, degree, cut, upper, name, xp), null, xp)
            MV = xp.zeros_like(V)
            apply(V, 1.0, 0.0, 0.0, MV)
            products += degree + 1
            pairs = _ritz_pairs(V, MV, products, xp)
            error = pairs.angle_bound(wanted)
            exact = pairs.residuals[:wanted].max() <= 4 * np.finfo(float).eps * upper
            if exact or error <= tol:
                return pairs._replace(converged=True)
            if products >= max_products:
                return pairs
            V, cut = pairs.vectors, max(pairs.values[-1], np.finfo(float).eps * upper)
            if error < 1:
                gain = min(GAIN, max(1.0, np.log(error / tol) + 1))  # no more than is missing


def _ritz_pairs(V: Any, MV: Any, products: int, xp: ModuleType) -> Eigenpairs:
    """The best approximations to eigenvectors within the span of V (Rayleigh & Ritz)."""
    H = to_host(V.T @ MV)
    values, Q = eigh((H + H.T) / 2)
    rotation = xp.asarray(Q)
    vectors = V @ rotation
    residuals = to_host(xp.linalg.norm(MV @ rotation - vectors * xp.asarray(values), axis=0))
    return Eigenpairs(values, vectors, residuals, products, converged=False)


def _filter(
    apply: Apply, V: Any, degree: int, cut: float, upper: float, name: str, xp: ModuleType
) -> Any:
    """Chebyshev polynomial of M times V: 1 at eigenvalue 0, small from `cut` to `upper`.

    The three-term recurrence, scaled so that nothing overflows, is Zhou & Saad's (2007,
    algorithm 4.1, there with 0 for the lowest eigenvalue).
    """
    centre, half = (upper + cut) / 2, (upper - cut) / 2
    first = ratio = -half / centre
    current, previous = xp.zeros_like(V), V.copy()
    apply(V, first / half, -first * centre / half, 0.0, current)
    progress = Progress(f"{name}, filter of degree {degree}", degree - 1)
    for _ in range(degree - 1):  # a GPU is never waited for
        following = 1 / (2 / first - ratio)
        scale = 2 * following / half
        apply(current, scale, -scale * centre, -ratio * following, previous)
        current, previous, ratio = previous, current, following
        progress.update()
    return current


def _orthonormal(V: Any, null: Any, xp: ModuleType) -> Any:
    """An orthonormal basis of what of V is orthogonal to `null`; twice is enough (Kahan)."""
    for _ in range(2):
        V = V - null @ (null.T @ V)
        V = xp.linalg.qr(V)[0]
    return xp.ascontiguousarray(V)


def _upper_bound(apply: Apply, V: Any, xp: ModuleType, steps: int = 24) -> tuple[float, int]:
    """A little more than the largest eigenvalue of M, and the products that it took.

    Lanczos's recurrence from each column of V on its own; the largest Ritz value plus its
    residual is a safe bound in practice (Zhou & Li 2011), 1 % more makes it safer.
    """
    diagonal, off = [], [xp.zeros(V.shape[1])]
    previous, current = xp.zeros_like(V), V
    for _ in range(steps):
        following = off[-1] * -previous
        apply(current, 1.0, 0.0, 1.0, following)
        diagonal.append((current * following).sum(axis=0))
        following -= diagonal[-1] * current
        off.append(xp.linalg.norm(following, axis=0))
        previous, current = current, following / xp.maximum(off[-1], np.finfo(float).tiny)
    bounds = []
    for a, b in zip(to_host(xp.stack(diagonal)).T, to_host(xp.stack(off)).T, strict=True):
        values, Q = eigh_tridiagonal(a, b[1:-1])
        bounds.append(values[-1] + b[-1] * abs(Q[-1, -1]))
    return 1.01 * max(bounds), steps
