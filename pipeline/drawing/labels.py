"""Text on images: one font, a readable halo, and places where words do not collide."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels


@lru_cache
def font(size: int, *, bold: bool = False) -> FreeTypeFont:
    """DejaVu Sans, which Matplotlib brings along, at `size` pixels."""
    import matplotlib
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", name), size)


def wrap(pieces: Sequence[str], *, size: int, width: float, joint: str = " ") -> list[str]:
    """Join `pieces` into as few lines as fit `width` pixels; a piece itself is never cut."""
    lines: list[str] = []
    for piece in pieces:
        longer = f"{lines[-1]}{joint}{piece}" if lines else piece
        if lines and font(size).getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(piece)
    return lines


def find_free_position(
    anchor: tuple[float, float],
    extent: tuple[float, float],
    *,
    taken: Sequence[Box],
    canvas: float,
    reach: float,
) -> tuple[float, float] | None:
    """Centre nearest to `anchor` where a word meets no other, or None.

    Parameters
    ----------
    anchor : (float, float)
        Wanted centre of the word, pixels.
    extent : (float, float)
        Width and height of the word, pixels.
    taken : sequence of (left, top, right, bottom)
        Boxes of the words already there.
    canvas : float
        Side of the square image that the word must stay inside.
    reach : float
        How far from `anchor` to look, pixels.

    Returns
    -------
    (float, float) or None
        The anchor itself (moved inside the canvas) where that is free.
    """
    step = extent[1] / 2
    n_steps = int(reach / step)
    grid = [i * step for i in range(-n_steps, n_steps + 1)]
    offsets = sorted(((dx, dy) for dx in grid for dy in grid), key=lambda d: d[0] ** 2 + d[1] ** 2)
    for dx, dy in offsets:
        x = _inside(anchor[0] + dx, extent[0], canvas)
        y = _inside(anchor[1] + dy, extent[1], canvas)
        if not any(_overlap(box_around((x, y), extent), other) for other in taken):
            return x, y
    return None


def box_around(centre: tuple[float, float], extent: tuple[float, float]) -> Box:
    """Box of a word of the given width and height."""
    (x, y), (w, h) = centre, extent
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


def _inside(centre: float, length: float, canvas: float) -> float:
    """Move a word of `length` off the edge, with a hundredth of the canvas between them."""
    least = length / 2 + canvas / 100
    return min(max(centre, least), max(canvas - least, least))


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
