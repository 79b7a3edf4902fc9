"""Evidence: the measures that a claim is decided by, and the three answers that they can give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import sqrt
from typing import Any, NamedTuple

from pipeline.measures.intervals import Estimate
from pipeline.measures.table import look_up

SUPPORTED, NOT_SUPPORTED, INCONCLUSIVE, NOT_APPLICABLE = (
    "supported",
    "not supported",
    "inconclusive",
    "not applicable",
)

Rows = Sequence[Mapping[str, Any]]
Decision = tuple[str, str] | None  # answer and numbers; None where the measures are missing


class OtherRun(NamedTuple):
    """Feature measures of a fine-tuning of the same backbone by another seed."""

    after: Rows
    change: Rows


class Evidence(NamedTuple):
    """Measures of one backbone.

    Attributes
    ----------
    before, after, change : sequence of mapping
        Rows as of `measure_layouts` and `measure_change`.
    others : sequence of OtherRun
        Its fine-tunings by other seeds.
    depth : sequence of mapping
        Rows as of `measure_depth`.
    """

    before: Rows
    after: Rows
    change: Rows
    others: Sequence[OtherRun] = ()
    depth: Rows = ()

    def runs(self) -> Iterator[Evidence]:
        """The fine-tuning itself, then those by other seeds."""
        yield self
        for other in self.others:
            yield Evidence(self.before, other.after, other.change)


def estimate(rows: Rows, space: str, measure: str, split: str | None = None) -> Estimate | None:
    """A measure with its interval.

    Parameters
    ----------
    rows : sequence of mapping
    space, measure : str
    split : str, optional
        Default the test images, or all where there is no split.

    Returns
    -------
    Estimate or None
        None where it was not measured, or has no interval.
    """
    chosen = [row for row in rows if split in (None, row["split"])]
    if split == "train":
        found = next((row for row in chosen if _is(row, space, measure)), None)
    else:
        shown = look_up(chosen, space, measure)
        found = None if shown is None else shown[1]
    if found is None or found["value"] is None or found["low"] is None:
        return None
    return Estimate(found["value"], found["low"], found["high"])


def _is(row: Mapping[str, Any], space: str, measure: str) -> bool:
    return (row["space"], row["measure"]) == (space, measure)


def difference(first: Estimate, second: Estimate) -> Estimate:
    """Second less first, of two estimates, as if of different images.

    Newcombe (1998, Statistics in Medicine 17, 873-890, method 10), for shares with Wilson's
    intervals. Of the same images the interval is too wide rather than too narrow.
    """
    value = second.value - first.value
    below = sqrt((second.value - second.low) ** 2 + (first.high - first.value) ** 2)
    above = sqrt((second.high - second.value) ** 2 + (first.value - first.low) ** 2)
    return Estimate(value, value - below, value + above)


def by_sign(change: Estimate, *, spread: float = 0.0) -> str:
    """Supported for a gain, not supported for a loss, inconclusive where it may be neither.

    Parameters
    ----------
    change : Estimate
        Inconclusive where its interval holds 0.
    spread : float
        The range of the runs by other seeds: a change that is not larger is inconclusive, too.
    """
    if change.low <= 0 <= change.high or abs(change.value) <= spread:
        return INCONCLUSIVE
    return SUPPORTED if change.value > 0 else NOT_SUPPORTED


def all_of(answers: Sequence[str]) -> str:
    """The answer to a claim of several parts, all of which must hold."""
    for answer in (NOT_SUPPORTED, INCONCLUSIVE):
        if answer in answers:
            return answer
    return SUPPORTED


class Range(NamedTuple):
    """The smallest and the largest value of some runs."""

    runs: int
    low: float
    high: float

    @property
    def width(self) -> float:
        """0 for one run, of which no range is known."""
        return self.high - self.low


def range_of_runs(evidence: Evidence, number: Callable[[Evidence], Estimate | None]) -> Range:
    """How far a number moves from seed to seed; it must be known of this run."""
    values = [each.value for each in map(number, evidence.runs()) if each is not None]
    return Range(len(values), min(values), max(values))


def percent(estimate: Estimate, *, sign: bool = False) -> str:
    """In percent (with a sign: percentage points), and the interval."""
    form = "+.1f" if sign else ".1f"
    value, low, high = (format(100 * each, form) for each in estimate)
    return f"{value} [{low}, {high}]"


def rough_percent(share: float) -> str:
    """In percent with two digits, as of what chance would give: 0.021, 3.8, 38, 100."""
    value = 100 * share
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def percent_of_runs(found: Range, *, sign: bool = False) -> str:
    """The range of the runs in percent, as the end of a sentence; empty for one run."""
    if found.runs < 2:
        return ""
    form = "+.1f" if sign else ".1f"
    return f"; range of {found.runs} runs {100 * found.low:{form}} to {100 * found.high:{form}}"
