"""Sizes of images: which they get, and where there is room for them."""

import math
import tempfile
from collections import defaultdict
from collections.abc import Collection, Sequence

import numpy as np
from PIL import Image

from pipeline.errors import InputError
from pipeline.images.names import counted, examples, printable
from pipeline.runtime.log import log
from pipeline.runtime.memory import available_memory
from pipeline.runtime.temporary_array import temporary_array

SHARE = 0.85  # of the free memory, what images may take
Size = tuple[int, int]  # height, width


def final_size(sizes: Collection[Size], image_size: int | None) -> Size | None:
    """Return the size in which images are kept; None where they differ and none is wanted.

    Images of different sizes are stretched to a square of `image_size`. Images of one size stay as
    they are, unless both sides are larger than `image_size`: then they are stretched to it too,
    because the network sees no more and would shrink them without antialiasing.

    Parameters
    ----------
    sizes : collection of (height, width)
        One at least.
    image_size : int or None
    """
    if len(set(sizes)) > 1:
        return None if image_size is None else (image_size, image_size)
    size = next(iter(sizes))
    if image_size is None or min(size) <= image_size:
        return size
    return image_size, image_size


def describe_sizes(sizes: Sequence[Size], files: Sequence[str]) -> str:
    """Say how many sizes there are and which files have them, the most frequent first."""
    having = defaultdict(list)
    for size, file in zip(sizes, files, strict=True):
        having[size].append(file)
    (common, members), *others = sorted(having.items(), key=lambda item: -len(item[1]))
    odd = [f"{file} {_product(size)}" for size, files in others for file in files]
    return (
        f"the images have {len(having):,} sizes: {counted(len(members), 'image')} of "
        f"{_product(common)} and {len(odd):,} of another ({examples(odd)})"
    )


def resize(image: Image.Image, size: Size) -> Image.Image:
    """Stretch an image to (height, width); Pillow widens the filter when it shrinks."""
    if image.size == size[::-1]:
        return image
    return image.resize(size[::-1], Image.Resampling.BILINEAR)


def select(images: np.ndarray, rows: np.ndarray, image_size: int | None) -> np.ndarray:
    """Return some rows (m,), ascending, of images (n, h, w, c) uint8 in their final size."""
    chosen = images if len(rows) == len(images) else images[rows]
    size = final_size([images.shape[1:3]], image_size)
    if size is None or size == images.shape[1:3]:
        return chosen
    resized = np.empty((len(chosen), *size, images.shape[-1]), np.uint8)
    for pixels, out in zip(chosen, resized, strict=True):
        image = Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
        out[:] = np.asarray(resize(image, size)).reshape(out.shape)
    return resized


def room_for(shape: tuple[int, ...]) -> np.ndarray:
    """An array (n, h, w, c) uint8 to read images into: in memory, or else in a temporary file.

    Raises
    ------
    InputError
        The disk has no room either.
    """
    needed = math.prod(shape)
    if needed <= SHARE * available_memory():
        return np.empty(shape, np.uint8)
    log.info(
        f"the images take {needed / 1e9:.1f} GB, more than there is of memory: they are read into "
        f"a temporary file in {tempfile.gettempdir()}"
    )
    remedy = "set a smaller image_size or a subset"
    return temporary_array(shape, np.uint8, what="the images", remedy=remedy)


def check_memory(needed: int, place: object, remedy: str) -> None:
    """Refuse images that do not fit into memory.

    Parameters
    ----------
    needed : int
        Bytes.
    place : object
        Their source, for the error.
    remedy : str

    Raises
    ------
    InputError
    """
    free = available_memory()
    if needed > free:
        raise InputError(
            f"{printable(place)}: the images need {needed / 1e9:.1f} GB of memory and "
            f"{free / 1e9:.1f} GB are free: {remedy}"
        )


def _product(size: Size) -> str:
    height, width = size
    return f"{width} x {height}"
