"""The figure of one backbone: before fine-tuning above after, one column a method."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.drawing.alignment import procrustes_align
from pipeline.drawing.labels import font, wrap
from pipeline.drawing.palette import RGB, class_colors
from pipeline.drawing.panel import Panel, draw_panel
from pipeline.errors import InputError

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

STAGES = {"before": "before fine-tuning", "after": "after fine-tuning"}

HOW_TO_READ = (
    "Axes are arbitrary: a layout has no unit, and turning or mirroring it changes nothing; x and "
    "y share one scale. Every point inside the frame is drawn; colours deepen with density, and "
    "where points overlap, which one shows is drawn by lot."
)

INK, FAINT, ALARM = "#1a1a1a", "#b0b0b0", "#b00020"


@dataclass(frozen=True)
class PanelData:
    """What one panel shows.

    Attributes
    ----------
    xy : array of float, (n, 2)
        The layout.
    labels : array of int, (n,)
        Class of each point, an index into the class names.
    total_points : int
        Points of the dataset: more than ``n`` when the layout holds a subset, which the panel says.
    note : str
        Written under the panel.
    measures : mapping of str to float or str
        Written under the panel, floats with two decimals.
    """

    xy: np.ndarray
    labels: np.ndarray
    total_points: int
    note: str = ""
    measures: Mapping[str, float | str] = field(default_factory=dict)


def align(
    panels: Mapping[tuple[str, str], PanelData], *, keep_axes: Collection[str] = ()
) -> dict[tuple[str, str], PanelData]:
    """Turn the layouts after fine-tuning onto those before it, method by method.

    Parameters
    ----------
    panels : mapping of (stage, method) to PanelData
    keep_axes : collection of str
        Methods whose axes have an order: their layouts are only mirrored.

    Returns
    -------
    dict
        The same panels; a layout that has no counterpart lies as it did.
    """
    aligned = dict(panels)
    for (stage, method), data in panels.items():
        before = panels.get(("before", method))
        if stage == "after" and before is not None:
            pair = before.xy, before.labels, data.xy, data.labels
            xy = procrustes_align(*pair, keep_axes=method in keep_axes)
            aligned[stage, method] = replace(data, xy=xy)
    return aligned


def draw_figure(
    panels: Mapping[tuple[str, str], PanelData],
    *,
    titles: Mapping[str, str],
    class_names: Sequence[str],
    heading: str,
    caption: str,
    alert: str = "",
    width: int = 4200,
) -> Image.Image:
    """Draw the layouts of one backbone on one page.

    Parameters
    ----------
    panels : mapping of (stage, method) to PanelData
        Stages are "before" and "after"; any of them, with any methods.
    titles : mapping of method to title
        Its order is the order of the columns; methods without a panel get no column.
    class_names : sequence of str
    heading : str
        Top line: backbone and dataset.
    caption : str
        Below the panels: weights, test accuracy, point count; how to read the page is added.
    alert : str
        Written in bold red beside the heading, such as "random weights".
    width : int
        Pixels; 4,200 keeps all text readable in `preview`.

    Returns
    -------
    PIL.Image.Image
        RGB, `width` wide, as high as needed.

    Raises
    ------
    InputError
        No panel, an unknown stage or method, or a layout that cannot be drawn (names its panel).
    """
    from PIL import Image, ImageDraw

    stages, methods = _rows_and_columns(panels, titles)

    def px(length: float) -> int:
        """`length` pixels of a page 4,200 wide, on this one."""
        return max(round(length * width / 4200), 1)

    margin, gutter, gap = px(60), px(100), px(28)
    # A panel takes a third of the page at most: larger ones would dwarf their text.
    cell = (width - 2 * margin - gutter - gap * max(len(methods) - 1, 2)) // max(len(methods), 3)
    left = (width + gutter - cell * len(methods) - gap * (len(methods) - 1)) // 2

    colors = class_colors(len(class_names))
    drawn = {
        key: _drawn(key, data, class_names=class_names, colors=colors, size=cell, text_size=px(36))
        for key, data in panels.items()
    }
    notes = {key: _notes(data, size=px(32), width=cell) for key, data in panels.items()}
    pitch = cell + px(54) + px(44) * max(len(lines) for lines in notes.values())  # row to row
    legend = _legend_lines(class_names, size=px(40), width=width - 2 * margin)
    reading = f"{HOW_TO_READ} {_unnamed_remark(drawn.values())}"
    footer = [
        line
        for text in (caption, reading)
        for line in wrap(text.split(), size=px(36), width=width - 2 * margin)
    ]

    first_row = margin + px(200)
    legend_top = first_row + pitch * len(stages) + px(6)
    footer_top = legend_top + px(64) * len(legend) + px(24)
    page = Image.new("RGB", (width, footer_top + px(52) * len(footer) + margin), "white")
    draw = ImageDraw.Draw(page)

    _write_heading(draw, heading, alert=alert, at=(margin, margin), size=px(68))
    for row, stage in enumerate(stages):
        y = first_row + row * pitch
        _write_upwards(page, STAGES[stage], centre=(left - px(48), y + cell // 2), size=px(48))
    for column, method in enumerate(methods):
        x = left + column * (cell + gap)
        middle = x + cell // 2
        title = font(px(52), bold=True)
        draw.text((middle, first_row - px(22)), titles[method], font=title, anchor="ms", fill=INK)
        for row, stage in enumerate(stages):
            y = first_row + row * pitch
            _place_panel(page, drawn.get((stage, method)), at=(x, y), size=cell, line=px(3))
            for i, text in enumerate(notes.get((stage, method), [])):
                at = (middle, y + cell + px(14) + px(44) * i)
                draw.text(at, text, font=font(px(32)), anchor="ma", fill=INK)
    for i, line in enumerate(legend):
        at = (width // 2, legend_top + px(64) * i + px(32))
        _write_legend(draw, line, names=class_names, colors=colors, centre=at, size=px(40))
    for i, text in enumerate(footer):
        draw.text((margin, footer_top + px(52) * i), text, font=font(px(36)), fill=INK)
    return page


def preview(image: Image.Image, *, width: int = 1600) -> Image.Image:
    """Shrink a figure to `width` pixels for a browser; a smaller one is returned as it is."""
    from PIL import Image

    if image.width <= width:
        return image
    size = (width, round(image.height * width / image.width))
    return image.resize(size, Image.Resampling.LANCZOS)


def _rows_and_columns(
    panels: Mapping[tuple[str, str], PanelData], titles: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    if not panels:
        raise InputError("there is no layout to draw: compute at least one method of one stage")
    for stage, method in panels:
        if stage not in STAGES or method not in titles:
            raise InputError(
                f"panel ({stage}, {method}) has no place in the figure: stages are "
                f"{', '.join(STAGES)}, methods are {', '.join(titles)}"
            )
    stages = [stage for stage in STAGES if any(stage == key[0] for key in panels)]
    return stages, [method for method in titles if any(method == key[1] for key in panels)]


def _drawn(
    key: tuple[str, str],
    data: PanelData,
    *,
    class_names: Sequence[str],
    colors: Sequence[RGB],
    size: int,
    text_size: int,
) -> Panel:
    try:
        return draw_panel(
            data.xy,
            data.labels,
            class_names=class_names,
            colors=colors,
            size=size,
            text_size=text_size,
        )
    except InputError as error:
        raise InputError(f"{key[1]}, {STAGES[key[0]]}: {error}") from error


def _notes(data: PanelData, *, size: int, width: int) -> list[str]:
    """Lines under a panel: what part of the points it shows, the note, the measures."""
    n = len(data.xy)
    subset = [f"{n:,} of {data.total_points:,} points (subset)"] if n < data.total_points else []
    measures = [
        f"{name} {value:.2f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in data.measures.items()
    ]
    return [
        *subset,
        *wrap(data.note.split(), size=size, width=width),
        *wrap(measures, size=size, width=width, joint=" · "),
    ]


def _unnamed_remark(drawn: Iterable[Panel]) -> str:
    if not any(panel.unnamed for panel in drawn):
        return ""
    return "Class names that found no room on a map stand in the legend only."


def _legend_lines(class_names: Sequence[str], *, size: int, width: int) -> list[list[int]]:
    """Class numbers, line by line, as many in a line as fit."""
    lines: list[list[int]] = [[]]
    used = 0.0
    for i, name in enumerate(class_names):
        length = _legend_length(name, size=size)
        if lines[-1] and used + length > width:
            lines.append([])
            used = 0.0
        lines[-1].append(i)
        used += length
    return lines


def _legend_length(name: str, *, size: int) -> float:
    """Measure a swatch, a space, the name, and a space to the next."""
    return 2.4 * size + font(size).getlength(name)


def _write_legend(
    draw: ImageDraw.ImageDraw,
    line: Sequence[int],
    *,
    names: Sequence[str],
    colors: Sequence[RGB],
    centre: tuple[int, int],
    size: int,
) -> None:
    middle = centre[1]
    x = centre[0] - sum(_legend_length(names[i], size=size) for i in line) / 2 + 0.5 * size
    for i in line:
        draw.ellipse((x, middle - size / 2, x + size, middle + size / 2), fill=colors[i])
        draw.text((x + 1.4 * size, middle), names[i], font=font(size), anchor="lm", fill=INK)
        x += _legend_length(names[i], size=size)


def _write_heading(
    draw: ImageDraw.ImageDraw, heading: str, *, alert: str, at: tuple[int, int], size: int
) -> None:
    draw.text(at, heading, font=font(size, bold=True), fill=INK)
    right = at[0] + font(size, bold=True).getlength(f"{heading}   ")
    draw.text((right, at[1]), alert, font=font(size, bold=True), fill=ALARM)


def _place_panel(
    page: Image.Image, panel: Panel | None, *, at: tuple[int, int], size: int, line: int
) -> None:
    """Put a panel into a thin frame, which stays outside its pixels."""
    from PIL import ImageDraw

    (x, y), draw = at, ImageDraw.Draw(page)
    draw.rectangle(
        (x - line, y - line, x + size + line - 1, y + size + line - 1), outline=FAINT, width=line
    )
    if panel is None:
        middle = (x + size // 2, y + size // 2)
        draw.text(middle, "not computed", font=font(size // 16), anchor="mm", fill=FAINT)
    else:
        page.paste(panel.image, at)


def _write_upwards(page: Image.Image, text: str, *, centre: tuple[int, int], size: int) -> None:
    from PIL import Image, ImageDraw

    box = font(size, bold=True).getbbox(text)
    strip = Image.new("RGB", (round(box[2]), round(box[3])), "white")
    ImageDraw.Draw(strip).text((0, 0), text, font=font(size, bold=True), fill=INK)
    strip = strip.rotate(90, expand=True)
    page.paste(strip, (centre[0] - strip.width // 2, centre[1] - strip.height // 2))
