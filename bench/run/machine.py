"""The machine: its hardware, and its measured rates of arithmetic and memory."""

from __future__ import annotations

import platform
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from pipeline.runtime.device import cpu_count

CPUINFO = Path("/proc/cpuinfo")


def describe() -> dict[str, Any]:
    """CPU, cores, memory and GPU, without any name that identifies the machine."""
    return {
        "cpu": cpu_name(),
        "cores": cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "gpu": query_gpu("name"),
        "driver": query_gpu("driver_version"),
    }


def cpu_name() -> str:
    """The processor's name, or its architecture where the system does not report one.

    A virtual machine may say "AMD EPYC" and no more, of processors that differ by half in speed:
    their family and model then identify them.
    """
    try:
        lines = CPUINFO.read_text().splitlines()
    except FileNotFoundError:
        lines = []
    info = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = info.get("model name") or platform.processor() or platform.machine()
    if any(letter.isdigit() for letter in name) or "cpu family" not in info:
        return name
    return f"{name} (family {info['cpu family']}, model {info['model']})"


def query_gpu(field: str) -> str | None:
    """One field of nvidia-smi for the first GPU, None where no driver answers."""
    command = ["nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.splitlines()[0].strip()


def measure_limits(device: str = "cpu") -> dict[str, float]:
    """Measure this machine's rates of arithmetic and of memory.

    Returns
    -------
    dict
        `sgemm_gflops`: float32 matrix product (TF32 off on a GPU); `bandwidth_gb_s`: bytes read and
        written by a = b + s c on arrays far larger than the caches (McCalpin's STREAM triad, on a
        GPU a copy), without the lines that a CPU reads before it writes them. Best of five.
    """
    return _gpu_limits() if device == "gpu" else _cpu_limits()


def _cpu_limits(size: int = 2048, length: int = 2**25) -> dict[str, float]:
    import numba

    @numba.njit(parallel=True)
    def triad(a, b, c):
        for i in numba.prange(len(a)):
            a[i] = b[i] + np.float32(3) * c[i]

    random = np.random.default_rng(0)
    A, B = random.random((2, size, size), np.float32)
    C = np.empty_like(A)
    a, b, c = np.ones((3, length), np.float32)
    return {
        "sgemm_gflops": 2e-9 * size**3 / _best(lambda: np.matmul(A, B, out=C)),
        "bandwidth_gb_s": 1e-9 * 3 * 4 * length / _best(lambda: triad(a, b, c)),
    }


def _gpu_limits(size: int = 8192, length: int = 2**28) -> dict[str, float]:
    from kernels.gpu import cuda

    cupy = cuda.array_module()  # float32 is float32: no TF32
    A = cupy.random.random((size, size), dtype=cupy.float32)
    a = cupy.ones(length, cupy.float32)
    b = cupy.empty_like(a)

    def finished(work: Callable[[], object]) -> Callable[[], object]:
        return lambda: (work(), cupy.cuda.Device().synchronize())

    return {
        "sgemm_gflops": 2e-9 * size**3 / _best(finished(lambda: A @ A)),
        "bandwidth_gb_s": 1e-9 * 2 * 4 * length / _best(finished(lambda: cupy.copyto(b, a))),
    }


def _best(work: Callable[[], object], repeats: int = 5) -> float:
    """Shortest of some calls in seconds, after one that does not count."""
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])
