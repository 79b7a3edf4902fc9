"""Pictures of images whose features another program computed: only looked at, never measured."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.images.folder import read_listed
from pipeline.images.listing import Listing
from pipeline.images.names import counted, examples, printable
from pipeline.images.pixels import select
from pipeline.images.tables import Place, read_array

SIDE = 96  # pixels: larger images are kept in this size


def read_pictures(
    place: Place, files: Sequence[str] | None, n: int, warnings: list[str]
) -> np.ndarray:
    """Read pictures, in the order of the images, not larger than needed to look at them.

    Parameters
    ----------
    place : Place
        An array (n, h, w) or (n, h, w, 1 or 3) uint8, or a folder.
    files : sequence of str, optional
        Paths in the folder, an image each. Nothing outside of the folder is read.
    n : int
        How many images there are.
    warnings : list of str
        What was changed in the images is added.

    Returns
    -------
    ndarray, (n, h, w, 1 or 3) uint8

    Raises
    ------
    InputError
    """
    if place.key is None and place.path.is_dir():
        if files is None:
            raise InputError(
                f"{place} is a folder, but nothing says which image is which: give the features, "
                "labels or split as a table with a column file (or id) of paths in that folder"
            )
        _refuse_outside(place.path, files)
        pixels = read_listed(place.path, Listing(files=list(files)), np.arange(n), SIDE, [])
        warnings += pixels.warnings
        return pixels.images
    array = read_array(place)
    if (
        array.dtype != np.uint8
        or array.ndim not in (3, 4)
        or array.shape[3:] not in ((), (1,), (3,))
    ):
        raise InputError(
            f"{place} holds {array.dtype} values of shape {array.shape}: images are uint8 (n, h, "
            "w) or (n, h, w, 1 or 3)"
        )
    if len(array) != n:
        raise InputError(f"{place} has {len(array):,} images but there are {n:,} rows of features")
    if 0 in array.shape:
        raise InputError(f"{place} has images of shape {array.shape[1:]}: there is no pixel")
    whole = array if array.ndim == 4 else array[..., None]
    return select(whole, np.arange(n), SIDE)


def _refuse_outside(folder: Path, files: Sequence[str]) -> None:
    """Refuse paths that lead out of a folder, by their spelling; links in it are its owner's."""
    root = os.path.abspath(folder)
    inside = os.path.join(root, "")
    outside = [
        printable(repr(file))
        for file in dict.fromkeys(files)
        if not os.path.abspath(os.path.join(root, file)).startswith(inside)
    ]
    if outside:
        raise InputError(
            f"{printable(folder)}: {counted(len(outside), 'name')} of no file in this folder "
            f"({examples(outside)}): name each image by its path below the folder"
        )
