"""What will hurt of given features: dead columns, repeats, scales, labels out of order."""

from __future__ import annotations

import numpy as np

from pipeline.images.inspection import (
    FEWEST,
    SHARE,
    agreement,
    first_alike,
    nearest,
    sample_rows,
)
from pipeline.images.names import counted, examples

HALF = 65504.0  # the largest number of float16
DEAD = 0.01  # of the columns that are constant, from which on it is said
CARRIES = 0.5  # of the variance, in a single column, that then decides all distances
LONG = 10  # times the median length of a row: such rows are far from all others
BY_CHANCE = 3  # images with the same nearest image, where 1 is expected of rows in any order
STRIP = 256  # columns at a time


def inspect_features(features: np.ndarray, name: str) -> list[str]:
    """What will hurt, in sentences that say what to do.

    Parameters
    ----------
    features : (n, d) float32 array
        Finite.
    name : str
        What they are called in the sentences, such as "before".

    Returns
    -------
    list of str
    """
    return [f"features {name}: {said}" for said in (*_columns(features), *_rows(features))]


def _columns(features: np.ndarray) -> list[str]:
    """Columns that are constant, equal, or of another scale than all others."""
    d = features.shape[1]
    said = []
    digests: dict[bytes, int] = {}
    variance, constant = np.empty(d), np.empty(d, bool)
    first = np.empty(d, np.int64)
    for i in range(0, d, STRIP):
        part = slice(i, i + STRIP)
        block = np.ascontiguousarray(features[:, part].T)
        variance[part] = block.var(axis=1, dtype=np.float64)
        constant[part] = (block == block[:, :1]).all(axis=1)
        first[part] = first_alike(block, digests, start=i)
    dead = np.flatnonzero(constant)
    if len(dead) >= DEAD * d:
        said.append(
            f"{counted(len(dead), 'column')} of {d:,} constant ({_some(dead)}): they tell nothing "
            "of any image: dead units, or not the layer that you meant"
        )
    again = np.setdiff1d(np.flatnonzero(first != np.arange(d)), dead)
    if len(again):
        said.append(
            f"{counted(len(again), 'column')} equal to another ({_some(again)}): what they hold "
            "counts twice in every distance, leave one of each"
        )
    if d > 1 and variance.max() > CARRIES * variance.sum() > 0:
        most = int(variance.argmax())
        said.append(
            f"column {most} has {100 * variance[most] / variance.sum():.0f} % of the variance: "
            "distances are little else than differences in it; leave it out if it is an index, "
            "else standardise the columns"
        )
    return said


def _rows(features: np.ndarray) -> list[str]:
    """Rows that are equal, very long, or hold numbers that float16 would lose."""
    n = len(features)
    said = []
    first = first_alike(features)
    again = np.flatnonzero(first != np.arange(n))
    if len(again) >= SHARE * n:
        said.append(
            f"{counted(len(again), 'row')} of {n:,} equal to others ({_some(again)}): they are "
            "neighbours at distance 0; were images given twice?"
        )
    lengths = np.sqrt(np.einsum("ij,ij->i", features, features, dtype=np.float64))
    middle = float(np.median(lengths))
    long = np.flatnonzero(lengths > LONG * middle)
    if middle > 0 and len(long):
        said.append(
            f"{counted(len(long), 'row')} more than {LONG} times as long as the median row "
            f"({_some(long)}): Euclidean distances to them say little else; `metric: cosine` "
            "compares directions alone"
        )
    largest = max(float(features.max()), -float(features.min()))
    if largest > HALF:
        said.append(
            f"numbers up to {largest:.3g}, beyond float16's {HALF:,.0f}: computed here in float32, "
            "but a copy in float16 loses them"
        )
    return said


def inspect_pair(before: np.ndarray, after: np.ndarray, labels: np.ndarray | None) -> list[str]:
    """Whether two feature sets, and labels, seem to be of the same images in the same order.

    Parameters
    ----------
    before, after : (n, p) and (n, q) float32 array
    labels : (n,) int array, optional

    Returns
    -------
    list of str
    """
    rows = sample_rows(len(before))
    if len(rows) < FEWEST:
        return []
    neighbors = {"before": nearest(before[rows]), "after": nearest(after[rows])}
    said = []
    for name, near in neighbors.items():
        if labels is not None and not (found := agreement(near, labels[rows])).above:
            said.append(
                f"features {name}: of {len(rows):,} images the nearest is of the same class in "
                f"{found}: either they know nothing of the classes, or the labels are in another "
                "order than the rows"
            )
    same = int((neighbors["before"] == neighbors["after"]).sum())
    # Classes that both know are proof enough: what is alike within a class may have changed whole.
    if same <= BY_CHANCE and (labels is None or said):
        said.append(
            f"of {len(rows):,} images {same} have the same nearest image before and after, as by "
            "chance: either nothing is left of the features, or the rows of the two are in another "
            "order"
        )
    return said


def _some(numbers: np.ndarray) -> str:
    return examples([str(number) for number in numbers.tolist()])
