"""The engines of metric MDS and their resources."""

from __future__ import annotations

from typing import Any

from pipeline.methods.engine import Engine
from pipeline.methods.pca.resources import start_memory

EXACT = 4096  # points up to which storage "auto" keeps pairs in float64, 8 bytes a pair


class _MDS(Engine):
    """What the engines have in common."""

    def stochastic(self, *, init: str = "classical_mds", **params: Any) -> bool:
        """Random starts end in other minima."""
        return init == "random"


class Exact(_MDS):
    """Tunescope's SMACOF."""

    estimator = "pipeline.methods.mds.exact:MDS"
    library = "Tunescope"
    devices = ("cpu", "gpu")

    def memory(self, n: int, d: int, *, storage: str = "auto", **params: Any) -> float:
        """Scaled features; centred ones, strips, sums and pairs, or before them the start by PCA.

        Distances that do not fit into memory go to disk, or are recomputed.
        """
        pairs = n * n if storage == "memory" else 4 * min(n, EXACT) ** 2
        passes = 4 * n * d + 16 * min(n, 1024) * d + 2450 * n + pairs
        return 4 * n * d + max(start_memory(n, d), passes)

    def gpu_memory(self, n: int, d: int, *, storage: str = "auto", **params: Any) -> float:
        """Likewise; features, a product of a strip, sums of a pass."""
        return 8 * n * d + 2000 * n + (n * n if storage == "memory" else 0)

    def seconds(
        self, n: int, d: int, *, max_iter: int = 300, n_init: int = 1, **params: Any
    ) -> float:
        """The distances, and as many passes as are usual."""
        return n * n * (6e-12 * d + 1e-10 * min(max_iter, 45) * n_init)


class ScikitLearn(_MDS):
    """scikit-learn's SMACOF on N x N arrays."""

    estimator = "pipeline.methods.mds.scikit_learn:MDS"
    library = "scikit-learn"
    single_threaded = True

    def memory(self, n: int, d: int, **params: Any) -> float:
        """Arrays of all pairs; scaled features, and centred ones in float64; the start by PCA."""
        return 54 * n * n + 12 * n * d + start_memory(n, d) / 2

    def seconds(
        self, n: int, d: int, *, max_iter: int = 300, n_init: int = 1, **params: Any
    ) -> float:
        """See `Engine`."""
        return 4.6e-8 * n**2 * max_iter * n_init
