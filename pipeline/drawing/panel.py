"""One layout as an image: a disc for each point, a colour and a label for each class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pipeline.drawing.labels import Anchor, Point, font
from pipeline.drawing.palette import RGB, faded
from pipeline.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

Limits = tuple[tuple[float, float], tuple[float, float]]  # (left, right), (bottom, top)

SUPERSAMPLING = 2  # drawn at twice the size, then averaged: round points at any zoom
COVER = 0.3  # share of the panel the points would cover if none overlapped: sets their radius
FEW = 2000  # up to so many points each is seen alone: full colours, a white rim, no shades
PALEST = 0.55  # opacity of a single point among many, so that a lone one is still seen
SHADES = 64  # of each colour
DARKEST = 0.75  # brightness of the densest pixels, so that a full cluster still shows its core
DENSE = 4.0  # points in a pixel, at least, for the darkest shade
RARE = 0.1  # of the average class's points: a smaller class is drawn last, with larger discs
TAILS = (0.01, 0.025)  # shares of the points, on each side of an axis, that limits may leave out
SQUASHED = 2.0  # limits leave a tail out where that makes the rest this many times larger
PIXELS_AT_ONCE = 2**18
WHITE, INK = (255, 255, 255), (26, 26, 26)
GRAY = (190, 190, 190)  # points of other classes


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
    """

    image: Image.Image
    points_drawn: int
    points_outside: int
    limits: Limits


class Label(NamedTuple):
    """The name of a class in a panel, in sides of the panel from its upper left corner."""

    text: str
    color: RGB
    centre: Point
    anchor: Point  # the class; a line leads there from a label that is not near


