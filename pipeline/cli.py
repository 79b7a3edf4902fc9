"""The command line: one verb a step. Each verb reads files, calls one function, writes files."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pipeline import __version__, artefacts, store
from pipeline.errors import InputError
from pipeline.runtime.device import cpu_count, resolve_device, set_up_process
from pipeline.runtime.log import log, set_up_logging
from pipeline.runtime.run import DEBUG, end_with_workflow, parse_params, record, run

if TYPE_CHECKING:
    import numpy as np

    from pipeline.neighbors.graph import Graph

WORKFLOWS = ("study", "demo", "compare")
# The others need no GPU.
ON_DEVICE = ("finetune", "features", "graph", "embed", "quality", "change", "depth")

app = typer.Typer(
    name="tunescope",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Seed = Annotated[
    int, typer.Option(min=0, max=2**32 - 1, help="Seed of every random choice of this step.")
]
Images = Annotated[Path, typer.Option(help="Images written by `tunescope dataset`, .npy.")]
Table = Annotated[Path, typer.Option(help="Their table: id, file, split and label, .parquet.")]
Metric = Annotated[
    Literal["euclidean", "cosine"],
    typer.Option(
        "--metric", help="euclidean, or cosine: distances of features scaled to unit length."
    ),
]
Params = Annotated[str, typer.Option(help='Parameters as a JSON object, {"name": value}.')]


def main() -> None:
    """Entry point of `tunescope` and of `python -m pipeline`."""
    run(lambda: app(prog_name="tunescope"))


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"tunescope {__version__}")
        raise typer.Exit


@app.callback()
def process(
    context: typer.Context,
    device: Annotated[
        str, typer.Option(envvar="TUNESCOPE_DEVICE", help="auto, cpu or gpu.")
    ] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; default all.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only warnings and errors.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """See what fine-tuning did to a representation.

    `study` runs all of it; every other verb is one step, which works alone on files.
    """
    set_up_logging(quiet=quiet)
    if debug:
        os.environ[DEBUG] = "1"  # of the steps of a study, too
    verb = context.invoked_subcommand
    if verb in WORKFLOWS:
        if given := {"device", "threads"} & _given(context):
            raise InputError(
                f"--{min(given)} is an option of single steps: `tunescope {verb}` takes --cores, "
                "and the device from the configuration"
            )
        return  # their steps are processes of their own
    end_with_workflow()
    context.obj = resolve_device(device) if verb in ON_DEVICE else "cpu"
    set_up_process(context.obj, threads or cpu_count())


def _given(context: typer.Context) -> set[str]:
    """Names of the options that stand on the command line."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}


Cores = Annotated[str, typer.Option(help="CPU cores for all steps together, or all.")]
Gpus = Annotated[int, typer.Option(min=1, help="Steps that may use a GPU side by side.")]


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def study(
    context: typer.Context,
    config: Annotated[Path, typer.Argument(help="Configuration of the study, a YAML file.")],
    cores: Cores = "all",
    gpus: Gpus = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would run.")] = False,
) -> None:
    """Run a whole study, from images to figures; run again, it goes on where it was.

    Further arguments are Snakemake's, such as --keep-going.
    """
    from pipeline.workflow.study import run_study

    run_study(config, cores=cores, gpus=gpus, dry_run=dry_run, arguments=context.args)


@app.command()
def demo(cores: Cores = "all", gpus: Gpus = 1) -> None:
    """Run a study on what comes with Tunescope: scikit-learn's digits and a small MobileNet."""
    from pipeline.workflow.study import DEMO, run_study

    run_study(DEMO, cores=cores, gpus=gpus)


