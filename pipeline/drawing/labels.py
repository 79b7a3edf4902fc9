"""Text in pixels: one font, lines that fit a width, and positions where labels do not overlap."""

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
    from PIL import ImageFont

    return ImageFont.truetype(_font_file(bold=bold), size)


def printable(text: str) -> str:
    """Replace characters without a glyph in the font, line breaks among them, by U+FFFD.

    Matplotlib would warn of a missing glyph and Pillow draw an empty box.
    """
    return "".join(c if ord(c) in _characters() else "\N{REPLACEMENT CHARACTER}" for c in text)


@lru_cache
def _characters() -> set[int]:
    from matplotlib.font_manager import get_font

    regular, bold = (get_font(_font_file(bold=bold)).get_charmap() for bold in (False, True))
    return {*regular} & {*bold}


def _font_file(*, bold: bool) -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path(), "fonts", "ttf", f"DejaVuSans{'-Bold' * bold}.ttf")


def fill_lines(lengths: Sequence[float], *, width: float, gap: float) -> list[list[int]]:
    """Indices of the items of each line: as many as fit `width`, with `gap` between them.

    An item longer than a line stands alone in one.
    """
    lines: list[list[int]] = []
    used = 0.0
    for i, length in enumerate(lengths):
        if lines and used + gap + length <= width:
            lines[-1].append(i)
            used += gap + length
        else:
            lines.append([i])
            used = length
    return lines


def wrap(text: str, *, size: int, width: float) -> list[str]:
    """Break a text between its words into lines of at most `width` pixels."""
    words, measure = text.split(), font(size).getlength
    lines = fill_lines([measure(word) for word in words], width=width, gap=measure(" "))
    return [" ".join(words[i] for i in line) for line in lines]


def find_free_position(
    anchor: tuple[float, float],
    extent: tuple[float, float],
    *,
    taken: Sequence[Box],
    canvas: float,
    reach: float,
) -> tuple[float, float] | None:
    """Centre nearest to `anchor` where a label overlaps no other, or None.

    Parameters
    ----------
    anchor : (float, float)
        Wanted centre of the label, pixels.
    extent : (float, float)
        Width and height of the label, pixels.
    taken : sequence of (left, top, right, bottom)
        Boxes of the labels already there.
    canvas : float
        Side of the square image that the label must stay inside.
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
    """Box of a label of the given width and height."""
    (x, y), (w, h) = centre, extent
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


def _inside(centre: float, length: float, canvas: float) -> float:
    """Move a label of `length` off the edge, with a hundredth of the canvas between them."""
    least = length / 2 + canvas / 100
    return min(max(centre, least), max(canvas - least, least))


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
