"""Verbs of the networks: pre-trained, fine-tuned, their features."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline import artefacts, store
from pipeline.cli.options import Images, Params, Seed, Table
from pipeline.cli.program import app
from pipeline.errors import InputError
from pipeline.runtime.log import log
from pipeline.runtime.run import parse_params, record


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
            "alpha": alpha,
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
    from pipeline.networks.outputs import StoredOutputs

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
        run = {**_identity(model, images), **options, "device": context.obj}
        outputs = StoredOutputs(Path(f"{out}.checkpoint"), run)
        extraction = extract_features(network, pixels, **options, outputs=outputs)
        context_of_model = artefacts.context(model)
        if stage is not None:  # a model that says nothing of itself
            context_of_model = {**artefacts.context(images), "backbone": name, "stage": stage}
        made |= {**extraction.info, "context": context_of_model}
    if predictions is not None and known is not None and extraction.predictions is not None:
        store.save_predictions(predictions, extraction.predictions, known, made)
    store.save_features(out, extraction.features, made)
    outputs.remove()


def _identity(*files: Path) -> dict[str, Any]:
    """What tells a run's inputs from others: sizes and times of files that may be large."""
    stats = {str(path): path.stat() for path in files}
    return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()}
