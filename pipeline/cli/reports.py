"""Verbs that report: tables and the page."""

import os
from pathlib import Path
from typing import Annotated

import typer

from pipeline import artefacts, store
from pipeline.cli.inputs import write_bytes
from pipeline.cli.program import app
from pipeline.runtime.run import parse_params, record


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
    results: Annotated[Path, typer.Argument(help="Results of a study: results/<study>.")],
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
    from pipeline.results import own_claims, read_backbone, read_sidecars, result_folders

    found = result_folders(results, backbones=backbone, controls=control)
    tables = tables or out.parent / f"{out.stem}_tables"
    methods = methods or out.parent / "methods.txt"
    artefacts.check_output(out, [".html"], inputs=[])
    artefacts.check_output(methods, [".txt"], option="--methods")
    artefacts.check_folder(tables, option="--tables")
    claims = own_claims([parse_params(text) for text in claim or []])
    inputs = [folder / "change.parquet" for folder in found]
    with record("report", context.obj, inputs, {"thumbnails": thumbnails}) as made:
        pictures = results / "images.npy"
        pixels = store.load_images(pictures) if thumbnails and pictures.is_file() else None
        if pixels is not None:
            for folder in found:
                artefacts.check_made_from(folder / "change.parquet", results / "images.parquet")
            artefacts.check_same_images(pictures, results / "images.parquet")
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
