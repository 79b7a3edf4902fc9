"""The verb that draws."""

import hashlib
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline import artefacts, store
from pipeline.cli.inputs import write_bytes
from pipeline.cli.program import app
from pipeline.errors import InputError
from pipeline.runtime.log import log
from pipeline.runtime.run import record


@app.command()
def figure(
    context: typer.Context,
    layout: Annotated[list[Path], typer.Option(help="Layouts of one backbone; repeat for each.")],
    out: Annotated[Path, typer.Option(help="Figure to write, .png, .pdf or .svg.")],
    preview: Annotated[Path, typer.Option(help="The same figure at a size for a browser, .png.")],
    panels: Annotated[
        Path, typer.Option(help="Folder for each panel alone, <stage>_<method>.png.")
    ],
    classes: Annotated[
        Path | None, typer.Option(help="A second page, one small panel a class; format as --out.")
    ] = None,
    quality: Annotated[
        list[Path] | None,
        typer.Option(help="Measures of `tunescope quality`; repeat for each stage."),
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Predictions of `tunescope features`, to mark errors.")
    ] = None,
    mark: Annotated[str | None, typer.Option(help="Points to mark: test or errors.")] = None,
    width: Annotated[int, typer.Option(min=1000, help="Width of the figure in pixels.")] = 4200,
    panel_size: Annotated[int, typer.Option(min=200, help="Side of each panel alone.")] = 2000,
    dpi: Annotated[int, typer.Option(min=36, help="Pixels an inch of a printed figure.")] = 300,
) -> None:
    """Draw before above after, one column a method, every point coloured by its class."""
    from pipeline.drawing.figure import FORMATS, FigureLayout, draw_backbone

    inputs = [*layout, *(quality or []), *([predictions] if predictions else [])]
    suffixes = [f".{name}" for name in FORMATS]
    artefacts.check_output(out, suffixes, inputs=inputs)
    artefacts.check_output(preview, [".png"], inputs=inputs, option="--preview")
    if classes:
        artefacts.check_output(classes, [out.suffix.lower()], inputs=inputs, option="--classes")
    artefacts.check_outputs_differ({"--out": out, "--preview": preview, "--classes": classes})
    if os.path.realpath(preview.parent) == os.path.realpath(panels) and preview.stem.startswith(
        ("before_", "after_")
    ):
        raise InputError(f"--preview {preview} has the name of a panel: give another name")
    artefacts.check_folder(panels, option="--panels")
    options: dict[str, Any] = {"mark": mark, "width": width, "panel_size": panel_size, "dpi": dpi}
    with record("figure", context.obj, inputs, options) as made:
        errors = store.load_errors(predictions) if predictions else None
        measured = _of_distinct_stages(quality or [])
        _check_drawn_together(layout, measured)
        layouts: dict[tuple[str, str], FigureLayout] = {}
        for path in layout:
            layout_context = _context(path, "stage", "method", "total_points")
            key = layout_context["stage"], layout_context["method"]
            each = store.load_labelled_layout(path)
            layouts[key] = FigureLayout(
                each.xy,
                each.labels,
                each.class_names,
                layout_context,
                split=each.split,
                wrong=None if errors is None else _wrong(errors, each.ids, predictions, path),
            )
        made["context"] = artefacts.shared_context(layout)
        drawing = draw_backbone(
            layouts,
            measures={stage: store.load_measures(path) for stage, path in measured.items()},
            classes=classes is not None,
            file_format=out.suffix.lstrip(".").lower(),
            **options,
        )
    pictures = {preview: drawing.preview}
    pictures |= {panels / f"{'_'.join(key)}.png": panel for key, panel in drawing.panels.items()}
    if classes and drawing.classes:
        pictures[classes] = drawing.classes
    elif classes:
        log.warning(f"figure: there are no labels, so that {classes} is not written")
    for path, content in pictures.items():
        write_bytes(path, content)
    made["pictures"] = {
        path.name: hashlib.sha256(content).hexdigest() for path, content in pictures.items()
    }
    artefacts.write(out, lambda path: path.write_bytes(drawing.page), made)


def _of_distinct_stages(quality: list[Path]) -> dict[str, Path]:
    """Measures by their stage, of which each may come once."""
    measured: dict[str, Path] = {}
    for path in quality:
        if (stage := _context(path, "stage")["stage"]) in measured:
            raise InputError(f"{measured[stage]} and {path} are both of {stage}: give one")
        measured[stage] = path
    return measured


def _check_drawn_together(layout: list[Path], measured: dict[str, Path]) -> None:
    """Refuse layouts that do not make one figure, and measures of other layouts."""
    drawn: dict[tuple[str, str], Path] = {}
    first = artefacts.context(layout[0])
    for path in layout:
        own = _context(path, "stage", "method")
        stage, method = key = own["stage"], own["method"]
        if key in drawn:
            raise InputError(f"{drawn[key]} and {path} are both by {method}, {stage}: give one")
        drawn[key] = path
        for name in ("dataset", "backbone"):
            if own.get(name) != first.get(name):
                raise InputError(
                    f"{layout[0]} is of the {name} {first.get(name)} but {path} of "
                    f"{own.get(name)}: a figure shows one"
                )
        if stage in measured:
            artefacts.check_measured(path, measured[stage])


def _wrong(errors: Any, ids: Any, predictions: Path | None, layout: Path) -> Any:
    """Whether the head misses the class of each point of a layout."""
    if not errors.index.is_unique:
        raise InputError(f"{predictions} has an image more than once: extract the features again")
    known = errors.reindex(ids)
    if known.isna().any():
        raise InputError(
            f"{predictions} has no prediction for {int(known.isna().sum()):,} of the "
            f"{len(known):,} points of {layout}: give the predictions for the same images"
        )
    return known.to_numpy(bool)


def _context(path: Path, *keys: str) -> dict[str, Any]:
    """The context of an artefact, which must have the keys."""
    known = artefacts.context(artefacts.verify(path))
    if missing := [key for key in keys if key not in known]:
        raise InputError(
            f"{artefacts.sidecar(path)} does not say {' and '.join(missing)}: "
            "draw what comes from features of `tunescope features`"
        )
    return known
