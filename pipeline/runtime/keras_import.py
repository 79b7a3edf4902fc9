"""Import Keras quickly and quietly."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from pipeline.errors import InputError
from pipeline.runtime.log import log

# What Keras imports where it is installed, for parts of Keras that are not used here: its galleries
# of images and its wrappers for scikit-learn. They take a third of Keras's time to import.
UNUSED = ("matplotlib", "sklearn")


def import_keras() -> ModuleType:
    """Import and return Keras, for the first time in a process without what is not needed here.

    What TensorFlow writes to stderr meanwhile ("oneDNN custom operations are on", which no variable
    of the environment turns off) becomes records of the log, of level DEBUG.

    Raises
    ------
    InputError
        Keras or its backend is not installed, or fails to load.
    """
    if "keras" in sys.modules:
        return sys.modules["keras"]
    absent = [name for name in UNUSED if name not in sys.modules]
    modules: dict[str, Any] = sys.modules
    modules.update(dict.fromkeys(absent))  # None: to import it is an ImportError
    try:
        with stderr_to_log():
            return importlib.import_module("keras")
    except (ImportError, ValueError) as error:  # the latter for a backend that Keras lacks
        raise InputError(
            f"Keras cannot be imported ({' '.join(str(error).split())}): pip install "
            "'tunescope[cpu]', or 'tunescope[gpu]' for an NVIDIA GPU, and unset KERAS_BACKEND "
            "where it names another backend than TensorFlow"
        ) from error
    finally:
        for name in absent:
            del modules[name]


@contextmanager
def stderr_to_log() -> Iterator[None]:
    """Log what a block writes to stderr, below Python too: one DEBUG record a line."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            file.seek(0)
            for line in file.read().decode(errors="replace").splitlines():
                log.debug(line)
