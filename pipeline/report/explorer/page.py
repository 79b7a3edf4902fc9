"""Explorer: before and after side by side, every image a point, in one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from pipeline.drawing.alignment import procrustes_align
from pipeline.drawing.palette import class_colors
from pipeline.drawing.panel import check_layout, panel_limits, rare_classes, within
from pipeline.errors import InputError
from pipeline.images.subset import stratified_subset
from pipeline.methods.registry import METHODS
from pipeline.report.explorer import MOST_POINTS
from pipeline.report.explorer.content import Explored, Placed, Score
from pipeline.report.explorer.packing import ABSENT, NOBODY, Packed, pack, quantize
from pipeline.report.explorer.thumbnails import Sheets, thumbnail_sheets
from pipeline.report.relative import without_folders

MOST_BYTES = 35_000_000  # of a page, as far as thumbnails decide it
BESIDES = 600_000  # bytes of code and of whatever else is on the page
WITNESSES = 500  # points by which layouts without classes are aligned
OF_CLASSES = {
    "label": "Class",
    "prediction": "Prediction of the head",
    "predicted_before": "Nearest class before",
    "predicted_after": "Nearest class after",
}
OF_SPLITS = {"train": "training", "test": "test", "all": "all"}
SPLIT_COLORS = [(201, 138, 0), (0, 114, 178), (87, 144, 252)]


class Content(NamedTuple):
    """What the page's code reads.

    Attributes
    ----------
    facts : dict
        JSON: names, titles, colours, how arrays are to be read.
    arrays : dict of str to Packed
    sheets : Sheets or None
    """

    facts: dict[str, Any]
    arrays: dict[str, Packed]
    sheets: Sheets | None


def build_explorer(found: Explored, *, points: int = MOST_POINTS) -> str:
    """Write the page.

    Parameters
    ----------
    found : Explored
    points : int
        Images that it shows at most; of more, a stratified part.

    Returns
    -------
    str
        HTML that needs no other file and no network; everything from outside is escaped.

    Raises
    ------
    InputError
        No method with a layout before and after; a layout, score or class that is none.
    """
    from jinja2 import Environment, PackageLoader
    from markupsafe import Markup

    loader = PackageLoader("pipeline.report.explorer", "web")
    environment = Environment(loader=loader, autoescape=True)
    # As it is: braces of JavaScript are none of a template.
    environment.globals["code"] = lambda name: Markup(loader.get_source(environment, name)[0])
    content = describe(found, points=points)
    return environment.get_template("page.html").render(content._asdict())


def describe(found: Explored, *, points: int = MOST_POINTS) -> Content:
    """What the page's code reads, see `build_explorer`."""
    if not found.methods:
        raise InputError(
            f"{found.name} has no method with a layout before and after: compute one at both stages"
        )
    notes = list(found.warnings)
    rows = _shown(found, points)
    if len(rows) < len(found.images):
        notes.append(
            f"The page shows {len(rows):,} of {len(found.images):,} images, drawn at random, every "
            "class in its share; neighbours that are not among them are only counted."
        )
    layouts = {
        f"{method}/{stage}": each
        for method in found.methods
        for stage, each in zip(found.layouts, _pair(found, method), strict=True)
    }
    arrays = dict(_arrays(found, rows))
    outside, starts = {}, {}
    for name, layout in layouts.items():
        limits = panel_limits(layout.xy)
        arrays[f"xy/{name}"] = pack(_coordinates(layout, limits, rows, len(found.images)))
        if beyond := int((~within(layout.xy, limits)).sum()):
            outside[name] = beyond
        if layout.start:
            starts[name] = layout.start
    texts = [*found.images.get("file", []), *map(str, found.images["id"])]
    spent = BESIDES + sum(len(each.text) for each in arrays.values()) + sum(map(len, texts))
    sheets = _sheets(found, rows, spent, notes)
    facts = _facts(found, rows, sheets, notes) | {"outside": outside, "starts": starts}
    return Content(facts, arrays, sheets)


def _shown(found: Explored, points: int) -> np.ndarray:
    """Rows of the images that are shown, ascending."""
    if len(found.images) <= points:
        return np.arange(len(found.images))
    split = found.images["split"].to_numpy(str)
    parted = None if len(np.unique(split)) < 2 else split
    return stratified_subset(found.labels, points, seed=0, split=parted)


def _pair(found: Explored, method: str) -> tuple[Placed, Placed]:
    """The layouts of a method, the one after turned and mirrored towards the one before."""
    before, after = (_checked(found, stage, method) for stage in found.layouts)
    labels = _aligned_by(found)
    turned = procrustes_align(
        before.xy,
        labels[before.rows],
        after.xy,
        labels[after.rows],
        keep_axes=METHODS[method].ordered_axes,
    )
    return before, after._replace(xy=turned)


