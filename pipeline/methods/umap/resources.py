"""The engines of UMAP and their resources."""

from __future__ import annotations

from typing import Any

from pipeline.methods.engine import Engine, Limit
from pipeline.methods.pca.resources import start_memory


class _UMAP(Engine):
    """What the engines have in common."""

    needs_graph = True

    def stochastic(self, **params: Any) -> bool:
        """The points that repel each other are drawn at random."""
        return True

    def neighbors(self, *, n_neighbors: int = 15, **params: Any) -> int:
        """All but the point itself."""
        return n_neighbors - 1

    def limits(self, n: int, *, n_neighbors: int = 15, **params: Any) -> dict[str, Limit]:
        """A neighbourhood has at most all points."""
        return {"n_neighbors": Limit(n_neighbors, n, n_neighbors)} if n_neighbors > n else {}


class Tunescope(_UMAP):
    """Tunescope's descent, from umap-learn's memberships."""

    estimator = "pipeline.methods.umap.tunescope:UMAP"
    library = "Tunescope"

    def memory(self, n: int, d: int, *, n_neighbors: int = 15, **params: Any) -> float:
        """Scaled features, a shared graph of 90 neighbours, the edges, and the start by PCA."""
        return n * (4 * d + 720 + 108 * n_neighbors) + start_memory(n, d)

    def seconds(
        self, n: int, d: int, *, n_neighbors: int = 15, n_epochs: int | None = None, **params: Any
    ) -> float:
        """Edges in all epochs, most of it."""
        return 4.4e-8 * n * n_neighbors * (n_epochs or (500 if n <= 10_000 else 200))


class CuML(_UMAP):
    """cuML's UMAP."""

    estimator = "pipeline.methods.umap.cuml:UMAP"
    package = "cuml"
    library = "cuML"
    devices = ("gpu",)

    def memory(self, n: int, d: int, *, n_neighbors: int = 15, **params: Any) -> float:
        """See `Engine`."""
        return n * (8 * d + 100 * n_neighbors) + 1e9

    def gpu_memory(self, n: int, d: int, *, n_neighbors: int = 15, **params: Any) -> float:
        """The start by PCA, and then the edges."""
        return 3e8 + max(start_memory(n, d), n * (150 * n_neighbors + 200))
