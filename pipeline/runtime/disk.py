"""Room on disk, asked for before something large is written."""

import math
import shutil
from pathlib import Path
from typing import Any

from pipeline.errors import InputError


def check_space(folder: Path, n_bytes: int, what: str) -> None:
    """Refuse to write what the disk has no room for: compiled writers crash where it ends.

    Parameters
    ----------
    folder : Path
        Where it shall go; it exists.
    n_bytes : int
        Its size, at most.
    what : str
        What it is, for the sentence.

    Raises
    ------
    InputError
        Fewer bytes are free.
    """
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise InputError(
            f"{what} needs {n_bytes / 1e6:,.1f} MB in {folder} but {free / 1e6:,.1f} MB are free "
            "there: free some, or choose a folder on another disk"
        )


def model_bytes(model: Any) -> int:
    """Bytes that a file of a Keras model takes, at most: its variables, its optimiser's, names."""
    optimizer = getattr(model, "optimizer", None)
    variables = [*model.variables, *(optimizer.variables if optimizer else [])]
    return sum(4 * math.prod(each.shape) + 2**12 for each in variables) + 2**20
