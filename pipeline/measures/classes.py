"""Class measures: what the classes of an image's neighbours say, test and training images apart.

A network has seen the labels of its training images, so that their neighbours show what it has
memorised; those of test images show what it has learned. The neighbours of either are training
images: each test image is judged as a classifier would judge it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.measures import intervals
from pipeline.measures.intervals import Estimate
from pipeline.measures.votes import majority_vote


class Part(NamedTuple):
    """Images to judge and images that judge them.

    Attributes
    ----------
    judged, judges : (n,) bool arrays
        An image is not its own judge.
    """

    judged: np.ndarray
    judges: np.ndarray


def parts(split: np.ndarray | None, n: int) -> dict[str, Part]:
    """Test and training images, each judged by training images; "all" where there is one split.

    Parameters
    ----------
    split : (n,) array of str, or None
        "train" or "test".
    n : int
    """
    everyone = np.ones(n, bool)
    train = everyone if split is None else np.asarray(split) == "train"
    if train.all() or not train.any():
        return {"all": Part(everyone, everyone)}
    return {"test": Part(~train, train), "train": Part(train, train)}


def class_measures(
    neighbors: np.ndarray, labels: np.ndarray, judged: np.ndarray, *, seed: int = 0
) -> dict[str, Estimate]:
    """Measures of the classes of neighbours, over some images.

    Parameters
    ----------
    neighbors : (n, k) int array
        Rows of the neighbours of each image, nearest first.
    labels : (n,) int array
    judged : (n,) bool array
        The images to average over, at least one.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict of str to Estimate
        knn_accuracy, with Wilson's interval; knn_balanced_accuracy, the mean over classes of the
        accuracy within each; own_class_share, the mean share of an image's neighbours that are of
        its class. The last two with the interval of a bootstrap stratified by class.
    """
    near, own = labels[neighbors[judged]], labels[judged]
    right = majority_vote(near) == own
    return {
        "knn_accuracy": intervals.share(int(right.sum()), len(right)),
        "knn_balanced_accuracy": intervals.mean(right, own, balanced=True, seed=seed),
        "own_class_share": intervals.mean((near == own[:, None]).mean(axis=1), own, seed=seed),
    }


def majority_baseline(labels: np.ndarray, part: Part) -> float:
    """The accuracy of always naming the class that most judges have."""
    commonest = np.bincount(labels[part.judges]).argmax()
    return float((labels[part.judged] == commonest).mean())


def mixing_matrix(
    neighbors: np.ndarray, labels: np.ndarray, judged: np.ndarray, n_classes: int
) -> np.ndarray:
    """Of the neighbours of the images of class a, the share that is of class b.

    Parameters
    ----------
    neighbors : (n, k) int array
    labels : (n,) int array
    judged : (n,) bool array
    n_classes : int

    Returns
    -------
    (n_classes, n_classes) float64
        Rows a, each summing to one; NaN for a class without a judged image.
    """
    near, own = labels[neighbors[judged]], labels[judged]
    pairs = own[:, None] * n_classes + near
    counts = np.bincount(pairs.ravel(), minlength=n_classes**2).reshape(n_classes, n_classes)
    images = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, images, out=np.full(counts.shape, np.nan), where=images > 0)
