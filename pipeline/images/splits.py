"""Training and test part: by the names that a source gives its parts, or drawn."""

from collections.abc import Iterable, Mapping

import numpy as np

from pipeline.images.subset import shuffled_ranks

PARTS: Mapping[str, str] = {  # what they are called -> what they are; training images come first
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
TEST_SHARE = 0.2  # of each class, where the source has no test part; the usual fifth


def part_of(name: str) -> str | None:
    """Return which part, train, val or test, a name stands for; None if it stands for none."""
    return PARTS.get(name.lower())


def sort_by_part(names: Iterable[str]) -> list[str]:
    """Return names of parts in the order of `PARTS`, whatever their case."""
    order = list(PARTS)
    return sorted(names, key=lambda name: (order.index(name.lower()), name))


def assign_splits(parts: Iterable[str]) -> tuple[dict[str, str] | None, tuple[str, ...]]:
    """Decide which parts of a source train and which test.

    Validation images test where there is no test part. Where there is one they train: the
    fine-tuning draws its own validation images from the training part.

    Parameters
    ----------
    parts : iterable of "train", "val" and "test"
        "train" is among them.

    Returns
    -------
    splits : dict, part -> "train" or "test", or None
        None where there are training images alone: a test part is to be drawn.
    warnings : tuple of str
    """
    found = set(parts)
    if found == {"train"}:
        return None, ()
    if found == {"train", "val", "test"}:
        sentence = "the validation images (val) count as training images"
        return {"train": "train", "val": "train", "test": "test"}, (sentence,)
    if found == {"train", "val"}:
        sentence = "there is no test part, so the validation images (val) are used as test images"
        return {"train": "train", "val": "test"}, (sentence,)
    return {"train": "train", "test": "test"}, ()


def draw_split(labels: np.ndarray, seed: int) -> np.ndarray:
    """Return a split (n,) with about a fifth, at least one, of each class to test."""
    order, rank, count = shuffled_ranks(labels, seed)
    split = np.full(len(labels), "train")
    split[order[rank < np.maximum(1, np.rint(TEST_SHARE * count))]] = "test"
    return split
