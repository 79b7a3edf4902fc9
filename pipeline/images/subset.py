"""Stratified subsets of labelled rows."""

from collections.abc import Mapping

import numpy as np

from pipeline.errors import InputError

Subset = int | Mapping[str, int] | None


def subset_size(subset: Subset, *, train: int, test: int, classes: int) -> int:
    """Return how many images a subset keeps of a data set whose classes are in both parts.

    Parameters
    ----------
    subset : int, {"train": n} or None
        So many images of both parts; n training images and all test images; all.
    train, test, classes : int
        What the data set has.

    Raises
    ------
    InputError
        It is something else, more than there is, or below one image of each class and part.
    """
    if subset is None:
        return train + test
    if isinstance(subset, Mapping):
        size = subset.get("train") if set(subset) == {"train"} else None
        available, kind, least, beside = train, "training images", classes, test
        rule = "one training image of each class"
    else:
        size, available, kind, least, beside = subset, train + test, "images", 2 * classes, 0
        rule = "two images of each class, one of each part,"
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
        raise InputError(
            f"subset is {subset!r}: give a number of images, or {{train: n}} to keep n training "
            "images and all test images"
        )
    if size > available:
        raise InputError(
            f"a subset of {size:,} cannot be drawn from {available:,} {kind}: "
            "give a smaller number, or none to use all"
        )
    if size < least:
        raise InputError(
            f"a subset of {size:,} {kind} is too small: keeping {rule} takes {least:,}"
        )
    return int(size) + beside


def subset_rows(
    labels: np.ndarray, split: np.ndarray, subset: Subset, *, seed: int = 0
) -> np.ndarray:
    """Return the rows (m,) int64, ascending, that a subset keeps of a split data set.

    Parameters
    ----------
    labels : ndarray, (n,) int
        Each class has images of both parts.
    split : ndarray, (n,) of "train" and "test"
    subset : int, {"train": n} or None
        See `subset_size`; drawn by `stratified_subset`.
    seed : int

    Raises
    ------
    InputError
        See `subset_size`.
    """
    test = np.flatnonzero(split == "test")
    train = np.flatnonzero(split == "train")
    subset_size(subset, train=len(train), test=len(test), classes=len(np.unique(labels)))
    if subset is None:
        return np.arange(len(labels))
    if not isinstance(subset, Mapping):
        return stratified_subset(labels, subset, seed=seed, split=split)
    kept = stratified_subset(labels[train], subset["train"], seed=seed, split=split[train])
    return np.union1d(train[kept], test)


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
