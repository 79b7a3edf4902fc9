"""Similarity of two representations of the same images: debiased CKA and Procrustes distance."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pipeline.measures.intervals import GROUPS, Estimate, jackknife
from pipeline.neighbors.tiles import strips

LARGEST = 10  # rows that CKA is also computed without


class Sums(NamedTuple):
    """Sums over rows of which HSIC is made.

    Attributes
    ----------
    n : int
        Rows.
    product : (p, q) float64
        Of the transposed first and the second features.
    x, y : (p,), (q,) float64
        Of rows.
    a, b, ab : float
        Of squared lengths of the rows of X and of Y, and of their products.
    bx, ay : (p,), (q,) float64
        Of rows times the squared length of the other row.
    """

    n: int
    product: np.ndarray
    x: np.ndarray
    y: np.ndarray
    a: float
    b: float
    ab: float
    bx: np.ndarray
    ay: np.ndarray

    def without(self, other: Sums) -> Sums:
        """The sums over the rows that are not those of the other, a part of them."""
        pairs: Any = zip(self, other, strict=True)
        return Sums(*(mine - theirs for mine, theirs in pairs))


def sums(X: np.ndarray, Y: np.ndarray, rows: np.ndarray, shifts: tuple) -> Sums:
    """Sums over some rows.

    Parameters
    ----------
    X, Y : (n, p) array, (n, q) array
    rows : (m,) int array
    shifts : ((p,) array, (q,) array)
        Subtracted from the rows, which changes nothing but rounding errors.

    Returns
    -------
    Sums
    """
    p, q = X.shape[1], Y.shape[1]
    product, x, y, bx, ay = (np.zeros(shape) for shape in ((p, q), p, q, p, q))
    a = b = ab = 0.0
    for part in strips(len(rows), 4096):
        first, second = (F[rows[part]] - shift for F, shift in zip((X, Y), shifts, strict=True))
        squares = np.einsum("ij,ij->i", first, first), np.einsum("ij,ij->i", second, second)
        product += first.T @ second
        x += first.sum(axis=0)
        y += second.sum(axis=0)
        a += squares[0].sum()
        b += squares[1].sum()
        ab += squares[0] @ squares[1]
        bx += squares[1] @ first
        ay += squares[0] @ second
    return Sums(len(rows), product, x, y, a, b, ab, bx, ay)


def pair_sums(X: np.ndarray, Y: np.ndarray, rows: np.ndarray, shifts: tuple) -> dict[str, Sums]:
    """`sums` of X with Y, of X with itself and of Y with itself: what CKA is made of.

    Parameters
    ----------
    X, Y, rows, shifts
        As of `sums`.

    Returns
    -------
    dict
        "xy", "xx" and "yy".
    """
    pairs = {"xy": (X, Y, shifts), "xx": (X, X, shifts[:1] * 2), "yy": (Y, Y, shifts[1:] * 2)}
    return {name: sums(A, B, rows, shift) for name, (A, B, shift) in pairs.items()}


def without(whole: dict[str, Sums], part: dict[str, Sums]) -> dict[str, Sums]:
    """`pair_sums` over the rows of the whole that are not those of a part of it."""
    return {name: whole[name].without(part[name]) for name in whole}


def hsic(s: Sums) -> float:
    """Unbiased estimate of the Hilbert-Schmidt independence criterion with linear kernels.

    HSIC_1 of Song et al. (2012, JMLR 13, 1393-1434, eq. 5), in sums over rows instead of (n, n)
    matrices.

    Parameters
    ----------
    s : Sums
        Of 4 rows or more.
    """
    n = s.n
    trace = np.square(s.product).sum() - s.ab
    totals = (s.x @ s.x - s.a) * (s.y @ s.y - s.b)
    between = s.x @ s.product @ s.y - s.bx @ s.x - s.ay @ s.y + s.ab
    return float((trace + totals / ((n - 1) * (n - 2)) - 2 / (n - 2) * between) / (n * (n - 3)))


class Similarity(NamedTuple):
    """How alike two representations are.

    Attributes
    ----------
    cka : Estimate or None
        Debiased linear CKA: 1 for features that differ by a rotation and a scale, about 0 for
        independent ones; its interval is that of a jackknife. None where it is undefined.
    cka_without_largest : float or None
        The same without the ten rows of largest a_i b_i, squared lengths before times after: where
        it differs, a few outliers are what is alike.
    largest : (10,) int array
        These rows.
    procrustes : Estimate or None
        Squared Procrustes distance, 0 for the same shape to 2.
    procrustes_of_permuted_rows : float or None
        What it is by chance.
    """

    cka: Estimate | None
    cka_without_largest: float | None
    largest: np.ndarray
    procrustes: Estimate | None
    procrustes_of_permuted_rows: float | None


def similarity(X: np.ndarray, Y: np.ndarray, *, seed: int = 0) -> Similarity:
    """Debiased CKA and Procrustes distance of two feature sets of the same images.

    Biased CKA of independent features is far from 0 where there are not many more images than
    features (0.42 for 1,797 images and 1,280 features), hence Nguyen, Raghu & Kornblith (2021,
    ICLR): HSIC(X, Y) / sqrt(HSIC(X, X) HSIC(Y, Y)) of unbiased HSIC. Intervals are those of a
    jackknife that leaves out one of 20 groups of rows: resampled rows would be alike to their
    copies, which no unbiased estimate foresees. Procrustes distance as in Ding, Denain & Steinhardt
    (2021, NeurIPS): 2 - 2 |X^T Y|_* of centred features of unit Frobenius norm.

    Parameters
    ----------
    X, Y : (n, p) array, (n, q) array
        In the unit of `scale_features`, the same images in the same order.
    seed : int
        Of groups and permutation.

    Returns
    -------
    Similarity
        Undefined for fewer than 30 rows, of which no part could be left out, and for constant
        features.
    """
    n, rng = len(X), np.random.default_rng(seed)
    shifts = X.mean(axis=0, dtype=np.float64), Y.mean(axis=0, dtype=np.float64)
    squares = _squared_lengths(X, shifts[0]) * _squared_lengths(Y, shifts[1])
    largest = np.argsort(-squares, kind="stable")[:LARGEST]
    if n < 30 or not squares.any():
        return Similarity(None, None, largest, None, None)
    order = rng.permutation(n)
    groups = np.array_split(order, GROUPS)
    whole = pair_sums(X, Y, order, shifts)
    left_out = []
    for group in groups:  # whose sums are not kept
        rest = without(whole, pair_sums(X, Y, group, shifts))
        left_out.append((cka(rest), _procrustes(rest)))
    permuted = sums(X, Y[rng.permutation(n)], np.arange(n), shifts)
    return Similarity(
        jackknife(cka(whole), [each for each, _ in left_out]),
        cka(without(whole, pair_sums(X, Y, largest, shifts))),
        largest,
        jackknife(_procrustes(whole), [each for _, each in left_out]),
        _procrustes({**whole, "xy": permuted}),
    )


def _squared_lengths(X: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Of shifted rows."""
    lengths = np.empty(len(X))
    for rows in strips(len(X), 4096):
        shifted = X[rows] - shift
        lengths[rows] = np.einsum("ij,ij->i", shifted, shifted)
    return lengths


def cka(s: dict[str, Sums]) -> float | None:
    """Debiased CKA of `pair_sums`; None where no variance is left after debiasing."""
    first, second = hsic(s["xx"]), hsic(s["yy"])
    return None if min(first, second) <= 0 else hsic(s["xy"]) / float(np.sqrt(first * second))


def _procrustes(s: dict[str, Sums]) -> float | None:
    """Of sums of the three pairs."""

    def centred(each: Sums) -> np.ndarray:
        return each.product - np.outer(each.x, each.y) / each.n

    norms = np.trace(centred(s["xx"])) * np.trace(centred(s["yy"]))
    if norms <= 0:
        return None
    nuclear = np.linalg.svd(centred(s["xy"]), compute_uv=False).sum()
    return float(2 - 2 * nuclear / np.sqrt(norms))
