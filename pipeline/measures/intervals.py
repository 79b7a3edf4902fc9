"""Intervals: how far a share or a mean of scores an image would move with other test images."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np

LEVEL = 0.95
RESAMPLES = 2000
GROUPS = 20  # of a jackknife
FEWEST = 6  # images: fewer that all gain are no evidence (sign test: 2 / 2^5 is above 0.05)
Z = 1.959963984540054  # the 97.5 % quantile of the standard normal distribution


class Estimate(NamedTuple):
    """A number and the interval that holds the true one in 95 of 100 samples of images.

    Attributes
    ----------
    value, low, high : float
    """

    value: float
    low: float
    high: float


def share(hits: int, n: int) -> Estimate:
    """The share of hits among n images, with Wilson's score interval.

    Wilson (1927, JASA 22, 209-212). It keeps its coverage near 0 and 1, where a bootstrap of hits
    alone has no width.

    Parameters
    ----------
    hits, n : int
        n is at least 1.
    """
    p = hits / n
    centre = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    # Rounding must not leave the value outside.
    return Estimate(p, min(max(centre - half, 0.0), p), max(min(centre + half, 1.0), p))


def mean(
    scores: np.ndarray, strata: np.ndarray, *, balanced: bool = False, seed: int = 0
) -> Estimate:
    """The mean of scores, with the percentile interval of a bootstrap stratified by class.

    Each class keeps its number m of images in every one of 2,000 resamples (Efron & Tibshirani,
    1993, chapter 13), and its resampled means are spread by sqrt(m / (m - 1)), since m images vary
    less about their own mean than about the true one (Rao & Wu, 1988, JASA 83, 231-241). A class of
    one image is taken to vary as all images do. Of differences between two scores of the same
    images it is a paired interval.

    Parameters
    ----------
    scores : (n,) float array
        One an image, whose neighbours are fixed: a resampled image is not its own neighbour.
    strata : (n,) int array
        Its class.
    balanced : bool
        The mean of the means of the classes, instead of that of the images.
    seed : int
        Of the resamples.

    Returns
    -------
    Estimate
        The ends are NaN of fewer than `FEWEST` images.
    """
    rng = np.random.default_rng(seed)
    classes, sizes = np.unique(strata, return_counts=True)
    weights = np.full(len(classes), 1 / len(classes)) if balanced else sizes / len(scores)
    scores = np.asarray(scores, dtype=np.float64)
    value, deviations = 0.0, np.zeros(RESAMPLES)
    for label, size, weight in zip(classes, sizes, weights, strict=True):
        own = scores[strata == label]
        value += weight * own.mean()
        if size > 1:
            spread = sqrt(size / (size - 1))
            deviations += weight * spread * (_resampled_means(own, size, rng) - own.mean())
    if single := int((sizes == 1).sum()):
        drawn = _resampled_means(scores, single, rng) - scores.mean()
        deviations += weights[sizes == 1].sum() * drawn
    if len(scores) < FEWEST:
        return Estimate(float(value), float("nan"), float("nan"))
    tail = 50 * (1 - LEVEL)
    low, high = value + np.percentile(deviations, [tail, 100 - tail])
    low, high = max(low, scores.min()), min(high, scores.max())  # as the means of any resample
    return Estimate(float(value), float(min(low, value)), float(max(high, value)))


def _resampled_means(scores: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Means of resamples, by how often each distinct score is drawn."""
    levels, counts = np.unique(scores, return_counts=True)
    means = np.empty(RESAMPLES)
    step = max(10**7 // len(levels), 1)
    for first in range(0, RESAMPLES, step):
        many = min(step, RESAMPLES - first)
        drawn = rng.multinomial(size, counts / len(scores), size=many)
        means[first : first + many] = drawn @ levels / size
    return means


def standard_error(left_out: Sequence[float | None]) -> float:
    """By a jackknife, of values without one group each; NaN where one is undefined.

    Efron & Tibshirani (1993, chapter 11).
    """
    if None in left_out:
        return float("nan")
    known = np.array(left_out, dtype=np.float64)
    count = len(known)
    return float(np.sqrt((count - 1) / count * np.square(known - known.mean()).sum()))


def jackknife(value: float | None, left_out: Sequence[float | None]) -> Estimate | None:
    """A value and 1.96 `standard_error` on either side.

    Parameters
    ----------
    value : float or None
        Of all images; None where it is undefined.
    left_out : sequence of float or None
        The same without one group of images each, the groups being of about one size.

    Returns
    -------
    Estimate or None
        The ends are NaN where a value without some group is undefined.
    """
    if value is None:
        return None
    error = standard_error(left_out)
    return Estimate(value, value - Z * error, value + Z * error)
