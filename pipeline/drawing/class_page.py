"""The second page: one layout class by class, each in a small panel of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.drawing.page import LegendEntry, draw_page, panel_side
from pipeline.drawing.palette import RGB
from pipeline.drawing.panel import GRAY, draw_class_panels
from pipeline.measures.table import look_up

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGEST = 24  # classes on the page
IN_A_ROW = 8
COLOR: RGB = (24, 69, 251)  # one for all: some colours of classes are greys themselves
UNMEASURED = "tsne"


def draw_class_page(
    layouts: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    titles: Sequence[str],
    rows: Mapping[str, str],
    heading: str,
    reason: str,
    pool: Executor,
    width: int,
    dpi: int,
) -> Figure:
    """Draw a small panel for each class and stage: the class in colour, all others in grey.

    Parameters
    ----------
    layouts : mapping of stage to (xy, labels)
        The layouts of one method; finite, labels are indices into `titles`.
    titles : sequence of str
        Names of all classes, of which the 24 with the most points are drawn.
    rows : mapping of stage to title
        The stages, in their order.
    heading, reason : str
        Top line of the page, and the first sentence below: which method this is, and why.
    pool : concurrent.futures.Executor
        Draws the stages side by side.
    width, dpi : int
        Pixels, and pixels an inch.

    Returns
    -------
    matplotlib.figure.Figure
    """
    sizes = np.max(
        [np.bincount(labels, minlength=len(titles)) for _, labels in layouts.values()], axis=0
    )
    largest = sorted(np.argsort(-sizes, kind="stable")[:LARGEST].tolist())
    n_blocks = -(-len(largest) // IN_A_ROW)
    n_columns = -(-len(largest) // n_blocks)
    columns = {str(label): f"{titles[label]} ({sizes[label]:,})" for label in largest}
    blocks = [
        {str(label): columns[str(label)] for label in largest[first : first + n_columns]}
        for first in range(0, len(largest), n_columns)
    ]
    side = panel_side(width, n_columns)

    def draw(stage: str) -> dict[tuple[str, str], Any]:
        xy, labels = layouts[stage]
        images = draw_class_panels(xy, labels, classes=largest, color=COLOR, size=side)
        return {(stage, str(label)): image for label, image in zip(largest, images, strict=True)}

    stages = [stage for stage in rows if stage in layouts]
    panels = {key: image for each in pool.map(draw, stages) for key, image in each.items()}
    left_out = len(titles) - len(largest)
    which = (
        f"The {len(largest)} classes with the most points; {left_out:,} more are not shown."
        if left_out
        else ""
    )
    return draw_page(
        panels,
        notes={},
        rows={stage: rows[stage] for stage in stages},
        blocks=blocks,
        legend=[LegendEntry("the class", COLOR), LegendEntry("all other classes", GRAY)],
        heading=heading,
        alert="",
        warnings="",
        paragraphs=[f"{reason} {which} In brackets: points of the class."],
        width=width,
        dpi=dpi,
    )


def best_method(
    methods: Sequence[str], measures: Mapping[str, Mapping[str, Any]]
) -> tuple[str, str | None]:
    """The method that separates the classes best, and the stage where it does.

    The highest accuracy on test images of the layouts after fine-tuning, on all points where there
    is no test split, or of the layouts before where there are none; t-SNE, or the first method,
    where nothing was measured.

    Parameters
    ----------
    methods : sequence of str
        Those that were drawn.
    measures : mapping of stage to mapping
        What `pipeline.measures.quality.measure_layouts` returns for the layouts of a stage.

    Returns
    -------
    (str, str or None)
        The method; the stage, None where nothing was measured.
    """
    for stage in ("after", "before"):
        rows = measures.get(stage, {}).get("measures", ())
        scores = {
            method: found[1]["value"]
            for method in methods
            if (found := look_up(rows, method, "knn_accuracy")) is not None
        }
        if scores:
            return max(scores, key=lambda method: scores[method]), stage
    return UNMEASURED if UNMEASURED in methods else methods[0], None