def _checked(found: Explored, stage: str, method: str) -> Placed:
    layout = found.layouts[stage][method]
    classes, labels = max(len(found.class_names), 1), found.labels[layout.rows]
    try:
        xy, _ = check_layout(layout.xy, labels, n_classes=classes)
    except InputError as error:
        raise InputError(f"{method}, {stage}: {error}") from error
    return layout._replace(xy=xy)


def _aligned_by(found: Explored) -> np.ndarray:
    """The classes; where there are not two, some points as if each were a class of its own."""
    if len(found.class_names) > 1:
        return found.labels
    n = len(found.images)
    labels = np.full(n, -1)
    witnesses = np.linspace(0, n - 1, min(n, WITNESSES), dtype=np.int64)
    labels[witnesses] = np.arange(len(witnesses))
    return labels


def _coordinates(layout: Placed, limits: Any, rows: np.ndarray, n: int) -> np.ndarray:
    """Quantised coordinates of the shown images, (m, 2); of those not laid out `ABSENT`."""
    every = np.full((n, 2), ABSENT, np.int64)
    every[layout.rows] = quantize(layout.xy, limits)
    return every[rows]


def _arrays(found: Explored, rows: np.ndarray) -> Iterator[tuple[str, Packed]]:
    """What is known of each image, but for its places in layouts."""
    images = found.images
    for column in OF_CLASSES:
        if found.labelled and column in images:
            yield f"category/{column}", pack(found.codes(column)[rows])
    splits = list(OF_SPLITS)
    yield "category/split", pack(images["split"].map(splits.index).to_numpy()[rows])
    for score in found.scores():
        yield f"score/{score.name}", pack(_steps(found, score)[rows])
    position = np.full(len(images), NOBODY)
    position[rows] = np.arange(len(rows))
    for stage, neighbors in found.neighbors.items():
        yield f"neighbors/{stage}", pack(position[neighbors[rows]])
    yield "order", pack(_drawing_order(found.labels[rows]))


def _steps(found: Explored, score: Score) -> np.ndarray:
    """A score of every image in whole steps, (n,) int."""
    steps = np.rint((score.values - score.low) * score.steps)
    is_score = (steps >= 0) & (steps <= (1 - score.low) * score.steps)  # False for NaN
    if not is_score.all():
        row = int(is_score.argmin())
        raise InputError(
            f"{score.name} of the image with id {found.images['id'].iloc[row]} in {found.name} is "
            f"{score.values[row]:g}, not from {score.low:g} to 1: run the study again"
        )
    return steps.astype(np.int64)


def _drawing_order(labels: np.ndarray) -> np.ndarray:
    """Rows in random order, those of rare classes last, as in the figure."""
    order = np.random.default_rng(0).permutation(len(labels))
    rare = rare_classes(labels, n_classes=int(labels.max()) + 1)[labels[order]]
    return np.concatenate([order[~rare], order[rare]])


def _sheets(found: Explored, rows: np.ndarray, spent: int, notes: list[str]) -> Sheets | None:
    """Thumbnails, as far as the page has room for them; what was left out is noted."""
    if found.pixels is None:
        return None
    sheets = thumbnail_sheets(found.pixels, rows, room=MOST_BYTES - spent)
    remark = "There are no pictures" if sheets is None else sheets.remark
    if remark:
        notes.append(f"{remark}, to keep the page within {MOST_BYTES // 10**6} MB.")
    return sheets


def _facts(
    found: Explored,
    rows: np.ndarray,
    sheets: Sheets | None,
    notes: list[str],
) -> dict[str, Any]:
    shown = found.images.iloc[rows]
    return {
        "study": found.study,
        "backbone": found.name,
        "facts": _in_a_few_words(found),
        "points": len(rows),
        "k": found.k,
        "ids": list(map(str, shown["id"])),
        "files": list(map(str, shown["file"])) if "file" in shown else None,
        "methods": [{"name": name, "title": METHODS[name].title} for name in found.methods],
        "categories": _categories(found),
        "scores": [
            {
                "name": score.name,
                "title": score.title,
                "low": score.low,
                "steps": score.steps,
            }
            for score in found.scores()
        ],
        "sheets": None if sheets is None else {**sheets._asdict(), "texts": len(sheets.texts)},
        "notes": without_folders(notes),
    }


def _in_a_few_words(found: Explored) -> list[str]:
    context, images = found.context, f"{len(found.images):,} images"
    return [str(each) for each in (context.get("dataset"), images, context.get("weights")) if each]


def _categories(found: Explored) -> list[dict[str, Any]]:
    """The columns that part the images, with names and colours of their values."""
    names = found.class_names
    colors = class_colors(len(names)) if names else []
    of_classes = [
        {"name": column, "title": title, "values": names, "colors": colors}
        for column, title in OF_CLASSES.items()
        if names and column in found.images
    ]
    parts = {"title": "Split", "values": list(OF_SPLITS.values()), "colors": SPLIT_COLORS}
    return [*of_classes, {"name": "split", **parts}]
