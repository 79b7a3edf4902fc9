"""Out-of-memory errors of all libraries, and one retry with less memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# CuPy's and RMM's errors derive from MemoryError; those of CUDA's libraries, TensorFlow, JAX and
# PyTorch are known by their messages only.
OOM_MESSAGES = (
    "out of memory",
    "out_of_memory",
    "not enough memory",
    "allocate memory",
    "bad_alloc",
    "alloc_failed",
    "resource_exhausted",
    "oom when allocating",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, the host's or a device's."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(words in text for words in OOM_MESSAGES)


def retry_on_oom(compute: Callable[[], T], shrink: Callable[[], None]) -> T:
    """Call `compute`; where memory runs out, `shrink` what it takes and call it once more.

    Raises
    ------
    MemoryError
        Memory ran out again, whatever the type of the error was.
    """
    try:
        return compute()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
    shrink()  # outside of that block: the error no longer holds what was allocated
    try:
        return compute()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise MemoryError(" ".join(str(error).split())) from error
