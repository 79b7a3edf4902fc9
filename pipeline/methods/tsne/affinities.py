"""Affinities of t-SNE: Gaussian, each point's width set by the perplexity."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from kernels.backend import Backend, to_host
from pipeline.neighbors.graph import Graph

STEPS = 50  # of bisection, after which a logarithm between -46 and 46 is known to 1e-13


def joint_probabilities(graph: Graph, perplexity: float, backend: Backend) -> csr_array:
    """Joint probabilities of all pairs of neighbours, of sum 1.

    p_ij = (p_j|i + p_i|j) / 2n with p_j|i proportional to exp(-beta_i d_ij^2) among the neighbours
    of i (van der Maaten & Hinton 2008; on neighbours only, van der Maaten 2014).

    Parameters
    ----------
    graph : Graph
        At least `perplexity` neighbours of each point; three times as many are usual.
    perplexity : float
    backend : Backend
        Computes the exponentials.

    Returns
    -------
    (n, n) csr_array of float64
        Symmetric, on the host.
    """
    n, k = graph.indices.shape
    conditional = to_host(_conditional(backend.to_device(graph.distances), perplexity, backend))
    P = csr_array((conditional.ravel(), graph.indices.ravel(), np.arange(n + 1) * k), (n, n))
    P.sort_indices()
    P = P + P.T.tocsr()
    P.data /= P.data.sum()
    return P


def _conditional(distances, perplexity: float, backend: Backend):
    """Each row's affinities of sum 1, whose entropy is the logarithm of the perplexity.

    Points with more equally near neighbours than that have these alone, all alike.

    Parameters
    ----------
    distances : (n, k) array of the backend
        Rows ascend.
    """
    xp = backend.xp
    squared = xp.square(distances.astype(np.float64))
    squared = squared - squared[:, :1]  # the nearest has a weight of 1 for any beta
    scale = squared.mean(axis=1, keepdims=True)
    squared /= xp.where(scale > 0, scale, 1.0)
    low = xp.full((len(squared), 1), -46.0)  # of log beta
    high = -low
    for _ in range(STEPS):
        middle = (low + high) / 2
        beta = xp.exp(middle)
        weights = xp.exp(-beta * squared)
        total = weights.sum(axis=1, keepdims=True)
        entropy = xp.log(total) + beta * (weights * squared).sum(axis=1, keepdims=True) / total
        flat = entropy > np.log(perplexity)
        low, high = xp.where(flat, middle, low), xp.where(flat, high, middle)
    return weights / total
