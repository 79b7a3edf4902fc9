"""The recipe of a fine-tuning: its hyper-parameters and their measured defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from pipeline.errors import InputError
from pipeline.networks.batches import AUGMENT
from pipeline.networks.precision import PRECISIONS


@dataclass(frozen=True)
class Recipe:
    """Hyper-parameters of one fine-tuning.

    Attributes
    ----------
    head_epochs, head_learning_rate : int, float
        Phase 1: the head alone, on features extracted once. 0 epochs leave the phase out.
    head_images : int
        Training images used by phase 1 at most: it needs a start, not a result.
    epochs, learning_rate : int, float or None
        Phase 2: the whole network with Adam, the rate falling to zero along a cosine. None is 1e-3
        for a network with BatchNorm (measured) and 1e-4 for one without (customary for VGG).
    batch_size : int
        Images per step.
    validation : float
        Share of each class's training images that is kept for early stopping.
    patience : int
        Epochs without a lower validation loss after which a phase ends.
    batchnorm : "adapt" or "frozen"
        "adapt" trains BatchNorm and measures its averages again; "frozen" keeps those of the
        pre-training, which suits only images much like them.
    batchnorm_images : int
        Training images used to measure the averages.
    augment : tuple of "flip", "shift"
        Random mirroring, and random shifts by up to an eighth of the side. None by default: digits
        must not be mirrored.
    precision : "auto", "float32", "bfloat16" or "float16"
        "auto" is bfloat16 on a GPU that has it, float16 with loss scaling on another GPU, float32
        on a CPU. The softmax is float32 and the returned model computes in float32.
    """

    head_epochs: int = 5
    head_learning_rate: float = 1e-3
    head_images: int = 10_000
    epochs: int = 3
    learning_rate: float | None = None
    batch_size: int = 128
    validation: float = 0.1
    patience: int = 2
    batchnorm: str = "adapt"
    batchnorm_images: int = 4096
    augment: tuple[str, ...] = ()
    precision: str = "auto"

    def __post_init__(self) -> None:
        for name in ("head_epochs", "epochs"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        for name in ("head_learning_rate", "learning_rate"):
            value = getattr(self, name)
            _require(value is None or value > 0, name, value, "a number above 0")
        for name in ("head_images", "batch_size", "patience", "batchnorm_images"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        share = self.validation
        _require(0 < share < 1, "validation", share, "a share between 0 and 1")
        known = self.batchnorm in ("adapt", "frozen")
        _require(known, "batchnorm", self.batchnorm, "adapt|frozen")
        unknown = set(self.augment) - set(AUGMENT)
        _require(not unknown, "augment", self.augment, f"any of {', '.join(AUGMENT)}")
        allowed = ("auto", *PRECISIONS)
        _require(self.precision in allowed, "precision", self.precision, "|".join(allowed))


def parse_recipe(options: Mapping[str, Any]) -> Recipe:
    """The recipe of a study's options; what they leave out takes its default.

    Raises
    ------
    InputError
        An unknown key or an impossible value.
    """
    allowed = [field.name for field in fields(Recipe)]
    unknown = sorted(set(options) - set(allowed))
    if unknown:
        raise InputError(f"finetune: unknown {unknown[0]!r}; allowed are {', '.join(allowed)}")
    try:
        return Recipe(**options)
    except TypeError as error:  # such as a text in place of a number
        raise InputError(f"finetune: {error}; allowed types are in config.schema.yaml") from None


def _require(holds: bool, name: str, value: object, allowed: str) -> None:
    if not holds:
        raise InputError(f"{name} {value!r} is not usable in a fine-tuning recipe: use {allowed}")
