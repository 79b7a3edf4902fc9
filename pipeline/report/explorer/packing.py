"""Arrays as text of a page, as few bytes an entry as they need."""

from __future__ import annotations

import base64
from typing import NamedTuple

import numpy as np

ABSENT = 2**16 - 1  # the coordinate of a point that was not laid out
NOBODY = 2**24 - 1  # the row of a neighbour that is not on the page
FINEST = ABSENT - 1


class Packed(NamedTuple):
    """An array of a page.

    Attributes
    ----------
    kind : {"uint8", "uint16", "uint24"}
        Of its little-endian entries.
    text : str
        Them in base64.
    """

    kind: str
    text: str


def pack(values: np.ndarray) -> Packed:
    """Pack integers of 0 to 2**24 - 1, in rows, into the narrowest kind that holds them."""
    largest = int(values.max(initial=0))
    if largest < 2**16:
        kind = "uint8" if largest < 2**8 else "uint16"
        return Packed(kind, _base64(values.astype(np.dtype(kind).newbyteorder("<"))))
    wide = np.ascontiguousarray(values, "<u4")
    return Packed("uint24", _base64(wide.view(np.uint8).reshape(*values.shape, 4)[..., :3]))


def quantize(xy: np.ndarray, limits: tuple[tuple[float, float], tuple[float, float]]) -> np.ndarray:
    """Coordinates as steps of the square between limits, (m, 2) int; those outside on its edge."""
    (left, right), (bottom, _) = limits
    shares = (xy - [left, bottom]) / (right - left)
    return np.rint(shares.clip(0, 1) * FINEST).astype(np.int64)


def encode(content: bytes) -> str:
    """Bytes as base64."""
    return base64.b64encode(content).decode()


def _base64(values: np.ndarray) -> str:
    return encode(values.tobytes())
