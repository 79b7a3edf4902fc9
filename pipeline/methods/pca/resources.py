"""The engine of PCA and its resources."""

from __future__ import annotations

from typing import Any

from pipeline.methods.engine import Engine

BLOCK, STRIP = 256, 2048  # as in `pipeline.neighbors.principal_axes`, which imports NumPy


class Exact(Engine):
    """Tunescope's eigenvectors of the covariance, or of the Gram matrix."""

    estimator = "pipeline.methods.pca.exact:PCA"
    library = "Tunescope"
    devices = ("cpu", "gpu")

    def memory(self, n: int, d: int, **params: Any) -> float:
        """Scaled features."""
        return 4 * n * d + start_memory(n, d)

    def seconds(self, n: int, d: int, **params: Any) -> float:
        """Products of all features, or of all points, and the eigenproblem."""
        m = min(n, d)
        return 1e-11 * n * d * m + 1e-10 * m**3

    def gpu_memory(self, n: int, d: int, **params: Any) -> float:
        """See `Engine`."""
        return start_memory(n, d)


def start_memory(n: int, d: int) -> float:
    """Memory of `principal_components`, on either device, with two threads where there is work.

    Blocks of rows in float64; of each thread a strip of them and its sum of products; their total.
    """
    longer, shorter = max(n, d), min(n, d)
    threads = 1 if longer <= STRIP else 2
    products = threads * 4 * min(longer, STRIP) * shorter + (20 * threads - 8) * shorter**2
    return 10 * min(n, 2 * BLOCK) * d + products
