"""The interface to CuPy: arrays, memory, compiling the sources in `kernels/cuda`, launches.

The tests replace `array_module` and `compiled` to run the same kernels without a GPU.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from importlib.resources import files
from typing import Any, TypeVar

import numpy as np

from kernels import oom

SOURCES = files("kernels") / "cuda"
CUDA_TYPES = {
    "float32": "float",
    "float64": "double",
    "uint16": "unsigned short",
    "int32": "int",
    "int64": "long long",
}
RESERVE = 0.1  # of the free memory, left to cuBLAS and to other processes
RETRY_SHARE = 0.25  # of the memory that a first attempt could take, for the second one

T = TypeVar("T")
_share = 1.0

# kernel((blocks, ...), (threads, ...), arguments)
Kernel = Callable[[tuple[int, ...], tuple[int, ...], tuple[Any, ...]], None]


@functools.cache
def array_module() -> Any:
    """CuPy, which multiplies float32 matrices without TF32.

    TF32 rounds factors to 11 bits: too few to prove neighbours with, or for the small distances
    among large ones.

    Raises
    ------
    RuntimeError
        It has TF32 switched on already: CuPy reads CUPY_TF32 once, at the first product of the
        process, which a library may have made before this.
    """
    os.environ["CUPY_TF32"] = "0"
    import cupy

    if rounds_to_tf32(cupy):
        raise RuntimeError(
            "CuPy rounds float32 to TF32 here, which is too coarse: unset CUPY_TF32 and "
            "NVIDIA_TF32_OVERRIDE, or set device to cpu"
        )
    return cupy


def rounds_to_tf32(xp: Any) -> bool:
    """Whether a product of float32 matrices keeps 11 bits of a factor only."""
    factor = xp.full((64, 64), 1 + 2**-12, np.float32)
    return bool(xp.any(factor @ xp.eye(64, dtype=np.float32) != factor))


def problem() -> str | None:
    """Why there is no GPU to compute on, as a sentence; None if there is one."""
    try:
        import cupy
    except ImportError:
        return (
            "device is 'gpu' but CuPy is not installed: install cupy-cuda12x or cupy-cuda13x, or "
            "set device to cpu"
        )
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        count = 0
    return None if count else "device is 'gpu' but CuPy finds none here: set device to auto or cpu"


def synchronize() -> None:
    """Wait until the device has finished all work submitted so far."""
    array_module().cuda.get_current_stream().synchronize()


def free_memory() -> int:
    """Bytes of device memory that may be allocated: free ones, and those in CuPy's memory pool."""
    cupy = array_module()
    free, _ = cupy.cuda.runtime.memGetInfo()
    pooled = cupy.get_default_memory_pool().free_bytes()
    return int(_share * (1 - RESERVE) * (free + pooled))


def release_memory() -> None:
    """Give the free blocks of CuPy's memory pool back to the device."""
    array_module().get_default_memory_pool().free_all_blocks()


def retry_on_oom(compute: Callable[[], T]) -> T:
    """Call `compute`; if memory runs out, call it once more with a quarter of `free_memory`.

    Raises
    ------
    MemoryError
        It ran out again.
    """
    global _share
    before = _share

    def shrink() -> None:
        global _share
        release_memory()
        _share = RETRY_SHARE

    try:
        return oom.retry_on_oom(compute, shrink)
    except MemoryError as error:
        raise MemoryError(f"of the GPU, with smaller tiles too; {error}") from error
    finally:
        _share = before


@functools.cache
def compiled(source: str, name: str, definitions: tuple[str, ...]) -> Kernel:
    """A compiled kernel of `kernels/cuda/<source>.cu`; CuPy caches binaries on disk.

    Parameters
    ----------
    source, name : str
        File without its ending, and function.
    definitions : tuple of "NAME=text"
        Macros that set the types and constants of the source.
    """
    cupy = array_module()
    text = (SOURCES / f"{source}.cu").read_text()
    options = ("-std=c++17", *(f"-D{definition}" for definition in definitions))
    return cupy.RawModule(code=text, options=options).get_function(name)


def launch(
    source: str,
    name: str,
    blocks: int | tuple[int, ...],
    threads: int,
    arguments: tuple[Any, ...],
    **definitions: Any,
) -> None:
    """Start a kernel.

    Parameters
    ----------
    source, name : str
        See `compiled`.
    blocks : int or tuple of int
        With no block nothing happens.
    threads : int
        Threads of a block.
    arguments : tuple
        Arrays by their address: a view must be C-ordered, or its kernel must know its strides.
        Integers arrive as `long long`, other numbers as `double`.
    definitions
        Macros of the source: dtypes by their names in CUDA C++, anything else as it is.
    """
    grid = (blocks,) if isinstance(blocks, int) else blocks
    if 0 in grid:
        return
    text = tuple(
        f"{macro}={CUDA_TYPES[value.name] if isinstance(value, np.dtype) else value}"
        for macro, value in sorted(definitions.items())
    )
    compiled(source, name, text)(grid, (threads,), tuple(map(_argument, arguments)))


def _argument(value: Any) -> Any:
    if isinstance(value, int | np.integer):
        return np.int64(value)
    return np.float64(value) if isinstance(value, float) else value
