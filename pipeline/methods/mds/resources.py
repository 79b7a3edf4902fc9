"""The engines of metric MDS and their resources."""

from __future__ import annotations

from typing import Any

from pipeline.methods.engine import Engine, Limit
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
    landmarks = 4000

    def stochastic(
        self, *, init: str = "landmarks", landmarks: int | None = None, **params: Any
    ) -> bool:
        """Random starts end in other minima; landmarks of a layout are drawn at random."""
        return init == "random" or landmarks is not None

    def limits(self, n: int, *, landmarks: int | None = None, **params: Any) -> dict[str, Limit]:
        """All points can be landmarks."""
        if landmarks is None or landmarks <= n:
            return {}
        return {"landmarks": Limit(landmarks, n, landmarks)}

    def memory(
        self,
        n: int,
        d: int,
        *,
        landmarks: int | None = None,
        storage: str = "auto",
        **params: Any,
    ) -> float:
        """Scaled features; centred ones, strips, sums and pairs, or before them the start by PCA.

        Distances that do not fit into memory go to disk, or are recomputed.
        """
        if landmarks is not None:
            pairs = landmarks**2 + 8 * EXACT**2
        else:
            pairs = n * n if storage == "memory" else 4 * min(n, EXACT) ** 2
        passes = 4 * n * d + 16 * min(n, 1024) * d + 2450 * n + pairs
        return 4 * n * d + max(start_memory(n, d), passes)

    def gpu_memory(
        self,
        n: int,
        d: int,
        *,
        landmarks: int | None = None,
        storage: str = "auto",
        **params: Any,
    ) -> float:
        """Likewise; features, a product of a strip, sums of a pass."""
        pairs = n * n if storage == "memory" and landmarks is None else (landmarks or 0) ** 2
        return 8 * n * d + 2000 * n + pairs

    def seconds(
        self,
        n: int,
        d: int,
        *,
        landmarks: int | None = None,
        max_iter: int = 300,
        n_init: int = 1,
        **params: Any,
    ) -> float:
        """The distances, and as many passes as are usual."""
        if landmarks is not None:
            return n * landmarks * (6e-12 * d + 2e-8)
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
