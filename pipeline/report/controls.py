"""Controls on the page: the ranges of other seeds, and the floor of random weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from pipeline.measures.evidence import (
    SUPPORTED,
    Evidence,
    OtherRun,
    Rows,
    by_sign,
    difference,
    estimate,
    percent,
)
from pipeline.measures.table import FEATURES, MEASURES, look_up
from pipeline.methods.registry import METHODS

# Measures of the features, of layouts, and of what changed, that tables of controls have.
OF_FEATURES = (
    *("knn_accuracy", "own_class_share", "linear_probe", "nc1", "cdnv"),
    *("effective_rank", "hubness"),
)
OF_LAYOUTS = (
    *("knn_accuracy", "own_class_share", "cdnv", "neighborhood_preservation", "r_nx_area"),
    *("trustworthiness", "continuity", "distance_correlation", "stress_1"),
)
OF_CHANGE = ("knn_accuracy_gain", "neighbors_overlap", "cka", "procrustes")


class Controls(NamedTuple):
    """What was measured of the controls of one backbone.

    Attributes
    ----------
    others : sequence of OtherRun
        Fine-tunings by other seeds.
    accuracies : sequence of float
        Test accuracies of these networks, where they have one.
    floor : sequence of mapping, optional
        Rows of the same architecture with random weights.
    """

    others: Sequence[OtherRun] = ()
    accuracies: Sequence[float] = ()
    floor: Rows | None = None


def controls_table(before: Rows, after: Rows, change: Rows, controls: Controls) -> dict[str, Any]:
    """The runs of a backbone side by side.

    Returns
    -------
    dict
        "runs": how many fine-tunings; "floor": whether there is one; "rows": a dict a measure with
        title, split, floor, before, after, low and high, the range of the runs, None where there
        is none. Empty without controls.
    """
    if not controls.others and controls.floor is None:
        return {}
    rows = [
        *_rows(OF_FEATURES, after, [run.after for run in controls.others], before, controls.floor),
        *_rows(OF_CHANGE, change, [run.change for run in controls.others]),
    ]
    return {
        "runs": 1 + len(controls.others),
        "floor": controls.floor is not None,
        "rows": rows,
    }


def layouts_table(evidence: Evidence) -> dict[str, Any]:
    """Layouts by several seeds side by side, of the methods that depend on one.

    Returns
    -------
    dict
        "runs": how many layouts by each method; "same": titles of the methods that give one layout
        for all seeds; "rows": a dict a method and measure with method, title, split and, of each
        stage, its value, low and high (of the interval), seeds_low and seeds_high (of the range).
        Empty without layouts by other seeds.
    """
    if not evidence.layouts:
        return {}
    runs = [evidence, *map(evidence.laid_out, range(len(evidence.layouts)))]
    moved = {row["space"] for other in evidence.layouts for row in (*other.before, *other.after)}
    laid_out = [space for space in METHODS if any(row["space"] == space for row in evidence.after)]
    rows = []
    for method, name in product([each for each in laid_out if each in moved], OF_LAYOUTS):
        if (shown := look_up(evidence.after, method, name)) is None:
            continue
        titles = {"method": METHODS[method].title, "title": MEASURES[name].title, "split": shown[0]}
        numbers = [
            _over_seeds([getattr(run, stage) for run in runs], stage, method, name)
            for stage in ("before", "after")
        ]
        rows.append({**titles, **numbers[0], **numbers[1]})
    same = [METHODS[each].title for each in laid_out if each not in moved]
    return {"runs": len(runs), "same": same, "rows": rows}


def _over_seeds(
    runs: Sequence[Rows], stage: str, method: str, name: str
) -> dict[str, float | None]:
    """A measure of a method's layouts at one stage: with its interval, and the range of seeds."""
    own, *others = (look_up(rows, method, name) for rows in runs)
    ends = [f"{stage}{end}" for end in ("", "_low", "_high", "_seeds_low", "_seeds_high")]
    if own is None:
        return dict.fromkeys(ends)
    row, values = own[1], [shown[1]["value"] for shown in (own, *others) if shown is not None]
    numbers = (row["value"], row["low"], row["high"], min(values), max(values))
    return dict(zip(ends, numbers, strict=True))


def _rows(
    names: Sequence[str],
    own: Rows,
    others: Sequence[Rows],
    before: Rows = (),
    floor: Rows | None = None,
) -> Iterator[dict[str, Any]]:
    """One row a measure that was found."""
    for name in names:
        if (shown := look_up(own, FEATURES, name)) is None:
            continue
        split, row = shown
        values = [
            row["value"],
            *(v for v in (_value(each, name) for each in others) if v is not None),
        ]
        several = len(values) > 1
        yield {
            "title": MEASURES[name].title,
            "split": split,
            "floor": _value(floor or (), name),
            "before": _value(before, name),
            "after": row["value"],
            "low": min(values) if several else None,
            "high": max(values) if several else None,
        }


def _value(rows: Rows, name: str) -> float | None:
    """A measure of the features, of the test images, if there are any, else of all."""
    shown: tuple[str, Mapping[str, Any]] | None = look_up(rows, FEATURES, name)
    return None if shown is None else shown[1]["value"]


def other_seeds(controls: Controls) -> str:
    """What networks of other seeds reach on test images, as the end of a sentence."""
    if not controls.accuracies:
        return ""
    low, high = 100 * min(controls.accuracies), 100 * max(controls.accuracies)
    if len(controls.accuracies) == 1:
        return f" (by another seed {low:.1f} %)"
    return f" (by {len(controls.accuracies)} other seeds {low:.1f} to {high:.1f} %)"


def no_better_than_random(before: Rows, controls: Controls) -> str | None:
    """A sentence where the untouched features tell the classes no better than random weights."""
    own = estimate(before, FEATURES, "knn_accuracy")
    floor = estimate(controls.floor or (), FEATURES, "knn_accuracy")
    if own is None or floor is None or by_sign(difference(floor, own)) == SUPPORTED:
        return None
    return (
        "Before fine-tuning the neighbours tell the classes no better than those in features of "
        f"random weights: {percent(own)} % against {percent(floor)} %."
    )
