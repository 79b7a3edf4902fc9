"""Where the numbers of all pairs are stored: in memory, a GPU's too, or in a mapped file."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence

import numpy as np

from kernels.backend import Backend, get_backend
from kernels.pairs import Pairs, pairs_bytes, strip_starts
from pipeline.errors import InputError
from pipeline.runtime.log import log
from pipeline.runtime.memory import available_memory
from pipeline.runtime.temporary_array import temporary_array

CPU = get_backend("cpu")
SHARE = 0.85  # of the host's free memory or disk, what the pairs may take


def choose_storage(
    n: int, *, storage: str = "auto", spare: float = 0.0, backend: Backend = CPU
) -> str:
    """Resolve where n points' pairs are stored.

    Parameters
    ----------
    n : int
    storage : {"auto", "memory", "disk"}
        "auto" is memory where the pairs fit beside `spare`, else disk where they fit there.
    spare : float
        Bytes of memory that the method needs for everything else.
    backend : Backend
        Who computes with the pairs: a GPU has no memory but its own.

    Returns
    -------
    {"memory", "disk", "none"}
        "none" if "auto" finds room nowhere.

    Raises
    ------
    InputError
        An unknown word; a GPU is asked for a disk, or for memory that it does not have.
    """
    if storage not in ("auto", "memory", "disk"):
        raise InputError(f"storage is {storage!r} but must be one of auto, memory, disk")
    choose = _choose_on_host if backend.on_host else _choose_on_gpu
    return choose(pairs_bytes(n), spare, storage)


def _choose_on_host(need: float, spare: float, storage: str) -> str:
    """Memory can be swapped: who asks for it gets it."""
    if storage != "auto":
        return storage
    if need + spare <= SHARE * available_memory():
        return "memory"
    return "disk" if need <= SHARE * shutil.disk_usage(tempfile.gettempdir()).free else "none"


def _choose_on_gpu(need: float, spare: float, storage: str) -> str:
    """Memory cannot be swapped: even who asks for it may not get it."""
    if storage == "disk":
        raise InputError(
            "storage is 'disk' but a GPU keeps pairs in its own memory only; set storage to auto, "
            "or device to cpu"
        )
    need, free = need + spare, available_memory("gpu")
    if need > free and storage == "memory":
        raise InputError(
            f"storage is 'memory' but the pairs need {need / 1e9:.3g} GB of the GPU, of which "
            f"{free / 1e9:.3g} GB are free; set storage to auto, or device to cpu"
        )
    return "memory" if need <= free else "none"


def storage_shortage(backend: Backend) -> tuple[str, str]:
    """Who has no room where `choose_storage` returns "none", and what a user can set instead."""
    if backend.on_host:
        return "neither memory nor the temporary folder has", "TMPDIR to a larger disk"
    return "the GPU has no", "device to cpu"


def new_pairs(
    n: int,
    *,
    step: float,
    storage: str,
    name: str,
    backend: Backend = CPU,
    strips: Sequence[int] | None = None,
) -> Pairs:
    """Allocate the pairs of n points.

    Parameters
    ----------
    n : int
    step : float
        The quantisation step, see `kernels.pairs.Pairs`.
    storage : {"memory", "disk"}
        That of `temporary_array`.
    name : str
        Starts the line that says what was chosen.
    backend : Backend
        As in `choose_storage`; the values are an array of it, the starts NumPy's.
    strips : sequence of int, optional
        Those that are there, see `kernels.pairs.Pairs`; all by default.
    """
    starts = strip_starts(n, strips)
    in_memory = storage == "memory"
    place = backend.memory if in_memory else f"a temporary file in {tempfile.gettempdir()}"
    log.info(f"{name}: pairs of {n:,} points in 16 bits, {2e-9 * starts[-1]:.2g} GB in {place}")
    if in_memory:
        return Pairs(backend.xp.empty(int(starts[-1]), np.uint16), starts, n, step)
    shape = (int(starts[-1]),)
    values = temporary_array(shape, np.uint16, what="the pairs", remedy="lay out a subset")
    return Pairs(values, starts, n, step)
