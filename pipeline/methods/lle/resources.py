"""The engines of LLE and their resources."""

from __future__ import annotations

from typing import Any

from pipeline.methods.engine import Engine


class Exact(Engine):
    """Tunescope's Chebyshev-filtered subspace iteration."""

    estimator = "pipeline.methods.lle.exact:LocallyLinearEmbedding"
    library = "Tunescope"
    devices = ("cpu", "gpu")
    needs_graph = True

    def neighbors(self, *, n_neighbors: int = 12, **params: Any) -> int:
        """See `Engine`."""
        return n_neighbors

    def memory(self, n: int, d: int, *, n_neighbors: int = 12, **params: Any) -> float:
        """See `Engine`."""
        return 2e8 + n * (4 * d + 100 * n_neighbors + 1200)

    def gpu_memory(self, n: int, d: int, *, n_neighbors: int = 12, **params: Any) -> float:
        """See `Engine`."""
        return n * (8 * d + 24 * n_neighbors + 2000)

    def seconds(self, n: int, d: int, *, n_neighbors: int = 12, **params: Any) -> float:
        """See `Engine`."""
        return 5e-7 * n**1.5 * n_neighbors


class ScikitLearn(Engine):
    """scikit-learn's factorisation."""

    estimator = "pipeline.methods.lle.scikit_learn:LocallyLinearEmbedding"
    library = "scikit-learn"
    single_threaded = True

    def neighbors(self, *, n_neighbors: int = 12, **params: Any) -> int:
        """See `Engine`."""
        return n_neighbors

    def memory(self, n: int, d: int, *, eigen_solver: str = "auto", **params: Any) -> float:
        """See `Engine`."""
        return (30 if eigen_solver == "dense" else 6) * n * n + 16 * n * d

    def seconds(self, n: int, d: int, **params: Any) -> float:
        """See `Engine`."""
        return 2.5e-8 * n**2.28