def draw_panel(
    xy: np.ndarray,
    labels: np.ndarray,
    *,
    colors: Sequence[RGB],
    names: Iterable[Label] = (),
    size: int = 2000,
    text_size: int | None = None,
    marked: np.ndarray | None = None,
    ringed: bool = False,
) -> Panel:
    """Draw every point of a layout inside its limits, and names of classes.

    Points are drawn in random order, so that each class shows in proportion to its share of a
    crowd, its colour unmixed, and no class lies over another as a whole; but classes that hold less
    than a tenth of the average class's points come last, with discs twice as large and a white
    rim. Up to 2,000 points all discs have a rim; without one, colours deepen with density.

    Parameters
    ----------
    xy : array of float, (n, 2)
        The layout; finite.
    labels : array of int, (n,)
        Class of each point, an index into `colors`.
    colors : sequence of (int, int, int)
        8-bit RGB of each class.
    names : iterable of Label
        Written into the panel.
    size : int
        Side of the image, pixels.
    text_size : int, optional
        Height of the text, pixels; a thirtieth of the side by default.
    marked : array of bool, (n,), optional
        Points that stand out: they are drawn last, all others in faded colours.
    ringed : bool
        The marked points have a dark rim and larger discs.

    Returns
    -------
    Panel

    Raises
    ------
    InputError
        No point, NaN or infinity, shapes that disagree, or a label without a colour.
    """
    from PIL import Image

    xy, labels = check_layout(xy, labels, n_classes=len(colors))
    limits = panel_limits(xy)
    fine = size * SUPERSAMPLING
    pixels = np.full((fine, fine, 3), 255, dtype=np.uint8)
    for points, scale, stands_out in _layers(labels, marked, n_classes=len(colors)):
        ring = ringed and stands_out and marked is not None
        paint(
            pixels,
            xy[points],
            labels[points],
            limits=limits,
            colors=colors if stands_out else [faded(color) for color in colors],
            radius=point_radius(len(xy), size=fine, scale=1.5 * scale if ring else scale),
            rim=INK if ring else WHITE if len(xy) <= FEW or scale > 1 else None,
        )
    image = Image.fromarray(pixels).reduce(SUPERSAMPLING)

    outside = len(xy) - int(within(xy, limits).sum())
    remark = f"{outside:,} point{'s' * (outside != 1)} outside" if outside else ""
    _write_names(image, names, size=text_size or size // 30, remark=remark)
    return Panel(image, len(xy) - outside, outside, limits)


def draw_class_panels(
    xy: np.ndarray, labels: np.ndarray, *, classes: Iterable[int], color: RGB, size: int
) -> Iterator[Image.Image]:
    """Draw a layout once for each class: that class in colour, on top of all others in grey.

    Parameters
    ----------
    xy : array of float, (n, 2)
        The layout; finite.
    labels : array of int, (n,)
    classes : iterable of int
        A class without points gives a panel that is all grey.
    color : (int, int, int)
        Of the class's points.
    size : int
        Side of an image, pixels.
    """
    from PIL import Image

    limits, fine = panel_limits(xy), size * SUPERSAMPLING
    few = len(xy) <= FEW
    gray = np.full((fine, fine, 3), 255, dtype=np.uint8)
    no_class = np.zeros(len(xy), dtype=np.int64)
    radius, rim = point_radius(len(xy), size=fine), WHITE if few else None
    paint(gray, xy, no_class, limits=limits, colors=[GRAY], radius=radius, rim=rim)
    rare = rare_classes(labels, n_classes=int(labels.max()) + 1)
    for label in classes:
        own = labels == label
        pixels = gray.copy()
        if own.any():
            radius = point_radius(len(xy), size=fine, scale=2.0 if rare[label] else 1.0)
            rim = WHITE if few or rare[label] else None
            paint(
                pixels,
                xy[own],
                no_class[own],
                limits=limits,
                colors=[color],
                radius=radius,
                rim=rim,
            )
        yield Image.fromarray(pixels).reduce(SUPERSAMPLING)


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


def within(xy: np.ndarray, limits: Limits) -> np.ndarray:
    """Whether each point lies inside the limits: bool, (n,)."""
    (left, right), (bottom, top) = limits
    x, y = xy.T
    return (x >= left) & (x <= right) & (y >= bottom) & (y <= top)


def point_radius(n_points: int, *, size: int, scale: float = 1.0) -> int:
    """Radius in pixels of the disc that stands for a point: large when there are few points.

    Parameters
    ----------
    n_points : int
        Of the panel.
    size : int
        Side of the panel, pixels.
    scale : float
        Above 1 for points that are to be seen among the others: then at least 2 pixels.
    """
    radius = scale * min(size * (COVER / np.pi / n_points) ** 0.5, size // 60)
    return max(round(radius), 2) if scale > 1 else round(radius)


def paint(
    image: np.ndarray,
    xy: np.ndarray,
    labels: np.ndarray,
    *,
    limits: Limits,
    colors: Sequence[RGB],
    radius: int,
    rim: RGB | None = None,
) -> None:
    """Draw points into an image: flat discs with a rim, or discs without, deeper where dense.

    Parameters
    ----------
    image : array of uint8, (size, size, 3)
        Changed in place.
    xy, labels, limits, radius
        As for `rasterise`.
    colors : sequence of (int, int, int)
        8-bit RGB of each class.
    rim : (int, int, int), optional
        Colour of the rim; None for discs without.
    """
    size = len(image)
    if rim is None:
        top, counts = rasterise(xy, labels, limits=limits, size=size, radius=radius)
        shade(image, top, counts, colors=np.array(colors))
        return
    width = max(radius // 6, 1)
    own = rasterise(
        xy, labels, limits=limits, size=size, radius=radius, rim=width, edge=len(colors)
    )
    occupied = own[1] > 0
    image[occupied] = np.array([*colors, rim], dtype=np.uint8)[own[0][occupied]]


def rasterise(
    xy: np.ndarray,
    labels: np.ndarray,
    *,
    limits: Limits,
    size: int,
    radius: int,
    rim: int = 0,
    edge: int = -1,
) -> tuple[np.ndarray, np.ndarray]:
    """Class on top and number of points in each pixel.

    Points are drawn in random order. They are shuffled after sorting: the order of the rows does
    not matter.

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
    rim : int
        Pixels by which each disc is wider, in which it holds the label `edge`.
    edge : int

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
    draw_order = np.random.default_rng(0).permutation(len(order))
    label_at = np.empty(len(order), dtype=np.int32)
    label_at[draw_order] = labels[order]

    canvas = datashader.Canvas(size, size, x_range=limits[0], y_range=limits[1])
    points = pd.DataFrame(
        {"x": xy[order, 0], "y": xy[order, 1], "draw_order": draw_order.astype(float)}
    )
    both = datashader.summary(last=datashader.max("draw_order"), count=datashader.count())
    pixels = canvas.points(points, "x", "y", agg=both)
    last, count = (pixels[name].data[::-1] for name in ("last", "count"))  # its row 0 is the bottom

    # datashader's `spread` compiles for 3 s in every process, and knows no rim.
    rows, columns = np.nonzero(count)
    turns = last[rows, columns].astype(np.int64)
    drawn = np.argsort(turns)  # the last one drawn shows
    rows, columns, shown = rows[drawn], columns[drawn], label_at[turns[drawn]]
    weights = count[rows, columns]

    outer = radius + rim
    reach = np.arange(-outer, outer + 1)
    distance = np.hypot(reach, reach[:, None])
    down, across = np.nonzero(distance <= outer + 0.5)
    core = distance[down, across] <= radius + 0.5
    side = size + 2 * outer  # with a margin for discs that reach over the edge
    starts, disc = rows * side + columns, down * side + across
    top = np.full(side * side, -1, dtype=np.int32)
    counts = np.zeros(side * side, dtype=np.uint32)
    for first in range(0, len(starts), PIXELS_AT_ONCE):
        some = slice(first, first + PIXELS_AT_ONCE)
        covered = (starts[some, None] + disc).ravel()
        top[covered] = np.where(core, shown[some, None], edge).ravel()  # the last of equals stays
        np.add.at(counts, covered, np.repeat(weights[some], len(disc)))
    inner = slice(outer, outer + size)
    return top.reshape(side, side)[inner, inner], counts.reshape(side, side)[inner, inner]


def shade(image: np.ndarray, top: np.ndarray, counts: np.ndarray, *, colors: np.ndarray) -> None:
    """Colour by class, strength by the logarithm of the number of points.

    The scale ends at the 98th percentile of the occupied pixels: one very dense spot does not make
    the rest pale.

    Parameters
    ----------
    image : array of uint8, (h, w, 3)
        Changed in place where there are points.
    top : array of int, (h, w)
        Label that shows, -1 for none.
    counts : array of int, (h, w)
        Points in the pixel.
    colors : array of int, (n_classes, 3)
        0 to 255.
    """
    occupied = counts > 0
    n = counts[occupied]
    if not n.size:
        return
    densest = max(float(np.quantile(n.astype(np.float32), 0.98)), DENSE)
    level = np.log(n.astype(np.float32)) * np.float32((SHADES - 1) / np.log(densest))
    level = np.rint(np.minimum(level, SHADES - 1)).astype(np.uint8)
    strength = np.linspace(0, 1, SHADES)[:, None]
    opacity = PALEST + (1 - PALEST) * strength
    ink = colors[:, None] * (1 - (1 - DARKEST) * strength**2)  # (n_classes, SHADES, 3)
    shades = np.rint(255 - opacity * (255 - ink)).astype(np.uint8)
    image[occupied] = shades[top[occupied], level]


def class_anchors(
    xy: np.ndarray, labels: np.ndarray, *, limits: Limits, classes: Iterable[int], bins: int = 80
) -> dict[int, Anchor]:
    """Where each class is itself: the maximum of its density times its share of all points there.

    Of smoothed histograms; and not the mean, which lies between the parts of a class that falls in
    two, where another class may be.

    Parameters
    ----------
    xy : array of float, (n, 2)
    labels : array of int, (n,)
    limits : ((float, float), (float, float))
    classes : iterable of int
    bins : int
        Bins a side.

    Returns
    -------
    dict of class to Anchor
        Without the classes that have no point inside the limits.
    """
    from scipy.ndimage import gaussian_filter

    inside = within(xy, limits)
    side = limits[0][1] - limits[0][0]
    corner = np.array([limits[0][0], limits[1][1]])
    # Rightwards and downwards, in sides of the panel; of each class together.
    order = np.argsort(labels[inside], kind="stable")
    positions = ((xy[inside] - corner) * [1, -1] / side)[order]
    bin_of = _pixel(positions[:, 1], 1.0, bins) * bins + _pixel(positions[:, 0], 1.0, bins)
    labels = labels[inside][order]

    def density(chosen: slice) -> np.ndarray:
        histogram = np.bincount(bin_of[chosen], minlength=bins * bins).reshape(bins, bins)
        # A bandwidth of about two bins, 2 % of the side, joins what the eye sees as one group.
        return gaussian_filter(histogram.astype(np.float64), 1.7, mode="constant")

    everything = density(slice(None)) + 1e-9
    anchors = {}
    for label in classes:
        own = slice(*np.searchsorted(labels, [label, label + 1]))
        if own.start == own.stop:
            continue
        alone = density(own) ** 2 / everything
        y, x = (np.array(np.unravel_index(int(alone.argmax()), alone.shape)) + 0.5) / bins
        spread = np.quantile(np.abs(positions[own] - (x, y)), 0.8, axis=0)
        anchors[label] = Anchor((float(x), float(y)), (float(spread[0]), float(spread[1])))
    return anchors


def check_layout(
    xy: np.ndarray, labels: np.ndarray, *, n_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """A layout as float64 and its labels as int64, or an InputError that says what is wrong."""
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


def rare_classes(labels: np.ndarray, *, n_classes: int) -> np.ndarray:
    """Classes with points, but less than a tenth of the average class's: bool, (n_classes,)."""
    sizes = np.bincount(labels, minlength=n_classes)
    present = sizes > 0
    return present & (sizes < RARE * sizes[present].mean())


def _layers(
    labels: np.ndarray, marked: np.ndarray | None, *, n_classes: int
) -> Iterator[tuple[np.ndarray, float, bool]]:
    """Points that are drawn together, the scale of their discs and whether they stand out."""
    rare = rare_classes(labels, n_classes=n_classes)[labels]
    stands_out = np.ones(len(labels), dtype=bool) if marked is None else marked
    for front in (False, True):
        for is_rare in (False, True):
            points = (stands_out == front) & (rare == is_rare)
            if points.any():
                yield points, 2.0 if is_rare else 1.0, front


def _pixel(offset: np.ndarray, extent: float, size: int) -> np.ndarray:
    """Index of the pixel at an offset between 0 and `extent`, of `size` pixels."""
    return np.clip((offset / extent * size).astype(np.int64), 0, size - 1)


def _write_names(image: Image.Image, names: Iterable[Label], *, size: int, remark: str) -> None:
    """Write the remark into a corner and each name where it was placed."""
    from PIL import ImageDraw

    draw, side = ImageDraw.Draw(image), image.width
    margin, style = size // 3, font(round(0.85 * size))
    halo: Any = {"stroke_width": max(size // 8, 2), "stroke_fill": "white"}
    draw.text((margin, side - margin), remark, font=style, anchor="ld", fill="#444444", **halo)
    names = list(names)
    for name in names:  # all lines lie under all names
        centre, anchor = (np.array(at) * side for at in (name.centre, name.anchor))
        if np.abs(centre - anchor).max() > 1.5 * size:
            draw.line([*centre, *anchor], fill=_dark(name.color), width=max(size // 14, 1))
    for name in names:
        draw.text(
            (name.centre[0] * side, name.centre[1] * side),
            name.text,
            font=font(size, bold=True),
            anchor="mm",
            fill=_dark(name.color),
            **halo,
        )


def _dark(color: RGB) -> RGB:
    red, green, blue = color
    return red // 2, green // 2, blue // 2
