"""Run times of a whole study, as Snakemake measured them, among the committed results."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

from bench.run import machine, results
from pipeline.errors import InputError
from pipeline.report.runtimes import runtimes


def take(name: str, *, out: Path | None = None, benchmarks: Path = Path("benchmarks")) -> Path:
    """Write the run times of a study that the workflow has run on this machine.

    Parameters
    ----------
    name : str
        Of the study and its folder under `benchmarks`.
    out : Path, optional
        By default named by date, machine and study, in `bench/results`.

    Returns
    -------
    Path
        The file of results: a header like that of a profile, and `runtimes`, one object a job.

    Raises
    ------
    InputError
        The workflow has not run this study here.
    """
    folder = benchmarks / name
    files = sorted(folder.rglob("*.tsv"))
    if not files:
        raise InputError(f"{folder} has no benchmark files: run the study with snakemake first")
    table = runtimes(files)
    latest = max(path.stat().st_mtime for path in files)
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
