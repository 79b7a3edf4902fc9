"""One layout as an image: datashader over all points, a colour and a label for each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.drawing.labels import Box, box_around, find_free_position, font
from pipeline.drawing.palette import RGB, class_colors
from pipeline.errors import InputError

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

Limits = tuple[tuple[float, float], tuple[float, float]]  # (left, right), (bottom, top)

SUPERSAMPLING = 2  # drawn at twice the size, then averaged: round points at any zoom
COVER = 0.3  # share of the panel the points would cover if none overlapped: sets their radius
PALEST = 0.55  # opacity of a single point, so that a lone one is still seen
DARKEST = 0.75  # brightness of the densest pixels, so that a full cluster still shows its core
TAILS = (0.01, 0.025)  # shares of the points, on each side of an axis, that limits may leave out
SQUASHED = 2.0  # limits leave a tail out where that makes the rest this many times larger


@dataclass(frozen=True)
class Panel:
    """One drawn layout.

    Attributes
    ----------
    image : PIL.Image.Image
        Square, RGB.
    points_drawn, points_outside : int
        Points inside and outside the limits; together, all of them.
    limits : ((float, float), (float, float))
        What the edges stand for, in layout units: x, then y; equally long.
    unnamed : tuple of str
        Classes that have points but no free position for their name.
    """

    image: Image.Image
    points_drawn: int
    points_outside: int
    limits: Limits
    unnamed: tuple[str, ...]


class Mode(NamedTuple):
    """Mode of a class's density, in sides of the panel from its upper left corner."""

    position: tuple[float, float]  # rightwards, downwards
    spread: tuple[float, float]  # per axis, four fifths of the class are this near


def draw_panel(
    xy: np.ndarray,
    labels: np.ndarray,
    *,
    class_names: Sequence[str],
    colors: Sequence[RGB] | None = None,
    size: int = 2000,
    text_size: int | None = None,
) -> Panel:
    """Draw every point of a layout, and the name of each class at its mode.

    Parameters
    ----------
    xy : array of float, (n, 2)
        The layout; finite.
    labels : array of int, (n,)
        Class of each point, an index into `class_names`.
    class_names : sequence of str
        Names written into the panel.
    colors : sequence of (int, int, int), optional
        8-bit RGB of each class; `class_colors` by default.
    size : int
        Side of the image, pixels.
    text_size : int, optional
        Height of the class names, pixels; a thirtieth of the side by default.

    Returns
    -------
    Panel

    Raises
    ------
    InputError
        No point, NaN or infinity, shapes that disagree, or a label without a name.
    """
    from PIL import Image

    xy, labels = _checked(xy, labels, n_classes=len(class_names))
    palette = np.array(class_colors(len(class_names)) if colors is None else colors, dtype=np.uint8)
    limits = panel_limits(xy)
    inside = _within(xy, limits)

    fine = size * SUPERSAMPLING
    top, counts = rasterise(
        xy, labels, limits=limits, size=fine, radius=point_radius(len(xy), size=fine)
    )
    image = Image.fromarray(shade(top, counts, colors=palette)).reduce(SUPERSAMPLING)

    outside = int(len(xy) - inside.sum())
    unnamed = _write_names(
        image,
        class_modes(xy[inside], labels[inside], limits=limits, n_classes=len(class_names)),
        class_names=class_names,
        colors=palette,
        text_size=text_size or size // 30,
        remark=f"{outside:,} point{'s' * (outside != 1)} outside" if outside else "",
    )
    return Panel(image, len(xy) - outside, outside, limits, unnamed)


def panel_limits(xy: np.ndarray) -> Limits:
    """Square limits around the data, one scale for both axes.

    Everything is shown, unless a few far points would squash the rest: where the range of an axis
    more than halves without its outermost 1 % on each side, limits end a tenth of the smaller range
    beyond it; and so once more at 2.5 %.

    Parameters
    ----------
    xy : array of float, (n, 2)

    Returns
    -------
    ((float, float), (float, float))
        Left and right, bottom and top: equally long, with the shown data in the centre.
    """
    low, high = xy.min(axis=0), xy.max(axis=0)
    whole = high - low
    for tail in TAILS:
        inner_low, inner_high = np.quantile(xy, [tail, 1 - tail], axis=0)
        inner = inner_high - inner_low
        if not np.any((whole > SQUASHED * inner) & (inner > 0)):
            break
        low, high = (
            np.maximum(low, inner_low - inner / 10),
            np.minimum(high, inner_high + inner / 10),
        )
        whole = inner
    centre = (low + high) / 2
    # Points on one spot have no extent: any side will do that survives rounding at their magnitude.
    half = max(0.53 * float(np.max(high - low)), 1e-6 * float(np.max(np.abs(centre)))) or 1.0
    (left, bottom), (right, top) = centre - half, centre + half
    return (float(left), float(right)), (float(bottom), float(top))


