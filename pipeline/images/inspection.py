"""What will hurt of images that can be read: repeats, leaks, rare classes, labels out of order.

The sentences become warnings of the data set: they are said before hours are spent, and again on
the page.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np

from pipeline.images.names import counted, examples, printable

VOTERS = 15  # nearest neighbours that name a class in the measures
IMBALANCE = 10  # times the images of the smallest class, from which on the largest decides accuracy
SHARE = 0.01  # of images that repeat others, from which on it is said
DARK = 25  # of 255: the brightest pixel of masks, or of 0..1 and 0..16, that were not scaled
SAMPLE = 2000  # images whose nearest neighbour is looked at
FEWEST = 100  # images: of fewer, chance cannot be told apart
SIGMAS = 3  # above chance, in standard deviations, are neighbours that know the classes
SIDE = 8  # pixels to which images are averaged for that
STRIP = 1024  # images at a time


def inspect_images(
    images: np.ndarray, labels: np.ndarray, split: np.ndarray, names: Sequence[str]
) -> list[str]:
    """What of the pixels will hurt, in sentences that say what to do; see also `inspect_classes`.

    Parameters
    ----------
    images : (n, h, w, c) uint8 array
    labels : (n,) int array
    split : (n,) array of "train" and "test"
    names : sequence of str, (n,)
        What the images are called, such as their files.

    Returns
    -------
    list of str
    """
    return [
        *_pixels(images, names),
        *_repeats(images, labels, split, names),
        *_order(images, labels),
    ]


def inspect_classes(labels: np.ndarray, class_names: Sequence[str], split: np.ndarray) -> list[str]:
    """Say which classes are too small to be named, or so large that they decide the accuracy.

    Parameters
    ----------
    labels : (n,) int array
    class_names : sequence of str
    split : (n,) array of str
        Without test images, all count as training images.
    """
    train = labels[split != "test"]
    counts = np.bincount(train, minlength=len(class_names))
    said = []
    # Where all classes are as small, the commonest of few votes still names the right one.
    rare = np.flatnonzero((counts < VOTERS) & (counts.max() > 2 * VOTERS))
    if len(rare):
        listed = examples([f"{class_names[i]} {counts[i]:,}" for i in rare.tolist()])
        said.append(
            f"{counted(len(rare), 'class', 'classes')} of fewer than {VOTERS} training images "
            f"({listed}): votes of {VOTERS} neighbours hardly ever name such a class; give it "
            "more images, or leave it out"
        )
    if counts.max() >= IMBALANCE * max(1, counts.min()):
        most, least = class_names[int(counts.argmax())], class_names[int(counts.argmin())]
        said.append(
            f"the largest class, {most}, has {counts.max():,} training images and the smallest, "
            f"{least}, {counts.min():,}: accuracy is mostly that of the large ones, read the "
            "balanced accuracy"
        )
    return said


def _pixels(images: np.ndarray, names: Sequence[str]) -> list[str]:
    """Images of one colour, and pixels that were not scaled to 0..255."""
    said = []
    darkest, brightest = images.min(axis=(1, 2)), images.max(axis=(1, 2))  # of each channel
    plain = np.flatnonzero((darkest == brightest).all(axis=1))
    if len(plain):
        said.append(
            f"{counted(len(plain), 'image')} of one colour ({_some(names, plain)}): nothing to be "
            "seen there; remove such images"
        )
    if brightest.max() <= DARK:
        said.append(
            f"the brightest pixel of all images is {brightest.max()} of 255: to a network they are "
            "black; scale them to 0..255, masks to 0 and 255"
        )
    return said


def _repeats(
    images: np.ndarray, labels: np.ndarray, split: np.ndarray, names: Sequence[str]
) -> list[str]:
    """Images that are the same pixel by pixel: in both parts, in two classes, or many."""
    first = first_alike(images)
    again = np.flatnonzero(first != np.arange(len(images)))
    if not len(again):
        return []
    said = []
    trained = np.full(len(images), -1)  # of those that are alike, by their first: a training image
    rows = np.flatnonzero(split == "train")[::-1]
    trained[first[rows]] = rows
    leaked = np.flatnonzero((split == "test") & (trained[first] >= 0))
    if len(leaked):
        said.append(
            f"{counted(len(leaked), 'test image')} also among the training images "
            f"({_pairs(names, leaked, trained[first[leaked]])}): test measures are too good; keep "
            "one of each"
        )
    torn = again[labels[again] != labels[first[again]]]
    if len(torn):
        said.append(
            f"{counted(len(torn), 'image')} also in another class "
            f"({_pairs(names, torn, first[torn])}): no network can tell the two apart; keep one of "
            "each"
        )
    if len(again) >= SHARE * len(images):
        said.append(
            f"repeats, pixel by pixel: {len(again):,} of {len(images):,} images "
            f"({_pairs(names, again, first[again])}): neighbours at distance 0; keep one of each"
        )
    return said


def first_alike(
    rows: np.ndarray, seen: dict[bytes, int] | None = None, *, start: int = 0
) -> np.ndarray:
    """For each row the number of the first that is equal to it byte by byte.

    Parameters
    ----------
    rows : (n, ...) array
    seen : dict of bytes to int, optional
        Digests of earlier rows and their numbers, to which these are added.
    start : int
        Number of the first of these rows.

    Returns
    -------
    (n,) int64 array
    """
    seen = {} if seen is None else seen
    first = np.empty(len(rows), np.int64)
    for i, row in enumerate(rows):
        digest = hashlib.blake2b(np.ascontiguousarray(row).data, digest_size=16).digest()
        first[i] = seen.setdefault(digest, start + i)
    return first


def _order(images: np.ndarray, labels: np.ndarray) -> list[str]:
    """Whether images that look alike are of one class more often than by chance."""
    rows = sample_rows(len(images))
    if len(rows) < FEWEST:
        return []
    small = np.concatenate(
        [_reduce(images[rows[i : i + STRIP]]) for i in range(0, len(rows), STRIP)]
    )
    found = agreement(nearest(small), labels[rows])
    if found.above:
        return []
    return [
        f"of {len(rows):,} images the one that looks most alike is of the same class in {found}: "
        "if the classes can be seen in pixels at all, the labels are in another order than the "
        "images"
    ]


def _reduce(images: np.ndarray) -> np.ndarray:
    """Grey images, averaged to `SIDE` pixels a side where they are larger, as (n, d) float32."""
    grey = images.mean(axis=-1, dtype=np.float32)
    for axis in (1, 2):
        if (size := grey.shape[axis]) > SIDE:
            starts = np.arange(SIDE) * size // SIDE
            sizes = np.diff([*starts, size]).astype(np.float32)
            grey = np.add.reduceat(grey, starts, axis=axis)
            grey /= sizes.reshape(-1, 1) if axis == 1 else sizes
    return grey.reshape(len(grey), -1)


def sample_rows(n: int) -> np.ndarray:
    """Rows (m,) of a sample, ascending; the same for the same n."""
    if n <= SAMPLE:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, SAMPLE, replace=False))


def nearest(rows: np.ndarray) -> np.ndarray:
    """The nearest other row of each of a sample.

    Parameters
    ----------
    rows : (m, d) float32 array
        Finite, at least two.

    Returns
    -------
    (m,) int array
    """
    centred = rows - rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred /= max(float(np.abs(centred).max()), np.finfo(np.float32).tiny)  # squares may overflow
    squares = np.einsum("ij,ij->i", centred, centred)
    distances = squares[:, None] + squares - 2 * (centred @ centred.T)
    np.fill_diagonal(distances, np.inf)
    return distances.argmin(axis=1)


class Agreement(NamedTuple):
    """How often the nearest image is of the same class.

    Attributes
    ----------
    share, chance : float
        Of the images, and what labels in any order would have.
    above : bool
        Whether the share is clearly above chance.
    """

    share: float
    chance: float
    above: bool

    def __str__(self) -> str:
        """Both in percent, for a sentence."""
        return f"{100 * self.share:.1f} %, {100 * self.chance:.1f} % by chance"


def agreement(neighbors: np.ndarray, labels: np.ndarray) -> Agreement:
    """Compare the classes of rows and of their nearest neighbours.

    Parameters
    ----------
    neighbors : (m,) int array
        As of `nearest`.
    labels : (m,) int array
    """
    n = len(labels)
    counts = np.unique(labels, return_counts=True)[1]
    share = float((labels[neighbors] == labels).mean())
    chance = float((counts * (counts - 1)).sum() / (n * (n - 1)))
    return Agreement(share, chance, share > chance + SIGMAS * sqrt(chance * (1 - chance) / n))


def _some(names: Sequence[str], rows: np.ndarray) -> str:
    return examples([printable(names[row]) for row in rows])


def _pairs(names: Sequence[str], rows: np.ndarray, twins: np.ndarray) -> str:
    pairs = zip(rows, twins, strict=True)
    return examples([f"{printable(names[row])} = {printable(names[twin])}" for row, twin in pairs])
