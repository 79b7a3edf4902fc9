"""`tunescope study`: the workflow for people, one line a step, errors once, all else in a log."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TextIO

from filelock import FileLock, Timeout

from pipeline.config import Study, load_config
from pipeline.errors import InputError
from pipeline.runtime.device import resolve_device
from pipeline.runtime.memory import available_memory
from pipeline.runtime.run import Interrupted
from pipeline.workflow.terminal import StudyProgress

FILES = Path(str(resources.files("pipeline.workflow")))
SNAKEFILE, DEMO = FILES / "Snakefile", FILES / "demo.yaml"
LOCK = Path(".snakemake/tunescope.lock")
SHARE = 0.9  # of the available memory, what all jobs together may ask for


def run_study(
    config: Path,
    *,
    cores: str = "all",
    gpus: int = 1,
    dry_run: bool = False,
    arguments: Sequence[str] = (),
) -> None:
    """Run the workflow of a configuration in this folder, and say where its results are.

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

    Raises
    ------
    InputError
        The configuration is wrong, another run works in this folder, or a step failed: its own
        sentence.
    Interrupted
        By Ctrl-C, after all jobs have ended.
    """
    study = load_config(config)
    resolve_device(study.device)  # or refuse it now
    results, log = Path("results", study.study), Path("logs", study.study, "study.log")
    report = ["--report", str(results / "workflow-report.html"), "--report-after-run"]
    log.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with _lock(), _output_into(log) as terminal:
        progress = StudyProgress(terminal)
        with progress.attached():
            if _stale_locks():
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
        raise InputError(f"{progress.failure or 'the workflow failed'} (everything is in {log})")
    if dry_run:
        print(f"{study.study}: {progress.plan}")
    else:
        print(_where_to_look(study, results, log, time.monotonic() - start))


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
def _lock() -> Iterator[None]:
    """Keep other runs out of this folder; a killed one keeps nobody out."""
    LOCK.parent.mkdir(exist_ok=True)
    try:
        with FileLock(LOCK, timeout=0):
            yield
    except Timeout:
        raise InputError(
            f"another run works in {Path.cwd()}: wait for its end, or stop it, and start again"
        ) from None


def hold_lock() -> None:
    """The same for a plain `snakemake`, until its process ends; called by the Snakefile."""
    global _held
    LOCK.parent.mkdir(exist_ok=True)
    _held = FileLock(LOCK)
    try:
        _held.acquire(timeout=0)
    except Timeout:
        _held = None  # this process holds it already, or Snakemake's own lock will refuse


_held: FileLock | None = None


def _stale_locks() -> bool:
    """Whether a run was killed that had no time to unlock: nobody else holds our lock."""
    return any(Path(".snakemake/locks").glob("*.lock"))


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


def _where_to_look(study: Study, results: Path, log: Path, seconds: float) -> str:
    places = [
        *((results / name / "preview.png", "before and after") for name in study.backbones),
        (results / "summary.csv", "measures of all layouts"),
        (results / "workflow-report.html", "figures, measures and run times on one page"),
        (log, "what every step said"),
    ]
    width = max(len(str(path)) for path, _ in places)
    found = [f"  {path!s:{width}}  {what}" for path, what in places if path.exists()]
    return "\n".join([f"{study.study}: done in {seconds / 60:.1f} minutes. Look at", *found])
