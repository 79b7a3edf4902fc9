"""Backends: NumPy and numba kernels on the CPU, or CuPy and CUDA kernels on a GPU.

Code that asks a backend for its array module and its kernels runs on both. `kernels.cpu` and
`kernels.gpu` have the same modules, functions and parameters; arrays of a backend stay with it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

import numpy as np

T = TypeVar("T")


class Backend(NamedTuple):
    """A device's array module and kernels.

    Attributes
    ----------
    name : {"cpu", "gpu"}
    xp : module
        NumPy or CuPy.
    """

    name: str
    xp: ModuleType

    @property
    def on_host(self) -> bool:
        """Whether its arrays are in the host's memory, which can be swapped or mapped to a file."""
        return self.name == "cpu"

    @property
    def memory(self) -> str:
        """What messages call the memory of its arrays."""
        return "memory" if self.on_host else "the GPU's memory"

    @property
    def threads(self) -> int:
        """Loops of a kernel that run side by side, each with memory of its own; 1 on a GPU."""
        import numba

        return numba.get_num_threads() if self.on_host else 1

    def kernels(self, topic: str) -> ModuleType:
        """The kernels of a topic, such as "smacof"."""
        return importlib.import_module(f"kernels.{self.name}.{topic}")

    def to_device(self, array: np.ndarray) -> Any:
        """The array where this backend computes; NumPy's own array on the CPU."""
        return self.xp.asarray(array)

    def retry_on_oom(self, compute: Callable[[], T]) -> T:
        """Call `compute`; on a GPU once more, in smaller tiles, if memory runs out."""
        if self.name == "cpu":
            return compute()
        from kernels.gpu import cuda

        return cuda.retry_on_oom(compute)

    def synchronize(self) -> None:
        """Wait until the device has finished all submitted work: before a clock is read."""
        if self.name == "gpu":
            from kernels.gpu import cuda

            cuda.synchronize()


def to_host(array: Any) -> np.ndarray:
    """Copy an array to the host, as NumPy's; it may be there already."""
    return array.get() if hasattr(array, "get") else np.asarray(array)


def get_backend(device: str) -> Backend:
    """The backend of a device.

    Parameters
    ----------
    device : {"auto", "cpu", "gpu"}
        "auto" is a GPU where CuPy finds one.

    Raises
    ------
    ValueError
        Another word.
    RuntimeError
        A GPU is asked for, and CuPy is missing or finds none.
    """
    if device not in ("auto", "cpu", "gpu"):
        raise ValueError(f"device is {device!r} but must be one of auto, cpu, gpu")
    if device == "cpu":
        return Backend("cpu", np)
    from kernels.gpu import cuda

    problem = cuda.problem()
    if problem is None:
        return Backend("gpu", cuda.array_module())
    if device == "auto":
        return Backend("cpu", np)
    raise RuntimeError(problem)
