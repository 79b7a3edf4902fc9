"""Files of results: one JSON for each run of a profile on a machine."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
from pathlib import Path
from typing import Any

from bench.run.manifest import ROOT, Workload
from pipeline.artefacts import atomic
from pipeline.errors import InputError
from pipeline.runtime.versions import versions

RESULTS = ROOT / "bench" / "results"
SCHEMA = 1
PEERS = ("faiss-cpu", "pymde", "pynndescent", "torch")

Results = dict[str, Any]


def file_name(date: str, machine: dict[str, Any], profile: str) -> str:
    """`<date>-<machine>-<profile>.json`; the machine is its processor, cores and GPU."""
    parts = [machine["cpu"], f"{machine['cores']}-cores", machine["gpu"] or ""]
    text = re.sub(r"\((r|tm)\)|@.*|\b(cpu|processor)\b", " ", " ".join(parts).lower())
    slug = "-".join(re.findall(r"[a-z0-9]+", text))
    return f"{date}-{slug}-{profile}.json"


def read(path: Path) -> Results:
    """Read a file of results.

    Raises
    ------
    InputError
        No such file, not JSON, or of another version of this format.
    """
    try:
        results = json.loads(Path(path).read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise InputError(f"{path} is not a readable file of results ({error})") from None
    if results.get("schema") != SCHEMA:
        raise InputError(f"{path} has schema {results.get('schema')!r} but must have {SCHEMA}")
    return results


def write(path: Path, results: Results) -> None:
    """Write a file of results whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(results, indent=1) + "\n")


def read_all(folder: Path = RESULTS) -> list[Results]:
    """The newest file of each machine and profile, oldest first, each with its name as "file"."""
    newest = {}
    for path in sorted(Path(folder).glob("*.json")):
        newest[path.name[len("2026-01-01") :]] = path  # names start with the date
    return [{**read(path), "file": path.name} for path in sorted(newest.values())]


def workload(row: dict[str, Any]) -> Workload:
    """The workload of a row."""
    return Workload(**_renamed(row["workload"], "stage", "step"))


def jobs(study: Results) -> list[dict[str, Any]]:
    """The jobs of a study, see `pipeline.report.runtimes.tabulate_runtimes`."""
    return [_renamed(job, "rule", "step") for job in study["runtimes"]]


def _renamed(fields: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    """Fields under their present names: results from before version 0.2 have an older one."""
    return fields if new in fields else {new if k == old else k: v for k, v in fields.items()}


def environment() -> dict[str, str]:
    """Versions of Python, of the libraries of the pipeline and of the peers."""
    installed = dict(versions())
    for name in PEERS:
        try:
            installed[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return dict(sorted(installed.items()))


def commit() -> str | None:
    """Short hash of the commit, with "+changes" if code differs from it; None outside of git."""
    try:
        short = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--", "pipeline", "kernels", "bench/*.py")
    except (OSError, subprocess.SubprocessError):
        return None
    return short + ("+changes" if changed else "")


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
