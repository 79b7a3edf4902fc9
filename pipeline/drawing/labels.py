"""Text in pixels: one font, lines that fit a width, and positions where labels do not overlap."""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

Box = tuple[float, float, float, float]  # left, top, right, bottom
Point = tuple[float, float]
Panel = TypeVar("Panel", bound=Hashable)


class Anchor(NamedTuple):
    """Where a class is to be named, in sides of the panel from its upper left corner."""

    position: Point  # rightwards, downwards
    spread: Point  # per axis, four fifths of the class are this near


@lru_cache
def font(size: int, *, bold: bool = False) -> FreeTypeFont:
    """DejaVu Sans, which Matplotlib brings along, at `size` pixels."""
    from PIL import ImageFont

    return ImageFont.truetype(_font_file(bold=bold), size)


def printable(text: str) -> str:
    """A text on one line, composed (NFC), with U+FFFD for characters without a glyph in the font.

    Line breaks and other white space become single spaces. Matplotlib would warn of a missing
    glyph, Pillow draw an empty box, and neither can lay out a line break.
    """
    return "".join(
        c if ord(c) in _characters() else "\N{REPLACEMENT CHARACTER}" for c in _one_line(text)
    )


def has_glyphs(text: str) -> bool:
    """Whether the font can write all of a text, and there is something to write."""
    line = _one_line(text)
    return bool(line) and all(ord(c) in _characters() for c in line)


def _one_line(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


@lru_cache
def _characters() -> set[int]:
    from matplotlib.font_manager import get_font

    regular, bold = (get_font(_font_file(bold=bold)).get_charmap() for bold in (False, True))
    return {c for c in {*regular} & {*bold} if unicodedata.category(chr(c))[0] != "C"}


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


def label_extent(texts: Sequence[str], *, size: int) -> Point:
    """Width and height in pixels that hold the widest of the bold texts, and a margin."""
    width = max(font(size, bold=True).getlength(text) for text in texts)
    return width + 0.4 * size, 1.3 * size


def place_labels(
    anchors: Mapping[Panel, Mapping[int, Anchor]],
    extent: Point,
    *,
    order: Sequence[int],
    reach: float,
    reserved: Mapping[Panel, Sequence[Box]],
) -> dict[Panel, dict[int, Point]]:
    """Positions of labels of one extent, for the same classes in every panel.

    Classes are placed one after the other, each at the free position nearest to its anchor; a
    class that finds none in one panel is named in no panel. Then the positions of a panel are
    handed out again so that the labels are as near to their anchors as they can be: the lines of
    such an assignment do not cross.

    Parameters
    ----------
    anchors : mapping of panel to mapping of class to Anchor
        A panel lacks the classes that have no points there.
    extent : (float, float)
        Width and height of a label, in sides of the panel.
    order : sequence of int
        Classes, the most important first.
    reach : float
        How far from its anchor a label may lie, in sides of the panel.
    reserved : mapping of panel to sequence of (left, top, right, bottom)
        Where no label may lie, in sides of the panel.

    Returns
    -------
    dict of panel to dict of class to (float, float)
        Centres of the labels, in sides of the panel from its upper left corner.
    """
    # A label would hide most of a class that is smaller: it has to stand beside all of those.
    margin = extent[1] / 3
    taken = {
        panel: [
            *reserved.get(panel, ()),
            *(
                box_around(
                    each.position, (2 * each.spread[0] + margin, 2 * each.spread[1] + margin)
                )
                for each in own.values()
                if 2 * each.spread[0] < extent[0] and 2 * each.spread[1] < extent[1]
            ),
        ]
        for panel, own in anchors.items()
    }
    placed: dict[Panel, dict[int, Point]] = {panel: {} for panel in anchors}
    for label in order:
        found = {
            panel: find_free_position(
                own[label].position, extent, taken=taken[panel], canvas=1.0, reach=reach
            )
            for panel, own in anchors.items()
            if label in own
        }
        if all(found.values()):
            for panel, centre in found.items():
                assert centre is not None
                placed[panel][label] = centre
                taken[panel].append(box_around(centre, extent))
    return {panel: _uncross(own, anchors[panel]) for panel, own in placed.items()}


def find_free_position(
    anchor: Point, extent: Point, *, taken: Sequence[Box], canvas: float, reach: float
) -> Point | None:
    """Centre nearest to `anchor` where a label overlaps no other, or None.

    Parameters
    ----------
    anchor : (float, float)
        Wanted centre of the label.
    extent : (float, float)
        Width and height of the label.
    taken : sequence of (left, top, right, bottom)
        Boxes of the labels already there.
    canvas : float
        Side of the square image that the label must stay inside.
    reach : float
        How far from `anchor` to look.

    Returns
    -------
    (float, float) or None
        The anchor itself (moved inside the canvas) where that is free.
    """
    half = np.array(extent) / 2
    least = half + canvas / 100  # off the edge
    step = extent[1] / 2
    steps = np.arange(-int(reach / step), int(reach / step) + 1) * step
    offsets = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    nearest = np.argsort((offsets**2).sum(axis=1), kind="stable")
    centres = np.clip(anchor + offsets[nearest], least, np.maximum(canvas - least, least))
    boxes = np.array(taken, dtype=np.float64).reshape(-1, 4)
    # A hair is granted: labels that touch do not overlap, whatever the rounding of their edges.
    lows, highs = centres - half * (1 - 1e-9), centres + half * (1 - 1e-9)
    overlaps = np.logical_and(lows[:, None] < boxes[:, 2:], boxes[:, :2] < highs[:, None])
    free = np.flatnonzero(~np.any(np.all(overlaps, axis=2), axis=1))
    if not free.size:
        return None
    x, y = centres[free[0]]
    return float(x), float(y)


def box_around(centre: Point, extent: Point) -> Box:
    """Box of a label of the given width and height."""
    (x, y), (w, h) = centre, extent
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


def _uncross(placed: Mapping[int, Point], anchors: Mapping[int, Anchor]) -> dict[int, Point]:
    """Assign positions to classes with the least sum of distances, in which no two lines cross.

    Two crossing lines are the diagonals of a quadrilateral, of which two opposite sides are
    shorter together: exchanging their ends would shorten the sum.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    if not placed:
        return {}
    classes, centres = list(placed), list(placed.values())
    _, chosen = linear_sum_assignment(cdist([anchors[c].position for c in classes], centres))
    return {label: centres[i] for label, i in zip(classes, chosen, strict=True)}
