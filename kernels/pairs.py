"""Condensed distance matrix: the upper triangle of an (n, n) matrix, in 16-bit fixed point.

N^2 numbers are 39 GB in float64 at 70,000 points; each pair once, in 16 bits, is 4.9 GB.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import NamedTuple

import numpy as np

STRIP = 256  # rows of a strip: its diagonal block wastes STRIP / n of the memory
TOP = 65535  # largest fixed-point value


class Pairs(NamedTuple):
    """A symmetric matrix of non-negative numbers with a zero diagonal.

    Strip s has the rows first = STRIP s to min(first + STRIP, n) and the columns first to n, row
    by row; what lies below the diagonal in its first columns has no meaning.

    Attributes
    ----------
    values : (starts[-1],) uint16
        All strips, one after the other; a number is value * step.
    starts : (strips + 1,) int64
        Where each strip starts in `values`.
    n : int
        Points.
    step : float
        Quantisation step: rounding errors are at most half of it.
    """

    values: np.ndarray
    starts: np.ndarray
    n: int
    step: float

    def strip(self, s: int) -> tuple[int, np.ndarray]:
        """First row of strip s, and the strip as a (rows, n - first) view."""
        first = s * STRIP
        return first, self.values[self.starts[s] : self.starts[s + 1]].reshape(-1, self.n - first)

    def row(self, i: int, xp: ModuleType = np) -> np.ndarray:
        """Row i of the symmetric matrix, zeros where a strip is not there; xp has its arrays."""
        row = xp.zeros(self.n, self.values.dtype)
        for s in range(i // STRIP + 1):
            first, strip = self.strip(s)
            if len(strip):
                last = min(first + len(strip), i)
                row[first:last] = strip[: last - first, i - first]
        if len(strip):
            row[i:] = strip[i - first, i - first :]
        return row


def strip_starts(n: int, strips: Sequence[int] | None = None) -> np.ndarray:
    """Where each strip of n points starts, and at the end how many values there are.

    Parameters
    ----------
    n : int
    strips : sequence of int, optional
        Those that are there; all by default.

    Returns
    -------
    (strips + 1,) int64
    """
    firsts = np.arange(0, n, STRIP, dtype=np.int64)
    sizes = np.minimum(STRIP, n - firsts) * (n - firsts)
    if strips is not None:
        sizes[np.setdiff1d(np.arange(len(sizes)), strips)] = 0
    return np.concatenate([[0], np.cumsum(sizes)])


def pairs_bytes(n: int) -> int:
    """Bytes of the values of n points."""
    return 2 * int(strip_starts(n)[-1])


def folds(n: int) -> int:
    """Number of folds of n points: fold t is strip t with the t-th last, so all cost alike."""
    return (-(-n // STRIP) + 1) // 2
