"""The NVIDIA cards that this process may use, and what it took of its card.

NVML is asked instead of CUDA, whose first call would read CUDA_VISIBLE_DEVICES for good.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.runtime.log import log

VISIBLE = "CUDA_VISIBLE_DEVICES"
SAMPLE = 0.1  # seconds between two looks at the memory of a card

_held: list[Any] = []  # lock files, open until this process ends


def visible_gpus() -> list[str]:
    """The cards that CUDA would show to this process, as CUDA_VISIBLE_DEVICES names them.

    Returns
    -------
    list of str
        Numbers in the order of the bus, UUIDs where the variable has them; empty without a card or
        a driver.
    """
    count = _count()
    if VISIBLE not in os.environ:
        return [str(number) for number in range(count)]
    shown = []
    for word in os.environ[VISIBLE].split(",") if count else []:
        card = word.strip()
        # As CUDA does: what comes after a card that is not there is not shown either.
        if not card.startswith(("GPU-", "MIG-")) and card not in map(str, range(count)):
            break
        shown.append(card)
    return shown


def _count() -> int:
    with _nvml() as nvml:
        if nvml:
            return nvml.nvmlDeviceGetCount()
    # NVML's Python package is not everywhere that CuPy is; the driver brings this program.
    try:
        answer = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith("GPU ") for line in answer.stdout.splitlines())


def take_gpu() -> None:
    """Give this process one card of its own where there are several; call before CUDA starts.

    Jobs of one or more workflows on a machine take different cards as long as there are free ones;
    then they share. A scheduler that shows a job a single card has chosen already.
    """
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # that of NVML
    cards = visible_gpus()
    if len(cards) < 2:
        return
    card = next(filter(_lock, cards), None)
    if card is None:
        card = cards[os.getpid() % len(cards)]
        log.info(f"all {len(cards)} GPUs are taken by other jobs: sharing GPU {card}")
    os.environ[VISIBLE] = card


def _lock(card: str) -> bool:
    """Whether no other process has this card; it is then this one's until it ends."""
    file = (Path(tempfile.gettempdir()) / f"tunescope-{os.getuid()}-gpu-{card}.lock").open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    _held.append(file)
    return True


@contextmanager
def metered() -> Iterator[dict[str, Any]]:
    """Measure what a block of code takes of this process's card.

    Yields
    ------
    dict
        On leaving it has "card", its name; "peak_memory_mb", sampled ten times a second, of this
        process where the driver tells processes apart, else ("shared": true) of the whole card;
        and "energy_j", of the whole card, where it has a meter. Empty if there is no card, or no
        nvidia-ml-py.
    """
    figures: dict[str, Any] = {}
    with _nvml() as nvml:
        cards = visible_gpus()
        if nvml is None or not cards:
            yield figures
            return
        card = _handle(nvml, cards[0])
        figures["card"] = nvml.nvmlDeviceGetName(card)
        before = _energy(nvml, card)
        done = threading.Event()

        def sample() -> None:
            while True:
                used, shared = _memory(nvml, card)
                figures["peak_memory_mb"] = max(figures.get("peak_memory_mb", 0), used)
                if shared:
                    figures["shared"] = True
                if done.wait(SAMPLE):
                    return

        sampler = threading.Thread(target=sample, daemon=True)
        sampler.start()
        try:
            yield figures
        finally:
            done.set()
            sampler.join()
            after = _energy(nvml, card)
            if before is not None and after is not None:
                figures["energy_j"] = round(after - before, 1)


def _memory(nvml: ModuleType, card: Any) -> tuple[int, bool]:
    """MB in use, and whether by all processes together."""
    for process in nvml.nvmlDeviceGetComputeRunningProcesses(card):
        if process.pid == os.getpid() and process.usedGpuMemory is not None:
            return round(process.usedGpuMemory / 1e6), False
    return round(nvml.nvmlDeviceGetMemoryInfo(card).used / 1e6), True


def _energy(nvml: ModuleType, card: Any) -> float | None:
    """Joules since the driver was loaded; None before Volta."""
    try:
        return nvml.nvmlDeviceGetTotalEnergyConsumption(card) / 1000
    except nvml.NVMLError:
        return None


def _handle(nvml: ModuleType, card: str) -> Any:
    if card.isdigit():
        return nvml.nvmlDeviceGetHandleByIndex(int(card))
    return nvml.nvmlDeviceGetHandleByUUID(card)


@contextmanager
def _nvml() -> Iterator[ModuleType | None]:
    """NVML, started; None without its Python package or an NVIDIA driver."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except ImportError:
        yield None
        return
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()
