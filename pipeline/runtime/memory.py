"""How much memory this process may still take."""

import re
from pathlib import Path

from kernels.backend import Backend
from pipeline.errors import InputError

MEMINFO = Path("/proc/meminfo")
# (limit, usage) of a container or a scheduler's job: cgroups version 2, then version 1.
CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)


def available_memory(device: str = "cpu") -> int:
    """Bytes that can be allocated on a device.

    Of the host without swapping: what is free, or what a cgroup leaves. Of a GPU what is free and
    what CuPy keeps for new arrays, less a reserve.
    """
    if device == "gpu":
        from kernels.gpu import cuda

        return cuda.free_memory()
    free = _free()
    for limit, usage in CGROUPS:
        try:
            free = min(free, int(Path(limit).read_text()) - int(Path(usage).read_text()))
        except (OSError, ValueError):  # no such cgroup, or its limit is the word "max"
            continue
    return max(free, 0)


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


def _free() -> int:
    """Bytes free on the machine; psutil is asked where Linux does not tell, as on macOS."""
    # The methods run where only the kernels' needs are installed, and psutil is none of these.
    if MEMINFO.exists() and (found := re.search(r"MemAvailable: +(\d+) kB", MEMINFO.read_text())):
        return 1024 * int(found[1])
    import psutil

    return psutil.virtual_memory().available
