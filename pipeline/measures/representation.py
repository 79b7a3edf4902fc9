"""Measures of a feature set itself: collapse of the classes, ranks, dead features, hubs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import skew

from pipeline.measures.intervals import GROUPS, Estimate, jackknife
from pipeline.neighbors.tiles import strips

RATIOS = 30  # at least, of distances: the standard error of a dimension is about d / sqrt(n)


class ClassMoments(NamedTuple):
    """Of the classes that have images, in float64.

    Attributes
    ----------
    classes : (c,) int array
        Their numbers.
    sizes : (c,) int array
    means : (c, d)
    variances : (c,)
        Mean squared distance of an image to its class's mean.
    """

    classes: np.ndarray
    sizes: np.ndarray
    means: np.ndarray
    variances: np.ndarray


def class_moments(X: np.ndarray, labels: np.ndarray) -> ClassMoments:
    """Means and variances of the classes.

    Parameters
    ----------
    X : (n, d) array
        Features in the unit of `scale_features`.
    labels : (n,) int array
    """
    classes, which, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    means = np.zeros((len(classes), X.shape[1]))
    for rows in strips(len(X)):
        part = X[rows].astype(np.float64)
        places = which[rows], np.arange(len(part))
        means += csr_array((np.ones(len(part)), places), (len(classes), len(part))) @ part
    means /= sizes[:, None]
    squared = np.zeros(len(classes))
    for rows in strips(len(X)):
        deviations = X[rows] - means[which[rows]]
        squared += np.bincount(
            which[rows], np.einsum("ij,ij->i", deviations, deviations), minlength=len(classes)
        )
    return ClassMoments(classes, sizes, means, squared / sizes)


def nc1(X: np.ndarray, labels: np.ndarray, moments: ClassMoments) -> float | None:
    """Within-class over between-class covariance, 0 where the classes have collapsed to points.

    tr(S_W S_B^+) / C of Papyan, Han & Donoho (2020, PNAS 117, 24652-24663): S_W over all images,
    S_B over unweighted class means. The pseudo-inverse has the rank of the centred means, C - 1 at
    most: the cut-off is that of their singular values, not that of S_B, whose rounding errors it
    would invert.

    Parameters
    ----------
    X : (n, d) array
    labels : (n,) int array
    moments : ClassMoments
        Theirs.

    Returns
    -------
    float or None
        None for fewer than two classes, or where all means are one point.
    """
    centred = moments.means - moments.means.mean(axis=0)
    count = len(centred)
    _, values, axes = np.linalg.svd(centred, full_matrices=False)
    kept = values > max(centred.shape) * np.finfo(float).eps * np.abs(moments.means).max()
    kept[count - 1 :] = False
    if not kept.any():
        return None
    values, axes = values[kept], axes[kept]
    which = np.searchsorted(moments.classes, labels)
    within = np.zeros(len(values))  # variance within classes along each axis of the means
    for rows in strips(len(X)):
        along = (X[rows] - moments.means[which[rows]]) @ axes.T
        within += np.square(along).sum(axis=0)
    return float((within / len(X) / (np.square(values) / count)).sum() / count)


def cdnv(moments: ClassMoments) -> np.ndarray:
    """Class-distance normalised variance of each pair of classes, small where they are apart.

    (Var_a + Var_b) / (2 |mean_a - mean_b|^2) of Galanti, Gyorgy & Hutter (2022, ICLR). The squared
    distance of two means of n_a and n_b images is too large by Var_a / n_a + Var_b / n_b on
    average, which is taken off, with variances over n - 1.

    Parameters
    ----------
    moments : ClassMoments

    Returns
    -------
    (c, c) float64
        NaN on the diagonal, for classes of one image, and where nothing is left of the distance.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        variances = moments.variances * moments.sizes / (moments.sizes - 1)
        noise = variances / moments.sizes
    centred = moments.means - moments.means.mean(axis=0)
    squares = np.square(centred).sum(axis=1)
    distances = squares[:, None] + squares - 2 * centred @ centred.T - noise[:, None] - noise
    result = np.full(distances.shape, np.nan)
    possible = (distances > 0) & ~np.eye(len(squares), dtype=bool)
    np.divide(variances[:, None] + variances, 2 * distances, out=result, where=possible)
    return result


def median_cdnv(moments: ClassMoments) -> float | None:
    """The median of `cdnv` over pairs of classes, None where it is defined for no pair."""
    pairs = cdnv(moments)
    defined = pairs[np.isfinite(pairs)]
    return float(np.median(defined)) if len(defined) else None


