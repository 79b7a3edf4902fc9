"""Headline: what was trained, and the verdict in plain sentences with numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.measures.evidence import percent, rough_percent
from pipeline.measures.intervals import Estimate, share
from pipeline.measures.table import FEATURES
from pipeline.report.controls import other_seeds
from pipeline.report.findings import STAGES, Backbone, lookup


def facts(found: Backbone) -> list[str]:
    """What was studied and how long it was trained, in a few words each."""
    context, full, head = found.context, found.training.get("full"), found.training.get("head")
    tests = int((found.images["split"] == "test").sum())
    n = len(found.images)
    images = f"{n:,} images"
    if 0 < tests < n:
        images += f" ({n - tests:,} training, {tests:,} test)"
    return [
        images,
        _classes(found),
        *(["features computed by another program"] if found.given else []),
        *(["distances of the cosine"] if found.cosine else []),
        *([_steps(full)] if full else []),
        *([f"head alone first: {head['steps']:,} steps"] if head and full else []),
        *([f"head alone: {_steps(head)}"] if head and not full else []),
        *([f"seen at {context['image_size']} pixels"] if context.get("image_size") else []),
        *([f"width {context['alpha']:g}"] if context.get("alpha", 1) != 1 else []),
        *([str(context["weights"])] if context.get("weights") else []),
    ]


def _classes(found: Backbone) -> str:
    if not found.labelled:
        return "no labels"
    return f"{found.context.get('classes') or found.images['label'].nunique():,} classes"


def _steps(phase: Mapping[str, int]) -> str:
    return f"batches of {phase['batch_size']:,}, {phase['steps']:,} optimiser steps"


def headline(found: Backbone) -> list[str]:
    """The verdict in plain sentences with numbers, each of which can be defended."""
    return [each for each in (_by_heads(found), _by_neighbors(found), _by_likeness(found)) if each]


def _by_heads(found: Backbone) -> str | None:
    """The linear probe before against the fine-tuned network."""
    probe = found.before.get("probe") or {}
    if probe.get("test_accuracy") is None:
        return None
    if (tested := found.tested) is None:
        return _by_probes(found)
    n = probe["n_test"]
    first = share(round(probe["test_accuracy"] * n), n)
    return (
        f"Accuracy on {n:,} test images: {percent(first)} % by a linear probe of the untouched "
        f"features, {percent(tested)} % by the fine-tuned network{other_seeds(found.controls)}."
    )


def _by_probes(found: Backbone) -> str | None:
    """The linear probes before and after, where the network's predictions are not known."""
    before, after = (
        _estimate(lookup(found.measured[stage]["measures"], FEATURES, "linear_probe", "test"))
        for stage in STAGES
    )
    if not (before and after):
        return None
    n = found.before["probe"]["n_test"]
    return (
        f"A linear probe has {percent(before)} % of {n:,} test images right before "
        f"fine-tuning and {percent(after)} % after it."
    )


def _by_neighbors(found: Backbone) -> str | None:
    """What the nearest neighbours say before and after."""
    rows = found.evidence
    split = "test" if lookup(rows.before, FEATURES, "knn_accuracy", "test") else "all"
    of, judges = {"test": ("test images", "training images"), "all": ("images", "others")}[split]
    old, new = (
        _estimate(lookup(found.measured[stage]["measures"], FEATURES, "knn_accuracy", split))
        for stage in STAGES
    )
    gain = _estimate(lookup(rows.change, FEATURES, "knn_accuracy_gain", split))
    if not (old and new and gain):
        return None
    return (
        f"In feature space the {found.before['k']} nearest {judges}"
        f"{' (by the cosine)' if found.cosine else ''} name the class of "
        f"{percent(old)} % of {of} before and {percent(new)} % after, a "
        f"{'gain' if gain.low > 0 else 'change'} of "
        f"{percent(gain, sign=True)} points."
    )


def _by_likeness(found: Backbone) -> str | None:
    """How much of the representation is left."""
    rows = found.evidence.change
    split = "test" if lookup(rows, FEATURES, "neighbors_overlap", "test") else "all"
    kept = lookup(rows, FEATURES, "neighbors_overlap", split)
    chance = lookup(rows, FEATURES, "overlap_by_chance", "all")
    if not (kept and chance):
        return None
    interval = _estimate(kept)
    share_kept = percent(interval) if interval else f"{100 * kept['value']:.1f}"
    sentence = (
        f"Of {'a test' if split == 'test' else 'an'} image's {found.change['k']} nearest "
        f"neighbours {share_kept} % are the same after fine-tuning (by chance "
        f"{rough_percent(chance['value'])} %)"
    )
    if cka := lookup(rows, FEATURES, "cka", "all"):
        sentence += f"; debiased CKA of before and after is {cka['value']:.2f}"
        if cka["low"] is not None:
            sentence += f" [{cka['low']:.2f}, {cka['high']:.2f}]"
    return f"{sentence}."


def _estimate(row: Mapping[str, Any] | None) -> Estimate | None:
    """A value with its interval; None where it has none."""
    if row is None or row["low"] is None:
        return None
    return Estimate(row["value"], row["low"], row["high"])
