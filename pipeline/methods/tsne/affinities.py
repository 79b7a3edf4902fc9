"""Affinities of t-SNE: Gaussian, each point's width set by the perplexity."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from kernels.backend import Backend, to_host
from pipeline.neighbors.graph import Graph
from pipeline.neighbors.tiles import strips
from pipeline.runtime.parallel import parallel_starmap

STEPS = 50  # of bisection, after which a logarithm between -46 and 46 is known to 1e-13
TOLERANCE = 0.01  # share of the perplexity by which a point's may be another


class Conditional(NamedTuple):
    """Affinities of each point's neighbours.

    Attributes
    ----------
    probabilities : (n, k) float64
        p_j|i for the neighbours j of point i; rows have sum 1.
    perplexities : (n,) float64
        Of the rows: the exponential of their entropy.
    """

    probabilities: np.ndarray
    perplexities: np.ndarray


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
    conditional = conditional_probabilities(graph, perplexity, backend)
    return symmetrise(graph.indices, conditional.probabilities)


def symmetrise(indices: np.ndarray, conditional: np.ndarray) -> csr_array:
    """Joint probabilities, as of `joint_probabilities`, of (n, k) conditional ones."""
    n, k = indices.shape
    P = csr_array((conditional.ravel(), indices.ravel(), np.arange(n + 1) * k), (n, n))
    P.sort_indices()
    P = P + P.T.tocsr()
    P.data /= P.data.sum()
    return P


def conditional_probabilities(graph: Graph, perplexity: float, backend: Backend) -> Conditional:
    """The conditional probabilities of which `joint_probabilities` is made; parameters as there."""

    def calibrate(rows: slice) -> tuple[np.ndarray, np.ndarray]:
        weights, entropy = _calibrate(backend.to_device(graph.distances[rows]), perplexity, backend)
        return to_host(weights), np.exp(to_host(entropy))

    with parallel_starmap(backend) as starmap:
        parts = starmap(calibrate, [(rows,) for rows in strips(len(graph.indices))])
    probabilities, perplexities = zip(*parts, strict=True)
    return Conditional(np.concatenate(probabilities), np.concatenate(perplexities))


def perplexity_diagnostics(perplexities: np.ndarray, wanted: float) -> dict[str, float]:
    """Median, least and largest perplexity; a warning where it is not the one that was wanted.

    Parameters
    ----------
    perplexities : (n,) float64
    wanted : float
    """
    missed = np.abs(perplexities - wanted) > TOLERANCE * wanted
    found = {
        "median": float(np.median(perplexities)),
        "min": float(perplexities.min()),
        "max": float(perplexities.max()),
    }
    if missed.any():
        warnings.warn(
            f"the perplexity of {missed.sum():,} of {len(missed):,} points is not {wanted:g} but "
            f"{found['min']:.3g} to {found['max']:.3g}: more neighbours than that are equally near",
            stacklevel=3,
        )
    return found


def _calibrate(distances: Any, perplexity: float, backend: Backend) -> tuple[Any, Any]:
    """Each row's affinities of sum 1, whose entropy is the logarithm of the perplexity; it, too.

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
    return weights / total, entropy[:, 0]
