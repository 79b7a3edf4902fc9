"""The command line: one verb a stage. Each verb reads files, calls one function, writes files."""

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import joblib
import numpy as np
import typer

from pipeline import store
from pipeline.errors import InputError
from pipeline.runtime.device import resolve_device, set_up_process
from pipeline.runtime.log import log
from pipeline.runtime.run import parse_params, record, run

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.images.dataset import Dataset

app = typer.Typer(
    name="tunescope",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Out = Annotated[Path, typer.Option(help="File to write; its sidecar is <file>.json.")]
Seed = Annotated[int, typer.Option(help="Seed of every random choice of this stage.")]
DatasetFile = Annotated[Path, typer.Option(help="Data set written by `tunescope dataset`.")]
Params = Annotated[str, typer.Option(help='Parameters as a JSON object, {"name": value}.')]


def main() -> None:
    """Entry point of `tunescope` and of `python -m pipeline`."""
    run(lambda: app(prog_name="tunescope"))


@app.callback()
def process(
    context: typer.Context,
    device: Annotated[
        str, typer.Option(envvar="TUNESCOPE_DEVICE", help="auto, cpu or gpu.")
    ] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; default all.")] = None,
) -> None:
    """See what fine-tuning did to a representation. One verb a stage; each works alone on files."""
    context.obj = resolve_device(device)
    set_up_process(context.obj, threads or joblib.cpu_count())


@app.command()
def dataset(
    context: typer.Context,
    source: Annotated[
        str, typer.Option(help="mnist, fashion_mnist, cifar10, digits, an .npz, a folder.")
    ],
    out: Out,
    resources: Annotated[Path, typer.Option(help="Folder of downloaded files.")] = Path(
        "resources"
    ),
    image_size: Annotated[int | None, typer.Option(help="Side for folders of mixed sizes.")] = None,
    subset: Annotated[int | None, typer.Option(help="Images to keep, stratified.")] = None,
    seed: Seed = 0,
) -> None:
    """Read images, labels and split from a named data set, an .npz file or an image folder."""
    from pipeline.images.dataset import load_dataset

    options = {"source": source, "image_size": image_size, "subset": subset, "seed": seed}
    with record("dataset", context.obj, [], options) as made:
        data = load_dataset(
            source, resources=resources, image_size=image_size, subset=subset, seed=seed
        )
        made["context"] = {
            "dataset": Path(source).stem if os.sep in source else source,
            "images": len(data.images),
            "image_shape": data.images.shape[1:],
            "classes": len(data.class_names),
        }
    store.save_dataset(out, data, made)


@app.command()
def backbone(
    context: typer.Context,
    name: Annotated[str, typer.Option(help="VGG16, VGG19, ResNet50V2, MobileNet or MobileNetV2.")],
    dataset: DatasetFile,
    out: Out,
    image_size: Annotated[int, typer.Option(help="Side of the images that the network sees.")] = 96,
    weights: Annotated[str, typer.Option(help="imagenet, random, or a file.")] = "imagenet",
    alpha: Annotated[float, typer.Option(help="Width multiplier of the MobileNets.")] = 1.0,
    resources: Annotated[Path, typer.Option(help="Folder of downloaded files.")] = Path(
        "resources"
    ),
    seed: Seed = 0,
) -> None:
    """Build a pre-trained network without its top, uint8 images in and pooled features out."""
    from pipeline.networks.backbone import build_backbone

    inherited = store.context(dataset)
    options = {
        "name": name,
        "image_size": image_size,
        "weights": weights,
        "alpha": alpha,
        "seed": seed,
    }
    with record("backbone", context.obj, [dataset], options) as made:
        model, provenance = build_backbone(
            name,
            input_shape=store.load_dataset(dataset).images.shape[1:],
            image_size=image_size,
            weights=weights,
            alpha=alpha,
            seed=seed,
            resources=resources,
        )
        made["provenance"] = provenance
        for sentence in provenance["warnings"]:
            log.warning(sentence)
        made["context"] = {
            **inherited,
            "backbone": name,
            "image_size": image_size,
            "weights": provenance["label"],
            "warnings": provenance["warnings"],
            "stage": "before",
        }
    store.write(out, model.save, made)


@app.command()
def finetune(
    context: typer.Context,
    model: Annotated[Path, typer.Option(help="Model written by `tunescope backbone`.")],
    dataset: DatasetFile,
    out: Out,
    history: Annotated[Path, typer.Option(help="CSV of loss and accuracy, one row an epoch.")],
    params: Params = "{}",
    seed: Seed = 0,
) -> None:
    """Fine-tune the head, then the whole network; a killed run goes on from its last epoch."""
    import pandas as pd

    from pipeline.networks import finetune as stage
    from pipeline.networks.recipe import parse_recipe

    recipe = parse_recipe(parse_params(params))
    checkpoint = Path(f"{out}.checkpoint")
    options = {"seed": seed, **dataclasses.asdict(recipe)}
    with record("finetune", context.obj, [model, dataset], options) as made:
        data = store.load_dataset(dataset)
        result = stage.finetune(
            store.load_model(model),
            data.images,
            data.labels,
            data.split,
            n_classes=len(data.class_names),
            recipe=recipe,
            seed=seed,
            checkpoint=checkpoint,
        )
        made |= {"precision": result.precision, **result.speed}
        before = store.context(model)
        made["context"] = {
            **before,
            "stage": "after",
            "accuracy": result.accuracy,
            "warnings": [*before.get("warnings", []), *result.warnings],
        }
    store.write(history, pd.DataFrame(result.history).to_csv, made)
    store.write(out, result.model.save, made)
    shutil.rmtree(checkpoint)


@app.command()
def features(
    context: typer.Context,
    model: Annotated[
        Path, typer.Option(help="Model of `tunescope backbone` or `tunescope finetune`.")
    ],
    dataset: DatasetFile,
    out: Out,
    layer: Annotated[
        str, typer.Option(help="Layer to extract; default the global average pool.")
    ] = "features",
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Images per step; default what suits the device.")
    ] = None,
    precision: Annotated[
        str, typer.Option(help="auto, float32, bfloat16 or float16; auto is float32 on a CPU.")
    ] = "auto",
) -> None:
    """Extract the features of every image, (n, d) float32."""
    from pipeline.networks.features import extract_features

    inputs = [model, dataset]
    options: dict[str, Any] = {"layer": layer, "batch_size": batch_size, "precision": precision}
    with record("features", context.obj, inputs, options) as made:
        values, info = extract_features(
            store.load_model(model), store.load_dataset(dataset).images, **options
        )
        made |= {**info, "context": store.context(model)}
    store.save_features(out, values, made)


