"""The command line as a whole: what is set up before any verb."""

import os
from typing import Annotated

import typer

from pipeline import __version__
from pipeline.errors import InputError
from pipeline.runtime.device import cpu_count, resolve_device, set_up_process
from pipeline.runtime.log import set_up_logging
from pipeline.runtime.run import DEBUG, end_with_workflow, run

WORKFLOWS = ("study", "check", "demo", "compare")
# The others need no GPU.
ON_DEVICE = ("finetune", "features", "graph", "embed", "quality", "change", "depth")

app = typer.Typer(
    name="tunescope",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


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
        if given := {"device", "threads"} & given_options(context):
            raise InputError(
                f"--{min(given)} is an option of single steps: `tunescope {verb}` takes --cores, "
                "and the device from the configuration"
            )
        return  # their steps are processes of their own
    end_with_workflow()
    context.obj = resolve_device(device) if verb in ON_DEVICE else "cpu"
    set_up_process(context.obj, threads or cpu_count())


def given_options(context: typer.Context) -> set[str]:
    """Names of the options that stand on the command line."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}
