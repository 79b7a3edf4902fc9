"""What every kind of source gives: labels at once, pixels when asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pipeline.errors import InputError
from pipeline.images.names import printable


class Pixels(NamedTuple):
    """Images that were read.

    Attributes
    ----------
    images : ndarray, (m, h, w, c) uint8
    provenance : dict
        Hashes of what was read, and what was left out; fit for JSON.
    warnings : tuple of str
        What was noticed while reading, in sentences.
    """

    images: np.ndarray
    provenance: dict[str, Any]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """An opened source.

    Attributes
    ----------
    labels : ndarray, (n,) int64
        Positions in `class_names`.
    class_names : tuple of str
    split : ndarray, (n,) of "train" and "test", or None
        None where the source has no test part.
    read : callable
        ``read(rows, image_size, problems) -> Pixels`` reads the rows (m,), ascending. It refuses
        what is wrong with them together with the `problems` already found.
    files : sequence of str, optional
        Printable path within the folder of each image.
    problems : tuple of str
        Why the source cannot be used, as far as it is known before any pixel is read.
    warnings : tuple of str
        How the source was understood where that is not plain.
    """

    labels: np.ndarray
    class_names: tuple[str, ...]
    split: np.ndarray | None
    read: Callable[[np.ndarray, int | None, Sequence[str]], Pixels]
    files: Sequence[str] | None = None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def refuse(place: object, problems: Sequence[str]) -> None:
    """Raise one error for all problems of a source, if there are any.

    Raises
    ------
    InputError
    """
    if len(problems) == 1:
        raise InputError(f"{printable(place)}: {problems[0]}")
    if problems:
        listed = "; ".join(f"({i}) {problem}" for i, problem in enumerate(problems, start=1))
        raise InputError(f"{printable(place)} has {len(problems)} problems: {listed}")