def point_radius(n_points: int, *, size: int) -> int:
    """Radius in pixels of the disc that stands for a point: large when there are few points."""
    return min(round(size * (COVER / np.pi / n_points) ** 0.5), size // 60)


def rasterise(
    xy: np.ndarray, labels: np.ndarray, *, limits: Limits, size: int, radius: int
) -> tuple[np.ndarray, np.ndarray]:
    """Class on top and number of points in each pixel.

    Points are drawn in random order, so that each class shows in proportion to its share of a
    crowd, its colour unmixed, and no class lies over another as a whole. They are shuffled after
    sorting: the order of the rows does not matter.

    Parameters
    ----------
    xy : array of float64, (n, 2)
    labels : array of int, (n,)
    limits : ((float, float), (float, float))
        Left and right, bottom and top.
    size : int
        Side of the canvas, pixels.
    radius : int
        Each point is a disc of this radius; 0 is one pixel.

    Returns
    -------
    top : array of int32, (size, size)
        Label of the point that shows, -1 where there is none; row 0 is the upper edge.
    counts : array of uint32, (size, size)
        Points (discs) that cover the pixel.
    """
    import datashader
    import pandas as pd

    order = np.lexsort((labels, xy[:, 1], xy[:, 0]))
    draw_order = np.random.default_rng(0).permutation(len(order))  # the last one drawn shows
    label_at = np.empty(len(order), dtype=np.int32)
    label_at[draw_order] = labels[order]

    canvas = datashader.Canvas(size, size, x_range=limits[0], y_range=limits[1])
    points = pd.DataFrame(
        {"x": xy[order, 0], "y": xy[order, 1], "draw_order": draw_order.astype(float)}
    )
    both = datashader.summary(last=datashader.max("draw_order"), count=datashader.count())
    pixels = canvas.points(points, "x", "y", agg=both)
    last, count = (pixels[name].data[::-1] for name in ("last", "count"))  # its row 0 is the bottom

    # datashader's `spread` would do the rest, but compiles for 3 s in every process.
    rows, columns = np.nonzero(count)
    turns = last[rows, columns].astype(np.int64)
    drawn = np.argsort(turns)
    rows, columns, labels = rows[drawn], columns[drawn], label_at[turns[drawn]]
    reach = np.arange(-radius, radius + 1)
    down, right = np.nonzero(np.hypot(reach, reach[:, None]) <= radius + 0.5)
    side = size + 2 * radius  # with a rim for discs that reach over the edge
    covered = ((rows * side + columns)[:, None] + (down * side + right)).ravel()
    top = np.full(side * side, -1, dtype=np.int32)
    top[covered] = np.repeat(labels, len(down))  # of equal indices the last one stays
    counts = np.zeros(side * side, dtype=np.uint32)
    np.add.at(counts, covered, np.repeat(count[rows, columns], len(down)))
    inner = slice(radius, radius + size)
    return top.reshape(side, side)[inner, inner], counts.reshape(side, side)[inner, inner]


def shade(top: np.ndarray, counts: np.ndarray, *, colors: np.ndarray) -> np.ndarray:
    """Colour by class, strength by the logarithm of the number of points.

    The scale ends at the 98th percentile of the occupied pixels: one very dense spot does not make
    the rest pale.

    Parameters
    ----------
    top : array of int, (h, w)
        Label that shows, -1 for none.
    counts : array of int, (h, w)
        Points in the pixel.
    colors : array of uint8, (n_classes, 3)

    Returns
    -------
    array of uint8, (h, w, 3)
        White where there is no point.
    """
    image = np.full((*top.shape, 3), 255, dtype=np.uint8)
    occupied = counts > 0
    n = counts[occupied]
    if not n.size:
        return image
    densest = max(float(np.quantile(n.astype(np.float32), 0.98)), 2.0)
    levels = np.unique(n)  # few: each combination of class and count is shaded once
    strength = np.clip(np.log(levels.astype(np.float32)) / np.log(densest), 0, 1)[:, None]
    opacity = PALEST + (1 - PALEST) * strength
    ink = colors[:, None] * (1 - (1 - DARKEST) * strength**2)  # (n_classes, n_levels, 3)
    shades = np.rint(255 - opacity * (255 - ink)).astype(np.uint8)
    image[occupied] = shades[top[occupied], np.searchsorted(levels, n)]
    return image


def class_modes(
    xy: np.ndarray, labels: np.ndarray, *, limits: Limits, n_classes: int, bins: int = 80
) -> list[Mode | None]:
    """Mode of each class's density.

    The maximum of a smoothed histogram and not the mean, which lies between the parts of a class
    that falls in two, where another class may be.

    Parameters
    ----------
    xy : array of float, (n, 2)
    labels : array of int, (n,)
    limits : ((float, float), (float, float))
    n_classes : int
    bins : int
        Bins a side.

    Returns
    -------
    list of Mode or None
        One a class, None for a class without points.
    """
    from scipy.ndimage import gaussian_filter

    corner = np.array([limits[0][0], limits[1][1]])
    side = limits[0][1] - limits[0][0]
    positions = (xy - corner) * [1, -1] / side  # rightwards and downwards, in sides of the panel
    modes: list[Mode | None] = []
    for label in range(n_classes):
        own = positions[labels == label]
        if len(own) == 0:
            modes.append(None)
            continue
        histogram = np.histogram2d(own[:, 0], own[:, 1], bins=bins, range=((0, 1), (0, 1)))[0]
        # A bandwidth of about two bins, 2 % of the side, joins what the eye sees as one group.
        density = gaussian_filter(histogram, 1.7, mode="constant")
        densest = np.array(np.unravel_index(int(density.argmax()), density.shape))
        x, y = (densest + 0.5) / bins
        spread = np.quantile(np.abs(own - (x, y)), 0.8, axis=0)
        modes.append(Mode((float(x), float(y)), (float(spread[0]), float(spread[1]))))
    return modes


def _checked(
    xy: np.ndarray, labels: np.ndarray, *, n_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    xy, labels = np.asarray(xy, dtype=np.float64), np.asarray(labels)
    if xy.ndim != 2 or xy.shape[1] != 2 or len(xy) == 0:
        raise InputError(
            f"layout has shape {xy.shape}, but a panel needs (n, 2) with at least one point"
        )
    if labels.shape != (len(xy),):
        raise InputError(
            f"labels have shape {labels.shape} for a layout of {len(xy)} points: give one a point"
        )
    bad = np.flatnonzero(~np.isfinite(xy).all(axis=1))
    if len(bad):
        raise InputError(
            f"layout holds NaN or infinity in {len(bad)} of {len(xy)} rows, the first is row "
            f"{bad[0]}: compute this layout again from finite features"
        )
    if labels.min() < 0 or labels.max() >= n_classes:
        raise InputError(
            f"labels run from {labels.min()} to {labels.max()}, but there are {n_classes} class "
            f"names: labels must be 0 to {n_classes - 1}"
        )
    return xy, labels.astype(np.int64)


def _within(xy: np.ndarray, limits: Limits) -> np.ndarray:
    (left, right), (bottom, top) = limits
    x, y = xy.T
    return (x >= left) & (x <= right) & (y >= bottom) & (y <= top)


def _write_names(
    image: Image.Image,
    modes: Sequence[Mode | None],
    *,
    class_names: Sequence[str],
    colors: np.ndarray,
    text_size: int,
    remark: str,
) -> tuple[str, ...]:
    """Write the remark in a corner and each name at its mode; return those without a position."""
    from PIL import ImageDraw

    draw, side = ImageDraw.Draw(image), image.width
    taken: list[Box] = [_write_remark(draw, remark, side=side, size=text_size)] if remark else []
    # Many names only fit when they are small.
    size = max(round(text_size * min(1.0, (20 / len(class_names)) ** 0.5)), 10)
    unnamed = []
    for mode, name, color in zip(modes, class_names, colors, strict=True):
        if mode is None:
            continue
        left, top, right, bottom = draw.textbbox((0, 0), name, font=font(size, bold=True))
        extent = (right - left + 0.4 * size, bottom - top + 0.4 * size)
        at = (mode.position[0] * side, mode.position[1] * side)
        core = (2 * mode.spread[0] * side, 2 * mode.spread[1] * side)
        if core[0] < extent[0] and core[1] < extent[1]:  # the name would hide most of its class
            taken.append(box_around(at, (core[0] + size / 2, core[1] + size / 2)))
        centre = find_free_position(at, extent, taken=taken, canvas=side, reach=6 * size)
        if centre is None:
            unnamed.append(name)
            continue
        taken.append(box_around(centre, extent))
        _write_haloed(draw, name, centre=centre, mode=at, size=size, color=color)
    return tuple(unnamed)


def _write_remark(draw: ImageDraw.ImageDraw, remark: str, *, side: int, size: int) -> Box:
    """Write into the lower left corner."""
    margin = size // 3
    at, style = (margin, side - margin), font(round(0.85 * size))
    draw.text(
        at,
        remark,
        font=style,
        anchor="ld",
        fill="#444444",
        stroke_width=max(size // 9, 1),
        stroke_fill="white",
    )
    return draw.textbbox(at, remark, font=style, anchor="ld")


def _write_haloed(
    draw: ImageDraw.ImageDraw,
    name: str,
    *,
    centre: tuple[float, float],
    mode: tuple[float, float],
    size: int,
    color: np.ndarray,
) -> None:
    """Write a name in its class's colour, dark on a white halo, with a line to where it belongs."""
    red, green, blue = (int(c) // 2 for c in color)
    if max(abs(centre[0] - mode[0]), abs(centre[1] - mode[1])) > 1.5 * size:
        draw.line([centre, mode], fill=(red, green, blue), width=max(size // 14, 1))
    draw.text(
        centre,
        name,
        font=font(size, bold=True),
        anchor="mm",
        fill=(red, green, blue),
        stroke_width=max(size // 8, 2),
        stroke_fill="white",
    )
