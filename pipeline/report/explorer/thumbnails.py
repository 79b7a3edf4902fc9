"""Thumbnails: one picture an image, and sheets of many, which a browser decodes when it needs them.

A single picture of 70,000 thumbnails is larger than browsers decode, or graphics hold.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.report.explorer.packing import encode

if TYPE_CHECKING:
    from PIL import Image

SHEET = 2048  # pixels of a sheet's sides, at most
LARGEST = 32  # pixels of a thumbnail's sides, at most
# What is tried in turn: exact pixels, and what is to be said of others.
FORMS = (
    ("png", LARGEST, ""),
    ("webp", LARGEST, "Pictures are compressed with loss"),
    ("webp", LARGEST // 2, "Pictures are small and compressed with loss"),
)


class Sheets(NamedTuple):
    """Thumbnails in the order of the images, row by row on one sheet after another.

    Attributes
    ----------
    mime : str
    width, height : int
        Pixels of a thumbnail.
    columns, rows : int
        Of a full sheet.
    texts : list of str
        The sheets in base64.
    remark : str
        What was lost of the pictures; empty if nothing.
    """

    mime: str
    width: int
    height: int
    columns: int
    rows: int
    texts: list[str]
    remark: str


def thumbnail(image: np.ndarray, largest: int = LARGEST) -> Image.Image:
    """An image (h, w, 1 or 3) uint8, made smaller where it is larger than `largest` pixels."""
    from PIL import Image

    picture = Image.fromarray(image.squeeze(axis=2) if image.shape[2] == 1 else image)
    picture.thumbnail((largest, largest))
    return picture


def thumbnail_sheets(pixels: np.ndarray, rows: np.ndarray, *, room: float) -> Sheets | None:
    """Thumbnails of some images, the best that fit.

    Parameters
    ----------
    pixels : (n, h, w, 1 or 3) uint8 array
    rows : (m,) int array
        Of `pixels`.
    room : float
        Characters that all sheets together may have.

    Returns
    -------
    Sheets or None
        None if even the smallest do not fit.
    """
    for form, largest, remark in FORMS:
        width, height = thumbnail(pixels[rows[0]], largest).size
        columns, lines = SHEET // width, SHEET // height
        texts: list[str] = []
        for start in range(0, len(rows), columns * lines):
            on_it = rows[start : start + columns * lines]
            texts.append(_sheet((thumbnail(pixels[row], largest) for row in on_it), columns, form))
            if sum(map(len, texts)) > room:
                break
        else:
            return Sheets(f"image/{form}", width, height, columns, lines, texts, remark)
    return None


def _sheet(pictures: Iterator[Image.Image], columns: int, form: str) -> str:
    from PIL import Image

    every = list(pictures)
    width, height = every[0].size
    size = min(columns, len(every)) * width, -(-len(every) // columns) * height
    sheet = Image.new(every[0].mode, size)
    for number, picture in enumerate(every):
        line, column = divmod(number, columns)
        sheet.paste(picture, (column * width, line * height))
    file = io.BytesIO()
    sheet.save(file, form)
    return encode(file.getvalue())
