"""Stratified subsets of labelled rows."""

import numpy as np

from pipeline.errors import InputError


def stratified_subset(
    labels: np.ndarray, size: int, *, seed: int, split: np.ndarray | None = None
) -> np.ndarray:
    """Stratified random subset: draw `size` rows so that every class keeps its share.

    The rows are apportioned to the strata (a class, or a class within a part of `split`) by
    Webster's method, the proportional one without a bias for large or small strata (Balinski &
    Young 1982). Each class keeps at least two rows, with `split` at least one in each part. With
    one seed a smaller subset lies within a larger one.

    Parameters
    ----------
    labels : ndarray, (n,) int
    size : int
        At most n: asking for more rows than there are is an error, not a request for all.
    seed : int
    split : ndarray, (n,), optional

    Returns
    -------
    rows : ndarray, (size,) int64
        Ascending.

    Raises
    ------
    InputError
        `size` is above n or below the least number of rows.
    """
    strata = labels if split is None else 2 * labels + (split == "test")
    order, rank, count = shuffled_ranks(strata, seed)
    kept = rank < (2 if split is None else 1)
    if size > len(labels):
        raise InputError(
            f"a subset of {size:,} cannot be drawn from {len(labels):,} images: "
            "give a smaller number, or none to use all"
        )
    if size < kept.sum():
        raise InputError(
            f"a subset of {size:,} is too small: keeping two images of each class, "
            f"one of each part, takes {kept.sum():,}"
        )
    priority = np.where(kept, 0, (rank + 0.5) / count)
    return np.sort(order[np.argsort(priority, kind="stable")[:size]])


def shuffled_ranks(strata: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows in random order, the rank of each in its stratum, and the stratum's size."""
    order = np.random.default_rng(seed).permutation(len(strata))
    _, stratum, sizes = np.unique(strata[order], return_inverse=True, return_counts=True)
    grouped = np.argsort(stratum, kind="stable")
    rank = np.empty(len(strata), np.int64)
    rank[grouped] = np.arange(len(strata)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return order, rank, sizes[stratum]
