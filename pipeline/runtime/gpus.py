"""The NVIDIA GPUs that this process may use, and what it took of its GPU.

NVML is asked instead of CUDA, whose first call would read CUDA_VISIBLE_DEVICES for good.
"""

from __future__ import annotations

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
SAMPLE = 0.1  # seconds between two samples of a GPU's memory

_locks: list[Any] = []  # held until this process ends


def visible_gpus() -> list[str]:
    """The GPUs that CUDA would show to this process, as CUDA_VISIBLE_DEVICES names them.

    Returns
    -------
    list of str
        Numbers in the order of the bus, UUIDs where the variable has them; empty without a GPU or
        a driver.
    """
    count = _count()
    if VISIBLE not in os.environ:
        return [str(number) for number in range(count)]
    shown = []
    for word in os.environ[VISIBLE].split(",") if count else []:
        gpu = word.strip()
        # As CUDA does: what comes after a GPU that is not there is not shown either.
        if not gpu.startswith(("GPU-", "MIG-")) and gpu not in map(str, range(count)):
            break
        shown.append(gpu)
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
    """Give this process a GPU of its own where there are several; call before CUDA starts.

    Jobs of one or more workflows on a machine take different GPUs as long as there are free ones;
    then they share. A scheduler that shows a job a single GPU has chosen already.
    """
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # that of NVML
    gpus = visible_gpus()
    if len(gpus) < 2:
        return
    gpu = next(filter(_lock, gpus), None)
    if gpu is None:
        gpu = gpus[os.getpid() % len(gpus)]
        log.info(f"all {len(gpus)} GPUs are taken by other jobs: sharing GPU {gpu}")
    os.environ[VISIBLE] = gpu


def _lock(gpu: str) -> bool:
    """Whether no other process has this GPU; it is then this one's until it ends."""
    from filelock import FileLock, Timeout

    name = f"tunescope-{os.getuid()}-gpu-{gpu}.lock"
    lock = FileLock(Path(tempfile.gettempdir(), name))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    _locks.append(lock)
    return True


@contextmanager
def metered() -> Iterator[dict[str, Any]]:
    """Measure what a block of code takes of this process's GPU.

    Yields
    ------
    dict
        On leaving it has "name", of the GPU; "peak_memory_mb", sampled ten times a second, of this
        process where the driver tells processes apart, else ("shared": true) of the whole GPU;
        and "energy_j", of the whole GPU, where it has a meter. Empty if there is no GPU, or no
        nvidia-ml-py.
    """
    meter: dict[str, Any] = {}
    with _nvml() as nvml:
        gpus = visible_gpus()
        if nvml is None or not gpus:
            yield meter
            return
        gpu = _handle(nvml, gpus[0])
        meter["name"] = nvml.nvmlDeviceGetName(gpu)
        before = _energy(nvml, gpu)
        done = threading.Event()

        def sample() -> None:
            while True:
                used, shared = _memory(nvml, gpu)
                meter["peak_memory_mb"] = max(meter.get("peak_memory_mb", 0), used)
                if shared:
                    meter["shared"] = True
                if done.wait(SAMPLE):
                    return

        sampler = threading.Thread(target=sample, daemon=True)
        sampler.start()
        try:
            yield meter
        finally:
            done.set()
            sampler.join()
            after = _energy(nvml, gpu)
            if before is not None and after is not None:
                meter["energy_j"] = round(after - before, 1)


def _memory(nvml: ModuleType, gpu: Any) -> tuple[int, bool]:
    """MB in use, and whether by all processes together."""
    for process in nvml.nvmlDeviceGetComputeRunningProcesses(gpu):
        if process.pid == os.getpid() and process.usedGpuMemory is not None:
            return round(process.usedGpuMemory / 1e6), False
    return round(nvml.nvmlDeviceGetMemoryInfo(gpu).used / 1e6), True


def _energy(nvml: ModuleType, gpu: Any) -> float | None:
    """Joules since the driver was loaded; None before Volta."""
    try:
        return nvml.nvmlDeviceGetTotalEnergyConsumption(gpu) / 1000
    except nvml.NVMLError:
        return None


def _handle(nvml: ModuleType, gpu: str) -> Any:
    if gpu.isdigit():
        return nvml.nvmlDeviceGetHandleByIndex(int(gpu))
    return nvml.nvmlDeviceGetHandleByUUID(gpu)


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
