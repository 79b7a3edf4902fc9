"""The engines of LLE and their resources."""

from __future__ import annotations

from typing import Any

from pipeline.methods.engine import Engine, Limit

FACTORED = 90_000  # points up to which I - W is factored if they lie in clusters


class _LLE(Engine):
    """What the engines have in common."""

    fewest_points = 3

    def neighbors(self, *, n_neighbors: int = 12, **params: Any) -> int:
        """See `Engine`."""
        return n_neighbors

    def limits(self, n: int, *, n_neighbors: int = 12, **params: Any) -> dict[str, Limit]:
        """A point has at most all others for neighbours."""
        too_many = n_neighbors > n - 1
        return {"n_neighbors": Limit(n_neighbors, n - 1, n_neighbors + 1)} if too_many else {}


class Exact(_LLE):
    """Tunescope's inverse iteration, or Chebyshev-filtered subspace iteration."""

    estimator = "pipeline.methods.lle.exact:LocallyLinearEmbedding"
    library = "Tunescope"
    devices = ("cpu", "gpu")
    needs_graph = True

    def memory(self, n: int, d: int, *, n_neighbors: int = 12, **params: Any) -> float:
        """Of factors of points in ten clusters, later of filters; the estimator measures both.

        It factors only what fits into the memory that is free then.
        """
        filters = 1200 + 110 * n_neighbors
        solver = n_neighbors * (90 + 0.0285 * n) if n <= FACTORED else filters
        return 3e6 + n * max(11.5 * d, 4 * d + solver)

    def gpu_memory(self, n: int, d: int, *, n_neighbors: int = 12, **params: Any) -> float:
        """See `Engine`."""
        return n * (8 * d + 24 * n_neighbors + 2000)

    def seconds(self, n: int, d: int, *, n_neighbors: int = 12, **params: Any) -> float:
        """See `Engine`."""
        return 3e-7 * n**1.5 * n_neighbors


class ScikitLearn(_LLE):
    """scikit-learn's factorisation."""

    estimator = "pipeline.methods.lle.scikit_learn:LocallyLinearEmbedding"
    library = "scikit-learn"
    single_threaded = True

    def memory(self, n: int, d: int, *, eigen_solver: str = "auto", **params: Any) -> float:
        """Of the factor of points in ten clusters, or of M and its decomposition.

        The factor of points without any structure takes 5 n^2.
        """
        solver = 10 * n if eigen_solver == "dense" else 4300 + 0.62 * n
        return n * (12 * d + solver)

    def seconds(self, n: int, d: int, **params: Any) -> float:
        """See `Engine`."""
        return 2.5e-8 * n**2.28
