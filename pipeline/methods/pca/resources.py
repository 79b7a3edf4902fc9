"""The engines of PCA and their resources."""

from __future__ import annotations

from typing import Any

from pipeline.methods.engine import Engine


class ScikitLearn(Engine):
    """scikit-learn's PCA."""

    estimator = "pipeline.methods.pca.scikit_learn:PCA"
    library = "scikit-learn"
    single_threaded = True

    def memory(self, n: int, d: int, **params: Any) -> float:
        """See `Engine`."""
        return 16 * n * d + 24 * d * d


class CuML(Engine):
    """cuML's PCA."""

    estimator = "pipeline.methods.pca.cuml:PCA"
    library = "cuML"
    devices = ("gpu",)

    def memory(self, n: int, d: int, **params: Any) -> float:
        """See `Engine`."""
        return 8 * n * d + 1e9

    def gpu_memory(self, n: int, d: int, **params: Any) -> float:
        """Features in float64 and cuML's copy; covariance and eigenvectors; workspace."""
        return 16 * n * d + 32 * d * d + 3e8


def start_gpu_memory(n: int, d: int) -> float:
    """GPU memory of `start.principal_coordinates`: features in float64, and their covariance."""
    return 8 * n * d + 24 * d * d
