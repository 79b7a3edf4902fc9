"""Verbs that report: tables and the page."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline import artefacts, store
from pipeline.cli.inputs import write_bytes
from pipeline.cli.program import app
from pipeline.report.explorer import MOST_POINTS
from pipeline.runtime.run import parse_params, record

Results = Annotated[Path, typer.Argument(help="Results of a study: results/<study>.")]
OneBackbone = Annotated[
    str | None, typer.Option(help="Which backbone, where the study has several.")
]


@app.command()
def summary(
    context: typer.Context,
    quality: Annotated[
        list[Path], typer.Option(help="Measures of `tunescope quality`; repeat for each.")
    ],
    out: Annotated[Path, typer.Option(help="Table to write, .csv: one row a layout.")],
    change: Annotated[
        list[Path] | None, typer.Option(help="Measures of `tunescope change`; repeat for each.")
    ] = None,
    control: Annotated[
        list[Path] | None,
        typer.Option(help="Measures of controls, for the table of all; repeat for each."),
    ] = None,
    depth: Annotated[
        list[Path] | None, typer.Option(help="Measures of `tunescope depth`; repeat for each.")
    ] = None,
    measures: Annotated[
        Path | None, typer.Option(help="Table of all measures, .csv: one row each.")
    ] = None,
) -> None:
    """Tabulate the measures of a study as CSV."""
    from pipeline.report.summary import summarize, tabulate_measures

    inputs = [*quality, *(change or []), *(depth or []), *(control or [])]
    artefacts.check_output(out, [".csv"], inputs=inputs)
    if measures:
        artefacts.check_output(measures, [".csv"], inputs=inputs, option="--measures")
    with record("summary", context.obj, inputs, {}) as made:
        found = {path: (artefacts.context(path), store.load_measures(path)) for path in inputs}
        table = summarize(found[path] for path in quality)
    if measures:
        store.save_csv(measures, tabulate_measures(found.values()), made)
    store.save_csv(out, table, made)


@app.command()
def report(
    context: typer.Context,
    results: Results,
    out: Annotated[Path, typer.Option(help="Page to write, .html.")],
    tables: Annotated[
        Path | None,
        typer.Option(help="Folder for its tables, .csv; default <name of the page>_tables."),
    ] = None,
    methods: Annotated[
        Path | None,
        typer.Option(help="The paragraph on methods, .txt; default methods.txt beside the page."),
    ] = None,
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails/--no-thumbnails", help="Show images on the page.")
    ] = True,
    backbone: Annotated[
        list[str] | None,
        typer.Option(help="Backbones on the page, in this order; default all, with all controls."),
    ] = None,
    control: Annotated[
        list[str] | None,
        typer.Option(help="Folders in results/<study>/controls that belong to these backbones."),
    ] = None,
    claim: Annotated[
        list[str] | None,
        typer.Option(help="A claim of your own as a JSON object, as in a configuration."),
    ] = None,
) -> None:
    """Write the answer of a study as one page that needs no other file and no network."""
    from pipeline.report.page import build_page
    from pipeline.report.provenance import origin, trace
    from pipeline.results import (
        own_claims,
        read_backbone,
        read_pixels,
        read_sidecars,
        result_folders,
    )

    found = result_folders(results, backbones=backbone, controls=control)
    tables = tables or out.parent / f"{out.stem}_tables"
    methods = methods or out.parent / "methods.txt"
    artefacts.check_output(out, [".html"], inputs=[])
    artefacts.check_output(methods, [".txt"], option="--methods")
    artefacts.check_folder(tables, option="--tables")
    claims = own_claims([parse_params(text) for text in claim or []])
    inputs = [folder / "change.parquet" for folder in found]
    with record("report", context.obj, inputs, {"thumbnails": thumbnails}) as made:
        pixels = read_pixels(results, list(found)) if thumbnails else None
        sidecars = read_sidecars(results, found)
        page = build_page(
            results.resolve().name,
            [
                read_backbone(folder, controlled_by, pixels=pixels, claims=claims)
                for folder, controlled_by in found.items()
            ],
            runtimes=store.load_csv(
                artefacts.described(results / "runtimes.csv")
            ).convert_dtypes(),  # seeds are integers
            origin=origin(sidecars),
            trace=trace(sidecars),
            tables_at=Path(os.path.relpath(tables, out.parent)).as_posix(),
            methods_at=Path(os.path.relpath(methods, out.parent)).as_posix(),
            explorers_at={
                folder.name: Path(os.path.relpath(page, out.parent)).as_posix()
                for folder in found
                if (page := results / f"explorer/{folder.name}.html").is_file()
            },
        )
    for name, table in page.tables.items():
        write_bytes(tables / f"{name}.csv", store.csv_text(table).encode())
    write_bytes(methods, f"{page.methods}\n".encode())
    artefacts.write(out, lambda path: path.write_text(page.html, encoding="utf-8"), made)


@app.command()
def runtimes(
    context: typer.Context,
    artefact: Annotated[
        list[Path], typer.Option(help="What the steps of a study wrote; repeat for each.")
    ],
    out: Annotated[Path, typer.Option(help="Table to write, .csv.")],
) -> None:
    """Tabulate where a study's time went, one row a job, as CSV."""
    from pipeline.report.runtimes import tabulate_runtimes

    artefacts.check_output(out, [".csv"], inputs=artefact)
    with record("runtimes", context.obj, [], {}) as made:
        table = tabulate_runtimes(map(artefacts.load_sidecar, artefact))
    store.save_csv(out, table, made)


