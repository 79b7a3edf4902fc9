"""The recipe of a fine-tuning: its hyper-parameters and their measured defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from pipeline.runtime.validation import Count, CountOrZero, Positive, StrictModel, validate

Precision = Literal["auto", "float32", "bfloat16", "float16"]


def _check_unique(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) < len(values):
        raise ValueError("a list without repetitions")
    return values


Augmentations = Annotated[
    tuple[Literal["flip", "shift"], ...],
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
    AfterValidator(_check_unique),
    Field(json_schema_extra={"uniqueItems": True}),
]


Auto = Literal["auto"]


class Recipe(StrictModel):
    """The recipe of fine-tuning; a key left out takes its measured default."""

    head_epochs: CountOrZero | Auto = "auto"
    """Phase 1: epochs of the head alone, on features extracted once, at most; auto is 5, and more
    up to 1,000 steps; 0 leaves the phase out."""

    head_learning_rate: Positive = 1e-3
    """Learning rate of Adam for the head alone."""

    head_images: Count = 10_000
    """Training images used by phase 1, at most: it needs a start, not a result."""

    epochs: CountOrZero | Auto = "auto"
    """Phase 2: epochs of the whole network, at most; auto is 3, and more up to 400 steps; 0 leaves
    the phase out."""

    learning_rate: Positive | None = None
    """First learning rate of Adam for the whole network, falling to zero along a cosine; null is
    0.001 for a network with BatchNorm (measured) and 0.0001 for one without (customary for VGG)."""

    batch_size: Count | Auto = "auto"
    """Images per batch, at most; auto is 128, and down to 16 for fewer than 4,096 images."""

    validation: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of each class's training images that is kept for early stopping."""

    patience: Count | Auto = "auto"
    """Epochs without a lower validation loss after which a phase ends; auto is all of them. The
    epoch of lowest validation loss is kept either way."""

    batchnorm: Literal["adapt", "frozen"] = "adapt"
    """adapt trains BatchNorm and recomputes its running statistics; frozen keeps those of the
    pre-training, which suits only images much like them."""

    batchnorm_images: Count = 4096
    """Training images from which the running statistics of BatchNorm are recomputed."""

    augment: Augmentations = ()
    """Random changes of the training images, flip (mirroring) and shift (by up to an eighth of the
    side). None by default: digits must not be mirrored."""

    precision: Precision = "auto"
    """auto is bfloat16 on a GPU that has it, float16 with loss scaling on another GPU, float32 on a
    CPU, but bfloat16 where that multiplies in it and no convolution is depthwise. The softmax is
    float32 and the returned model computes in float32."""


def parse_recipe(options: Mapping[str, Any]) -> Recipe:
    """The recipe of a study's options; what they leave out takes its default.

    Raises
    ------
    InputError
        An unknown key or an impossible value.
    """
    return validate(Recipe, options, source="finetune")
