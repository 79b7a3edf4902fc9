"""The engines of UMAP and their resources."""

from __future__ import annotations

from typing import Any

from pipeline.methods.engine import Engine
from pipeline.methods.pca.resources import start_gpu_memory


class UmapLearn(Engine):
    """umap-learn; with a seed its descent has one thread."""

    estimator = "pipeline.methods.umap.umap_learn:UMAP"
    library = "umap-learn"
    needs_graph = True
    single_threaded = True

    def neighbors(self, *, n_neighbors: int = 15, **params: Any) -> int:
        """All but the point itself."""
        return n_neighbors - 1

    def memory(self, n: int, d: int, *, n_neighbors: int = 15, **params: Any) -> float:
        """See `Engine`."""
        return n * (16 * d + 300 * n_neighbors)


class CuML(Engine):
    """cuML's UMAP."""

    estimator = "pipeline.methods.umap.cuml:UMAP"
    library = "cuML"
    devices = ("gpu",)
    needs_graph = True

    def neighbors(self, *, n_neighbors: int = 15, **params: Any) -> int:
        """All but the point itself."""
        return n_neighbors - 1

    def memory(self, n: int, d: int, *, n_neighbors: int = 15, **params: Any) -> float:
        """See `Engine`."""
        return n * (8 * d + 100 * n_neighbors) + 1e9

    def gpu_memory(self, n: int, d: int, *, n_neighbors: int = 15, **params: Any) -> float:
        """The start by PCA, and then the edges."""
        return 3e8 + max(start_gpu_memory(n, d), n * (150 * n_neighbors + 200))
