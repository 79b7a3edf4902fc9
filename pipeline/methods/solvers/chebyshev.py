"""The lowest eigenvectors of a symmetric operator, by Chebyshev-filtered subspace iteration."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import eigh, eigh_tridiagonal
from threadpoolctl import threadpool_limits

from kernels.backend import to_host
from pipeline.runtime.log import Progress

# Logarithm of what a filter gains: a large one costs products before the cut is known, a small
# one costs subspaces. From 3 to 8, 5 took the least time.
GAIN = 5.0

# apply(V, scale, shift, decay, out) sets out = scale M V + shift V + decay out, all (n, b).
Apply = Callable[[Any, float, float, float, Any], None]


class Eigenpairs(NamedTuple):
    """The lowest eigenpairs found, and how well.

    Attributes
    ----------
    values : (b,) float64
        Ritz values, ascending; those after the wanted ones are upper bounds of eigenvalues.
    vectors : (n, b) float64
        Orthonormal; where the start was, on a GPU or not, as nothing else here.
    residuals : (b,) float64
        Lengths of M v - value v: an eigenvalue of M is at most that far from each value.
    gap : float
        Distance from the last wanted value to the next, less the residual of that one; not
        positive as long as the two are not told apart.
    products : int
        Products of M with blocks of b vectors.
    converged : bool
    """

    values: np.ndarray
    vectors: Any
    residuals: np.ndarray
    gap: float
    products: int
    converged: bool

    def error(self, wanted: int) -> float:
        """Bound on the sine of the largest angle to the wanted eigenvectors (Davis & Kahan 1970).

        It holds unless an eigenvalue was missed, to whose eigenvector every column of the start
        would have to be orthogonal.
        """
        worst = float(np.linalg.norm(self.residuals[:wanted]))
        return min(1.0, worst / self.gap) if self.gap > 0 else 1.0


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
    """Find the lowest eigenvectors of a positive semi-definite M beside known ones.

    Subspace iteration in which a Chebyshev polynomial of M, small between the largest Ritz value
    of the block and the largest eigenvalue, takes the place of a power of M (Zhou & Saad 2007).
    Each polynomial has the degree that raises 0 over that interval by exp(GAIN), so degrees grow
    by themselves while the Ritz values fall.

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
        Largest sine of the angle between wanted and found eigenvectors; see `Eigenpairs.error`.
        Residuals of a few units of rounding are accepted too: equal eigenvalues have no gap.
    max_products : int
        Where to give up.
    name : str
        Starts the lines of progress.
    xp : module
        NumPy or CuPy, whose arrays `start` and `null` are and `apply` is given. Blocks of n rows
        stay there; only what is as small as b x b is solved on the host.

    Returns
    -------
    Eigenpairs
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
            found = _ritz_pairs(V, MV, wanted, products, xp)
            exact = found.residuals[:wanted].max() <= 4 * np.finfo(float).eps * upper
            if exact or found.error(wanted) <= tol:
                return found._replace(converged=True)
            if products >= max_products:
                return found
            V, cut = found.vectors, max(found.values[-1], np.finfo(float).eps * upper)
            if (error := found.error(wanted)) < 1:
                gain = min(GAIN, max(1.0, np.log(error / tol) + 1))  # no more than is missing


def _ritz_pairs(V: Any, MV: Any, wanted: int, products: int, xp: ModuleType) -> Eigenpairs:
    """The best approximations to eigenvectors within the span of V (Rayleigh & Ritz)."""
    H = to_host(V.T @ MV)
    values, Q = eigh((H + H.T) / 2)
    rotation = xp.asarray(Q)
    vectors = V @ rotation
    residuals = to_host(xp.linalg.norm(MV @ rotation - vectors * xp.asarray(values), axis=0))
    if wanted < len(values):
        gap = values[wanted] - residuals[wanted] - values[wanted - 1]
    else:
        gap = np.inf  # V and the null space span everything
    return Eigenpairs(values, vectors, residuals, float(gap), products, converged=False)


def _filter(
    apply: Apply, V: Any, degree: int, cut: float, upper: float, name: str, xp: ModuleType
) -> Any:
    """Chebyshev polynomial of M times V: 1 at eigenvalue 0, small from `cut` to `upper`.

    The three-term recurrence, scaled so that nothing overflows, is Zhou & Saad's (2007,
    algorithm 4.1, there with 0 for the lowest eigenvalue).
    """
    centre, half = (upper + cut) / 2, (upper - cut) / 2
    first = ratio = -half / centre
    now, other = V, xp.zeros_like(V)
    apply(now, first / half, -first * centre / half, 0.0, other)
    now, other = other, now.copy()
    progress = Progress(f"{name}, filter of degree {degree}", degree - 1)
    for _ in range(degree - 1):  # a GPU is never waited for
        following = 1 / (2 / first - ratio)
        scale = 2 * following / half
        apply(now, scale, -scale * centre, -ratio * following, other)
        now, other, ratio = other, now, following
        progress.update()
    return now


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
    before, now = xp.zeros_like(V), V
    for _ in range(steps):
        new = off[-1] * -before
        apply(now, 1.0, 0.0, 1.0, new)
        diagonal.append((now * new).sum(axis=0))
        new -= diagonal[-1] * now
        off.append(xp.linalg.norm(new, axis=0))
        before, now = now, new / xp.maximum(off[-1], np.finfo(float).tiny)
    bounds = []
    for a, b in zip(to_host(xp.stack(diagonal)).T, to_host(xp.stack(off)).T, strict=True):
        values, Q = eigh_tridiagonal(a, b[1:-1])
        bounds.append(values[-1] + b[-1] * abs(Q[-1, -1]))
    return 1.01 * max(bounds), steps