@app.command()
def compare(
    before: Annotated[str, typer.Option(help="Features before: a file, or file::key.")],
    after: Annotated[str, typer.Option(help="Features of the same images after, likewise.")],
    out: Annotated[Path, typer.Option(help="Folder for all that is computed.")],
    labels: Annotated[str | None, typer.Option(help="Labels: a file, or file::column.")] = None,
    split: Annotated[str | None, typer.Option(help="The split: likewise.")] = None,
    images: Annotated[
        str | None, typer.Option(help="Images for thumbnails: .npy, .npz or a folder.")
    ] = None,
    methods: Annotated[
        str, typer.Option(help="Layouts to compute, with commas between them.")
    ] = "pca,tsne,umap,mds,lle,isomap",
    name: Annotated[str, typer.Option(help="What the features are called.")] = "features",
    seed: Seed = 0,
    cores: Cores = "all",
    gpus: Gpus = 1,
) -> None:
    """Compare features that other programs computed, before and after: all measures, one page.

    Files are .npy, .npz, .csv, .tsv, .parquet, .h5 or .safetensors; rows with ids are matched.
    """
    from pipeline.workflow.compare import run_comparison

    given = {"before": before, "after": after, "labels": labels, "split": split, "images": images}
    names = [each.strip() for each in methods.split(",")]
    run_comparison(given, out, methods=names, name=name, seed=seed, cores=cores, gpus=gpus)


