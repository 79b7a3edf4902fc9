"""The command line: one verb a step. Each verb reads files, calls one function, writes files."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline import __version__, artefacts, store
from pipeline.errors import InputError
from pipeline.runtime.device import cpu_count, resolve_device, set_up_process
from pipeline.runtime.log import log, set_up_logging
from pipeline.runtime.run import DEBUG, end_with_workflow, parse_params, record, run

if TYPE_CHECKING:
    from pipeline.neighbors.graph import Graph

WORKFLOWS = ("study", "demo")
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
        known = store.load_table(table, points=len(pixels))
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
        before = artefacts.context(model)
        made["context"] = {
            **before,
            "stage": "after",
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
) -> None:
    """Extract the features of every image, (n, d) float32."""
    from pipeline.networks.features import check_head, extract_features

    inputs = [path for path in (model, images, table) if path is not None]
    artefacts.check_output(out, [".npy"], inputs=inputs)
    if (predictions is None) != (table is None):
        raise InputError("--predictions and --table belong together: give both or none")
    if predictions is not None:
        artefacts.check_output(predictions, [".parquet"], inputs=inputs, option="--predictions")
    if table is not None:
        artefacts.check_same_images(images, table)
    options: dict[str, Any] = {"layer": layer, "batch_size": batch_size, "precision": precision}
    with record("features", context.obj, inputs, options) as made:
        pixels = store.load_images(images)
        known = None if table is None else store.load_table(table, points=len(pixels))
        network = store.load_model(model)
        if known is not None:
            check_head(network, len(known.class_names), source=str(model))
        extraction = extract_features(network, pixels, **options)
        made |= {**extraction.info, "context": artefacts.context(model)}
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
) -> None:
    """Compute the exact nearest-neighbour graph that the methods share."""
    from pipeline.neighbors.graph import graph_width, knn_graph
    from pipeline.neighbors.scale import scale_features

    artefacts.check_output(out, [".npz"], inputs=[features])
    with record("graph", context.obj, [features], {"n_neighbors": n_neighbors}) as made:
        points, made["exponent"] = scale_features(store.load_features(features))
        k, adapted = graph_width(n_neighbors, len(points))
        if adapted:
            log.info(f"graph: {adapted}")
        neighbors = knn_graph(points, k=k, device=context.obj)
        made["context"] = artefacts.context(features)
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
    with record("embed", context.obj, inputs, options) as made:
        points = store.load_features(features)
        if table:
            artefacts.check_same_images(features, table)
        known = store.load_table(table, points=len(points)) if table else None
        layout = step.embed(
            points,
            **options,
            labels=None if known is None else known.labels,
            graph=_graph(graph, features, len(points)),
            device=context.obj,
        )
        made["info"] = layout.info
        inherited = artefacts.context(features)
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
    layout: Annotated[
        list[Path], typer.Option(help="Layouts of these features, with labels; repeat for each.")
    ],
    features: Annotated[Path, typer.Option(help="The features that were laid out.")],
    out: Annotated[Path, typer.Option(help="Measures to write, .json.")],
    graph: Annotated[Path | None, typer.Option(help="Their graph; computed if left out.")] = None,
    table: Annotated[
        Path | None, typer.Option(help="Table of the images, for the linear probe.")
    ] = None,
    n_neighbors: Annotated[int, typer.Option(min=1, help="Neighbours that count.")] = 15,
) -> None:
    """Measure how well layouts separate the classes and keep the neighbours of the features."""
    from pipeline.measures.quality import Laid, measure_layouts

    inputs = [path for path in (*layout, features, graph, table) if path is not None]
    artefacts.check_output(out, [".json"], inputs=inputs)
    with record("quality", context.obj, inputs, {"n_neighbors": n_neighbors}) as made:
        paths = _by_method(layout)
        points = store.load_features(features)
        for path in layout:
            artefacts.check_made_from(path, features)
        if table:
            artefacts.check_same_images(features, table)
        known = store.load_table(table, points=len(points)) if table else None
        laid_out = {method: store.load_labelled_layout(path) for method, path in paths.items()}
        measures = measure_layouts(
            {
                method: Laid(each.rows, each.xy, each.labels, each.split)
                for method, each in laid_out.items()
            },
            features=points,
            graph=_graph(graph, features, len(points)),
            labels=None if known is None else known.labels,
            split=None if known is None else known.split,
            k=n_neighbors,
            device=context.obj,
        )
        made["context"] = {
            **artefacts.context(features),
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
    seed: Seed = 0,
) -> None:
    """Compare the features of each image before and after fine-tuning."""
    from pipeline.measures.change import measure_change

    given = (before, after, table, graph_before, graph_after, predictions)
    inputs = [path for path in given if path is not None]
    artefacts.check_output(out, [".parquet"], inputs=inputs)
    artefacts.check_output(measures, [".json"], inputs=inputs, option="--measures")
    with record("change", context.obj, inputs, {"n_neighbors": n_neighbors, "seed": seed}) as made:
        features = [store.load_features(path) for path in (before, after)]
        for path in (before, after):
            artefacts.check_same_images(path, table)
        known = store.load_table(table)
        found = measure_change(
            *features,
            labels=known.labels,
            split=known.split,
            graphs=(
                _graph(graph_before, before, len(features[0])),
                _graph(graph_after, after, len(features[1])),
            ),
            k=n_neighbors,
            seed=seed,
            device=context.obj,
        )
        head = store.load_predictions(predictions, known) if predictions else {}
        made["context"] = {**artefacts.shared_context([before, after]), "stage": "change"}
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
    seed: Seed = 0,
) -> None:
    """Compare the features of each block of a network before and after fine-tuning."""
    from pipeline.measures.depth import measure_depth
    from pipeline.networks.blocks import pooled_blocks, shared_blocks

    inputs = [before, after, images, table]
    artefacts.check_output(out, [".json"], inputs=inputs)
    artefacts.check_same_images(images, table)
    options: dict[str, Any] = {"n_neighbors": n_neighbors, "batch_size": batch_size, "seed": seed}
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
            seed=seed,
        )
        for sentence in found["warnings"]:
            log.warning(f"depth: {sentence}")
        made["context"] = {**artefacts.shared_context([before, after]), "stage": "change"}
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
    depth: Annotated[
        list[Path] | None, typer.Option(help="Measures of `tunescope depth`; repeat for each.")
    ] = None,
    measures: Annotated[
        Path | None, typer.Option(help="Table of all measures, .csv: one row each.")
    ] = None,
) -> None:
    """Tabulate the measures of a study as CSV."""
    from pipeline.report.summary import summarize, tabulate_measures

    compared = [*(change or []), *(depth or [])]
    inputs = [*quality, *compared]
    artefacts.check_output(out, [".csv"], inputs=inputs)
    if measures:
        artefacts.check_output(measures, [".csv"], inputs=inputs, option="--measures")
    with record("summary", context.obj, inputs, {}) as made:
        measured = [(artefacts.context(path), store.load_measures(path)) for path in quality]
        changed = [(artefacts.context(path), store.load_measures(path)) for path in compared]
        table = summarize(measured)
    if measures:
        store.save_csv(measures, tabulate_measures([*measured, *changed]), made)
    store.save_csv(out, table, made)


@app.command()
def report(
    context: typer.Context,
    results: Annotated[Path, typer.Argument(help="Results of a study: results/<study>.")],
    out: Annotated[Path, typer.Option(help="Page to write, .html.")],
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails/--no-thumbnails", help="Show images on the page.")
    ] = True,
) -> None:
    """Write the answer of a study as one page that needs no other file and no network."""
    from pipeline.report.page import build_page

    folders = sorted(path.parent for path in results.glob("*/change.parquet"))
    if not folders:
        raise InputError(
            f"{results} holds no results of a study: give the folder results/<study> of one that "
            "has run"
        )
    artefacts.check_output(out, [".html"], inputs=[])
    inputs = [path / "change.parquet" for path in folders]
    with record("report", context.obj, inputs, {"thumbnails": thumbnails}) as made:
        page = build_page(
            results.resolve().name,
            [_of_backbone(folder) for folder in folders],
            pixels=store.load_images(results / "images.npy") if thumbnails else None,
            runtimes=store.load_csv(results / "runtimes.csv"),
            provenance=_provenance(folders),
        )
    artefacts.write(out, lambda path: path.write_text(page, encoding="utf-8"), made)


def _of_backbone(folder: Path) -> Any:
    """What the steps of a study found of one backbone, for its page."""
    from pipeline.report.page import Backbone

    measured = {stage: folder / stage / "quality.json" for stage in ("before", "after")}
    classes = folder / "classes.png"
    return Backbone(
        name=folder.name,
        context=artefacts.context(measured["after"]),
        before=store.load_measures(measured["before"]),
        after=store.load_measures(measured["after"]),
        change=store.load_measures(folder / "change.json"),
        images=store.load_change(folder / "change.parquet"),
        neighbors={
            stage: store.load_graph(folder / stage / "graph.npz").indices for stage in measured
        },
        history=store.load_csv(folder / "after/history.csv"),
        preview=artefacts.verify(folder / "preview.png").read_bytes(),
        classes=classes.read_bytes() if classes.is_file() else None,
        depth=_depth_profile(folder),
        layouts={
            stage: artefacts.context(path).get("layouts", {}) for stage, path in measured.items()
        },
    )


def _depth_profile(folder: Path) -> Any:
    """The depth profile of a backbone, if the study has one of its networks."""
    path = folder / "depth.json"
    if not path.is_file():
        return None
    try:
        artefacts.check_made_from(path, folder / "after/model.keras")
    except InputError as error:  # left from before `depth: false` and another fine-tuning
        log.warning(f"report: no depth profile: {error}")
        return None
    return store.load_measures(path)


def _provenance(folders: list[Path]) -> dict[str, str]:
    """Where the numbers come from: of the first backbone's steps."""
    quality, trained = (
        artefacts.read_sidecar(folders[0] / "after" / name)
        for name in ("quality.json", "model.keras")
    )
    versions = {**trained.get("versions", {}), **quality.get("versions", {})}
    devices = dict.fromkeys(str(each["device"]) for each in (trained, quality) if "device" in each)
    return {
        "computed": quality.get("created", ""),
        "device": ", ".join(devices),
        "fine-tuning": str(trained.get("parameters", "")),
        "versions": ", ".join(f"{name} {version}" for name, version in sorted(versions.items())),
    }


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


def _graph(path: Path | None, features: Path, points: int) -> "Graph | None":
    """The graph of a file, checked to be one of these features."""
    from pipeline.neighbors.graph import check_graph

    if path is None:
        return None
    artefacts.check_made_from(path, features)
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
