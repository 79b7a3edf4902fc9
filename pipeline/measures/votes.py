"""Majority vote: the rule by which nearest neighbours name a class, ties included."""

from __future__ import annotations

import numpy as np

TIES = (
    "ties go to the class whose votes have the smaller sum of ranks, then to that of the nearest "
    "neighbour among them"
)


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
