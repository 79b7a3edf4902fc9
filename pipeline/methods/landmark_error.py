"""How far a layout by landmarks is from the exact one, of points that both can be made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial import procrustes
from scipy.spatial.distance import pdist

SAMPLE = 2000  # points that are laid out exactly, too


def compare(layout: np.ndarray, exact: np.ndarray, distances: np.ndarray) -> dict[str, Any]:
    """Compare two layouts of the same sample of points.

    Parameters
    ----------
    layout : (s, p) array
        Of these points, from the layout by landmarks of all.
    exact : (s, p) array
        Of these points alone, exactly.
    distances : (s (s - 1) / 2,) float64
        Of all pairs, that both stand for.

    Returns
    -------
    dict
        sample: s; sample_stress_1 and sample_stress_1_exact: Kruskal's stress-1 (1964) of both;
        sample_residual_variance and sample_residual_variance_exact: one less the squared
        correlation of distances in the layout with those given (Tenenbaum et al. 2000);
        sample_disparity: of the two layouts after Procrustes alignment, 0 to 1.
    """
    found: dict[str, Any] = {"sample": len(layout)}
    for suffix, xy in (("", layout), ("_exact", exact)):
        placed = pdist(xy)
        squares = float(placed @ placed)
        error = float(np.square(distances - placed).sum())
        found[f"sample_stress_1{suffix}"] = (error / squares) ** 0.5 if squares else 0.0
        correlation = np.corrcoef(placed, distances)[0, 1] if squares else 0.0
        found[f"sample_residual_variance{suffix}"] = float(1 - correlation**2)
    both = np.ptp(layout, axis=0).any() and np.ptp(exact, axis=0).any()
    found["sample_disparity"] = float(procrustes(exact, layout)[2]) if both else 1.0
    return found
