"""`python -m bench run | study | precision | explorer | landmarks | workers | report | compare`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.errors import InputError
from pipeline.runtime.log import set_up_logging
from pipeline.runtime.run import run as run_command

app = typer.Typer(
    name="bench",
    help="Measure engines and peers, and make tables and plots of what was measured.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def run(
    profile: Annotated[str, typer.Option(help="tiny, cpu, gpu or peers, see bench/manifest.yaml.")],
    only: Annotated[
        str | None, typer.Option(help="A step or method, an engine, a peer, or a part of a label.")
    ] = None,
    input: Annotated[
        str | None, typer.Option(help="Another input of the manifest, such as mixture.")
    ] = None,
    n: Annotated[
        list[int] | None, typer.Option(help="So many points alone; may be given again.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File of results.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on in a file that exists.")] = False,
) -> None:
    """Measure the workloads of a profile, each in its own process."""
    from bench.run import runner
    from bench.run.manifest import load_manifest

    written = runner.run(
        load_manifest(), profile, out=out, only=only, input=input, n=n, resume=resume
    )
    print(written)


@app.command()
def study(
    name: Annotated[str, typer.Argument(help="Name of a study that the workflow has run.")],
    out: Annotated[Path | None, typer.Option(help="File of results.")] = None,
) -> None:
    """Add the run times of a study that the workflow has run to the results."""
    from bench.what.study import record_study

    print(record_study(name, out=out))


@app.command()
def precision(
    model: Annotated[Path | None, typer.Option(help="Model of a study, with --images.")] = None,
    images: Annotated[Path | None, typer.Option(help="Its images; default the demo's.")] = None,
    table: Annotated[Path | None, typer.Option(help="Their table.")] = None,
    reduced: Annotated[list[str] | None, typer.Option(help="One or more; default both.")] = None,
    subset: Annotated[int | None, typer.Option(help="Images, stratified; default all.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or gpu.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="File of JSON; default what is printed.")] = None,
) -> None:
    """Compare features in a reduced precision with float32: shared neighbours, images a second."""
    from pipeline.runtime.device import cpu_count, resolve_device, set_up_process

    set_up_process(resolve_device(device), cpu_count())
    from bench.what import precision as precisions
    from pipeline import store

    given = [path for path in (model, images, table) if path is not None]
    if given and len(given) < 3:
        raise InputError("give --model, --images and --table, or none of them for the demo's")
    network, pixels, labels = (
        (store.load_model(model), store.load_images(images), store.load_table(table).labels)
        if model and images and table
        else precisions.demo()
    )
    result = precisions.measure(
        network, pixels, labels, subset=subset, precisions=tuple(reduced or precisions.REDUCED)
    )
    _hand_out(result, out)


@app.command()
def explorer(
    results: Annotated[
        Path | None, typer.Option(help="A backbone of a study; default a synthetic study.")
    ] = None,
    points: Annotated[int, typer.Option(help="Images of the synthetic study.")] = 70_000,
    out: Annotated[Path | None, typer.Option(help="File of JSON; default what is printed.")] = None,
) -> None:
    """Open the explorer in a browser without a GPU: bytes, first picture, time of a frame."""
    from bench.what.explorer import measure, synthetic
    from pipeline.results import read_explored, read_pixels

    found = (
        read_explored(results, pixels=read_pixels(results.parent, [results]))
        if results
        else synthetic(points)
    )
    with tempfile.TemporaryDirectory() as folder:
        _hand_out(measure(found, Path(folder)), out)


@app.command()
def landmarks(
    features: Annotated[Path, typer.Option(help="Features of a study, .npy.")],
    points: Annotated[list[int] | None, typer.Option(help="Of a part; repeat for each.")] = None,
    out: Annotated[Path | None, typer.Option(help="File of JSON; default what is printed.")] = None,
) -> None:
    """Lay features out by landmarks and exactly, MDS and Isomap: how far apart, in what time."""
    import numpy as np

    from bench.what.landmarks import measure

    sizes = points or [10_000, 20_000, 40_000, 70_000]
    _hand_out(measure(np.load(features, mmap_mode="r"), sizes), out)


@app.command()
def workers(
    features: Annotated[Path, typer.Option(help="Features of a study, .npy.")],
    number: Annotated[int, typer.Option(min=1, help="Dask workers of this machine.")] = 2,
    out: Annotated[Path | None, typer.Option(help="File of JSON; default what is printed.")] = None,
) -> None:
    """Compute graph, MDS and Isomap alone and on Dask's workers: seconds, and the same bits."""
    import numpy as np

    from bench.what.workers import measure

    _hand_out(measure(np.load(features), workers=number), out)


def _hand_out(result: dict[str, Any], out: Path | None) -> None:
    """Write a result to a file, or print it."""
    from pipeline.artefacts import atomic

    text = json.dumps(result, indent=1) + "\n"
    if out is None:
        print(text, end="")
        return
    with atomic(out) as temporary:
        temporary.write_text(text)


@app.command()
def report(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing, fail if something is stale.")
    ] = False,
) -> None:
    """Make tables and plots from the committed results."""
    from bench.report import pages

    stale = pages.stale() if check else pages.write()
    for path in stale:
        print(f"{path} {'is stale: run python -m bench report' if check else 'written'}")
    if check and stale:
        raise typer.Exit(1)


@app.command()
def compare(old: Path, new: Path) -> None:
    """List what became slower or worse beyond noise from OLD to NEW; exit status 1 if anything."""
    from bench.report.compare import compare as compare_results
    from bench.run import results

    lines, worse = compare_results(results.read(old), results.read(new))
    print("\n".join(lines))
    if worse:
        raise typer.Exit(1)


def main() -> None:
    """Entry point."""
    set_up_logging()
    run_command(lambda: app(prog_name="bench"))


if __name__ == "__main__":
    main()
