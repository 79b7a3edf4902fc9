"""How much memory this process may still take."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kernels.backend import Backend
from pipeline.errors import InputError

MEMINFO = Path("/proc/meminfo")
CGROUPS = Path("/proc/self/cgroup")


class Hierarchy(NamedTuple):
    """Where a version of cgroups tells what a container or a scheduler's job may take.

    Attributes
    ----------
    root : Path
    limits : tuple of str
        Files with bytes, or a word such as "max".
    usage : str
    cache : tuple of str
        Lines of memory.stat with bytes of the usage that are given back when they are needed.
    """

    root: Path
    limits: tuple[str, ...]
    usage: str
    cache: tuple[str, ...]


VERSION_2 = Hierarchy(
    Path("/sys/fs/cgroup"),
    ("memory.max", "memory.high"),
    "memory.current",
    ("active_file", "inactive_file", "slab_reclaimable"),
)
VERSION_1 = Hierarchy(
    Path("/sys/fs/cgroup/memory"),
    ("memory.limit_in_bytes",),
    "memory.usage_in_bytes",
    ("total_active_file", "total_inactive_file"),
)


def available_memory(device: str = "cpu") -> int:
    """Bytes that can be allocated on a device.

    Of the host without swapping: what is free, or what the cgroups of this process leave, of which
    each one, and each above it, has a limit of its own. The page cache counts as free. Of a GPU
    what is free and what CuPy keeps for new arrays, less a reserve.
    """
    if device == "gpu":
        from kernels.gpu import cuda

        return cuda.free_memory()
    return max(min([_free(), *_left_by_cgroups()]), 0)


def refuse_shortage(what: str, needed: float, backend: Backend) -> None:
    """Say that a GPU has too little memory; a host may swap, or free some meanwhile.

    Raises
    ------
    InputError
    """
    if not backend.on_host:
        free = available_memory(backend.name)
        raise InputError(
            f"{what} needs {needed / 1e9:.3g} GB of {backend.memory}, of which {free / 1e9:.3g} GB "
            "are free; set device to cpu"
        )


def _left_by_cgroups() -> Iterator[int]:
    """Bytes that each cgroup of this process leaves, those above it included."""
    try:
        lines = CGROUPS.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            hierarchy = VERSION_2
        elif "memory" in controllers.split(","):
            hierarchy = VERSION_1
        else:
            continue
        # A container may see its cgroup as the root, under the path that it has outside.
        group = hierarchy.root / path.lstrip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(hierarchy.root):
                yield from _left(folder, hierarchy)


def _left(folder: Path, hierarchy: Hierarchy) -> Iterator[int]:
    """Bytes that one cgroup leaves, for each of its limits."""
    try:
        usage = int((folder / hierarchy.usage).read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no such cgroup, as the root of version 2
        return
    cache = sum(int(stat.get(name, 0)) for name in hierarchy.cache)
    for name in hierarchy.limits:
        with contextlib.suppress(OSError, ValueError):  # its limit is the word "max"
            yield int((folder / name).read_text()) - max(usage - cache, 0)


def _free() -> int:
    """Bytes free on the machine; psutil is asked where Linux does not tell, as on macOS."""
    # The methods run where only the kernels' needs are installed, and psutil is none of these.
    if MEMINFO.exists() and (found := re.search(r"MemAvailable: +(\d+) kB", MEMINFO.read_text())):
        return 1024 * int(found[1])
    import psutil

    return psutil.virtual_memory().available
