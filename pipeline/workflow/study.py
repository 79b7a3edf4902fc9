"""`tunescope study`: the workflow for people, one line a step, errors once, all else in a log."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from importlib import resources
from pathlib import Path
from typing import TextIO

from pipeline.config import Study, load_config
from pipeline.errors import InputError
from pipeline.runtime.device import resolve_device
from pipeline.runtime.log import log
from pipeline.runtime.memory import available_memory
from pipeline.runtime.run import Interrupted
from pipeline.workflow.checks import check_study, locate
from pipeline.workflow.forecast import forecast
from pipeline.workflow.lock import lock, stale_locks
from pipeline.workflow.room import lacking
from pipeline.workflow.terminal import StudyProgress

FILES = Path(str(resources.files("pipeline.workflow")))
SNAKEFILE, DEMO = FILES / "Snakefile", FILES / "demo.yaml"
ELSEWHERE = ("--executor", "-e", "--profile", "--workflow-profile")  # jobs run on other machines
SHARE = 0.9  # of the available memory, what all jobs together may ask for


def run_study(
    config: Path,
    *,
    cores: str = "all",
    gpus: int = 1,
    dry_run: bool = False,
    arguments: Sequence[str] = (),
    folder: Path = Path(),
) -> None:
    """Run the workflow of a configuration in a folder, and say where its results are.

    Parameters
    ----------
    config : Path
        A YAML file, see `pipeline.config`.
    cores : str
        CPU cores for all jobs together, or "all".
    gpus : int
        GPU jobs that may run side by side.
    dry_run : bool
        Only say what would run.
    arguments : sequence of str
        Further arguments of `snakemake`, such as ``["--keep-going"]``.
    folder : Path
        Where results, logs and benchmarks go, and relative paths start; this one by default.

    Raises
    ------
    InputError
        The configuration is wrong, another run works in this folder, or a step failed: its own
        sentence.
    Interrupted
        By Ctrl-C, after all jobs have ended.
    """
    if cores != "all" and not (cores.isdecimal() and int(cores) > 0):
        raise InputError(f"--cores is {cores!r} but must be all, or an integer of at least 1")
    with chdir(folder):
        study, done = _run(config, cores, gpus, dry_run, arguments, folder)
    if dry_run:
        print(f"{study.study}: {done}")
        return
    print("\n".join([f"{study.study}: {done}. Look at", *_where_to_look(study, folder)]))


def _run(
    config: Path, cores: str, gpus: int, dry_run: bool, arguments: Sequence[str], folder: Path
) -> tuple[Study, str]:
    """Run in the working directory; the study, and what was or would be done."""
    study = locate(load_config(config), config.parent)
    elsewhere = any(each.startswith(ELSEWHERE) for each in arguments)
    if not (dry_run or elsewhere):
        resolve_device(study.device)  # or refuse it now
    images, lowered = check_study(study)
    expected = forecast(study, images)
    for sentence in lowered:
        log.warning(sentence)
    results, log_file = Path("results", study.study), Path("logs", study.study, "study.log")
    if not results.exists():
        log.info(f"{study.study}: {expected}")
        for sentence in [] if elsewhere else lacking(expected, Path()):
            log.warning(sentence)
    report = ["--report", str(results / "workflow-report.html"), "--report-after-run"]
    log_file.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with lock(), _output_into(log_file) as terminal:
        progress = StudyProgress(terminal, expected.per_job())
        with progress.attached():
            if stale_locks():
                _snakemake("--unlock", "--cores", cores, config=config)
            succeeded = _snakemake(
                *("--cores", cores, "--rerun-incomplete", "--resources", f"gpu={gpus}"),
                f"mem_mb={int(SHARE * available_memory() / 1e6)}",
                *("--default-resources", "gpu=0", "mem_mb=2000", "disk_mb=1000"),
                *(["--dry-run"] if dry_run else report),
                *arguments,
                config=config,
            )
    if not succeeded:
        said = progress.failure or _last_line(log_file)
        raise InputError(f"{said} (everything is in {folder / log_file})")
    if dry_run:
        return study, progress.plan
    minutes = (time.monotonic() - start) / 60
    done = f"done in {minutes:.1f} minutes" if progress.finished else "everything is up to date"
    return study, done


def _snakemake(*arguments: str, config: Path) -> bool:
    """Whether Snakemake succeeded."""
    from snakemake.cli import main

    interrupted = False

    def interrupt(*_: object) -> None:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt  # which Snakemake takes as the wish to end its jobs

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        main(["--snakefile", str(SNAKEFILE), "--configfile", str(config), *arguments])
    except SystemExit as ended:
        if not interrupted:
            return not ended.code
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGINT, before)
    raise Interrupted


@contextmanager
def _output_into(path: Path) -> Iterator[TextIO]:
    """Send what this process and its children print to a file; yields the terminal."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with open(path, "wb") as file, os.fdopen(os.dup(2), "w") as terminal:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield terminal
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for descriptor, copy in enumerate(saved, start=1):
                os.dup2(copy, descriptor)
                os.close(copy)


def _last_line(log: Path) -> str:
    """What Snakemake said last, as of an argument that it does not know."""
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "the workflow failed")


def _where_to_look(study: Study, folder: Path) -> list[str]:
    results, log = folder / "results" / study.study, folder / "logs" / study.study / "study.log"
    places = [
        (results / "report.html", "the answer: what fine-tuning did, in numbers and pictures"),
        *(
            (results / f"explorer/{name}.html", "every image before and after, linked")
            for name in study.names
        ),
        *((results / name / "preview.png", "before and after") for name in study.names),
        (results / "summary.csv", "a row a layout: test images, and what it keeps of the features"),
        (results / "measures.csv", "every measure of features and layouts, with its interval"),
        (results / "workflow-report.html", "figures, measures and run times on one page"),
        (log, "what every step said"),
    ]
    width = max(len(str(path)) for path, _ in places)
    return [f"  {path!s:{width}}  {what}" for path, what in places if path.exists()]
