"""The engines of Isomap and their resources."""

from __future__ import annotations

from typing import Any

from pipeline.methods.engine import Engine, Limit

SAMPLE = 500  # points whose layout by landmarks is compared with the exact one


class _Isomap(Engine):
    """What the engines have in common."""

    fewest_points = 3

    def neighbors(self, *, n_neighbors: int = 12, **params: Any) -> int:
        """See `Engine`."""
        return n_neighbors

    def limits(
        self, n: int, *, n_neighbors: int = 12, landmarks: int | None = None, **params: Any
    ) -> dict[str, Limit]:
        """A point has at most all others for neighbours, and all points can be landmarks."""
        limits = {}
        if n_neighbors > n - 1:
            limits["n_neighbors"] = Limit(n_neighbors, n - 1, n_neighbors + 1)
        if landmarks is not None and landmarks > n:
            limits["landmarks"] = Limit(landmarks, n, landmarks)
        return limits


class Exact(_Isomap):
    """Tunescope's shortest paths between all pairs, or to landmarks."""

    estimator = "pipeline.methods.isomap.exact:Isomap"
    library = "Tunescope"
    devices = ("cpu", "gpu")
    needs_graph = True
    landmarks = 2000

    def stochastic(self, *, landmarks: int | None = None, **params: Any) -> bool:
        """Landmarks are drawn at random."""
        return landmarks is not None

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
        m = landmarks or 0
        paths = max(4000, 130 * n_neighbors)
        sample = min(SAMPLE, n) if m else 0
        rows = 2 * (m + sample) * n + 48 * m**2 + 33_000 * m
        pairs = _stored_pairs(n, landmarks, storage)
        return 3e6 + n * max(10 * d, 4 * d + paths) + rows + pairs

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
        sample = min(SAMPLE, n) if m else 0
        rows = 2 * (m + sample)
        pairs = _stored_pairs(n, landmarks, storage)
        return n * (2700 + 16 * n_neighbors + rows) + 40 * m**2 + pairs

    def seconds(self, n: int, d: int, *, landmarks: int | None = None, **params: Any) -> float:
        """Paths from every source to all points."""
        return 1e-8 * n * (landmarks or n)


class ScikitLearn(_Isomap):
    """scikit-learn's Isomap on N x N arrays."""

    estimator = "pipeline.methods.isomap.scikit_learn:Isomap"
    library = "scikit-learn"
    single_threaded = True

    def memory(self, n: int, d: int, **params: Any) -> float:
        """See `Engine`."""
        return 40.7 * n * n + 12 * n * d

    def seconds(self, n: int, d: int, **params: Any) -> float:
        """See `Engine`."""
        return 1.1e-8 * n**2.4


def _stored_pairs(n: int, landmarks: int | None, storage: str) -> int:
    """Bytes of all pairs where memory is asked for, and not only taken if there is enough."""
    return n * n if storage == "memory" and landmarks is None else 0
