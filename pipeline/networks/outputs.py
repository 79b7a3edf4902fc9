"""Where a network's outputs are gathered: in memory, or in files, which outlive a killed run."""

from __future__ import annotations

import contextlib
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.runtime.disk import check_space
from pipeline.runtime.log import log


class Outputs:
    """The outputs of a network for some rows, in memory.

    Attributes
    ----------
    arrays : list of (n, ...) float32 arrays
        One for each output.
    done : int
        So many rows are there, from the first on.
    found : int
        Of these, those of an earlier run.
    """

    arrays: list[np.ndarray]
    done: int
    found = 0

    def open(self, n: int, shapes: list[tuple[int, ...]], run: dict[str, Any]) -> None:
        """Start a run; `run` identifies what computes it, as JSON can hold it."""
        self.arrays, self.done = [np.empty((n, *shape), np.float32) for shape in shapes], 0

    def save(self, done: int) -> None:
        """Count rows that were written to the arrays."""
        self.done = done


class StoredOutputs(Outputs):
    """Outputs in mapped files of a folder: a killed run goes on after its last chunk.

    What says how many rows are there is written after them, in one step.

    Parameters
    ----------
    folder : Path
        Made by `open` where it does not exist.
    inputs : dict
        What identifies the network and the rows, as JSON can hold it.
    """

    def __init__(self, folder: Path, inputs: dict[str, Any]) -> None:
        self.folder, self.inputs = Path(folder), inputs

    def open(self, n: int, shapes: list[tuple[int, ...]], run: dict[str, Any]) -> None:
        """Go on with the same run of the same inputs if the folder has it, else start a new one."""
        self._run = {**self.inputs, **run, "shapes": [[n, *shape] for shape in shapes]}
        self.folder.mkdir(parents=True, exist_ok=True)
        self.done = self.found = self._done()
        files = [self.folder / f"{i}.npy" for i in range(len(shapes))]
        if self.done:
            log.info(f"features: resumed after {self.done:,} of {n:,} images from {self.folder}")
            self.arrays = [np.lib.format.open_memmap(file, mode="r+") for file in files]
            return
        self._clear()
        check_space(self.folder, 4 * sum(n * math.prod(shape) for shape in shapes), "the features")
        self.arrays = [
            np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=(n, *shape))
            for file, shape in zip(files, shapes, strict=True)
        ]

    def _done(self) -> int:
        """Rows of this run that the folder has; 0 where it has another run, or a damaged one."""
        try:
            saved = json.loads(self._state.read_bytes())
            files = [self.folder / f"{i}.npy" for i in range(len(self._run["shapes"]))]
            shapes = [list(np.load(file, mmap_mode="r").shape) for file in files]
            same = saved["run"] == self._run and shapes == self._run["shapes"]
            return int(saved["done"]) if same else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def save(self, done: int) -> None:
        """Store how many rows are there, once they are on disk."""
        for array in self.arrays:
            array.flush()  # type: ignore[attr-defined]
        part = self._state.with_suffix(".part")
        part.write_text(json.dumps({"run": self._run, "done": done}))
        os.replace(part, self._state)
        self.done = done

    def _clear(self) -> None:
        for path in [self._state, *self.folder.glob("*.npy"), *self.folder.glob("*.part")]:
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the run, and the folder if nothing else is in it."""
        self._clear()
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    @property
    def _state(self) -> Path:
        return self.folder / "state.json"
