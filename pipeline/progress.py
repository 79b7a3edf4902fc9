"""Plain lines of progress on stderr: the logs of a workflow are files, not terminals."""

import sys
import time


def tell(line: str) -> None:
    """Print one line to stderr, at once."""
    print(line, file=sys.stderr, flush=True)


class Clock:
    """Say now and then how far a loop of equal steps is and how long it still takes.

    Parameters
    ----------
    name : str
        Starts each line.
    steps : int
        Steps in all.
    every : float
        Seconds between two lines; a shorter loop stays silent.
    """

    def __init__(self, name: str, steps: int, *, every: float = 10.0):
        self.name, self.steps, self.every = name, steps, every
        self.done = 0
        self.start = self.said = time.monotonic()

    def step(self, count: int = 1) -> None:
        """Count steps as done."""
        self.done += count
        now = time.monotonic()
        if now - self.said > self.every and self.done < self.steps:
            self.said = now
            left = (now - self.start) / self.done * (self.steps - self.done)
            tell(f"{self.name}: {100 * self.done // self.steps} %, about {left:.0f} s left")
