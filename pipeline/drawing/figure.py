"""The figure of one backbone: before fine-tuning above after, one column a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numba
import numpy as np

from pipeline.drawing import caption
from pipeline.drawing.alignment import procrustes_align
from pipeline.drawing.class_names import ClassNames, name_classes
from pipeline.drawing.class_page import best_method, draw_class_page
from pipeline.drawing.labels import label_extent, place_labels, printable
from pipeline.drawing.page import (
    UNDATED,
    LegendEntry,
    draw_page,
    panel_side,
    px,
    rasterise,
    vectorise,
)
from pipeline.drawing.palette import class_colors, faded
from pipeline.drawing.panel import (
    FEW,
    INK,
    Label,
    Panel,
    check_layout,
    class_anchors,
    draw_panel,
    panel_limits,
    rare_classes,
    within,
)
from pipeline.drawing.png import encode, reduce_colors
from pipeline.errors import InputError
from pipeline.methods.registry import METHODS
from pipeline.runtime.log import log

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STAGES = {"before": "before fine-tuning", "after": "after fine-tuning"}
FORMATS = ("png", *UNDATED)
PREVIEW_WIDTH = 1600  # pixels, for a browser
MAX_THREADS = 4  # each takes about half a GB for a panel of 2,000 pixels
REACH = 6  # heights of a label: how far from its class it may lie
GRAY = (110, 110, 110)  # of the legend's points of any class

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
        The same in all layouts of a figure; empty without labels: all points have one colour.
    context : mapping
        How it was made: total_points, more than ``n`` for a subset, warnings (sentences), and what
        else `caption.describe` and `caption.notes` say of it.
    split : array of str, (n,), optional
        Split of each point, to mark those of "test".
    wrong : array of bool, (n,), optional
        Whether the classifier predicts the point's class wrongly, to mark errors.
    """

    xy: np.ndarray
    labels: np.ndarray
    class_names: Sequence[str]
    context: Mapping[str, Any]
    split: np.ndarray | None = None
    wrong: np.ndarray | None = None


class Drawing(NamedTuple):
    """What `draw_backbone` makes: the bytes of files."""

    page: bytes
    preview: bytes  # PNG
    panels: dict[Key, bytes]  # PNG
    classes: bytes | None  # the second page, a small panel a class, if any; in the page's format


def draw_backbone(
    layouts: Mapping[Key, FigureLayout],
    *,
    measures: Mapping[str, Mapping[str, Any]] | None = None,
    mark: str | None = None,
    classes: bool = True,
    file_format: str = "png",
    width: int = 4200,
    panel_size: int = 2000,
    dpi: int = 300,
) -> Drawing:
    """Draw the layouts of one backbone on one page, each alone, and one of them class by class.

    Parameters
    ----------
    layouts : mapping of (stage, method) to FigureLayout
        Stages are "before" and "after"; any of them, with any methods.
    measures : mapping of stage to mapping, optional
        What `pipeline.measures.quality.measure_layouts` returns for the layouts of a stage.
    mark : {"test", "errors"}, optional
        Points that stand out from the others: those of the test split, or those that are predicted
        wrongly.
    classes : bool
        Draw the second page, too, if there are labels.
    file_format : {"png", "pdf", "svg"}
        Of the pages. In a PDF or SVG only the panels are images.
    width : int
        Pixels of a page; 4,200 keeps all text readable in the preview, which has 1,600.
    panel_size : int
        Side of a panel alone, pixels.
    dpi : int
        Pixels an inch: a page is ``width / dpi`` inches wide.

    Returns
    -------
    Drawing

    Raises
    ------
    InputError
        No layout, an unknown stage, method, format or mark, layouts of different classes, one that
        cannot be drawn (names it), or one without the points to mark.
    """
    if file_format not in FORMATS:
        raise InputError(f"a figure can be {', '.join(FORMATS)}, not {file_format!r}")
    rows, columns = _titles(layouts)
    layouts = align({key: _checked(key, layout) for key, layout in layouts.items()})
    marked = {key: _marked(key, layout, mark) for key, layout in layouts.items()}
    if mark == "test" and not any(points.any() for points in marked.values() if points is not None):
        raise InputError('no point is of the split "test": leave out `mark`, or mark errors')

    side, text_size = panel_side(width, len(columns)), px(36, width)
    names, placed, text_size = _place_names(layouts, side=side, text_size=text_size)
    if names.warning:
        log.warning(names.warning)
    colors = class_colors(max(len(names.panel), 1))
    labels = {
        key: [
            Label(names.panel[i], colors[i], centre, anchor) for i, (centre, anchor) in own.items()
        ]
        for key, own in placed.items()
    }

    def draw(key: Key, size: int, text_size: int) -> Panel:
        return draw_panel(
            layouts[key].xy,
            layouts[key].labels,
            colors=colors,
            names=labels[key],
            size=size,
            text_size=text_size,
            marked=marked[key],
            ringed=mark == "errors",
        )

    small = min(panel_size // 30, panel_size * text_size // side)  # fits where the page's text does
    with ThreadPoolExecutor(min(numba.get_num_threads(), MAX_THREADS)) as pool:
        alone = pool.map(lambda key: encode(draw(key, panel_size, small).image), layouts)
        panels = dict(
            zip(layouts, pool.map(lambda key: draw(key, side, text_size), layouts), strict=True)
        )
        words = _words(layouts, panels, names, labels, marked, measures, mark)
        page = draw_page(
            {key: panel.image for key, panel in panels.items()},
            notes=_notes(layouts, measures),
            rows=rows,
            blocks=[columns],
            legend=_legend(names, colors, mark),
            **words,
            width=width,
            dpi=dpi,
        )
        pages = [page]
        if classes and names.panel:
            heading = words["heading"]
            pages.append(
                _class_page(layouts, names, measures or {}, pool, heading, width=width, dpi=dpi)
            )
        image = rasterise(page)
        if file_format == "png":
            files = [encode(image, dpi=(dpi, dpi))]
            files += [encode(rasterise(each), dpi=(dpi, dpi)) for each in pages[1:]]
        else:
            files = [vectorise(each, file_format) for each in pages]
        image.thumbnail((PREVIEW_WIDTH, image.height))
        preview = encode(reduce_colors(image), optimize=True)
        panels_alone = dict(zip(layouts, alone, strict=True))
        return Drawing(files[0], preview, panels_alone, files[1] if len(files) > 1 else None)


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


def _titles(layouts: Mapping[Key, FigureLayout]) -> tuple[dict[str, str], dict[str, str]]:
    """Titles of the stages and of the methods that there are, in their order."""
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
    )


