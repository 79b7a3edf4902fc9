"""A study that is killed at random moments: it must go on, to the same results bit by bit."""

import argparse
import contextlib
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import pandas as pd
import psutil

from pipeline import artefacts
from tests import tiny_study

RESULTS = Path("results/tiny")
COMMAND = (sys.executable, "-m", "pipeline", "study", "tiny.yaml")
WAYS = ("everything", "the study", "the step")  # that a SIGKILL hits
# In sidecars and tables: what differs between runs that give the same.
OF_THE_RUN = re.compile(
    "created|process|peak_memory_mb|seconds.*|.*_per_second|sha256|bytes|inputs"
)
# Written by a step beside its artefact.
BESIDE = ("images.parquet", "predictions.parquet", "change.json", "measures.csv")
TIMED = (  # they show times
    *("workflow-report.html", "report.html", "runtimes.csv"),
    *("provenance.csv", "MobileNet_training.csv"),
)


def run_kills(folder: Path, options: argparse.Namespace) -> list[str]:
    """Kill a study in each of its steps, again and again; compare it with one that ran through."""
    whole, killed = folder / "whole", folder / "killed"
    tiny_study.copy_project(whole)
    if status := _start(whole).wait():
        return [f"the study ends with {status}: {_log(whole)}"]
    expected = contents(whole)
    shutil.copytree(whole, killed)  # with what numba compiled, which halves the time of steps
    shutil.rmtree(killed / RESULTS)
    faults = _compare(killed, expected)  # nobody killed this one either
    steps = _steps(killed)
    hit: Counter[str] = Counter()
    for number in range(options.kills):
        first, way = number % len(steps), WAYS[number % len(WAYS)]
        for artefact, _ in steps[first:]:
            (killed / artefact).unlink(missing_ok=True)
            artefacts.sidecar(killed / artefact).unlink(missing_ok=True)
        moment = random.Random(f"{options.seed} {number}").random()
        hit[kill(killed, *steps[first], way, moment)] += 1
        if first + 1 == len(steps) or number + 1 == options.kills:
            faults += _compare(killed, expected)
    counts = ", ".join(f"{count} {how}" for how, count in hit.items())
    print(f"kills: {options.kills} over {len(steps)} steps ({counts}), {len(faults)} at fault")
    return faults


def _start(project: Path) -> subprocess.Popen:
    return subprocess.Popen(
        COMMAND,
        cwd=project,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _log(project: Path) -> str:
    log = project / "logs/tiny/study.log"
    lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
    errors = [line for line in lines if line.startswith("error: ")]
    return (errors or lines[-1:] or ["no log"])[0]


def _steps(project: Path) -> list[tuple[Path, float]]:
    """Of every step, the artefact it writes and the seconds it takes, in the order of time."""
    sidecars = [json.loads(path.read_text()) | {"path": path} for path in _sidecars(project)]
    sidecars.sort(key=lambda sidecar: sidecar["path"].stat().st_mtime)
    return [
        (each["path"].with_suffix("").relative_to(project), each["process"]["seconds"])
        for each in sidecars
        if each["artefact"] not in BESIDE
    ]


def _sidecars(project: Path) -> Iterator[Path]:
    for path in sorted((project / RESULTS).rglob("*.json")):
        if path.with_suffix("").is_file():
            yield path


def kill(project: Path, artefact: Path, seconds: float, way: str, moment: float) -> str:
    """Run the study and kill it while a step works, at a share of its time; says what was hit."""
    study = _start(project)
    worker = None
    while worker is None and study.poll() is None:
        time.sleep(0.05)
        worker = _worker(study.pid, artefact)
    if worker is None:
        return f"ended before {artefact.name}"
    family = _family(study.pid)
    with contextlib.suppress(psutil.TimeoutExpired):
        worker.wait(moment * seconds)
    hit = f"of {way}" if worker.is_running() else "after a step"
    if way == "everything":
        os.killpg(study.pid, signal.SIGKILL)
    elif way == "the study":
        study.kill()
    else:
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.kill()
    study.wait()
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not alive, f"{alive} outlived the study"
    return hit


def _family(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _worker(pid: int, artefact: Path) -> psutil.Process | None:
    """The process among the descendants of another that shall write an artefact."""
    for process in _family(pid):
        try:
            words = process.cmdline()
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        if "--out" in words and words[words.index("--out") + 1] == str(artefact):
            return process
    return None


def _compare(project: Path, expected: dict[str, Any]) -> list[str]:
    """Run to the end; what differs from a study that nobody killed."""
    if status := _start(project).wait():
        return [f"the study ends with {status}: {_log(project)}"]
    found = contents(project)
    left = [str(path) for path in (project / RESULTS).rglob(".writing-*")]
    left += [str(path) for path in (project / RESULTS).rglob("*.checkpoint*")]
    return [
        *(f"{name} was left by a kill" for name in left),
        *(f"{name} is missing" for name in expected.keys() - found.keys()),
        *(f"{name} is there too" for name in found.keys() - expected.keys()),
        *(
            f"{name} differs from that of a study nobody killed"
            for name in expected.keys() & found.keys()
            if found[name] != expected[name]
        ),
    ]


def contents(project: Path) -> dict[str, Any]:
    """What each file of the results holds, but for what belongs to a run: times, memory."""
    found: dict[str, Any] = {}
    for path in sorted((project / RESULTS).rglob("*")):
        if not path.is_file() or path.name in TIMED:
            continue
        name = str(path.relative_to(project))
        if path.suffix == ".keras":  # an archive, which has times of its own
            found[name] = _weights(path)
        elif path.suffix == ".json" and path.with_suffix("").is_file():
            found[name] = _without_times(json.loads(path.read_text()))
        elif path.name == "history.csv":
            found[name] = _without_times(pd.read_csv(path).to_dict("list"))
        else:
            found[name] = path.read_bytes()
    return found


def _weights(path: Path) -> dict[str, bytes]:
    weights: dict[str, bytes] = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            weights[name] = item[()].tobytes()

    with zipfile.ZipFile(path) as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(content) as file:
        file.visititems(keep)
    return weights


def _without_times(value: Any) -> Any:
    """A tree without what belongs to a run; files are compared themselves, not their hashes."""
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if not OF_THE_RUN.fullmatch(str(key))}
        return {key: _without_times(each) for key, each in kept.items()}
    return [_without_times(each) for each in value] if isinstance(value, list) else value
