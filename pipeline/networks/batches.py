"""The data of fine-tuning: a stratified validation part, and batches in an order by seed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pipeline.errors import InputError


def validation_split(
    labels: np.ndarray, split: np.ndarray, n_classes: int, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Stratified hold-out: split the training rows into some to train on and some to validate on.

    Parameters
    ----------
    labels, split : (n,) int, (n,) "train" or "test"
    n_classes : int
    share : float
        Share of each class that is held out; one image at least.
    seed : int

    Returns
    -------
    training, validation : sorted int64 arrays
        Row numbers; no row of the test split is in either.

    Raises
    ------
    InputError
        Fewer than two classes, or a class with fewer than two training images.
    """
    rng = np.random.default_rng([seed, 0])
    training = np.flatnonzero(split == "train")
    if n_classes < 2:
        raise InputError("the data set has one class only: fine-tuning needs two or more classes")
    counts = np.bincount(labels[training], minlength=n_classes)
    if len(counts) > n_classes:
        raise InputError(f"label {len(counts) - 1} is above the last of {n_classes} classes")
    if counts.min() < 2:
        raise InputError(
            f"class {counts.argmin()} has {counts.min()} training image(s), and needs one to train "
            "on and one to validate on: add images or leave the class out"
        )
    held_out = []
    for label in range(n_classes):
        rows = rng.permutation(training[labels[training] == label])
        held_out.append(rows[: max(1, math.floor(share * len(rows)))])
    validation = np.sort(np.concatenate(held_out))
    return np.setdiff1d(training, validation), validation


def _flip(batch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    mirrored = rng.random(len(batch)) < 0.5
    return np.where(mirrored[:, None, None, None], batch[:, :, ::-1], batch)


def _shift(batch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shift each image by up to an eighth of its side; the border is repeated."""
    n, h, w, _ = batch.shape
    rows = np.arange(h) + rng.integers(-(h // 8), h // 8 + 1, size=(n, 1))
    columns = np.arange(w) + rng.integers(-(w // 8), w // 8 + 1, size=(n, 1))
    rows, columns = rows.clip(0, h - 1), columns.clip(0, w - 1)
    return batch[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]


AUGMENT = {"flip": _flip, "shift": _shift}


def batches(
    inputs: np.ndarray,
    labels: np.ndarray,
    rows: np.ndarray,
    *,
    batch_size: int,
    seed: int,
    augment: tuple[str, ...] = (),
) -> Any:
    """Shuffled batches of all rows, in an order that depends on the seed and the epoch only.

    Parameters
    ----------
    inputs, labels : (n, ...) array, (n,) int array
        Indexed batch by batch, so a memory-mapped array stays on disk.
    rows : (m,) int array
        The rows to use.
    batch_size : int
        Rows per batch, at most. All batches differ by one row at most: BatchNorm cannot learn from
        a rest of one or two images.
    seed : int
    augment : tuple of keys of `AUGMENT`
        Random changes of (n, h, w, c) images.

    Returns
    -------
    keras.utils.PyDataset
        With `begin(epoch)`, to call before each epoch, and `sizes`, the rows of each batch.
    """
    import keras

    class Batches(keras.utils.PyDataset):
        sizes = tuple(len(part) for part in np.array_split(rows, math.ceil(len(rows) / batch_size)))

        def begin(self, epoch: int) -> None:
            self.epoch = epoch
            order = np.random.default_rng([seed, epoch]).permutation(rows)
            self.parts = np.array_split(order, len(self.sizes))

        def __len__(self) -> int:
            return len(self.sizes)

        def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
            chosen = self.parts[index]
            batch = inputs[chosen]
            rng = np.random.default_rng([seed, self.epoch, index])
            for name in augment:
                batch = AUGMENT[name](batch, rng)
            return batch, labels[chosen]

    return Batches()
