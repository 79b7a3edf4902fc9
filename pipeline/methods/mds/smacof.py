"""SMACOF: majorisation of raw stress, accelerated by quasi-Newton steps."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import numpy as np

from pipeline.methods.mds.distances import Dissimilarities
from pipeline.runtime.log import Progress


class Result(NamedTuple):
    """A local minimum of stress, or where the passes ended.

    Attributes
    ----------
    X : (n, p) array of the backend
    stress : float
        Sum over all pairs of (dissimilarity - distance in the layout)^2.
    n_iter : int
        Passes over all pairs after that at the start.
    converged : bool
    """

    X: Any
    stress: float
    n_iter: int
    converged: bool


def guttman_transform(dissimilarities: Dissimilarities, X: Any) -> tuple[Any, float]:
    """One pass over all pairs: the Guttman transform of X and the raw stress at X.

    Parameters
    ----------
    dissimilarities : Dissimilarities
    X : (n, p) float32 or float64 array of the dissimilarities' backend
        Coordinates in quantisation steps; the pass has their precision.

    Returns
    -------
    (n, p) float64 array of the backend, float
    """
    xp = dissimilarities.backend.xp
    n, p = X.shape
    columns = xp.zeros((max(p, 2), n), X.dtype)  # a second coordinate of 0 changes no distance
    columns[:p] = X.T
    sums, squares = dissimilarities.guttman_sums(columns)
    return xp.ascontiguousarray(sums.sum(axis=0)[:p].T) / n, float(squares.sum())


def sum_of_squares(X: Any) -> float:
    """Sum of the squared distances of all pairs of rows: n times that to their mean."""
    return len(X) * float(np.square(X - X.mean(axis=0, dtype=np.float64)).sum())


def minimise_stress(
    dissimilarities: Dissimilarities,
    X: Any,
    *,
    max_iter: int = 300,
    eps: float = 1e-6,
    memory: int = 10,
    name: str = "MDS",
) -> Result:
    """Minimise raw stress from a start, never letting it rise.

    The Guttman transform G minimises a quadratic that touches the stress at X, lies above it
    elsewhere and has curvature 2n, so that grad = 2n (X - G(X)) and a plain step X <- G(X) lowers
    the stress by at least n |X - G(X)|^2 (de Leeuw 1977; Borg & Groenen 2005, section 8.6). A
    quasi-Newton step from the last `memory` steps (L-BFGS; Liu & Nocedal 1989) usually lowers it
    far more; one that does not even lower it by that much is undone and replaced by a plain step.

    Parameters
    ----------
    dissimilarities : Dissimilarities
    X : (n, p) float32 or float64 array of the dissimilarities' backend
        Start, in quantisation steps; its dtype is that of the layout.
    max_iter : int
        Passes over all pairs, those of undone steps included.
    eps : float
        Stop when a quasi-Newton step, and after it a plain step, lower the stress by no more than
        this share of the sum of squared distances in the layout. With memory = 0 this is
        scikit-learn's rule.
    memory : int
        Steps that L-BFGS remembers; 0 is plain SMACOF.
    name : str
        Of the progress.

    Returns
    -------
    Result
    """
    n = len(X)
    G, stress = guttman_transform(dissimilarities, X)
    gradient = X - G  # / 2n
    steps: deque = deque(maxlen=memory)
    plain = True
    progress = Progress(f"{name}, at most {max_iter} passes", max_iter)
    for n_iter in range(1, max_iter + 1):
        direction = gradient if plain else quasi_newton(gradient, steps)
        trial = (X - direction).astype(X.dtype)
        G, trial_stress = guttman_transform(dissimilarities, trial)
        fall = stress - trial_stress
        progress.update()
        if not plain and fall < n * _dot(gradient, gradient):
            plain = True
            steps.clear()
            continue
        trial_gradient = trial - G
        step, change = trial - X, trial_gradient - gradient
        if _dot(step, change) > 0:
            steps.append((step, change))
        X, gradient, stress = trial, trial_gradient, trial_stress
        small = fall <= eps * sum_of_squares(X)
        if small and plain:
            return Result(X, stress, n_iter, True)
        plain = small or not steps
    return Result(X, stress, max_iter, False)


def stress_diagnostics(
    result: Result, dissimilarities: Dissimilarities
) -> tuple[float, dict[str, float]]:
    """Sum the stress of a layout again in float64, and check it by the Guttman transform.

    Returns
    -------
    float
        Raw stress, in squared quantisation steps.
    dict
        stress_1, identity, rounding and gradient: see `pipeline.methods.mds.exact.MDS`.
    """
    X = result.X.astype(np.float64)
    G, stress = guttman_transform(dissimilarities, X)
    _, sum_sq_delta = guttman_transform(dissimilarities, np.zeros_like(X))
    sum_sq_distances = sum_of_squares(X)
    if sum_sq_distances == 0:  # all points coincide, and so do their images
        return stress, {"stress_1": 0.0, "identity": 0.0, "rounding": 0.0, "gradient": 0.0}
    implied = sum_sq_delta + sum_sq_distances - 2 * len(X) * float((X * G).sum())
    return stress, {
        "stress_1": float(np.sqrt(stress / sum_sq_distances)),
        "identity": abs(implied - stress) / sum_sq_delta,
        "rounding": abs(result.stress - stress) / sum_sq_delta,
        "gradient": float(np.linalg.norm(X - G) / np.linalg.norm(X)),
    }


def quasi_newton(gradient: Any, steps: deque) -> Any:
    """L-BFGS's product of the inverse Hessian with the gradient (Nocedal 1980, two loops).

    Parameters
    ----------
    gradient : (n, p) array
    steps : deque of (step, change of the gradient)
        Oldest first, at least one; the last sets the scale of what they do not span.
    """
    q = gradient.copy()
    shares = []
    for step, change in reversed(steps):
        share = _dot(step, q) / _dot(step, change)
        q -= share * change
        shares.append(share)
    step, change = steps[-1]
    q *= _dot(step, change) / _dot(change, change)
    for (step, change), share in zip(steps, reversed(shares), strict=True):
        q += (share - _dot(change, q) / _dot(step, change)) * step
    return q


def _dot(a: Any, b: Any) -> float:
    """Inner product; by NumPy's own sum, whose order does not depend on the number of threads."""
    return float((a * b).sum(dtype=np.float64))
