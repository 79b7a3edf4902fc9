"""The command line: one verb a step. Each verb reads files, calls one function, writes files."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline import __version__, store
from pipeline.errors import InputError
from pipeline.runtime.device import cpu_count, resolve_device, set_up_process
from pipeline.runtime.log import log, set_up_logging
from pipeline.runtime.run import end_with_workflow, parse_params, record, run

WORKFLOWS = ("study", "demo")
ON_DEVICE = ("finetune", "features", "graph", "embed", "quality")  # the others need no GPU

app = typer.Typer(
    name="tunescope",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Out = Annotated[Path, typer.Option(help="File to write; its sidecar is <file>.json.")]
Seed = Annotated[int, typer.Option(help="Seed of every random choice of this step.")]
DatasetFile = Annotated[Path, typer.Option(help="Data set written by `tunescope dataset`.")]
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
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """See what fine-tuning did to a representation.

    `study` runs all of it; every other verb is one step, which works alone on files.
    """
    set_up_logging(quiet=quiet)
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
            "dataset": Path(source).name.removesuffix(".npz"),
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
    weights: Annotated[str, typer.Option(help="imagenet, random, demo, or a file.")] = "imagenet",
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
            input_shape=store.load_image_shape(dataset),
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

    from pipeline.networks import finetune as step
    from pipeline.networks.checkpoint import Checkpoint
    from pipeline.networks.recipe import parse_recipe

    recipe = parse_recipe(parse_params(params))
    checkpoint = Checkpoint(Path(f"{out}.checkpoint"))
    options = {"seed": seed, **recipe.model_dump()}
    with record("finetune", context.obj, [model, dataset], options) as made:
        data = store.load_dataset(dataset)
        result = step.finetune(
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
    with store.atomic(history) as path:
        pd.DataFrame(result.history).to_csv(path)
    store.write(out, result.model.save, made)
    checkpoint.remove()


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
        int | None, typer.Option(min=1, help="Images per batch; default what suits the device.")
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
        str,
        typer.Option(help="Implementation of the method; auto takes that of the device."),
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
    from pipeline.methods import embed as step

    inputs = [path for path in (features, graph, dataset) if path is not None]
    options: dict[str, Any] = {
        "method": method,
        "engine": engine,
        "subset": subset,
        "params": parse_params(params),  # apart: t-SNE has a parameter called method too
        "seed": seed,
    }
    with record("embed", context.obj, inputs, options) as made:
        points = store.load_features(features)
        labels = store.load_labels(dataset, points=len(points)) if dataset else None
        layout = step.embed(
            points,
            **options,
            labels=None if labels is None else labels.labels,
            graph=store.load_graph(graph) if graph else None,
            device=context.obj,
        )
        made["info"] = layout.info
        made["context"] = {
            **store.context(features),
            "method": method,
            "engine": layout.engine,
            "components": layout.info.get("components"),
            "converged": layout.info.get("converged"),
            "points": len(layout.rows),
            "total_points": len(points),
        }
    store.save_layout(out, layout.rows, layout.embedding, labels, made)


@app.command()
def quality(
    context: typer.Context,
    layout: Annotated[
        list[Path], typer.Option(help="Layouts of these features, with labels; repeat for each.")
    ],
    features: Annotated[Path, typer.Option(help="The features that were laid out.")],
    out: Out,
    graph: Annotated[Path | None, typer.Option(help="Their graph; computed if left out.")] = None,
    n_neighbors: Annotated[int, typer.Option(min=1, help="Neighbours that count.")] = 15,
) -> None:
    """Measure how well layouts separate the classes and keep the neighbours of the features."""
    from pipeline.measures.quality import measure_layouts

    inputs = [path for path in (*layout, features, graph) if path is not None]
    with record("quality", context.obj, inputs, {"n_neighbors": n_neighbors}) as made:
        paths = _by_method(layout)
        measures = measure_layouts(
            {method: store.load_labelled_layout(path)[:3] for method, path in paths.items()},
            features=store.load_features(features),
            graph=store.load_graph(graph) if graph else None,
            k=n_neighbors,
            device=context.obj,
        )
        made["context"] = {
            **store.context(features),
            "layouts": {method: store.context(path) for method, path in paths.items()},
        }
    store.save_json(out, measures, made)


@app.command()
def figure(
    context: typer.Context,
    layout: Annotated[list[Path], typer.Option(help="Layouts of one backbone; repeat for each.")],
    out: Annotated[Path, typer.Option(help="Figure to write, .png, .pdf or .svg.")],
    preview: Annotated[Path, typer.Option(help="The same figure at a size for a browser, .png.")],
    panels: Annotated[
        Path, typer.Option(help="Folder for each panel alone, <stage>_<method>.png.")
    ],
    quality: Annotated[
        list[Path] | None,
        typer.Option(help="Measures of `tunescope quality`; repeat for each stage."),
    ] = None,
    width: Annotated[int, typer.Option(min=1000, help="Width of the figure in pixels.")] = 4200,
    panel_size: Annotated[int, typer.Option(min=200, help="Side of each panel alone.")] = 2000,
    dpi: Annotated[int, typer.Option(min=36, help="Pixels an inch of a printed figure.")] = 300,
) -> None:
    """Draw before above after, one column a method, every point coloured by its class."""
    from pipeline.drawing.figure import FigureLayout, draw_backbone

    inputs = [*layout, *(quality or [])]
    options = {"width": width, "panel_size": panel_size, "dpi": dpi}
    with record("figure", context.obj, inputs, options) as made:
        layouts = {}
        for path in layout:
            layout_context = _context(path, "stage", "method", "total_points")
            key = layout_context["stage"], layout_context["method"]
            layouts[key] = FigureLayout(*store.load_labelled_layout(path)[1:], layout_context)
        made["context"] = store.shared_context(layout)
        drawing = draw_backbone(
            layouts,
            measures={
                _context(path, "stage")["stage"]: store.load_measures(path)
                for path in quality or []
            },
            file_format=out.suffix.lstrip(".").lower(),
            **options,
        )
    for (stage, method), content in drawing.panels.items():
        with store.atomic(panels / f"{stage}_{method}.png") as path:
            path.write_bytes(content)
    with store.atomic(preview) as path:
        path.write_bytes(drawing.preview)
    store.write(out, lambda path: path.write_bytes(drawing.page), made)


@app.command()
def summary(
    context: typer.Context,
    quality: Annotated[
        list[Path], typer.Option(help="Measures of `tunescope quality`; repeat for each.")
    ],
    out: Out,
) -> None:
    """Tabulate the measures of a study, one row a layout, as CSV."""
    from pipeline.report.summary import summarize

    with record("summary", context.obj, quality, {}) as made:
        table = summarize([(store.context(path), store.load_measures(path)) for path in quality])
    store.save_csv(out, table, made)


@app.command()
def runtimes(
    context: typer.Context,
    artefact: Annotated[
        list[Path], typer.Option(help="What the steps of a study wrote; repeat for each.")
    ],
    out: Out,
) -> None:
    """Tabulate where a study's time went, one row a job, as CSV."""
    from pipeline.report.runtimes import tabulate_runtimes

    with record("runtimes", context.obj, [], {}) as made:
        table = tabulate_runtimes(map(store.load_sidecar, artefact))
    store.save_csv(out, table, made)


def _context(path: Path, *keys: str) -> dict[str, Any]:
    """The context of an artefact, which must have the keys."""
    context = store.context(store.verify(path))
    if missing := [key for key in keys if key not in context]:
        raise InputError(
            f"{store.sidecar(path)} does not say {' and '.join(missing)}: "
            "draw what comes from features of `tunescope features`"
        )
    return context


def _by_method(layouts: list[Path]) -> dict[str, Path]:
    """The layouts of one feature set, each by another method."""
    paths: dict[str, Path] = {}
    for path in layouts:
        method = store.method_of(path)
        if method in paths:
            raise InputError(f"{paths[method]} and {path} are both by {method}: give one of them")
        paths[method] = path
    return paths
