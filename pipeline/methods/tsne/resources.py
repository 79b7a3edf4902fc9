"""The engines of t-SNE and their resources."""

from __future__ import annotations

import math
from typing import Any

from pipeline.methods.engine import Engine, Limit
from pipeline.methods.pca.resources import start_memory


class _TSNE(Engine):
    """What the engines have in common."""

    needs_graph = True
    fewest_points = 4

    def stochastic(self, **params: Any) -> bool:
        """The start by PCA is jittered, and the descent makes other clusters of it."""
        return True

    def neighbors(self, *, perplexity: float = 30.0, **params: Any) -> int:
        """See `Engine`."""
        return math.ceil(3 * perplexity)

    def limits(self, n: int, *, perplexity: float = 30.0, **params: Any) -> dict[str, Limit]:
        """Three times as many neighbours as the perplexity."""
        points = self.neighbors(perplexity=perplexity) + 1
        return {"perplexity": Limit(perplexity, (n - 1) // 3, points)} if points > n else {}

    def memory(self, n: int, d: int, *, perplexity: float = 30.0, **params: Any) -> float:
        """Scaled features; neighbours, their affinities made symmetric, or before, the start."""
        affinities = 234 * perplexity * n
        return 4 * n * d + max(affinities, start_memory(n, d) + affinities / 2)


class OpenTSNE(_TSNE):
    """openTSNE: Barnes-Hut or interpolation by FFT."""

    estimator = "pipeline.methods.tsne.opentsne:TSNE"
    library = "openTSNE"

    def seconds(self, n: int, d: int, *, max_iter: int = 750, **params: Any) -> float:
        """Barnes-Hut grows with n; from 10,000 points on the FFT's grid costs the most."""
        return max_iter * (2.1e-6 * n if n < 10_000 else 0.02 + 8e-7 * n)


class Exact(_TSNE):
    """Tunescope's sums over all pairs."""

    estimator = "pipeline.methods.tsne.exact:TSNE"
    library = "Tunescope"
    devices = ("cpu", "gpu")

    def gpu_memory(self, n: int, d: int, *, perplexity: float = 30.0, **params: Any) -> float:
        """The start by PCA, and then the descent."""
        return max(start_memory(n, d), n * (200 * perplexity + 1000))

    def seconds(self, n: int, d: int, *, max_iter: int = 750, **params: Any) -> float:
        """All pairs in each iteration."""
        return 1.2e-10 * n * n * max_iter


class CuML(_TSNE):
    """cuML's interpolation by FFT."""

    estimator = "pipeline.methods.tsne.cuml:TSNE"
    package = "cuml"
    library = "cuML"
    devices = ("gpu",)

    def memory(self, n: int, d: int, *, perplexity: float = 30.0, **params: Any) -> float:
        """See `Engine`."""
        return n * (8 * d + 200 * perplexity) + 1e9

    def gpu_memory(self, n: int, d: int, *, perplexity: float = 30.0, **params: Any) -> float:
        """The start by PCA, and then 100 bytes a neighbour."""
        return 3e8 + max(start_memory(n, d), n * (300 * perplexity + 500))
