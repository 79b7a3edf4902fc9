"""Principal coordinates that other methods start from, the same for any number of threads."""

from __future__ import annotations

import numpy as np

from kernels.backend import Backend, to_host
from pipeline.neighbors.principal_axes import STRIP, centring, principal_axes
from pipeline.neighbors.tiles import strips
from pipeline.runtime.parallel import parallel_starmap


def principal_coordinates(X: np.ndarray, n_components: int, backend: Backend) -> np.ndarray:
    """Project centred features on their principal axes, in float64.

    Parameters
    ----------
    X : (n, d) float32 or float64
        On the host; only a few rows at a time are copied.
    n_components : int
    backend : Backend
        Computes the products; the eigenproblem of min(n, d) rows is the host's.

    Returns
    -------
    (n, n_components) float64
        On the host, centred; coordinates beyond the rank are 0. Signs are those of
        `pipeline.neighbors.principal_axes.principal_axes`.
    """
    centre = centring(X, backend)
    axes = principal_axes(X, n_components, backend=backend, centred_by=centre).axes
    axes = backend.to_device(axes)

    def project(rows: slice) -> np.ndarray:
        return to_host(centre.apply(backend.to_device(X[rows])) @ axes.T)

    with parallel_starmap(backend) as starmap:
        parts = starmap(project, [(rows,) for rows in strips(len(X), STRIP)])
    return np.vstack(parts) / centre.scale
