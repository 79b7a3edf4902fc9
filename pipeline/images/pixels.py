"""Sizes of images: which they get, and whether they fit into memory."""

from collections import defaultdict
from collections.abc import Collection, Sequence

import numpy as np
from PIL import Image

from pipeline.errors import InputError
from pipeline.images.names import counted, examples, printable
from pipeline.runtime.memory import available_memory

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
