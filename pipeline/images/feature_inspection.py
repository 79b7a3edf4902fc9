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
SCALE = 100  # times the variance of the median column, ten times its spread: of another scale
FEW = 0.1  # of the columns, or two, that are of another scale
CARRIES = 0.5  # of the variance, in few such columns, that then decide all distances
LONG = 10  # times the median length of a row: such rows are far from all others
BY_CHANCE = 3  # images with the same nearest image, where 1 is expected of rows in any order
STRIP = 1024  # rows or columns at a time


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
    constant = features.min(axis=0) == features.max(axis=0)
    dead = np.flatnonzero(constant)
    if len(dead) >= DEAD * d:
        said.append(
            f"{counted(len(dead), 'column')} of {d:,} constant ({_some(dead)}): nothing is told "
            "there of any image: dead units, or not the layer that you meant"
        )
    again, twins = _repeated_columns(features, np.flatnonzero(~constant))
    if len(again):
        said.append(
            f"{counted(len(again), 'column')} equal to another ({_pairs(again, twins)}): what is "
            "told there counts twice in every distance; keep one of each"
        )
    variance = _variance(features)
    usual = np.quantile(variance[~constant], 0.5, method="lower") if not constant.all() else 0
    large = np.flatnonzero(variance > SCALE * usual)
    share = variance[large].sum() / max(variance.sum(), np.finfo(float).tiny)
    if 0 < len(large) <= max(2, FEW * d) and share > CARRIES:
        said.append(
            f"{counted(len(large), 'column')} of another scale ({_some(large)}) with "
            f"{100 * share:.0f} % of the variance: distances are little else than differences "
            "there; leave out what is no feature, such as an index, else standardise the columns"
        )
    return said


def _repeated_columns(features: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Those of some columns (m,) that are equal to an earlier one, and that; few rows go first."""
    some = features[:: max(1, len(features) // 16)]
    few = np.vstack([some, features.max(axis=0)])[:, columns]
    _, inverse, counts = np.unique(few, axis=1, return_inverse=True, return_counts=True)
    alike = columns[counts[inverse] > 1]
    digests: dict[bytes, int] = {}
    first = np.empty(len(alike), np.int64)
    for i in range(0, len(alike), STRIP):
        part = features[:, alike[i : i + STRIP]].T
        first[i : i + STRIP] = first_alike(part, digests, start=i)
    again = first != np.arange(len(alike))
    return alike[again], alike[first[again]]


def _variance(features: np.ndarray) -> np.ndarray:
    """The variance (d,) of each column, in float64 strips."""
    mean = features.mean(axis=0, dtype=np.float64)
    squares = np.zeros(len(mean))
    for start in range(0, len(features), STRIP):
        centred = features[start : start + STRIP] - mean
        squares += np.einsum("ij,ij->j", centred, centred)
    return squares / len(features)


def _rows(features: np.ndarray) -> list[str]:
    """Rows that are constant, equal, very long, or hold numbers that float16 would lose."""
    n, d = features.shape
    said = []
    constant = np.flatnonzero(features.min(axis=1) == features.max(axis=1))
    if d > 1 and len(constant):
        said.append(
            f"{counted(len(constant), 'row')} of one number alone ({_some(constant)}): nothing is "
            "told there of an image; look at it, or extract its features again"
        )
    first = first_alike(features)
    again = np.flatnonzero(first != np.arange(n))
    if len(again) >= SHARE * n:
        said.append(
            f"repeats: {len(again):,} of {n:,} rows ({_pairs(again, first[again])}): neighbours at "
            "distance 0; were images given twice?"
        )
    lengths = np.sqrt(np.einsum("ij,ij->i", features, features, dtype=np.float64))
    middle = float(np.median(lengths))
    long = np.flatnonzero(lengths > LONG * middle)
    if middle > 0 and len(long):
        said.append(
            f"{counted(len(long), 'row')} more than {LONG} times as long as the median row "
            f"({_some(long)}): Euclidean distances to such a row say little else; `metric: cosine` "
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


def _pairs(numbers: np.ndarray, twins: np.ndarray) -> str:
    return examples([f"{number} = {twin}" for number, twin in zip(numbers, twins, strict=True)])