@app.command()
def graph(
    context: typer.Context,
    features: Annotated[Path, typer.Option(help=".npy of shape (points, features).")],
    out: Out,
    n_neighbors: Annotated[int, typer.Option(min=1, help="Neighbours per point.")] = 90,
) -> None:
    """Compute the exact nearest-neighbour graph that the methods share."""
    from pipeline.neighbors.graph import knn_graph

    with record("graph", context.obj, [features], {"n_neighbors": n_neighbors}) as made:
        points = store.load_features(features)
        neighbors = knn_graph(points, k=n_neighbors, device=context.obj)
        made["context"] = store.context(features)
    store.save_graph(out, neighbors, made)


@app.command()
def embed(
    context: typer.Context,
    features: Annotated[Path, typer.Option(help=".npy of shape (points, features).")],
    method: Annotated[str, typer.Option(help="pca, tsne, umap, mds, lle or isomap.")],
    out: Out,
    engine: Annotated[
        str, typer.Option(help="Who computes it; auto takes the default of the device.")
    ] = "auto",
    graph: Annotated[
        Path | None, typer.Option(help="Graph of these features; computed if left out.")
    ] = None,
    dataset: Annotated[Path | None, typer.Option(help="Data set, for labels and split.")] = None,
    subset: Annotated[
        int | None, typer.Option(min=1, help="Points to lay out at most, stratified; default all.")
    ] = None,
    params: Params = "{}",
    seed: Seed = 0,
) -> None:
    """Lay the points out in 2-D by one method."""
    from pipeline.methods.embed import embed as stage

    inputs = [path for path in (features, graph, dataset) if path is not None]
    given = parse_params(params)
    # Apart from the others: t-SNE has a parameter called method too.
    options = {"method": method, "engine": engine, "subset": subset, "params": given, "seed": seed}
    with record("embed", context.obj, inputs, options) as made:
        points = store.load_features(features)
        data = store.load_dataset(dataset) if dataset else None
        table = _point_table(len(points), data, subset=subset, seed=seed)
        whole = len(table) == len(points)
        layout = stage(
            points if whole else points[table["id"]],
            method=method,
            engine=engine,
            params=given,
            graph=store.load_graph(graph) if graph and whole else None,
            seed=seed,
            device=context.obj,
        )
        made["info"] = layout.info
        made["context"] = {
            **store.context(features),
            "method": method,
            "engine": layout.engine,
            "components": layout.info.get("components"),
            "points": len(table),
            "total_points": len(points),
        }
    table["x"], table["y"] = layout.embedding.T
    store.save_layout(out, table, made)


