"""Run times of a whole study that the workflow has run, as a file of results."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

from bench.run import machine, results
from pipeline.artefacts import read_sidecar
from pipeline.errors import InputError
from pipeline.report.runtimes import STEPS, tabulate_runtimes


def record_study(name: str, *, out: Path | None = None, folder: Path = Path("results")) -> Path:
    """Write the run times of a study that the workflow has run on this machine.

    Parameters
    ----------
    name : str
        Of the study and its folder of artefacts under `folder`.
    out : Path, optional
        By default named by date, machine and study, in `bench/results`.
    folder : Path

    Returns
    -------
    Path
        The file of results: a header like that of a profile, and `runtimes`, one object a job.

    Raises
    ------
    InputError
        The workflow has not run this study here.
    """
    files = sorted((folder / name).rglob("*"))
    sidecars = {path: read_sidecar(path) for path in files}
    jobs = {path: made for path, made in sidecars.items() if made.get("step") in STEPS}
    if not jobs:
        raise InputError(f"{folder / name} has no artefacts: run the study first")
    table = tabulate_runtimes(jobs.values())
    latest = max(path.stat().st_mtime for path in jobs)
    header = {
        "schema": results.SCHEMA,
        "profile": f"study-{name}",
        "study": name,
        "date": datetime.datetime.fromtimestamp(latest, datetime.UTC).date().isoformat(),
        "commit": results.commit(),
        "machine": machine.describe(),
        "versions": results.environment(),
        "rows": [],
        "runtimes": json.loads(table.to_json(orient="records")),
    }
    path = out or results.RESULTS / results.file_name(
        header["date"], header["machine"], header["profile"]
    )
    results.write(path, header)
    return path
