"""Claims of users: a measure against a threshold that their configuration fixes beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pipeline.measures.claims import Verdict
from pipeline.measures.evidence import (
    INCONCLUSIVE,
    NOT_APPLICABLE,
    NOT_SUPPORTED,
    SUPPORTED,
    Evidence,
    Range,
    Rows,
)
from pipeline.measures.table import MEASURES, look_up
from pipeline.methods.registry import METHODS

# What is never known exactly: where such a measure has no interval, it is of too few images.
UNCERTAIN = (
    *("knn_accuracy", "knn_balanced_accuracy", "own_class_share", "linear_probe"),
    *("neighborhood_preservation", "knn_accuracy_gain", "own_class_share_gain"),
    *("neighbors_overlap", "cka", "procrustes"),
)


class OwnClaim(NamedTuple):
    """A sentence and what decides it.

    Attributes
    ----------
    claim : str
    measure : str
        A key of `MEASURES`.
    comparison : {"above", "below"}
    threshold : float
    space : str
        "features", "features, cosine" or a method.
    stage : {"before", "after", "change"}
    split : {"test", "train", "all"}, optional
        Default the test images, or all where there is no split.
    """

    claim: str
    measure: str
    comparison: str
    threshold: float
    space: str = "features"
    stage: str = "after"
    split: str | None = None


def judge_own(claim: OwnClaim, evidence: Evidence) -> Verdict:
    """Decide a claim: by the whole interval, where there is one, and the values of all runs.

    Parameters
    ----------
    claim : OwnClaim
    evidence : Evidence
    """
    space = METHODS[claim.space].title if claim.space in METHODS else claim.space
    rule = (
        f"{MEASURES[claim.measure].title} ({space}, {claim.stage}"
        f"{f', {claim.split} images' if claim.split else ''}) {claim.comparison} "
        f"{claim.threshold:g}"
    )
    own, *others = (_row(getattr(run, claim.stage), claim) for run in evidence.runs())
    if own is None:
        return Verdict(claim.claim, rule, NOT_APPLICABLE, "not measured, or undefined")
    value, low, high = (own[key] for key in ("value", "low", "high"))
    if low is None and claim.measure in UNCERTAIN:
        return Verdict(claim.claim, rule, INCONCLUSIVE, f"{value:.4g}, of too few images")
    values = [value, *(row["value"] for row in others if row is not None)]
    runs = Range(len(values), min(values), max(values))
    numbers = f"{value:.4g}" + ("" if low is None else f" [{low:.4g}, {high:.4g}]")
    if runs.width:
        numbers += f"; {runs.words('.4g')}"
    low, high = (runs.low, runs.high) if low is None else (min(low, runs.low), max(high, runs.high))
    above, below = low > claim.threshold, high < claim.threshold
    holds, fails = (above, below) if claim.comparison == "above" else (below, above)
    answer = SUPPORTED if holds else NOT_SUPPORTED if fails else INCONCLUSIVE
    return Verdict(claim.claim, rule, answer, numbers)


def _row(rows: Rows, claim: OwnClaim) -> Mapping[str, Any] | None:
    """The row that a claim speaks of; None where it was not measured or is undefined."""
    if claim.split is None:
        shown = look_up(rows, claim.space, claim.measure)
        return None if shown is None else shown[1]
    key = claim.space, claim.measure, claim.split
    found = (row for row in rows if (row["space"], row["measure"], row["split"]) == key)
    return next((row for row in found if row["value"] is not None), None)
