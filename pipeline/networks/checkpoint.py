"""The state of a training between two epochs, on disk."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.runtime.log import log

if TYPE_CHECKING:
    import keras


class Checkpoint:
    """The history, and for each phase the weights of its last and of its best epoch.

    Early stopping is a function of the history, so there is no other state to lose. The history is
    written last and in one step: what it names is complete.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file = self.folder / "history.json"
        self.fingerprint = fingerprint
        self.history: list[dict[str, Any]] = []
        if self.file.exists():
            saved = json.loads(self.file.read_text())
            if saved["fingerprint"] == fingerprint:
                self.history = saved["history"]
                log.info(f"finetune: resumed after {len(self.history)} epochs from {self.folder}")
            else:
                log.info(f"finetune: {self.folder} holds another run, started afresh")

    def rows(self, phase: str) -> list[dict[str, Any]]:
        """History of one phase."""
        return [row for row in self.history if row["phase"] == phase]

    def finished(self, phase: str, epochs: int, patience: int) -> bool:
        """Whether a phase has had its epochs, or `patience` epochs without a lower loss."""
        rows = self.rows(phase)
        return len(rows) >= epochs or (bool(rows) and len(rows) - self._best(phase) >= patience)

    def resume(self, model: keras.Model, phase: str) -> int:
        """Put the state after the last epoch into the model; the number of epochs done."""
        if done := len(self.rows(phase)):
            model.load_weights(self._weights(phase, done))
        return done

    def best(self, phase: str) -> Path:
        """Weights of the epoch with the lowest validation loss."""
        return self._weights(phase, self._best(phase))

    def save(self, model: keras.Model, row: dict[str, Any]) -> None:
        """Keep the state after one epoch."""
        phase = row["phase"]
        model.save_weights(self._weights(phase, row["epoch"]))  # with the optimiser's state
        self.history = [*self.history, row]
        text = json.dumps({"fingerprint": self.fingerprint, "history": self.history}, indent=1)
        part = self.file.with_suffix(".part")
        part.write_text(text)
        os.replace(part, self.file)
        keep = {self.best(phase), self._weights(phase, row["epoch"])}
        for old in set(self.folder.glob(f"{phase}-*.weights.h5")) - keep:
            old.unlink()

    def _best(self, phase: str) -> int:
        return min(self.rows(phase), key=lambda row: row["val_loss"])["epoch"]

    def _weights(self, phase: str, epoch: int) -> Path:
        return self.folder / f"{phase}-{epoch}.weights.h5"


def fingerprint(*parts: Any) -> str:
    """SHA-256 over arrays and JSON-able values: a run goes on from one with the same."""
    digest = hashlib.sha256()
    for part in parts:
        array = isinstance(part, np.ndarray)
        digest.update(np.ascontiguousarray(part).data if array else json.dumps(part).encode())
    return digest.hexdigest()
