"""Where the numbers of all pairs are kept: in memory, or in a file that the system maps."""

from __future__ import annotations

import shutil
import tempfile

import numpy as np

from kernels.pairs import Pairs, pairs_bytes, strip_starts
from pipeline.errors import InputError
from pipeline.memory import available_memory
from pipeline.progress import tell

SHARE = 0.85  # of the memory or disk that is free, what the pairs may take


def choose_storage(n: int, *, storage: str = "auto", spare: float = 0.0) -> str:
    """Resolve where n points' pairs are kept.

    Parameters
    ----------
    n : int
    storage : {"auto", "memory", "disk"}
        "auto" is memory where the pairs fit beside `spare`, else disk where they fit there.
    spare : float
        Bytes of memory that the method needs for everything else.

    Returns
    -------
    {"memory", "disk", "none"}
        "none" if "auto" finds room nowhere.

    Raises
    ------
    InputError
        An unknown word.
    """
    if storage not in ("auto", "memory", "disk"):
        raise InputError(f"storage is {storage!r} but must be one of auto, memory, disk")
    if storage != "auto":
        return storage
    need = pairs_bytes(n)
    if need + spare <= SHARE * available_memory():
        return "memory"
    return "disk" if need <= SHARE * shutil.disk_usage(tempfile.gettempdir()).free else "none"


def new_pairs(n: int, *, unit: float, storage: str, name: str) -> Pairs:
    """Room for the pairs of n points, not yet filled.

    Parameters
    ----------
    n : int
    unit : float
        See `kernels.pairs.Pairs`.
    storage : {"memory", "disk"}
        The file on disk is a temporary one (TMPDIR) without a name: it is gone when this process
        ends, however it ends.
    name : str
        Starts the line that says what was chosen.
    """
    starts = strip_starts(n)
    place = "memory" if storage == "memory" else f"a temporary file in {tempfile.gettempdir()}"
    tell(f"{name}: {n * (n - 1) // 2:,} pairs in 16 bits, {2e-9 * starts[-1]:.2g} GB in {place}")
    if storage == "memory":
        return Pairs(np.empty(starts[-1], np.uint16), starts, n, unit)
    with tempfile.TemporaryFile() as file:
        values = np.memmap(file, np.uint16, mode="w+", shape=(int(starts[-1]),))
    return Pairs(values, starts, n, unit)