def _checked(key: Key, layout: FigureLayout) -> FigureLayout:
    stage, method = key
    try:
        xy, labels = check_layout(
            layout.xy, layout.labels, n_classes=max(len(layout.class_names), 1)
        )
    except InputError as error:
        raise InputError(f"{method}, {STAGES[stage]}: {error}") from error
    return replace(layout, xy=xy, labels=labels)


def _marked(key: Key, layout: FigureLayout, mark: str | None) -> np.ndarray | None:
    """Points of a layout that are to stand out: bool, (n,); None without a mark."""
    if mark is None:
        return None
    if mark not in caption.MARKED:
        raise InputError(f"a figure can mark {' or '.join(caption.MARKED)}, not {mark!r}")
    known, remedy = {
        "test": (layout.split, "the split of each point"),
        "errors": (layout.wrong, "the predictions of the fine-tuned classifier"),
    }[mark]
    if known is None or np.shape(known) != (len(layout.xy),):
        stage, method = key
        raise InputError(
            f"{method}, {STAGES[stage]}: to mark {mark}, a figure needs {remedy}; give them, or "
            "leave out `mark`"
        )
    return np.asarray(known) == "test" if mark == "test" else np.asarray(known, dtype=bool)


def _place_names(
    layouts: Mapping[Key, FigureLayout], *, side: int, text_size: int
) -> tuple[ClassNames, dict[Key, dict[int, tuple[Any, Any]]], int]:
    """Names of the classes, their centres and anchors in each panel, and the size of the text.

    Names are tried first, and numbers where not all of the names find a position.
    """
    class_names = next(iter(layouts.values())).class_names
    if not class_names:
        return ClassNames((), (), (), ()), {key: {} for key in layouts}, text_size
    sizes = np.max(
        [np.bincount(each.labels, minlength=len(class_names)) for each in layouts.values()], axis=0
    )
    names = name_classes(class_names, sizes)
    order = sorted(names.listed, key=lambda label: (-sizes[label], label))
    # Many names only fit when they are small.
    size = max(round(text_size * min(1.0, (20 / len(order)) ** 0.5)), 10)
    limits = {key: panel_limits(layout.xy) for key, layout in layouts.items()}
    anchors = {
        key: class_anchors(layout.xy, layout.labels, limits=limits[key], classes=order)
        for key, layout in layouts.items()
    }
    # The lower left corner tells how many points are outside.
    remark = (0.0, 1 - 1.5 * size / side, 12 * size / side, 1.0)
    reserved = {
        key: [remark] for key, each in layouts.items() if not within(each.xy, limits[key]).all()
    }
    for numbered in (names.numbered, True):
        names = name_classes(class_names, sizes, numbered=numbered)
        width, height = label_extent([names.panel[label] for label in order], size=size)
        placed = place_labels(
            anchors,
            (width / side, height / side),
            order=order,
            reach=REACH * size / side,
            reserved=reserved,
        )
        if all(placed[key].keys() == anchors[key].keys() for key in layouts):
            break
    return (
        names,
        {
            key: {label: (centre, anchors[key][label].position) for label, centre in own.items()}
            for key, own in placed.items()
        },
        size,
    )


