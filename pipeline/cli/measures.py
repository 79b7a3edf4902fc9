"""Verbs that measure: features and layouts, before against after, block by block."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline import artefacts, store
from pipeline.cli.inputs import given_features, given_graph
from pipeline.cli.options import Dask, Images, Metric, Seed, Table
from pipeline.cli.program import app
from pipeline.errors import InputError
from pipeline.runtime.cluster import open_client
from pipeline.runtime.device import thread_count
from pipeline.runtime.log import log
from pipeline.runtime.run import record


@app.command()
def quality(
    context: typer.Context,
    features: Annotated[Path, typer.Option(help="The features that were laid out.")],
    out: Annotated[Path, typer.Option(help="Measures to write, .json.")],
    layout: Annotated[
        list[Path] | None,
        typer.Option(help="Layouts of these features, with labels; repeat for each."),
    ] = None,
    control: Annotated[
        list[Path] | None,
        typer.Option(help="Layouts of the same points by another seed; repeat for each."),
    ] = None,
    graph: Annotated[Path | None, typer.Option(help="Their graph; computed if left out.")] = None,
    table: Annotated[
        Path | None, typer.Option(help="Table of the images, for the linear probe.")
    ] = None,
    n_neighbors: Annotated[int, typer.Option(min=1, help="Neighbours that count.")] = 15,
    metric: Metric = "euclidean",
    dask: Dask = "none",
) -> None:
    """Measure features, and how well layouts of them separate the classes and keep neighbours."""
    from pipeline.measures.quality import Laid, measure_layouts

    layouts, controls = layout or [], control or []
    if not layouts and table is None:
        raise InputError("there is nothing to measure: give --layout, or --table for its classes")
    inputs = [path for path in (*layouts, *controls, features, graph, table) if path is not None]
    artefacts.check_output(out, [".json"], inputs=inputs)
    options = {"n_neighbors": n_neighbors, "metric": metric}
    with record("quality", context.obj, inputs, options) as made:
        paths = _by_method(layouts)
        points = given_features(features, metric)
        for path in (*layouts, *controls):
            artefacts.check_made_from(path, features)
            artefacts.check_same_metric(path, metric)
        if table:
            artefacts.check_same_images(features, table)
        known = store.load_table(table, points=len(points)) if table else None
        by_seed = _by_seed(controls, paths)

        def laid_out(files: dict[str, Path]) -> dict[str, Laid]:
            found = {method: store.load_labelled_layout(path) for method, path in files.items()}
            return {
                method: Laid(each.rows, each.xy, each.classes, each.split)
                for method, each in found.items()
            }

        with open_client(dask, workers=thread_count()) as client:
            measures = measure_layouts(
                laid_out(paths),
                layout_seeds={seed: laid_out(files) for seed, files in by_seed.items()},
                features=points,
                graph=given_graph(graph, features, len(points), metric),
                labels=None if known is None else known.classes,
                split=None if known is None else known.parts,
                k=n_neighbors,
                cosine=metric != "cosine",
                device=context.obj,
                client=client,
            )
        made["context"] = {
            **artefacts.context(features),
            "metric": metric,
            "layouts": {
                method: _with_warnings(artefacts.context(path), method, by_seed)
                for method, path in paths.items()
            },
        }
        if known is not None:
            measures["classes"] = list(known.class_names)  # in the order of the mixing matrices
    store.save_json(out, measures, made)


def _by_method(layouts: list[Path]) -> dict[str, Path]:
    """The layouts of one feature set, each by another method."""
    paths: dict[str, Path] = {}
    for path in layouts:
        method = store.method_of(path)
        if method in paths:
            raise InputError(f"{paths[method]} and {path} are both by {method}: give one of them")
        paths[method] = path
    return paths


def _by_seed(controls: list[Path], layouts: dict[str, Path]) -> dict[int, dict[str, Path]]:
    """The layouts by other seeds, of each seed one by each method at most."""
    known = {
        (method, artefacts.context(path).get("layout_seed")) for method, path in layouts.items()
    }
    found: dict[int, dict[str, Path]] = {}
    for path in controls:
        method, seed = store.method_of(path), artefacts.context(path).get("layout_seed")
        if seed is None:
            raise InputError(
                f"{path} does not say by which seed it was laid out: write it with `tunescope "
                "embed`"
            )
        if (method, seed) in known:
            raise InputError(
                f"--control {path} is by {method} and seed {seed}, as another given layout is: "
                "give one by another seed"
            )
        known.add((method, seed))
        found.setdefault(seed, {})[method] = path
    return found


def _with_warnings(
    context: dict[str, Any], method: str, by_seed: dict[int, dict[str, Path]]
) -> dict[str, Any]:
    """The context of a layout, with what only its runs by other seeds have to say."""
    said = context.get("warnings", [])
    more = [
        f"{sentence} (seed {seed})"
        for seed, files in by_seed.items()
        if method in files
        for sentence in artefacts.context(files[method]).get("warnings", [])
        if sentence not in said
    ]
    return {**context, "warnings": [*said, *more]}


@app.command()
def change(
    context: typer.Context,
    before: Annotated[Path, typer.Option(help="Features before fine-tuning, .npy.")],
    after: Annotated[Path, typer.Option(help="Those of the same images after it, .npy.")],
    table: Table,
    out: Annotated[Path, typer.Option(help="What changed, a row an image, .parquet.")],
    measures: Annotated[Path, typer.Option(help="What changed as a whole and by class, .json.")],
    graph_before: Annotated[
        Path | None, typer.Option(help="Graph of the features before; computed if left out.")
    ] = None,
    graph_after: Annotated[
        Path | None, typer.Option(help="Graph of the features after; computed if left out.")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Predictions of the fine-tuned network.")
    ] = None,
    n_neighbors: Annotated[int, typer.Option(min=1, help="Neighbours that count.")] = 15,
    metric: Metric = "euclidean",
    seed: Seed = 0,
) -> None:
    """Compare the features of each image before and after fine-tuning."""
    from pipeline.measures.change import measure_change

    given = (before, after, table, graph_before, graph_after, predictions)
    inputs = [path for path in given if path is not None]
    artefacts.check_output(out, [".parquet"], inputs=inputs)
    artefacts.check_output(measures, [".json"], inputs=inputs, option="--measures")
    options = {"n_neighbors": n_neighbors, "metric": metric, "seed": seed}
    with record("change", context.obj, inputs, options) as made:
        features = [given_features(path, metric) for path in (before, after)]
        for path in (before, after):
            artefacts.check_same_images(path, table)
        known = store.load_table(table)
        head = store.load_predictions(predictions, known) if predictions else {}
        found = measure_change(
            *features,
            labels=known.classes,
            split=known.parts,
            graphs=(
                given_graph(graph_before, before, len(features[0]), metric),
                given_graph(graph_after, after, len(features[1]), metric),
            ),
            wrong=store.is_wrong(head, known),
            k=n_neighbors,
            seed=seed,
            device=context.obj,
        )
        made["context"] = {
            **artefacts.shared_context([before, after]),
            "seed": artefacts.context(after).get("seed"),
            "metric": metric,
            "stage": "change",
        }
    store.save_json(measures, store.describe_change(found, known), made)
    store.save_change(out, found, known, head, made)


@app.command()
def depth(
    context: typer.Context,
    before: Annotated[Path, typer.Option(help="Model before fine-tuning, .keras.")],
    after: Annotated[Path, typer.Option(help="The same model after it, .keras.")],
    images: Images,
    table: Table,
    out: Annotated[Path, typer.Option(help="Measures of each block to write, .json.")],
    n_neighbors: Annotated[int, typer.Option(min=1, help="Neighbours that count.")] = 15,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Images per batch; default what suits the device.")
    ] = None,
    metric: Metric = "euclidean",
    seed: Seed = 0,
) -> None:
    """Compare the features of each block of a network before and after fine-tuning."""
    from pipeline.measures.depth import measure_depth, sampled_rows
    from pipeline.networks.blocks import pooled_blocks, shared_blocks

    inputs = [before, after, images, table]
    artefacts.check_output(out, [".json"], inputs=inputs)
    artefacts.check_same_images(images, table)
    options: dict[str, Any] = {
        **{"n_neighbors": n_neighbors, "batch_size": batch_size},
        **{"metric": metric, "seed": seed},
    }
    with record("depth", context.obj, inputs, options) as made:
        pixels = store.load_images(images)
        known = store.load_table(table, points=len(pixels))
        first, second = (store.load_model(path) for path in (before, after))
        layers = shared_blocks(first, second)
        rows = sampled_rows(known.labels, known.split, seed=seed)
        found = measure_depth(
            layers,
            pooled_blocks(first, second, layers, pixels[rows], batch_size=batch_size),
            labels=known.labels[rows],
            split=None if known.split is None else known.split[rows],
            k=n_neighbors,
            cosine=metric == "cosine",
            images=len(pixels),
            seed=seed,
        )
        for sentence in found["warnings"]:
            log.warning(f"depth: {sentence}")
        made["context"] = {
            **artefacts.shared_context([before, after]),
            "seed": artefacts.context(after).get("seed"),
            "metric": metric,
            "stage": "change",
        }
    store.save_json(out, found, made)
