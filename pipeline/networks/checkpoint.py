"""Checkpoints: the state of a training between two epochs, in memory or on disk."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.runtime.log import log

if TYPE_CHECKING:
    import keras


class TrainingState:
    """The history of a training, and the weights of the best epoch of each phase, in memory.

    Early stopping is a function of the history, so there is no other state to lose.

    Attributes
    ----------
    history : list of dict
        One row an epoch, with at least phase, epoch (from 1) and val_loss.
    """

    history: list[dict[str, Any]]
    _best_weights: dict[str, list[np.ndarray]]

    def open(self, fingerprint: str) -> None:
        """Start a run; `fingerprint` identifies its data and settings."""
        self.history, self._best_weights = [], {}

    def rows(self, phase: str) -> list[dict[str, Any]]:
        """History of one phase."""
        return [row for row in self.history if row["phase"] == phase]

    def finished(self, phase: str, epochs: int, patience: int) -> bool:
        """Whether a phase has had its epochs, or `patience` epochs without a lower loss."""
        rows = self.rows(phase)
        return len(rows) >= epochs or (bool(rows) and len(rows) - self.best(phase) >= patience)

    def best(self, phase: str) -> int:
        """The epoch with the lowest validation loss."""
        return min(self.rows(phase), key=lambda row: row["val_loss"])["epoch"]

    def resume(self, model: keras.Model, phase: str) -> int:
        """Load the state after the last epoch into the model; return the number of epochs done."""
        return 0

    def save(self, model: keras.Model, row: dict[str, Any]) -> None:
        """Store the state after the epoch of `row`."""
        self.history = [*self.history, row]
        if self.best(row["phase"]) == row["epoch"]:
            self._best_weights[row["phase"]] = model.get_weights()

    def load_best(self, model: keras.Model, phase: str) -> None:
        """Load the weights of the best epoch into the model."""
        model.set_weights(self._best_weights[phase])


class Checkpoint(TrainingState):
    """The state of a training in a folder, from which a killed run goes on.

    It has the history, and for each phase the weights of its last and of its best epoch, with the
    optimiser's state. The history is written last and in one step: what it names is complete.

    Parameters
    ----------
    folder : Path
        Made by `open` where it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def open(self, fingerprint: str) -> None:
        """Go on with the run in the folder if it has this fingerprint, else start a new one."""
        super().open(fingerprint)
        self.fingerprint = fingerprint
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self._file.exists():
            return
        saved = json.loads(self._file.read_text())
        if saved["fingerprint"] == fingerprint:
            self.history = saved["history"]
            log.info(f"finetune: resumed after {len(self.history)} epochs from {self.folder}")
        else:
            log.info(f"finetune: {self.folder} holds another run, started afresh")

    def resume(self, model: keras.Model, phase: str) -> int:
        """Load the state after the last epoch into the model; return the number of epochs done."""
        if done := len(self.rows(phase)):
            model.load_weights(self._weights(phase, done))
        return done

    def save(self, model: keras.Model, row: dict[str, Any]) -> None:
        """Store the state after the epoch of `row`."""
        phase = row["phase"]
        model.save_weights(self._weights(phase, row["epoch"]))  # with the optimiser's state
        self.history = [*self.history, row]
        text = json.dumps({"fingerprint": self.fingerprint, "history": self.history}, indent=1)
        part = self._file.with_suffix(".part")
        part.write_text(text)
        os.replace(part, self._file)
        keep = {self._weights(phase, epoch) for epoch in (self.best(phase), row["epoch"])}
        for old in set(self.folder.glob(f"{phase}-*.weights.h5")) - keep:
            old.unlink()

    def load_best(self, model: keras.Model, phase: str) -> None:
        """Load the weights of the best epoch into the model."""
        model.load_weights(self._weights(phase, self.best(phase)))

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder)

    @property
    def _file(self) -> Path:
        return self.folder / "history.json"

    def _weights(self, phase: str, epoch: int) -> Path:
        return self.folder / f"{phase}-{epoch}.weights.h5"


def fingerprint(*parts: Any) -> str:
    """SHA-256 over arrays and JSON-able values: a run goes on from one with the same."""
    digest = hashlib.sha256()
    for part in parts:
        array = isinstance(part, np.ndarray)
        digest.update(np.ascontiguousarray(part).data if array else json.dumps(part).encode())
    return digest.hexdigest()
