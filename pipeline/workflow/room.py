"""Room that a study needs and this machine has not: on disk, in memory, for all pairs of points."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.runtime.memory import available_memory
from pipeline.runtime.pair_storage import SHARE
from pipeline.workflow.forecast import Forecast, gigabytes

WITHOUT_ROOM = {  # for all pairs, neither in memory nor on disk: what happens then
    "mds": "mds computes them again in every pass",
    "isomap": "isomap stops",
}


def lacking(expected: Forecast, folder: Path) -> list[str]:
    """What this machine has too little of, in sentences.

    Parameters
    ----------
    expected : Forecast
    folder : Path
        Where the results go; it exists.
    """
    return [*_disk(expected, folder), *_memory(expected), *_pairs(expected)]


def _disk(expected: Forecast, folder: Path) -> Iterator[str]:
    if (free := shutil.disk_usage(folder).free) < expected.disk:
        yield (
            f"the results will take about {gigabytes(expected.disk)} but {gigabytes(free)} are "
            f"free in {folder.resolve().name}: free some, or work on another disk"
        )


def _memory(expected: Forecast) -> Iterator[str]:
    free = available_memory()
    short = {step: need for step, need in expected.memory.items() if need > free}
    if short:
        listed = ", ".join(f"{step} {gigabytes(need)}" for step, need in short.items())
        yield (
            f"{gigabytes(free)} of memory are free but some steps will take more ({listed}): "
            "set a subset of these methods or of the data set, or give more memory"
        )


def _pairs(expected: Forecast) -> Iterator[str]:
    """Methods that could run, but for their pairs."""
    free, place = available_memory(), tempfile.gettempdir()
    on_disk = SHARE * shutil.disk_usage(place).free
    without = [
        step
        for step, need in expected.pairs.items()
        if expected.memory[step] <= free
        and expected.memory[step] + need > SHARE * free
        and need > on_disk
    ]
    if without:
        happens = " and ".join(map(WITHOUT_ROOM.__getitem__, without))
        yield (
            f"all pairs of points take {gigabytes(expected.pairs[without[0]])}, for which neither "
            f"memory nor {place} has room: {happens}; set TMPDIR to a folder on a larger disk, a "
            "subset of the method, or exact to preferred"
        )