@app.command()
def explorer(
    context: typer.Context,
    results: Results,
    out: Annotated[Path, typer.Option(help="Page to write, .html.")],
    backbone: OneBackbone = None,
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails/--no-thumbnails", help="Show images on the page.")
    ] = True,
    points: Annotated[
        int, typer.Option(min=100, help="Images on the page at most; of more, a stratified part.")
    ] = MOST_POINTS,
) -> None:
    """Write every image before and after, linked, as one page that needs no other file."""
    from pipeline.report.explorer.page import build_explorer
    from pipeline.results import one_folder, read_explored, read_pixels

    folder = one_folder(results, backbone)
    artefacts.check_output(out, [".html"])
    options = {"thumbnails": thumbnails, "points": points}
    with record("explorer", context.obj, [folder / "change.parquet"], options) as made:
        pixels = read_pixels(results, [folder]) if thumbnails else None
        found = read_explored(folder, pixels=pixels)
        made["context"] = found.context
        page = build_explorer(found, points=points)
    artefacts.write(out, lambda path: path.write_text(page, encoding="utf-8"), made)


@app.command()
def export(
    context: typer.Context,
    results: Results,
    out: Annotated[Path, typer.Option(help="Table to write, .parquet.")],
    to: Annotated[Literal["parquet"], typer.Option("--to", help="Format.")] = "parquet",
    backbone: OneBackbone = None,
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails/--no-thumbnails", help="With pictures, as PNG.")
    ] = True,
) -> None:
    """Write all that is known of each image as one table, for data frames and other viewers."""
    from pipeline.report.explorer.table import tabulate
    from pipeline.results import one_folder, read_explored, read_pixels

    folder = one_folder(results, backbone)
    change = folder / "change.parquet"
    inputs = [results / "images.parquet", change, *folder.glob("*/*.parquet")]
    artefacts.check_output(out, [f".{to}"], inputs=inputs)
    options = {"thumbnails": thumbnails}
    with record("export", context.obj, [change], options) as made:
        pixels = read_pixels(results, [folder]) if thumbnails else None
        found = read_explored(folder, pixels=pixels)
        made["context"] = found.context
        table = tabulate(found)
    artefacts.write(out, lambda path: table.to_parquet(path, index=False), made)
