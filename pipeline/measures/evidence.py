"""Evidence: the measures that a claim is decided by, and the three answers that they can give."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import sqrt
from typing import Any, NamedTuple, TypeVar

from pipeline.measures.intervals import Estimate
from pipeline.measures.table import look_up
from pipeline.methods.registry import METHODS

SUPPORTED, NOT_SUPPORTED, INCONCLUSIVE, NOT_APPLICABLE = (
    "supported",
    "not supported",
    "inconclusive",
    "not applicable",
)
UNDECIDABLE = "not measured, or without an interval"

PERCENT = 0.01
Rows = Sequence[Mapping[str, Any]]
Decision = tuple[str, str] | None  # answer and numbers; None where the measures are missing
Run = TypeVar("Run")


class OtherRun(NamedTuple):
    """Feature measures of a fine-tuning of the same backbone by another seed."""

    after: Rows
    change: Rows


class OtherLayouts(NamedTuple):
    """Measures of layouts of the same features by another seed, of methods that depend on it."""

    before: Rows
    after: Rows


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
    layouts : sequence of OtherLayouts
        The same features laid out by other seeds.
    """

    before: Rows
    after: Rows
    change: Rows
    others: Sequence[OtherRun] = ()
    depth: Rows = ()
    layouts: Sequence[OtherLayouts] = ()

    def runs(self) -> Iterator[Evidence]:
        """First these; then features of other fine-tunings; then layouts of these by other seeds.

        So a number is that of another run where it may be another, and unknown elsewhere.
        """
        yield self
        features = [row for row in self.before if row["space"] not in METHODS]
        for other in self.others:
            yield Evidence(features, other.after, other.change)
        for number in range(len(self.layouts)):
            yield self.laid_out(number)

    def laid_out(self, number: int) -> Evidence:
        """Measures of all layouts, those of another seed where there are any, and of nothing else.

        Parameters
        ----------
        number : int
            Of the seed, in `layouts`; beyond them the layouts are those of this run.
        """
        none = OtherLayouts((), ())
        other = self.layouts[number] if number < len(self.layouts) else none
        return Evidence(
            _replaced(self.before, other.before), _replaced(self.after, other.after), ()
        )


def _replaced(own: Rows, other: Rows) -> Rows:
    """Rows of layouts: others, and own ones of methods that have no other."""
    moved = {row["space"] for row in other}
    return [*other, *(row for row in own if row["space"] in METHODS.keys() - moved)]


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

    def words(self, form: str, unit: float = 1.0) -> str:
        """In a few words, in multiples of a unit; empty for one run."""
        if self.runs < 2:
            return ""
        return f"range of {self.runs} runs {self.low / unit:{form}} to {self.high / unit:{form}}"


class Finding(NamedTuple):
    """A number of a run with its interval, and the range of all runs."""

    estimate: Estimate
    runs: Range

    @property
    def sign(self) -> str:
        """As of `by_sign`, for a change."""
        return by_sign(self.estimate, spread=self.runs.width)


def find(runs: Iterable[Run], number: Callable[[Run], Estimate | None]) -> Finding | None:
    """A number of the first run, and how far it moves from run to run.

    Parameters
    ----------
    runs : iterable
        Such as `Evidence.runs`.
    number : callable
        Of a run; None where it is not known.

    Returns
    -------
    Finding or None
        None where it is not known of the first run.
    """
    first, *others = map(number, runs)
    if first is None:
        return None
    values = [each.value for each in (first, *others) if each is not None]
    return Finding(first, Range(len(values), min(values), max(values)))


def percent(estimate: Estimate, *, sign: bool = False) -> str:
    """In percent (with a sign: percentage points), and the interval."""
    form = "+.1f" if sign else ".1f"
    value, low, high = (format(each / PERCENT, form) for each in estimate)
    return f"{value} [{low}, {high}]"


def rough_percent(share: float) -> str:
    """In percent with two digits, as of what chance would give: 0.021, 3.8, 38, 100."""
    value = 100 * share
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"
