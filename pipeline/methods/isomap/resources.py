"""The engines of Isomap and their resources."""

from __future__ import annotations

from typing import Any

from pipeline.methods.engine import Engine


class Exact(Engine):
    """Tunescope's shortest paths between all pairs, or to landmarks."""

    estimator = "pipeline.methods.isomap.exact:Isomap"
    library = "Tunescope"
    devices = ("cpu", "gpu")
    needs_graph = True

    def neighbors(self, *, n_neighbors: int = 12, **params: Any) -> int:
        """See `Engine`."""
        return n_neighbors

    def memory(
        self,
        n: int,
        d: int,
        *,
        n_neighbors: int = 12,
        landmarks: int | None = None,
        storage: str = "auto",
        **params: Any,
    ) -> float:
        """Distances that do not fit into memory go to disk."""
        return n * max(16 * d, 3900 + 150 * n_neighbors + 2 * (landmarks or 0)) + _stored_pairs(
            n, landmarks, storage
        )

    def gpu_memory(
        self,
        n: int,
        d: int,
        *,
        n_neighbors: int = 12,
        landmarks: int | None = None,
        storage: str = "auto",
        **params: Any,
    ) -> float:
        """Where distances do not fit, the estimator says what to do."""
        m = landmarks or 0
        return (
            n * (2700 + 16 * n_neighbors + 2 * m) + 40 * m**2 + _stored_pairs(n, landmarks, storage)
        )

    def seconds(self, n: int, d: int, *, landmarks: int | None = None, **params: Any) -> float:
        """Paths from every source to all points."""
        return 1.8e-8 * n * (landmarks or n)


class ScikitLearn(Engine):
    """scikit-learn's Isomap on N x N arrays."""

    estimator = "pipeline.methods.isomap.scikit_learn:Isomap"
    library = "scikit-learn"
    single_threaded = True

    def neighbors(self, *, n_neighbors: int = 12, **params: Any) -> int:
        """See `Engine`."""
        return n_neighbors

    def memory(self, n: int, d: int, **params: Any) -> float:
        """See `Engine`."""
        return 46 * n * n + 16 * n * d

    def seconds(self, n: int, d: int, **params: Any) -> float:
        """See `Engine`."""
        return 1.1e-8 * n**2.4


def _stored_pairs(n: int, landmarks: int | None, storage: str) -> int:
    """Bytes of all pairs where memory is asked for, and not only taken if there is enough."""
    return n * n if storage == "memory" and landmarks is None else 0
