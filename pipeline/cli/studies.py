"""Whole studies: all steps of a workflow."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import Seed
from pipeline.cli.program import app

Cores = Annotated[str, typer.Option(help="CPU cores for all steps together, or all.")]
Gpus = Annotated[int, typer.Option(min=1, help="Steps that may use a GPU side by side.")]


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def study(
    context: typer.Context,
    config: Annotated[Path, typer.Argument(help="Configuration of the study, a YAML file.")],
    cores: Cores = "all",
    gpus: Gpus = 1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only say what would run.")
    ] = False,
) -> None:
    """Run a whole study, from images to figures; run again, it goes on where it was.

    Further arguments are Snakemake's, such as --keep-going.
    """
    from pipeline.workflow.study import run_study

    run_study(config, cores=cores, gpus=gpus, dry_run=dry_run, arguments=context.args)


@app.command()
def check(
    config: Annotated[Path, typer.Argument(help="Configuration of a study, a YAML file.")],
) -> None:
    """Look at a study's input before it runs: what will hurt, and the time and room it will take.

    Nothing is written and nothing is downloaded. A study says the same in its first lines.
    """
    from pipeline.workflow.input_check import check_input

    check_input(config)


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