@app.command()
def quality(
    context: typer.Context,
    layout: Annotated[Path, typer.Option(help="Layout written by `tunescope embed`, with labels.")],
    features: Annotated[Path, typer.Option(help="The features that were laid out.")],
    out: Out,
    graph: Annotated[Path | None, typer.Option(help="Their graph; computed if left out.")] = None,
    n_neighbors: Annotated[int, typer.Option(min=1, help="Neighbours that count.")] = 15,
) -> None:
    """Measure how well a layout separates the classes and keeps the neighbours of the features."""
    from pipeline.measures.quality import measure
    from pipeline.neighbors.graph import knn_graph

    inputs = [path for path in (layout, features, graph) if path is not None]
    with record("quality", context.obj, inputs, {"n_neighbors": n_neighbors}) as made:
        table = _labelled(layout)
        points = store.load_features(features)
        whole = len(table) == len(points)
        neighbors = (
            store.load_graph(graph)
            if graph and whole
            else knn_graph(points[table["id"]], k=n_neighbors, device=context.obj)
        )
        measures = measure(
            table[["x", "y"]].to_numpy(),
            table["label"].cat.codes.to_numpy(),
            graph=neighbors,
            k=n_neighbors,
        )
        made["context"] = store.context(layout)
    store.write(out, lambda path: path.write_text(json.dumps(measures, indent=2) + "\n"), made)


