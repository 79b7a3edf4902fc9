"""The engines of PCA and their resources."""

from __future__ import annotations

from typing import Any

from pipeline.methods.engine import Engine


class ScikitLearn(Engine):
    """scikit-learn's PCA."""

    estimator = "pipeline.methods.pca.scikit_learn:PCA"
    library = "scikit-learn"
    single_threaded = True

    def memory(self, n: int, d: int, *, svd_solver: str = "auto", **params: Any) -> float:
        """Scaled features, and centred in float64; the covariance, or the singular vectors."""
        by_covariance = svd_solver == "covariance_eigh" or (svd_solver == "auto" and d <= n)
        return 12 * n * d + (42 * d * d if by_covariance else 32 * n * d + 50 * min(n, d) ** 2)


class CuML(Engine):
    """cuML's PCA."""

    estimator = "pipeline.methods.pca.cuml:PCA"
    package = "cuml"
    library = "cuML"
    devices = ("gpu",)

    def memory(self, n: int, d: int, **params: Any) -> float:
        """See `Engine`."""
        return 8 * n * d + 1e9

    def gpu_memory(self, n: int, d: int, **params: Any) -> float:
        """Features in float64 and cuML's copy; covariance and eigenvectors; workspace."""
        return 16 * n * d + 32 * d * d + 3e8


def start_memory(n: int, d: int) -> float:
    """Memory of `principal_coordinates`, on either device.

    The covariance or the Gram matrix, the products that are added to it and its copies; strips of
    the features in float64.
    """
    return 40 * min(n, d) ** 2 + (27 if d <= n else 15) * min(n, 1024) * d
