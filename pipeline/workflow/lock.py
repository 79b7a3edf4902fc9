"""One run at a time in a folder; the lock of a killed process is gone with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.errors import InputError

LOCK = Path(".snakemake/tunescope.lock")

_held: FileLock | None = None


@contextmanager
def lock() -> Iterator[None]:
    """Keep other runs out of this folder; a killed one keeps nobody out."""
    LOCK.parent.mkdir(exist_ok=True)
    try:
        with FileLock(LOCK, timeout=0):
            yield
    except Timeout:
        raise InputError(
            f"another run works in {Path.cwd()}: wait for its end, or stop it, and start again"
        ) from None


def hold_lock() -> None:
    """The same for a plain `snakemake`, until its process ends; called by the Snakefile."""
    global _held
    LOCK.parent.mkdir(exist_ok=True)
    _held = FileLock(LOCK)
    try:
        _held.acquire(timeout=0)
    except Timeout:
        _held = None  # this process holds it already, or Snakemake's own lock will refuse


def stale_locks() -> bool:
    """Whether a run was killed that had no time to unlock: nobody else holds our lock."""
    return any(Path(".snakemake/locks").glob("*.lock"))
