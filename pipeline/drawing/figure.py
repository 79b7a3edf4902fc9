"""The figure of one backbone: before fine-tuning above after, one column a method."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numba
import numpy as np

from pipeline.drawing.alignment import procrustes_align
from pipeline.drawing.caption import HOW_TO_READ, REPLACED, UNNAMED, describe, notes
from pipeline.drawing.labels import printable
from pipeline.drawing.page import UNDATED, draw_page, panel_side, px, rasterise, vectorise
from pipeline.drawing.palette import class_colors
from pipeline.drawing.panel import Panel, draw_panel
from pipeline.errors import InputError
from pipeline.methods.registry import METHODS

if TYPE_CHECKING:
    from PIL import Image

STAGES = {"before": "before fine-tuning", "after": "after fine-tuning"}
FORMATS = ("png", *UNDATED)
PREVIEW_WIDTH = 1600  # pixels, for a browser
MAX_THREADS = 4  # each takes about half a GB for a panel of 2,000 pixels

Key = tuple[str, str]  # stage and method: the row and the column of a panel


@dataclass(frozen=True)
class FigureLayout:
    """A layout to draw.

    Attributes
    ----------
    xy : array of float, (n, 2)
    labels : array of int, (n,)
        Class of each point, an index into the class names.
    class_names : sequence of str
        The same in all layouts of a figure.
    context : mapping
        How it was made: total_points, more than ``n`` for a subset, and what else `describe` and
        `notes` say of it.
    """

    xy: np.ndarray
    labels: np.ndarray
    class_names: Sequence[str]
    context: Mapping[str, Any]


class Drawing(NamedTuple):
    """What `draw_backbone` makes: the bytes of files."""

    page: bytes
    preview: bytes  # PNG
    panels: dict[Key, bytes]  # PNG


def draw_backbone(
    layouts: Mapping[Key, FigureLayout],
    *,
    measures: Mapping[str, Mapping[str, Any]] | None = None,
    file_format: str = "png",
    width: int = 4200,
    panel_size: int = 2000,
    dpi: int = 300,
) -> Drawing:
    """Draw the layouts of one backbone on one page, and each alone.

    Parameters
    ----------
    layouts : mapping of (stage, method) to FigureLayout
        Stages are "before" and "after"; any of them, with any methods.
    measures : mapping of stage to mapping, optional
        What `pipeline.measures.quality.measure_layouts` returns for the layouts of a stage.
    file_format : {"png", "pdf", "svg"}
        Of the page. In a PDF or SVG only the panels are images.
    width : int
        Pixels of the page; 4,200 keeps all text readable in the preview, which has 1,600.
    panel_size : int
        Side of a panel alone, pixels.
    dpi : int
        Pixels an inch: the page is ``width / dpi`` inches wide.

    Returns
    -------
    Drawing

    Raises
    ------
    InputError
        No layout, an unknown stage, method or format, layouts of different classes, or one that
        cannot be drawn (names it).
    """
    if file_format not in FORMATS:
        raise InputError(f"a figure can be {', '.join(FORMATS)}, not {file_format!r}")
    rows, columns, class_names = _checked(layouts)
    layouts = align(layouts)
    measured = {
        (stage, method): each
        for stage, of_stage in (measures or {}).items()
        for method, each in of_stage["layouts"].items()
    }
    n_neighbors = next((of_stage["k"] for of_stage in (measures or {}).values()), None)
    side, text_size = panel_side(width, len(columns)), px(36, width)

    def draw(key: Key, size: int, text_size: int | None = None) -> Panel:
        stage, method = key
        xy, labels = layouts[key].xy, layouts[key].labels
        try:
            return draw_panel(xy, labels, class_names=class_names, size=size, text_size=text_size)
        except InputError as error:
            raise InputError(f"{method}, {STAGES[stage]}: {error}") from error

    with ThreadPoolExecutor(min(numba.get_num_threads(), MAX_THREADS)) as pool:
        on_page = pool.map(lambda key: draw(key, side, text_size), layouts)
        alone = pool.map(lambda key: _png(draw(key, panel_size).image), layouts)
        panels = dict(zip(layouts, on_page, strict=True))
        page = draw_page(
            {key: panel.image for key, panel in panels.items()},
            notes={
                key: notes(layout.context, len(layout.xy), measured.get(key, {}))
                for key, layout in layouts.items()
            },
            rows=rows,
            columns=columns,
            legend=list(zip(class_names, class_colors(len(class_names)), strict=True)),
            **_words(layouts, panels, n_neighbors),
            width=width,
            dpi=dpi,
        )
        image = rasterise(page)
        if file_format == "png":
            whole = _png(image, dpi=(dpi, dpi))
        else:
            whole = vectorise(page, file_format)
        image.thumbnail((PREVIEW_WIDTH, image.height))
        return Drawing(whole, _png(image, optimize=True), dict(zip(layouts, alone, strict=True)))


def align(layouts: Mapping[Key, FigureLayout]) -> dict[Key, FigureLayout]:
    """Rotate and reflect the layouts after fine-tuning onto those before it, method by method.

    Methods whose axes have an order are only reflected. A layout that has no counterpart stays.
    """
    aligned = dict(layouts)
    for (stage, method), layout in layouts.items():
        before = layouts.get(("before", method))
        if stage == "after" and before is not None:
            pair = before.xy, before.labels, layout.xy, layout.labels
            xy = procrustes_align(*pair, keep_axes=METHODS[method].ordered_axes)
            aligned[stage, method] = replace(layout, xy=xy)
    return aligned


def _checked(
    layouts: Mapping[Key, FigureLayout],
) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """Titles of the stages and of the methods that there are, in their order, and class names."""
    if not layouts:
        raise InputError("there is no layout to draw: compute at least one method of one stage")
    class_names = next(iter(layouts.values())).class_names
    for (stage, method), layout in layouts.items():
        if stage not in STAGES or method not in METHODS:
            raise InputError(
                f"layout ({stage}, {method}) has no position in the figure: stages are "
                f"{', '.join(STAGES)}, methods are {', '.join(METHODS)}"
            )
        if list(layout.class_names) != list(class_names):
            raise InputError(
                f"layout ({stage}, {method}) has other classes than the first one: draw layouts "
                "of one data set"
            )
    stages, methods = ({key[i] for key in layouts} for i in (0, 1))
    return (
        {stage: title for stage, title in STAGES.items() if stage in stages},
        {name: method.title for name, method in METHODS.items() if name in methods},
        [printable(name) for name in class_names],
    )


def _words(
    layouts: Mapping[Key, FigureLayout], panels: Mapping[Key, Panel], n_neighbors: int | None
) -> dict[str, Any]:
    """Heading, alert, and the paragraphs below the legend."""
    words = describe([each.context for each in layouts.values()], n_neighbors=n_neighbors)
    shown = {name: printable(text) for name, text in words.items()}
    class_names = next(iter(layouts.values())).class_names
    reading = [HOW_TO_READ]
    if any(panel.unnamed for panel in panels.values()):
        reading.append(UNNAMED)
    if any(text != printable(text) for text in (*words.values(), *class_names)):
        reading.append(REPLACED)
    return {"paragraphs": [shown.pop("caption"), " ".join(reading)], **shown}


def _png(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "png", **options)
    return file.getvalue()
