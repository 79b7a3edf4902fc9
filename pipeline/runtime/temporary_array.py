"""Arrays that are larger than memory: in a mapped temporary file."""

from __future__ import annotations

import errno
import math
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import DTypeLike

from pipeline.errors import InputError
from pipeline.runtime.disk import check_space

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # disk full, a user's quota, a file's limit


def temporary_array(
    shape: tuple[int, ...], dtype: DTypeLike, *, what: str, remedy: str
) -> np.memmap:
    """An array in a temporary file (TMPDIR) without a name.

    The file is gone when this process ends, however it ends.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype
    what, remedy : str
        What it holds, and what helps beside a larger disk, for the sentence.

    Returns
    -------
    memmap
        Zeros.

    Raises
    ------
    InputError
        The disk has no room for it.
    """
    with tempfile.TemporaryFile() as file:
        _reserve(file, math.prod(shape) * np.dtype(dtype).itemsize, what, remedy)
        return np.memmap(file, dtype, mode="r+", shape=shape)


def _reserve(file: IO[bytes], n_bytes: int, what: str, remedy: str) -> None:
    """Take the room on disk now: a mapped page without it would end the process (SIGBUS)."""
    folder = tempfile.gettempdir()
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, n_bytes)
        else:  # macOS; the next best
            check_space(Path(folder), n_bytes, f"the temporary file of {what}")
            os.truncate(file.fileno(), n_bytes)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        free = shutil.disk_usage(folder).free
        raise InputError(
            f"{what} need a temporary file of {n_bytes / 1e9:.3g} GB but {folder} has "
            f"{free / 1e9:.3g} GB free: set TMPDIR to a folder on a larger disk, or {remedy}"
        ) from error
