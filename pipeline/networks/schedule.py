"""The schedule of a training: batches, epochs and patience that suit the number of images."""

from __future__ import annotations

import math
from typing import NamedTuple

from pipeline.networks.recipe import Auto, Recipe

# Few images in large batches are few steps, whatever the epochs: 217 images in batches of 128 are
# two steps an epoch. Tried on 200 of scikit-learn's digits (MobileNetV2, 64 pixels): test accuracy
# 0.961 for either of two seeds, 0.811 and 0.739 by a linear probe of the untouched features.
SMALLEST_BATCH, LARGEST_BATCH = 16, 128
BATCHES = 32  # an epoch, at least, while batches are above the smallest
STEPS = 400  # of the whole network, at least
HEAD_STEPS = 1000  # of the head alone, which is a logistic regression: cheap, and then converged
EPOCHS = 3  # of the whole network, at least: what many images take
HEAD_EPOCHS = 5


class Schedule(NamedTuple):
    """Of one phase.

    Attributes
    ----------
    batch_size : int
        Images of a batch, at most.
    batches : int
        Steps of an epoch, which takes every image once.
    epochs : int
        At most.
    patience : int
        Epochs without a lower validation loss after which the phase ends. By default all: the
        rate of learning falls to zero along a cosine, and a loss that rises while it is high says
        little of the end. Of 1,000 images of CIFAR-10, of which 100 validate, a patience of a third
        of the epochs ended seed 1 at 51 % of the 10,000 test images instead of 56, seed 0 at 57
        either way (MobileNetV2, 64 pixels).
    """

    batch_size: int
    batches: int
    epochs: int
    patience: int


def head_schedule(recipe: Recipe, n: int) -> Schedule:
    """The schedule of phase 1, the head alone, on n images."""
    return _schedule(recipe, n, recipe.head_epochs, HEAD_STEPS, HEAD_EPOCHS)


def network_schedule(recipe: Recipe, n: int) -> Schedule:
    """The schedule of phase 2, the whole network, on n images."""
    return _schedule(recipe, n, recipe.epochs, STEPS, EPOCHS)


def few_steps(recipe: Recipe, n: int) -> str | None:
    """A sentence where given epochs or batches are too few steps for the whole network to learn.

    Parameters
    ----------
    recipe : Recipe
    n : int
        Images that are learned from.
    """
    chosen = network_schedule(recipe, n)
    steps = chosen.epochs * chosen.batches
    if not 0 < steps < STEPS:  # 0 epochs are the wish to train the head alone
        return None
    return (
        f"finetune: {chosen.epochs:,} epochs of {chosen.batches:,} batches are {steps:,} optimiser "
        "steps, after which a network may stay below a linear probe of its untouched features: "
        f"leave out epochs and batch_size, which then give {STEPS:,} steps or more"
    )


def _schedule(
    recipe: Recipe, n: int, epochs: int | Auto, least_steps: int, least_epochs: int
) -> Schedule:
    size = _or(recipe.batch_size, _batch_size(n))
    batches = math.ceil(n / size)
    most = _or(epochs, max(least_epochs, math.ceil(least_steps / batches)))
    return Schedule(size, batches, most, _or(recipe.patience, max(1, most)))


def _batch_size(n: int) -> int:
    """The power of two that gives `BATCHES` batches or more, within its bounds."""
    size = 2 ** int(math.log2(max(n / BATCHES, 1)))
    return min(max(size, SMALLEST_BATCH), LARGEST_BATCH)


def _or(value: int | Auto, default: int) -> int:
    return default if isinstance(value, str) else value
