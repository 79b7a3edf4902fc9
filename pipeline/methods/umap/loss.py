"""The loss that UMAP's descent lowers, of a finished layout."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array

# Pairs that repulsion is averaged over: all of up to 4,096 points; of 70,000 points three draws of
# so many pairs gave losses that were 0.2 % apart.
PAIRS = 2**24
SMALLEST = 1e-3  # of 1 - nu: umap-learn's repulsion too is bounded where points coincide


def sampled_loss(
    graph: coo_array,
    layout: np.ndarray,
    *,
    a: float,
    b: float,
    negative_sample_rate: int,
    repulsion_strength: float,
) -> float:
    """The mean loss of an edge that is drawn, and of the negative samples drawn with it.

    UMAP draws edges in proportion to their membership mu and, with each, m points at random. So it
    lowers the sum of mu_ij [-log nu_ij - g m mean_k log(1 - nu_ik)], where nu = 1 / (1 + a d^2b)
    and g is the strength of repulsion (Damrich & Hamprecht 2021), rather than the cross entropy of
    memberships. Here divided by the sum of mu, with the mean over all points k, or, where those are
    more than 2^24 pairs, over as many that a fixed seed draws.

    Parameters
    ----------
    graph : (n, n) sparse
        Memberships mu, symmetric.
    layout : (n, n_components) array
    a, b : float
        Of the curve nu.
    negative_sample_rate, repulsion_strength : int, float
        m and g.

    Returns
    -------
    float
    """
    edges = coo_array(graph)
    points = np.asarray(layout, dtype=np.float64)
    n = len(points)

    def odds(i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """(1 - nu) / nu."""
        return a * np.square(points[i] - points[j]).sum(axis=1) ** b

    membership = edges.data.astype(np.float64)
    attraction = np.log1p(odds(edges.row, edges.col))  # -log nu
    every = np.arange(n)
    random = np.random.default_rng(0)
    repulsion = np.zeros(n)
    partners = min(n - 1, max(PAIRS // n, 1))
    for shift in range(1, partners + 1):
        step = shift if partners == n - 1 else random.integers(1, n, n)  # never the point itself
        apart = odds(every, (every + step) % n)
        repulsion -= np.log(np.maximum(apart / (1 + apart), SMALLEST))
    repulsion *= repulsion_strength * negative_sample_rate / partners
    loss = membership @ (attraction + repulsion[edges.row]) / membership.sum()
    return float(loss)
