"""How a command ended, and whether it may end so."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline import artefacts, store
from pipeline.neighbors.graph import check_graph

LIMIT = 180  # seconds
SCORES = ["overlap", "own_before", "own_after"]  # of a table of changes
REFUSED, RIGHT, EITHER = "refused", "right", "either"


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    status: int
    said: str  # on both streams

    @property
    def errors(self) -> list[str]:
        """Its sentences."""
        return [line for line in self.said.splitlines() if line.startswith("error: ")]


def tunescope(words: Sequence[str | bytes], folder: Path, *, limit: float = LIMIT) -> Outcome:
    """Run the command line in a process of its own."""
    command = [sys.executable, "-m", "pipeline", *words]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=limit,
        )
    except subprocess.TimeoutExpired:
        return Outcome(-1, f"did not end within {limit} s")
    return Outcome(done.returncode, done.stdout.decode(errors="replace"))


def fault(outcome: Outcome, out: Path | None, folder: Path, expected: str) -> str | None:
    """What is wrong with how a command ended, or None.

    Parameters
    ----------
    outcome : Outcome
    out : Path or None
        The file it was to write.
    folder : Path
        All it may have written lies there.
    expected : {"refused", "right", "either"}
        One sentence and a status other than 0; a right result; one of these.
    """
    if "Traceback" in outcome.said:
        return "traceback"
    if left := list(folder.rglob(".writing-*")):
        return f"left {left[0].name}"
    if outcome.status < 0:
        return f"ended by signal {-outcome.status}" if outcome.said else "no answer"
    if outcome.status == 0:
        return "was not refused" if expected == REFUSED else wrong_result(out)
    usage = "Usage:" in outcome.said and "Error" in outcome.said
    if len(outcome.errors) + usage != 1:
        return f"{len(outcome.errors)} sentences"
    if expected == RIGHT:
        return "was refused"
    return f"refused, yet wrote {out.name}" if out is not None and out.is_file() else None


def wrong_result(out: Path | None) -> str | None:
    """What is wrong with a file that was written, or None."""
    if out is None:
        return None
    try:
        if not artefacts.load_sidecar(artefacts.verify(out)):
            return "no sidecar"
        if out.suffix == ".parquet":
            table = pd.read_parquet(out)
            if "overlap" in table.columns:
                numbers = table[[name for name in SCORES if name in table.columns]]
            elif "row" in table.columns:
                numbers = store.load_layout(out)[["x", "y"]]
            else:
                numbers = store.load_table(out).labels
            if not np.isfinite(numbers).all(axis=None):
                return "a table that is not finite"
        if out.suffix == ".npz":
            graph = store.load_graph(out)
            check_graph(graph, len(graph.indices))
        if out.suffix == ".npy" and not np.isfinite(np.load(out)).all():
            return "an array that is not finite"
        if out.suffix == ".json":
            json.loads(out.read_text(), parse_constant=_refuse)
    except (ValueError, OSError) as error:
        return f"wrong result: {error}"
    return None


def _refuse(word: str) -> None:
    raise ValueError(f"{word} in JSON")
