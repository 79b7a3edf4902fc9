"""Verbs of the images: a data set, or features of other programs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline import artefacts, store
from pipeline.cli.options import Seed
from pipeline.cli.program import app
from pipeline.errors import InputError
from pipeline.runtime.log import log
from pipeline.runtime.run import record


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