def _legend(
    names: ClassNames, colors: Sequence[tuple[int, int, int]], mark: str | None
) -> list[LegendEntry]:
    entries = [LegendEntry(names.legend[i], colors[i]) for i in names.listed]
    more = len(names.panel) - len(entries)
    if more:
        entries.append(LegendEntry(f"and {more:,} more"))
    if mark == "test":
        entries += [LegendEntry("test", GRAY), LegendEntry("other splits", faded(GRAY))]
    elif mark == "errors":
        entries += [
            LegendEntry("predicted wrongly", GRAY, INK),
            LegendEntry("predicted rightly", faded(GRAY)),
        ]
    return entries


def _notes(
    layouts: Mapping[Key, FigureLayout], measures: Mapping[str, Mapping[str, Any]] | None
) -> dict[Key, list[str]]:
    return {
        (stage, method): caption.notes(
            layout.context,
            len(layout.xy),
            (measures or {}).get(stage, {}).get("measures", ()),
            method,
        )
        for (stage, method), layout in layouts.items()
    }


def _words(
    layouts: Mapping[Key, FigureLayout],
    panels: Mapping[Key, Panel],
    names: ClassNames,
    labels: Mapping[Key, Sequence[Label]],
    marked: Mapping[Key, np.ndarray | None],
    measures: Mapping[str, Mapping[str, Any]] | None,
    mark: str | None,
) -> dict[str, Any]:
    """Heading, alert, warnings and the paragraphs below the legend."""
    words = caption.describe([each.context for each in layouts.values()], measures=measures)
    shown = {name: printable(text) for name, text in words.items()}
    n_classes = len(names.panel)
    few = all(len(layout.xy) <= FEW for layout in layouts.values())
    reading = [caption.HOW_TO_READ, caption.FEW_POINTS if few else caption.MANY_POINTS]
    rare = np.any(
        [rare_classes(each.labels, n_classes=max(n_classes, 1)) for each in layouts.values()],
        axis=0,
    )
    if rare.any():
        shown_names = [names.titles[i] for i in np.flatnonzero(rare)]
        reading.append(caption.RARE.format(names=caption.list_names(shown_names)))
    if any(panel.points_outside for panel in panels.values()):
        reading.append(caption.CROPPED)
    if mark:
        reading.append(caption.MARKED[mark].format(count=_counted(marked)))
    reading += [caption.explain_colors(n_classes), *names.remarks]
    named = {label.text for own in labels.values() for label in own}
    unnamed = [names.panel[i] for i in names.listed if names.panel[i] not in named]
    if unnamed:
        it = "it" if len(unnamed) == 1 else "them"
        reading.append(caption.UNNAMED.format(names=caption.list_names(unnamed), it=it))
    if any("\N{REPLACEMENT CHARACTER}" in text for text in shown.values()):
        reading.append(caption.REPLACED)
    return {"paragraphs": [shown.pop("caption"), " ".join(filter(None, reading))], **shown}


def _counted(marked: Mapping[Key, np.ndarray | None]) -> str:
    """How many points of the largest layout are marked."""
    points = max((each for each in marked.values() if each is not None), key=len)
    return f"{int(points.sum()):,} of {len(points):,}"


def _class_page(
    layouts: Mapping[Key, FigureLayout],
    names: ClassNames,
    measures: Mapping[str, Mapping[str, Any]],
    pool: Executor,
    heading: str,
    *,
    width: int,
    dpi: int,
) -> Figure:
    """The best method's layouts class by class."""
    drawn = {method for _, method in layouts}
    best, stage = best_method([name for name in METHODS if name in drawn], measures)
    title = METHODS[best].title
    if stage is None:
        reason = f"Class by class in {title}: no measures were given to choose a method by."
    else:
        (accuracy,) = caption.accuracy_note(measures[stage]["measures"], best)
        reason = (
            f"Class by class in {title}, which separates the classes best {STAGES[stage]} "
            f"({accuracy})."
        )
    return draw_class_page(
        {
            stage: (layout.xy, layout.labels)
            for (stage, method), layout in layouts.items()
            if method == best
        },
        titles=names.titles,
        rows=STAGES,
        heading=f"{heading}: {title}, class by class",
        reason=reason,
        pool=pool,
        width=width,
        dpi=dpi,
    )
