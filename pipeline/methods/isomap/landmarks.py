"""Landmark MDS (de Silva & Tenenbaum 2004): all points by their distances to a few of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.backend import Backend, to_host
from pipeline.methods.solvers.eigenpairs import Eigenpairs

COLUMNS = 4096  # points triangulated together


def triangulate(rows: Any, step: float, solution: Eigenpairs, backend: Backend) -> np.ndarray:
    """Distance-based triangulation: coordinates from squared distances to landmarks.

    De Silva & Tenenbaum (2004) subtract the landmarks' mean squared distances first, which only
    moves the layout.

    Parameters
    ----------
    rows : (m, n) uint16 array of the backend
        Distances of the landmarks from all points, in quantisation steps.
    step : float
    solution : Eigenpairs
        Of the landmarks' kernel.
    backend : Backend

    Returns
    -------
    (n, k) float64
    """
    lengths = np.sqrt(np.maximum(solution.values, 0))
    axes = np.zeros_like(solution.vectors)
    np.divide(solution.vectors, lengths, out=axes, where=lengths > 0)
    axes = backend.to_device(np.ascontiguousarray(axes.T))  # (k, m)
    layout = np.empty((rows.shape[1], len(lengths)))
    for first in range(0, len(layout), COLUMNS):
        columns = slice(first, first + COLUMNS)
        squares = backend.xp.square(rows[:, columns].astype(np.float64) * step)
        layout[columns] = -0.5 * to_host(axes @ squares).T
    return layout


def principal_axes(layout: np.ndarray) -> np.ndarray:
    """Centred and rotated to its axes of largest variance, as the layout of all pairs is."""
    centred = layout - layout.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    return centred @ axes[:, ::-1]
