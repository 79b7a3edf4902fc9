"""Majority vote: the rule by which nearest neighbours name a class, ties included."""

from __future__ import annotations

import numpy as np

from pipeline.errors import InputError
from pipeline.measures.overlap import check_width


def majority_vote(classes: np.ndarray) -> np.ndarray:
    """Let the nearest neighbours of each point vote for its class.

    The class with the most votes wins. Among classes with equally many votes it is the one whose
    votes have the smaller sum of ranks (1 for the nearest), which depends neither on how classes
    are numbered nor on one neighbour alone; should these sums be equal too, the one that has the
    nearest of these votes.

    Parameters
    ----------
    classes : (n, k) int array
        Classes of the neighbours, nearest first: of all other points, or of training points alone.

    Returns
    -------
    (n,) int array
        The winners.
    """
    n, k = classes.shape
    # Integers that order by votes, then by the sum of ranks, which is below k (k + 1).
    vote = k * (k + 1) - np.arange(1, k + 1)
    scores = np.zeros((n, k), np.int64)
    for rank in range(k):  # k comparisons of (n,) with (n, k): no (n, classes) or (n, k, k) array
        scores += vote[rank] * (classes == classes[:, rank, None])
    winners = scores.argmax(axis=1)  # the first, that is the nearest, of equal scores
    return classes[np.arange(n), winners]


def knn_accuracy(indices: np.ndarray, labels: np.ndarray, *, k: int = 15) -> float:
    """Leave-one-out accuracy of the k-nearest-neighbour classifier, over all points.

    Parameters
    ----------
    indices : (n, >= k) int array
        Neighbours of each point, nearest first, without the point itself: of a layout or, for the
        accuracy in feature space, a graph's.
    labels : (n,) int array
    k : int

    Returns
    -------
    float
        0 to 1. Who wins a tie: see `majority_vote`.
    """
    labels = np.asarray(labels)
    if labels.shape != (len(indices),):
        raise InputError(
            f"labels have shape {labels.shape} for {len(indices)} points; give one label a point"
        )
    check_width(indices, k)
    return float((majority_vote(labels[indices[:, :k]]) == labels).mean())
