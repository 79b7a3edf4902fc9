"""Claims about layouts: what pictures seem to show, decided by measures and other seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from pipeline.measures.evidence import (
    NOT_SUPPORTED,
    PERCENT,
    SUPPORTED,
    Decision,
    Evidence,
    Finding,
    all_of,
    difference,
    estimate,
    find,
    percent,
)
from pipeline.measures.intervals import Estimate
from pipeline.methods.registry import METHODS

DISTINCT, COMPACT, OTHERS = ("tsne", "isomap"), ("pca", "mds"), ("pca", "mds", "lle")
NAMED = (*OTHERS, *DISTINCT, "umap")


class Moved(NamedTuple):
    """A measure of a method's layout before and after, and how it changed."""

    before: Estimate
    after: Estimate
    change: Finding


def _pair(run: Evidence, method: str, measure: str) -> tuple[Estimate, Estimate] | None:
    before, after = (estimate(rows, method, measure) for rows in (run.before, run.after))
    return None if before is None or after is None else (before, after)


def _change(run: Evidence, *, method: str, measure: str) -> Estimate | None:
    pair = _pair(run, method, measure)
    return None if pair is None else difference(*pair)


def _of_layouts(evidence: Evidence, measure: str) -> dict[str, Moved]:
    """A measure of each method's layouts, where it has intervals."""
    found = {}
    for method in NAMED:
        pair = _pair(evidence, method, measure)
        change = find(evidence.runs(), partial(_change, method=method, measure=measure))
        if pair is not None and change is not None:
            found[method] = Moved(*pair, change)
    return found


def _seeds(found: Finding, form: str, unit: float = 1.0) -> str:
    """The range of a layout's number, in brackets; empty where no seed changes it."""
    return f" ({found.runs.words(form, unit)})" if found.runs.width else ""


def layouts_separate(evidence: Evidence) -> Decision:
    """Accuracy rises in each layout."""
    found = {method: each.change for method, each in _of_layouts(evidence, "knn_accuracy").items()}
    if not found:
        return None
    numbers = "; ".join(
        f"{METHODS[method].title} {percent(gain.estimate, sign=True)}"
        f"{_seeds(gain, '+.1f', PERCENT)}"
        for method, gain in found.items()
    )
    return all_of([gain.sign for gain in found.values()]), numbers


def _tighter(moved: Moved) -> str:
    """Whether the variance of classes fell in a layout."""
    return {SUPPORTED: NOT_SUPPORTED, NOT_SUPPORTED: SUPPORTED}.get(
        moved.change.sign, moved.change.sign
    )


def _variances(layouts: Mapping[str, Moved]) -> str:
    """Before, after, and the change with its interval."""
    return "; ".join(
        f"{METHODS[method].title} {before.value:.2g} to {after.value:.2g}, "
        f"{change.estimate.value:+.2g} [{change.estimate.low:+.2g}, {change.estimate.high:+.2g}]"
        f"{_seeds(change, '+.2g')}"
        for method, (before, after, change) in layouts.items()
    )


def layouts_compact(evidence: Evidence) -> Decision:
    """The variance of classes falls in each layout."""
    found = _of_layouts(evidence, "cdnv")
    if not found:
        return None
    return all_of([_tighter(moved) for moved in found.values()]), _variances(found)


def _after(run: Evidence, measure: str, methods: Sequence[str]) -> dict[str, Estimate] | None:
    """A measure of layouts after fine-tuning; None unless it is known of all of them."""
    found = {method: estimate(run.after, method, measure) for method in methods}
    known = {method: each for method, each in found.items() if each is not None}
    return known if len(known) == len(found) else None


def _lead(
    run: Evidence, *, measure: str, first: Sequence[str], others: Sequence[str]
) -> Estimate | None:
    """The smallest of a measure in some layouts after fine-tuning less the largest in others."""
    known = _after(run, measure, (*first, *others))
    if known is None:
        return None
    least = min((known[method] for method in first), key=lambda each: each.value)
    most = max((known[method] for method in others), key=lambda each: each.value)
    return difference(most, least)


def less_compact(evidence: Evidence) -> Decision:
    """The same of PCA and MDS, which stay behind t-SNE and Isomap."""
    found = _of_layouts(evidence, "cdnv")
    found = {method: found[method] for method in (*COMPACT, *DISTINCT) if method in found}
    lead = find(evidence.runs(), partial(_lead, measure="cdnv", first=COMPACT, others=DISTINCT))
    if lead is None or len(found) < len(COMPACT) + len(DISTINCT):
        return None
    answers = [*(_tighter(found[method]) for method in COMPACT), lead.sign]
    return all_of(answers), _variances(found)


def most_distinct(evidence: Evidence) -> Decision:
    """Accuracy after fine-tuning is higher by t-SNE and Isomap than by PCA, MDS and LLE."""
    after = _after(evidence, "knn_accuracy", (*DISTINCT, *OTHERS))
    lead = find(
        evidence.runs(), partial(_lead, measure="knn_accuracy", first=DISTINCT, others=OTHERS)
    )
    if after is None or lead is None:
        return None
    numbers = "; ".join(
        f"{METHODS[method].title} {percent(each)}" for method, each in after.items()
    )
    if lead.runs.width:
        numbers += f"; smaller less largest, {lead.runs.words('+.1f', PERCENT)}"
    return lead.sign, numbers