def compactness(X: np.ndarray, labels: np.ndarray, *, seed: int = 0) -> Estimate | None:
    """`median_cdnv` with the interval of a jackknife over 20 groups of images.

    Twenty-one passes over the data: meant for layouts.

    Parameters
    ----------
    X : (n, d) array
    labels : (n,) int array
    seed : int
        Of the groups.

    Returns
    -------
    Estimate or None
        None where it is undefined; the ends are NaN for fewer than 40 images.
    """
    value = median_cdnv(class_moments(X, labels))
    if value is None or len(X) < 2 * GROUPS:
        return None if value is None else Estimate(value, np.nan, np.nan)
    groups = np.random.default_rng(seed).permutation(len(X)) % GROUPS
    left_out = (groups != group for group in range(GROUPS))
    return jackknife(
        value, [median_cdnv(class_moments(X[rest], labels[rest])) for rest in left_out]
    )


def effective_rank(X: np.ndarray) -> float:
    """The exponential of the entropy of the singular values, each over their sum.

    Roy & Vetterli (2007, EUSIPCO, 606-610), of the centred features: 1 where they lie on a line,
    min(n - 1, d) where they fill all directions alike.

    Parameters
    ----------
    X : (n, d) array

    Returns
    -------
    float
        NaN where all rows are equal.
    """
    mean = np.mean(X, axis=0, dtype=np.float64)
    if X.shape[1] <= len(X):
        gram = np.zeros((X.shape[1],) * 2)
        for rows in strips(len(X)):
            centred = X[rows] - mean
            gram += centred.T @ centred
    else:
        centred = X - mean
        gram = centred @ centred.T
    squares = np.linalg.eigvalsh(gram)
    # Eigenvalues below the rounding errors of the largest are none.
    noise = max(X.shape) * np.finfo(float).eps * max(squares[-1], 0.0)
    values = np.sqrt(squares[squares > noise])
    if not len(values):
        return float("nan")
    shares = values / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


class IntrinsicDimension(NamedTuple):
    """How many coordinates points near one another differ in.

    Attributes
    ----------
    value : float or None
        None where there are too few distances to tell, or all neighbours are equally far.
    duplicates : int
        Points at distance 0 of another, which are left out.
    """

    value: float | None
    duplicates: int


def intrinsic_dimension(distances: np.ndarray) -> IntrinsicDimension:
    """Intrinsic dimension by the ratios of the distances to the two nearest neighbours (TwoNN).

    Facco, d'Errico, Rodriguez & Laio (2017, Scientific Reports 7, 12140): ratios r2 / r1 have the
    distribution 1 - x^-d wherever the density is constant up to the second neighbour; d is the
    slope of a line through 0, fitted to all but the tenth of largest ratios.

    Parameters
    ----------
    distances : (n, >= 2) float array
        Of the neighbours of each point, nearest first, as of an exact graph.

    Returns
    -------
    IntrinsicDimension
        Undefined for fewer than 30 points that have no duplicate, and for a graph of one neighbour.
    """
    from skdim.id import TwoNN

    nearest = np.asarray(distances[:, :2], np.float64)
    apart = nearest[nearest[:, 0] > 0]
    duplicates = len(nearest) - len(apart)
    if nearest.shape[1] < 2 or len(apart) < RATIOS:
        return IntrinsicDimension(None, duplicates)
    value = float(TwoNN(dist=True).fit(apart).dimension_)
    return IntrinsicDimension(value if value > 0 else None, duplicates)


def dead_features(X: np.ndarray) -> int:
    """How many columns have one value in all rows.

    Parameters
    ----------
    X : (n, d) array
    """
    first, dead = X[0], np.ones(X.shape[1], bool)
    for rows in strips(len(X)):
        dead &= (X[rows] == first).all(axis=0)
    return int(dead.sum())


class Hubness(NamedTuple):
    """How unequally often points are neighbours of others (Radovanovic et al., 2010, JMLR 11).

    Attributes
    ----------
    skewness : float
        Of the k-occurrence, about 0 where no point is special; NaN where all are equal.
    largest : int
        The largest k-occurrence: so many points have the hub among their k nearest. k on average.
    hub : int
        Its row.
    """

    skewness: float
    largest: int
    hub: int


def hubness(indices: np.ndarray, *, k: int = 15) -> Hubness:
    """Of the k-occurrence of each point.

    Parameters
    ----------
    indices : (n, >= k) int array
        Neighbours of each point, nearest first.
    k : int
    """
    occurrence = np.bincount(indices[:, :k].ravel(), minlength=len(indices))
    hub = int(occurrence.argmax())
    equal = occurrence.min() == occurrence.max()
    skewness = float("nan") if equal else float(skew(occurrence))
    return Hubness(skewness, int(occurrence[hub]), hub)