@app.command()
def dataset(
    context: typer.Context,
    source: Annotated[
        str, typer.Option(help="mnist, fashion_mnist, cifar10, digits, an .npz, a folder.")
    ],
    out: Annotated[Path, typer.Option(help="Images to write, .npy.")],
    table: Annotated[
        Path | None, typer.Option(help="Their table, .parquet; default beside the images.")
    ] = None,
    resources: Annotated[Path, typer.Option(help="Folder of downloaded files.")] = Path(
        "resources"
    ),
    image_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1024,
            help="Side of the square to which images of different or larger sizes are resized.",
        ),
    ] = None,
    subset: Annotated[int | None, typer.Option(help="Images to keep, stratified.")] = None,
    subset_train: Annotated[
        int | None, typer.Option(help="Training images to keep, beside all test images.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Read images, labels and split from a named data set, an .npz file or an image folder."""
    from pipeline.images.dataset import load_dataset
    from pipeline.images.names import printable

    artefacts.check_output(out, [".npy"], inputs=[Path(source)])
    table = table or out.with_suffix(".parquet")
    artefacts.check_output(table, [".parquet"], option="--table")
    if subset is not None and subset_train is not None:
        raise InputError("--subset and --subset-train cannot both be given: choose one of them")
    options: dict[str, Any] = {
        "source": source,
        "image_size": image_size,
        "subset": subset if subset_train is None else {"train": subset_train},
        "seed": seed,
    }
    with record("dataset", context.obj, [], options) as made:
        data = load_dataset(resources=resources, **options)
        for sentence in data.warnings:
            log.warning(f"dataset: {sentence}")
        made["context"] = {
            "dataset": printable(Path(source).resolve().name.removesuffix(".npz")),
            "images": len(data.images),
            "image_shape": data.images.shape[1:],
            "classes": len(data.class_names),
            "warnings": list(data.warnings),
        }
    store.save_dataset(out, table, data, made)


@app.command()
def pair(
    context: typer.Context,
    before: Annotated[str, typer.Option(help="Features before: a file, or file::key.")],
    after: Annotated[str, typer.Option(help="Features of the same images after, likewise.")],
    out: Annotated[Path, typer.Option(help="Table of the images to write, .parquet.")],
    features_before: Annotated[Path, typer.Option(help="Features before to write, .npy.")],
    features_after: Annotated[Path, typer.Option(help="Features after to write, .npy.")],
    pictures: Annotated[
        Path | None, typer.Option(help="Images to write, .npy; with --images.")
    ] = None,
    labels: Annotated[str | None, typer.Option(help="Labels: a file, or file::column.")] = None,
    split: Annotated[str | None, typer.Option(help="The split: likewise.")] = None,
    images: Annotated[
        str | None, typer.Option(help="Images for thumbnails: .npy, .npz or a folder.")
    ] = None,
    name: Annotated[str, typer.Option(help="What the features are called.")] = "features",
    dataset: Annotated[str, typer.Option(help="What the images are called.")] = "images",
) -> None:
    """Read features that other programs computed, before and after, and match their rows."""
    from pipeline.images.pair import load_pair
    from pipeline.images.tables import parse_place

    given = [parse_place(each).path for each in (before, after, labels, split, images) if each]
    inputs = [path for path in given if path.is_file()]
    outputs = {"--out": out, "--features-before": features_before}
    outputs |= {"--features-after": features_after}
    if (images is None) != (pictures is None):
        raise InputError("--images and --pictures belong together: give both or none")
    if pictures is not None:
        outputs["--pictures"] = pictures
    for option, path in outputs.items():
        suffix = ".parquet" if option == "--out" else ".npy"
        artefacts.check_output(path, [suffix], inputs=inputs, option=option)
    artefacts.check_outputs_differ(outputs)
    options: dict[str, Any] = {
        **{"before": before, "after": after},
        **{"labels": labels, "split": split, "images": images},
    }
    with record("pair", context.obj, list(dict.fromkeys(inputs)), options) as made:
        for path in inputs:
            artefacts.verify(path)
        found = load_pair(**options)
        for sentence in found.warnings:
            log.warning(f"pair: {sentence}")
        made["context"] = {
            "dataset": dataset,
            "backbone": name,
            "images": len(found.ids),
            "classes": len(found.class_names),
            "warnings": list(found.warnings),
        }
    store.save_pair(out, features_before, features_after, pictures, found, made)


@app.command()
def backbone(
    context: typer.Context,
    name: Annotated[str, typer.Option(help="VGG16, VGG19, ResNet50V2, MobileNet or MobileNetV2.")],
    images: Images,
    out: Annotated[Path, typer.Option(help="Model to write, .keras.")],
    image_size: Annotated[int, typer.Option(help="Side of the images that the network sees.")] = 96,
    weights: Annotated[str, typer.Option(help="imagenet, random, demo, or a file.")] = "imagenet",
    alpha: Annotated[float, typer.Option(help="Width multiplier of the MobileNets.")] = 1.0,
    resources: Annotated[Path, typer.Option(help="Folder of downloaded files.")] = Path(
        "resources"
    ),
    seed: Seed = 0,
) -> None:
    """Build a pre-trained network without its top, uint8 images in and pooled features out."""
    from pipeline.networks.backbone import build_backbone

    artefacts.check_output(out, [".keras"], inputs=[images, Path(weights)])
    options: dict[str, Any] = {
        "name": name,
        "image_size": image_size,
        "weights": weights,
        "alpha": alpha,
        "seed": seed,
    }
    with record("backbone", context.obj, [images], options) as made:
        model, provenance = build_backbone(
            **options, input_shape=store.load_images(images).shape[1:], resources=resources
        )
        made["provenance"] = provenance
        for sentence in provenance["warnings"]:
            log.warning(sentence)
        inherited = artefacts.context(images)
        made["context"] = {
            **inherited,
            "backbone": name,
            "image_size": image_size,
            "weights": provenance["label"],
            "warnings": [*inherited.get("warnings", []), *provenance["warnings"]],
            "stage": "before",
        }
    store.save_model(out, model, made)


@app.command()
def finetune(
    context: typer.Context,
    model: Annotated[Path, typer.Option(help="Model written by `tunescope backbone`.")],
    images: Images,
    table: Table,
    out: Annotated[Path, typer.Option(help="Model to write, .keras.")],
    history: Annotated[Path, typer.Option(help="CSV of loss and accuracy, one row an epoch.")],
    params: Params = "{}",
    seed: Seed = 0,
) -> None:
    """Fine-tune the head, then the whole network; a killed run goes on from its last epoch."""
    import pandas as pd

    from pipeline.networks import finetune as step
    from pipeline.networks.checkpoint import Checkpoint
    from pipeline.networks.recipe import parse_recipe

    inputs = [model, images, table]
    artefacts.check_output(out, [".keras"], inputs=inputs)
    artefacts.check_output(history, [".csv"], inputs=inputs, option="--history")
    artefacts.check_same_images(images, table)
    recipe = parse_recipe(parse_params(params))
    checkpoint = Checkpoint(Path(f"{out}.checkpoint"))
    options = {"seed": seed, **recipe.model_dump()}
    with record("finetune", context.obj, inputs, options) as made:
        pixels = store.load_images(images)
        known = store.load_table(table, points=len(pixels), labelled=True)
        result = step.finetune(
            store.load_model(model),
            pixels,
            known.labels,
            known.split,
            n_classes=len(known.class_names),
            recipe=recipe,
            seed=seed,
            checkpoint=checkpoint,
        )
        made |= {"precision": result.precision, "threads": result.threads, **result.speed}
        made["training"] = result.training
        before = artefacts.context(model)
        made["context"] = {
            **before,
            "stage": "after",
            "seed": seed,
            "accuracy": result.accuracy,
            "warnings": [*before.get("warnings", []), *result.warnings],
        }
    with artefacts.atomic(history) as path:
        pd.DataFrame(result.history).to_csv(path)
    store.save_model(out, result.model, made)
    checkpoint.remove()


@app.command()
def features(
    context: typer.Context,
    model: Annotated[
        Path, typer.Option(help="Model of `tunescope backbone` or `tunescope finetune`.")
    ],
    images: Images,
    out: Annotated[Path, typer.Option(help="Features to write, .npy.")],
    predictions: Annotated[
        Path | None,
        typer.Option(help="What a fine-tuned model's head says of every image, .parquet."),
    ] = None,
    table: Annotated[Path | None, typer.Option(help="Table of the images; for these.")] = None,
    layer: Annotated[
        str, typer.Option(help="Layer to extract; default the global average pool.")
    ] = "features",
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Images per batch; default what suits the device.")
    ] = None,
    precision: Annotated[
        str, typer.Option(help="auto, float32, bfloat16 or float16; auto is float32 on a CPU.")
    ] = "auto",
    stage: Annotated[
        str | None, typer.Option(help="before or after, for a Keras model of your own.")
    ] = None,
    name: Annotated[str, typer.Option(help="What such a model is called.")] = "features",
) -> None:
    """Extract the features of every image, (n, d) float32."""
    from pipeline.networks.features import check_head, extract_features

    inputs = [path for path in (model, images, table) if path is not None]
    artefacts.check_output(out, [".npy"], inputs=inputs)
    if stage not in (None, "before", "after"):
        raise InputError(f"--stage is {stage!r} but must be before or after")
    if (predictions is None) != (table is None):
        raise InputError("--predictions and --table belong together: give both or none")
    if predictions is not None:
        artefacts.check_output(predictions, [".parquet"], inputs=inputs, option="--predictions")
    if table is not None:
        artefacts.check_same_images(images, table)
    options: dict[str, Any] = {"layer": layer, "batch_size": batch_size, "precision": precision}
    with record("features", context.obj, inputs, options) as made:
        pixels = store.load_images(images)
        known = None
        if table is not None:
            known = store.load_table(table, points=len(pixels), labelled=True)
        network = store.load_model(model)
        if known is not None:
            check_head(network, len(known.class_names), source=str(model))
        extraction = extract_features(network, pixels, **options)
        context_of_model = artefacts.context(model)
        if stage is not None:  # a model that says nothing of itself
            context_of_model = {**artefacts.context(images), "backbone": name, "stage": stage}
        made |= {**extraction.info, "context": context_of_model}
    if predictions is not None and known is not None and extraction.predictions is not None:
        store.save_predictions(predictions, extraction.predictions, known, made)
    store.save_features(out, extraction.features, made)


@app.command()
def graph(
    context: typer.Context,
    features: Annotated[Path, typer.Option(help=".npy of shape (points, features).")],
    out: Annotated[Path, typer.Option(help="Graph to write, .npz.")],
    n_neighbors: Annotated[
        int, typer.Option(min=1, help="Neighbours per point; all others where there are fewer.")
    ] = 90,
    metric: Metric = "euclidean",
) -> None:
    """Compute the exact nearest-neighbour graph that the methods share."""
    from pipeline.neighbors.graph import graph_width, knn_graph
    from pipeline.neighbors.scale import scale_features

    artefacts.check_output(out, [".npz"], inputs=[features])
    options = {"n_neighbors": n_neighbors, "metric": metric}
    with record("graph", context.obj, [features], options) as made:
        points, made["exponent"] = scale_features(_features(features, metric))
        k, adapted = graph_width(n_neighbors, len(points))
        if adapted:
            log.info(f"graph: {adapted}")
        neighbors = knn_graph(points, k=k, device=context.obj)
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
    metric: Metric = "euclidean",
    seed: Seed = 0,
) -> None:
    """Lay the points out in 2-D by one method."""
    from pipeline.methods import embed as step

    inputs = [path for path in (features, graph, table) if path is not None]
    artefacts.check_output(out, [".parquet"], inputs=inputs)
    options: dict[str, Any] = {
        "method": method,
        "engine": engine,
        "subset": subset,
        "params": parse_params(params),  # apart: t-SNE has a parameter called method too
        "strict": strict,
        "seed": seed,
    }
    with record("embed", context.obj, inputs, {**options, "metric": metric}) as made:
        points = _features(features, metric)
        if table:
            artefacts.check_same_images(features, table)
        known = store.load_table(table, points=len(points)) if table else None
        layout = step.embed(
            points,
            **options,
            labels=None if known is None else known.labels,
            graph=_graph(graph, features, len(points), metric),
            device=context.obj,
        )
        made["info"] = layout.info
        inherited = {**artefacts.context(features), "metric": metric}
        name = " ".join(filter(None, [step.METHODS[method].title, inherited.get("stage")]))
        made["context"] = {
            **inherited,
            "method": method,
            "engine": layout.engine,
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


@app.command()
def quality(
    context: typer.Context,
    features: Annotated[Path, typer.Option(help="The features that were laid out.")],
    out: Annotated[Path, typer.Option(help="Measures to write, .json.")],
    layout: Annotated[
        list[Path] | None,
        typer.Option(help="Layouts of these features, with labels; repeat for each."),
    ] = None,
    graph: Annotated[Path | None, typer.Option(help="Their graph; computed if left out.")] = None,
    table: Annotated[
        Path | None, typer.Option(help="Table of the images, for the linear probe.")
    ] = None,
    n_neighbors: Annotated[int, typer.Option(min=1, help="Neighbours that count.")] = 15,
    metric: Metric = "euclidean",
) -> None:
    """Measure features, and how well layouts of them separate the classes and keep neighbours."""
    from pipeline.measures.quality import Laid, measure_layouts

    layouts = layout or []
    if not layouts and table is None:
        raise InputError("there is nothing to measure: give --layout, or --table for its classes")
    inputs = [path for path in (*layouts, features, graph, table) if path is not None]
    artefacts.check_output(out, [".json"], inputs=inputs)
    options = {"n_neighbors": n_neighbors, "metric": metric}
    with record("quality", context.obj, inputs, options) as made:
        paths = _by_method(layouts)
        points = _features(features, metric)
        for path in layouts:
            artefacts.check_made_from(path, features)
            artefacts.check_same_metric(path, metric)
        if table:
            artefacts.check_same_images(features, table)
        known = store.load_table(table, points=len(points)) if table else None
        laid_out = {method: store.load_labelled_layout(path) for method, path in paths.items()}
        measures = measure_layouts(
            {
                method: Laid(each.rows, each.xy, each.classes, each.split)
                for method, each in laid_out.items()
            },
            features=points,
            graph=_graph(graph, features, len(points), metric),
            labels=None if known is None else known.classes,
            split=None if known is None else known.parts,
            k=n_neighbors,
            cosine=metric != "cosine",
            device=context.obj,
        )
        made["context"] = {
            **artefacts.context(features),
            "metric": metric,
            "layouts": {method: artefacts.context(path) for method, path in paths.items()},
        }
        if known is not None:
            measures["classes"] = list(known.class_names)  # in the order of the mixing matrices
    store.save_json(out, measures, made)


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
        features = [_features(path, metric) for path in (before, after)]
        for path in (before, after):
            artefacts.check_same_images(path, table)
        known = store.load_table(table)
        head = store.load_predictions(predictions, known) if predictions else {}
        found = measure_change(
            *features,
            labels=known.classes,
            split=known.parts,
            graphs=(
                _graph(graph_before, before, len(features[0]), metric),
                _graph(graph_after, after, len(features[1]), metric),
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
    from pipeline.measures.depth import measure_depth
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
        found = measure_depth(
            layers,
            pooled_blocks(first, second, layers, pixels, batch_size=batch_size),
            labels=known.labels,
            split=known.split,
            k=n_neighbors,
            cosine=metric == "cosine",
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
    for (stage, method), content in drawing.panels.items():
        _write_bytes(panels / f"{stage}_{method}.png", content)
    _write_bytes(preview, drawing.preview)
    if classes and drawing.classes:
        _write_bytes(classes, drawing.classes)
    elif classes:
        log.warning(f"figure: there are no labels, so that {classes} is not written")
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
        sidecars = read_sidecars(results, found)
        page = build_page(
            results.resolve().name,
            [
                read_backbone(folder, controlled_by, pixels=pixels, claims=claims)
                for folder, controlled_by in found.items()
            ],
            runtimes=store.load_csv(results / "runtimes.csv"),
            origin=origin(sidecars),
            trace=trace(sidecars),
            tables_at=Path(os.path.relpath(tables, out.parent)).as_posix(),
            methods_at=Path(os.path.relpath(methods, out.parent)).as_posix(),
        )
    for name, table in page.tables.items():
        _write_bytes(tables / f"{name}.csv", table.to_csv(index=False).encode())
    _write_bytes(methods, f"{page.methods}\n".encode())
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


def _write_bytes(path: Path, content: bytes) -> None:
    with artefacts.atomic(path) as temporary:
        temporary.write_bytes(content)


def _features(path: Path, metric: str) -> "np.ndarray":
    """The features of a file, for the cosine over their lengths."""
    from pipeline.neighbors.scale import normalize_rows

    values = store.load_features(path)
    return normalize_rows(values) if metric == "cosine" else values


def _graph(path: Path | None, features: Path, points: int, metric: str) -> "Graph | None":
    """The graph of a file, checked to be one of these features by this metric."""
    from pipeline.neighbors.graph import check_graph

    if path is None:
        return None
    artefacts.check_made_from(path, features)
    artefacts.check_same_metric(path, metric)
    return check_graph(store.load_graph(path), points, source=str(path))


def _context(path: Path, *keys: str) -> dict[str, Any]:
    """The context of an artefact, which must have the keys."""
    known = artefacts.context(artefacts.verify(path))
    if missing := [key for key in keys if key not in known]:
        raise InputError(
            f"{artefacts.sidecar(path)} does not say {' and '.join(missing)}: "
            "draw what comes from features of `tunescope features`"
        )
    return known


def _by_method(layouts: list[Path]) -> dict[str, Path]:
    """The layouts of one feature set, each by another method."""
    paths: dict[str, Path] = {}
    for path in layouts:
        method = store.method_of(path)
        if method in paths:
            raise InputError(f"{paths[method]} and {path} are both by {method}: give one of them")
        paths[method] = path
    return paths
