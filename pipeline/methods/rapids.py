"""Load RAPIDS cuML where there is a GPU, and turn its log into warnings."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import warnings
from collections.abc import Iterator
from types import ModuleType

from kernels.gpu import cuda
from pipeline.errors import InputError

# A line of its C++ side, which it prints through Python: "[2026-10-14 09:30:00.000] [CUML] [...".
LOGGED = re.compile(r"\[CUML\] \[(?:warning|error|critical)\] (.+)")


def load(name: str) -> ModuleType:
    """Import a module of cuML.

    Raises
    ------
    InputError
        cuML is not installed, or no GPU answers.
    """
    if cuda.problem():  # first: without a GPU its import fails in ways of its own
        missing = "CuPy finds no GPU"
    else:
        try:
            return importlib.import_module(name)
        except ImportError as error:
            missing = " ".join(str(error).split())
    raise InputError(
        f"engine cuml computes by RAPIDS cuML on an NVIDIA GPU but {missing} here: install "
        "cuml-cu12 or cuml-cu13 26.10 where there is one, or choose another engine"
    )


@contextlib.contextmanager
def log_as_warnings() -> Iterator[None]:
    """Turn warnings of cuML's C++ side, which it prints to stdout, into Python's."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        yield
    for line in LOGGED.findall(output.getvalue()):
        warnings.warn(f"cuML: {line}", stacklevel=3)
