"""What an explorer shows of one backbone, whether it goes to a page or to a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pipeline.errors import InputError
from pipeline.methods.registry import METHODS

if TYPE_CHECKING:
    import pandas as pd


class Placed(NamedTuple):
    """A layout.

    Attributes
    ----------
    rows : (m,) int array
        Rows of the images that were laid out.
    xy : (m, 2) float array
    start : str
        What to say of where it was started from; empty for the method's own start.
    """

    rows: np.ndarray
    xy: np.ndarray
    start: str = ""


class Score(NamedTuple):
    """A number of each image.

    Attributes
    ----------
    name, title : str
        For programs, and for people.
    values : (n,) float array
    low, steps : float, int
        Values are `low` plus multiples of 1 / `steps`.
    """

    name: str
    title: str
    values: np.ndarray
    low: float
    steps: int


@dataclass(frozen=True)
class Explored:
    """What the steps of a study found of one backbone, image by image.

    Attributes
    ----------
    study, name : str
        Of the study and the backbone.
    context : mapping
        Of its layouts after fine-tuning: dataset, weights ...
    images : DataFrame
        The table of `pipeline.store.save_change`; without labels it has no column label.
    k : int
        Neighbours that counted in the change.
    neighbors : mapping of stage to (n, k) int array
        Rows, the nearest first, of the exact graphs.
    distances : mapping of stage to (n, k) float array
    layouts : mapping of stage to mapping of method to Placed
    warnings : sequence of str
        What the methods say of these layouts.
    pixels : (n, h, w, c) uint8 array, optional
        The images.
    """

    study: str
    name: str
    context: Mapping[str, Any]
    images: pd.DataFrame
    k: int
    neighbors: Mapping[str, np.ndarray]
    distances: Mapping[str, np.ndarray]
    layouts: Mapping[str, Mapping[str, Placed]]
    warnings: tuple[str, ...] = ()
    pixels: np.ndarray | None = None

    @property
    def labelled(self) -> bool:
        """Whether the classes of the images are known."""
        return "label" in self.images

    @property
    def class_names(self) -> list[str]:
        """The classes; none without labels."""
        if not self.labelled:
            return []
        return list(map(str, self.images["label"].astype("category").cat.categories))

    @property
    def labels(self) -> np.ndarray:
        """Positions in `class_names`, (n,) int; zeros without labels."""
        return self.codes("label") if self.labelled else np.zeros(len(self.images), np.int64)

    @property
    def methods(self) -> list[str]:
        """Those with a layout at every stage, in the order of the figure."""
        return [name for name in METHODS if all(name in each for each in self.layouts.values())]

    def codes(self, column: str) -> np.ndarray:
        """Positions in `class_names` of a column of names, (n,) int.

        Raises
        ------
        InputError
            A name that is no class.
        """
        position = {name: code for code, name in enumerate(self.class_names)}
        names = self.images[column].astype(str)
        if foreign := set(names) - set(position):
            raise InputError(
                f"{column} of {self.name} holds {min(foreign)!r}, which is no class of its images: "
                "run the study again"
            )
        return names.map(position).to_numpy(np.int64)

    def scores(self) -> Iterator[Score]:
        """Every number that the change step and the head give an image."""
        k, images = self.k, self.images
        yield Score("overlap", "Neighbours kept", images["overlap"].to_numpy(), 0, k)
        if self.labelled:
            before, after = (images[f"own_{stage}"].to_numpy() for stage in ("before", "after"))
            yield Score("own_before", "Own-class share before", before, 0, k)
            yield Score("own_after", "Own-class share after", after, 0, k)
            yield Score("own_gain", "Gain of own-class share", after - before, -1, k)
        if "confidence" in images:
            title = "Confidence of the head"
            yield Score("confidence", title, images["confidence"].to_numpy(), 0, 1000)
