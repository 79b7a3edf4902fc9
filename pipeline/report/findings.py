"""Findings: what the steps of a study found of one backbone, as the page takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.measures.claims import Verdict, judge
from pipeline.measures.evidence import Evidence, OtherLayouts
from pipeline.measures.intervals import Estimate, share
from pipeline.measures.own_claims import OwnClaim, judge_own
from pipeline.methods.registry import METHODS
from pipeline.report.controls import Controls

if TYPE_CHECKING:
    import pandas as pd

STAGES = ("before", "after")


@dataclass(frozen=True)
class Backbone:
    """What the steps found of one backbone.

    Attributes
    ----------
    name : str
    context : mapping
        Of its layouts after fine-tuning: dataset, weights, image_size, accuracy, warnings ...
    before, after : mapping
        What `measure_layouts` returned.
    change : mapping
        What `pipeline.store.describe_change` returned.
    images : DataFrame
        The table of `pipeline.store.save_change`; without labels it has no column label.
    neighbors : mapping of stage to (n, >= 6) int array
        Of the exact graphs.
    history : DataFrame, optional
        Epochs of fine-tuning; None for features that other programs computed.
    preview, classes : bytes
        PNG of the figure and of its second page.
    layouts : mapping of stage to mapping
        Contexts of the layouts, by method, with what their method says of itself as "info".
    panels : mapping of stage to mapping
        PNG of each layout alone, by method.
    training : mapping of phase to mapping
        As of `FinetuneResult`: images, batch_size, epochs, steps.
    pixels : (n, h, w, c) uint8 array, optional
        The images, for thumbnails; without them there are none.
    depth : mapping, optional
        What `measure_depth` returned.
    controls : Controls
        Fine-tunings by other seeds, and random weights.
    own_claims : sequence of OwnClaim
        Of the configuration.
    """

    name: str
    context: Mapping[str, Any]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    change: Mapping[str, Any]
    images: pd.DataFrame
    neighbors: Mapping[str, np.ndarray]
    history: pd.DataFrame | None
    preview: bytes
    classes: bytes | None = None
    layouts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    panels: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    training: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    pixels: np.ndarray | None = None
    depth: Mapping[str, Any] | None = None
    controls: Controls = field(default_factory=Controls)
    own_claims: Sequence[OwnClaim] = ()

    @property
    def evidence(self) -> Evidence:
        """All measures, for claims and comparisons."""
        return Evidence(
            self.before["measures"],
            self.after["measures"],
            self.change["measures"],
            self.controls.others,
            (self.depth or {}).get("measures", ()),
            self._other_layouts,
        )

    @property
    def _other_layouts(self) -> list[OtherLayouts]:
        before, after = (measured.get("layout_seeds", {}) for measured in self.measured.values())
        return [
            OtherLayouts(before.get(seed, ()), after.get(seed, ()))
            for seed in dict.fromkeys([*before, *after])
        ]

    @property
    def verdicts(self) -> list[Verdict]:
        """On the claims of the code, which are about classes, and on those of the configuration."""
        claims = judge(self.evidence) if self.labelled else []
        return [*claims, *(judge_own(claim, self.evidence) for claim in self.own_claims)]

    @property
    def labelled(self) -> bool:
        """Whether the classes of the images are known."""
        return "label" in self.images

    @property
    def given(self) -> bool:
        """Whether another program computed the features: no image was seen here."""
        return self.history is None and "image_shape" not in self.context

    @property
    def random(self) -> bool:
        """Whether the weights before fine-tuning are random, so that nothing was pre-trained."""
        return "random" in str(self.context.get("weights", ""))

    @property
    def cosine(self) -> bool:
        """Whether distances of features are those of the cosine."""
        return self.context.get("metric") == "cosine"

    @property
    def measured(self) -> dict[str, Mapping[str, Any]]:
        """What was measured at each stage."""
        return {"before": self.before, "after": self.after}

    @property
    def tested(self) -> Estimate | None:
        """The accuracy of the fine-tuned network on test images, from its predictions."""
        test = self.images["split"] == "test"
        if "prediction" not in self.images or not test.any():
            return None
        right = self.images["prediction"].astype(str) == self.images["label"].astype(str)
        return share(int(right[test].sum()), int(test.sum()))


def title_of(space: str) -> str:
    """The name of a space for people: that of a layout is its method's title."""
    return METHODS[space].title if space in METHODS else space


def lookup(
    rows: Sequence[Mapping[str, Any]], space: str, measure: str, split: str
) -> Mapping[str, Any] | None:
    """The row of a measure of one split, None where it is undefined or was not measured."""
    key = space, measure, split
    return next(
        (
            row
            for row in rows
            if (row["space"], row["measure"], row["split"]) == key and row["value"] is not None
        ),
        None,
    )
