"""Verbs of one feature set: its graph, and its layouts."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from pipeline import artefacts, store
from pipeline.cli.inputs import given_features, given_graph
from pipeline.cli.options import Dask, Metric, Params, Seed
from pipeline.cli.program import app, given_options
from pipeline.errors import InputError
from pipeline.runtime.cluster import open_client
from pipeline.runtime.device import thread_count
from pipeline.runtime.log import log
from pipeline.runtime.run import parse_params, record


@app.command()
def graph(
    context: typer.Context,
    features: Annotated[Path, typer.Option(help=".npy of shape (points, features).")],
    out: Annotated[Path, typer.Option(help="Graph to write, .npz.")],
    n_neighbors: Annotated[
        int, typer.Option(min=1, help="Neighbours per point; all others where there are fewer.")
    ] = 90,
    metric: Metric = "euclidean",
    dask: Dask = "none",
) -> None:
    """Compute the exact nearest-neighbour graph that the methods share."""
    from pipeline.neighbors.graph import graph_width, knn_graph
    from pipeline.neighbors.scale import scale_features

    artefacts.check_output(out, [".npz"], inputs=[features])
    options = {"n_neighbors": n_neighbors, "metric": metric}
    with record("graph", context.obj, [features], options) as made:
        points, made["exponent"] = scale_features(given_features(features, metric))
        k, adapted = graph_width(n_neighbors, len(points))
        if adapted:
            log.info(f"graph: {adapted}")
        with open_client(dask, workers=thread_count()) as client:
            neighbors = knn_graph(points, k=k, device=context.obj, client=client)
        made["context"] = {**artefacts.context(features), "metric": metric}
    store.save_graph(out, neighbors, made)


@app.command()
def embed(
    context: typer.Context,
    features: Annotated[Path, typer.Option(help=".npy of shape (points, features).")],
    method: Annotated[str, typer.Option(help="pca, tsne, umap, mds, lle or isomap.")],
    out: Annotated[Path, typer.Option(help="Layout to write, .parquet.")],
    engine: Annotated[
        str,
        typer.Option(help="Implementation of the method; auto takes that of the device."),
    ] = "auto",
    graph: Annotated[
        Path | None, typer.Option(help="Graph of these features; computed if left out.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="Table of the images, for labels and split.")
    ] = None,
    subset: Annotated[
        int | None, typer.Option(min=1, help="Points to lay out at most, stratified; default all.")
    ] = None,
    params: Params = "{}",
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse parameters that the points do not allow.")
    ] = False,
    exact: Annotated[
        Literal["required", "preferred"],
        typer.Option(help="Whether landmarks may do where pairs of points find no room."),
    ] = "required",
    metric: Metric = "euclidean",
    start: Annotated[
        Path | None,
        typer.Option(
            help="Layout of the same points to start from; tsne, umap and mds. They are laid out "
            "from the method's own start, too, for its objective."
        ),
    ] = None,
    dask: Dask = "none",
    seed: Seed = 0,
    subset_seed: Annotated[
        int | None, typer.Option(min=0, max=2**32 - 1, help="Draws the subset; default the seed.")
    ] = None,
) -> None:
    """Lay the points out in 2-D by one method."""
    from pipeline.methods import embed as step

    inputs = [path for path in (features, graph, table, start) if path is not None]
    artefacts.check_output(out, [".parquet"], inputs=inputs)
    options: dict[str, Any] = {
        "method": method,
        "engine": engine,
        "subset": subset,
        "params": parse_params(params),  # apart: t-SNE has a parameter called method too
        "strict": strict,
        "exact": exact,
        "seed": seed,
        "subset_seed": subset_seed,
    }
    if dask != "none" and not step.spreads(method, engine, context.obj):
        if "dask" in given_options(context):
            raise InputError(f"{method} with engine {engine} computes alone: leave --dask out")
        dask = "none"  # a study names the cluster of all its steps
    with record("embed", context.obj, inputs, {**options, "metric": metric}) as made:
        points = given_features(features, metric)
        if table:
            artefacts.check_same_images(features, table)
        known = store.load_table(table, points=len(points)) if table else None
        begin = None if start is None else store.load_layout(start)
        with open_client(dask, workers=thread_count()) as client:
            layout = step.embed(
                points,
                **options,
                labels=None if known is None else known.labels,
                graph=given_graph(graph, features, len(points), metric),
                start=None if begin is None else (begin["row"], begin[["x", "y"]].to_numpy()),
                device=context.obj,
                client=client,
            )
        made["info"] = layout.info
        inherited = {**artefacts.context(features), "metric": metric}
        name = " ".join(filter(None, [step.METHODS[method].title, inherited.get("stage")]))
        made["context"] = {
            **inherited,
            "method": method,
            "engine": layout.engine,
            "layout_seed": seed,
            "started_from": start and (artefacts.context(start).get("stage") or start.name),
            "components": layout.info.get("components"),
            "converged": layout.info.get("converged"),
            "points": len(layout.rows),
            "total_points": len(points),
            "warnings": [
                *inherited.get("warnings", []),
                *(f"{name}: {sentence}" for sentence in layout.info["warnings"]),
            ],
        }
    store.save_layout(out, layout.rows, layout.embedding, known, made)
