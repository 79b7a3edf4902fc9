"""Logging and progress bars: one logger, one line format, one way to show how far a loop is."""

from __future__ import annotations

import logging
import sys
from typing import Any

from tqdm import tqdm

log = logging.getLogger("tunescope")


class LineFormatter(logging.Formatter):
    """One line a record: a message as it is, others after their level, `warning: ...`."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record without line breaks, so that a log file has one record a line."""
        line = " ".join(super().format(record).split())
        return line if record.levelno == logging.INFO else f"{record.levelname.lower()}: {line}"


class _StderrHandler(logging.StreamHandler):
    """Writes to what stderr is when a record comes, not when the handler was made."""

    @property
    def stream(self) -> Any:
        return sys.stderr

    @stream.setter
    def stream(self, value: Any) -> None:
        """Ignored."""


def set_up_logging(*, quiet: bool = False) -> None:
    """Send the log of this process to stderr, details (DEBUG) only where that is a file.

    Parameters
    ----------
    quiet : bool
        Only warnings and errors, and no progress.
    """
    handler = _StderrHandler()
    handler.setFormatter(LineFormatter())
    log.handlers = [handler]
    log.propagate = False
    details = logging.INFO if sys.stderr.isatty() else logging.DEBUG
    log.setLevel(logging.WARNING if quiet else details)


class Progress(tqdm):
    """Progress of a loop: a bar on a terminal, elsewhere a line of the log now and then.

    Parameters
    ----------
    name : str
        What the loop computes.
    total : int
        Its steps; `update(n)` counts n of them as done.
    interval : float
        Seconds between two lines of the log; a shorter loop stays silent.
    **options
        Of tqdm, such as `unit`.
    """

    monitor_interval = 0  # no thread beside the computation

    def __init__(self, name: str, total: int, *, interval: float = 10.0, **options: Any) -> None:
        self._bar = sys.stderr.isatty()
        pause = 0.2 if self._bar else interval
        super().__init__(
            desc=name,
            total=total,
            disable=not log.isEnabledFor(logging.INFO),
            mininterval=pause,
            delay=pause,
            miniters=1,
            leave=False,
            dynamic_ncols=True,
            **options,
        )

    def display(self, *arguments: Any, **options: Any) -> None:
        """Draw the bar, or write a line of the log."""
        if self._bar:
            super().display(*arguments, **options)
        elif self.initial < self.n < self.total:
            elapsed = self.format_dict["elapsed"]
            left = elapsed / (self.n - self.initial) * (self.total - self.n)
            note = f", {self.postfix}" if self.postfix else ""
            log.info(
                "%s: %d %%, about %.0f s left%s", self.desc, 100 * self.n // self.total, left, note
            )

    def close(self) -> None:
        """Take the bar away; the log needs no last line."""
        if self._bar:
            super().close()
        else:
            self.disable = True