@app.command()
def figure(
    context: typer.Context,
    layout: Annotated[list[Path], typer.Option(help="Layouts of one backbone; repeat for each.")],
    out: Out,
    preview: Annotated[Path, typer.Option(help="The same figure at a size for a browser.")],
    panels: Annotated[
        Path, typer.Option(help="Folder for each panel alone, <stage>_<method>.png.")
    ],
    quality: Annotated[
        list[Path] | None, typer.Option(help="Measures of the layouts, in the same order.")
    ] = None,
    width: Annotated[int, typer.Option(min=1000, help="Width of the figure in pixels.")] = 4200,
    panel_size: Annotated[int, typer.Option(min=200, help="Side of each panel alone.")] = 2000,
) -> None:
    """Draw before above after, one column a method, every point coloured by its class."""
    from pipeline.drawing import figure as stage
    from pipeline.drawing.caption import describe, name_measures, note
    from pipeline.drawing.panel import draw_panel
    from pipeline.methods.registry import METHODS

    quality = quality or []
    if quality and len(quality) != len(layout):
        raise InputError(
            f"{len(quality)} --quality files for {len(layout)} layouts: give one for each or none"
        )
    options = {"width": width, "panel_size": panel_size}
    with record("figure", context.obj, [*layout, *quality], options) as made:
        contexts = [_layout_context(path) for path in layout]
        tables = [_labelled(path) for path in layout]
        measures = [store.load_json(path) for path in quality] or [{} for _ in layout]
        layouts = {
            (known["stage"], known["method"]): stage.PanelData(
                xy=table[["x", "y"]].to_numpy(),
                labels=table["label"].cat.codes.to_numpy(),
                total_points=known["total_points"],
                note=note(known),
                measures=name_measures(measured),
            )
            for known, table, measured in zip(contexts, tables, measures, strict=True)
        }
        ordered = [name for name, method in METHODS.items() if method.ordered_axes]
        drawn = stage.align(layouts, keep_axes=ordered)
        class_names = list(tables[0]["label"].cat.categories)
        page = stage.draw_figure(
            drawn,
            titles={name: method.title for name, method in METHODS.items()},
            class_names=class_names,
            width=width,
            **describe(contexts, n_neighbors=measures[0].get("k")),
        )
        small = stage.preview(page)
        made["context"] = contexts[-1]
    for (name, method), panel in drawn.items():
        alone = draw_panel(panel.xy, panel.labels, class_names=class_names, size=panel_size)
        with store.atomic(panels / f"{name}_{method}.png") as path:
            alone.image.save(path)
    with store.atomic(preview) as path:
        small.save(path, optimize=True)
    store.write(out, page.save, made)


@app.command()
def summary(
    context: typer.Context,
    quality: Annotated[list[Path], typer.Option(help="Measures of layouts; repeat for each.")],
    out: Out,
) -> None:
    """Tabulate the measures of a study, one row a layout, as CSV."""
    from pipeline.report.summary import summarize

    with record("summary", context.obj, quality, {}) as made:
        table = summarize([(store.context(path), store.load_json(path)) for path in quality])
    store.write(out, lambda path: table.to_csv(path, index=False), made)


@app.command()
def runtimes(
    context: typer.Context,
    benchmark: Annotated[
        list[Path], typer.Option(help="Snakemake's benchmark files of a study; repeat for each.")
    ],
    out: Out,
    artefact: Annotated[
        list[Path] | None, typer.Option(help="What jobs on a GPU wrote; repeat for each.")
    ] = None,
) -> None:
    """Tabulate where a study's time went, one row a job, as CSV."""
    from pipeline.report.runtimes import runtimes as tabulate

    with record("runtimes", context.obj, benchmark, {}) as made:
        table = tabulate(benchmark, artefact or [])
    store.write(out, lambda path: table.to_csv(path, index=False), made)


def _labelled(path: Path) -> "pd.DataFrame":
    table = store.load_layout(path)
    if "label" not in table.columns:
        raise InputError(f"{path} has no column label: give --dataset to `tunescope embed`")
    return table


def _layout_context(path: Path) -> dict[str, Any]:
    known = store.context(path)
    missing = {"stage", "method", "total_points"} - set(known)
    if missing:
        raise InputError(
            f"{store.sidecar(path)} does not say {' and '.join(sorted(missing))}: "
            "draw layouts that come from features of `tunescope features`"
        )
    return known


def _point_table(
    n: int, data: "Dataset | None", *, subset: int | None, seed: int
) -> "pd.DataFrame":
    """Id, and where the data set is known split and label, of the points to lay out."""
    import pandas as pd

    from pipeline.images.subset import stratified_subset

    if data is not None and len(data.labels) != n:
        raise InputError(
            f"the data set has {len(data.labels)} images but the features have {n} rows: "
            "give the data set that the features were extracted from"
        )
    labels = np.zeros(n, dtype=np.int64) if data is None else data.labels
    rows = np.arange(n)
    if subset is not None and subset < n:
        rows = stratified_subset(labels, subset, seed=seed)
    table = pd.DataFrame({"id": rows})
    if data is not None:
        table["split"] = data.split[rows]
        names = list(data.class_names)
        table["label"] = pd.Categorical.from_codes(data.labels[rows], categories=names)
    return table
