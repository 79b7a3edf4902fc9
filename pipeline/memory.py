"""How much memory this process may still take."""

from pathlib import Path

import psutil

# (limit, usage) of a container or a scheduler's job: cgroups version 2, then version 1.
CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)


def available_memory() -> int:
    """Bytes that can be allocated without swapping: what is free, or what a cgroup leaves."""
    free = psutil.virtual_memory().available
    for limit, usage in CGROUPS:
        try:
            free = min(free, int(Path(limit).read_text()) - int(Path(usage).read_text()))
        except (OSError, ValueError):  # no such cgroup, or its limit is the word "max"
            continue
    return max(free, 0)
