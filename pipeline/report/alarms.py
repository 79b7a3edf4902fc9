"""Alarms: why the numbers of a backbone must be read with care."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.measures.accuracy import below_probe
from pipeline.measures.claims import test_less_train
from pipeline.measures.evidence import estimate, percent
from pipeline.measures.intervals import FEWEST
from pipeline.measures.table import COSINE, FEATURES, look_up
from pipeline.methods.registry import METHODS
from pipeline.report.controls import no_better_than_random
from pipeline.report.findings import Backbone, lookup, title_of
from pipeline.report.groups import group_alarms
from pipeline.report.relative import without_folders

HUB, HUB_K = 0.05, 10  # a neighbour of more than this share of all, and of 10 k, is said
UNSAID = 0.02  # changes of accuracy up to this are too small to speak of opposite ones
NAMED = 5  # classes that lost; others are counted
CARRIED = 0.1  # of the CKA, by ten images
# Adam moves a weight by about its learning rate a step at most (Kingma & Ba, 2015, section 2.1). At
# 0.001, falling to zero along a cosine, 100 steps are 0.05 in all: the size of the weights of a
# layer of 800 inputs (He et al., 2015: a standard deviation of sqrt(2 / inputs)).
FEW_STEPS = 100


def alarms(found: Backbone) -> list[str]:
    """Why the numbers must be read with care, the gravest first."""
    return [
        *_random(found),
        *_few_steps(found),
        *_below_probe(found),
        *_no_better_than_random(found),
        *_few_images(found),
        *_losses(found),
        *_memory(found),
        *group_alarms(found.change),
        *_disagreements(found),
        *_hubs(found),
        *_carried_by_few(found),
        *_warnings(found),
    ]


def _random(found: Backbone) -> Iterator[str]:
    if found.random:
        yield "The weights are random: nothing here is about pre-trained features."


def _no_better_than_random(found: Backbone) -> Iterator[str]:
    if sentence := no_better_than_random(found.evidence.before, found.controls):
        yield sentence


def _few_steps(found: Backbone) -> Iterator[str]:
    if not found.training:
        return
    full = found.training.get("full")
    if full is None:
        yield "Only the head was trained: before and after are the same features."
    elif full["steps"] < FEW_STEPS:
        yield (
            f"The whole network was trained for {full['steps']:,} optimiser steps only, in batches "
            f"of {full['batch_size']:,}: this may be the beginning of fine-tuning, not its result. "
            "Smaller batches or more epochs are more steps."
        )


def _below_probe(found: Backbone) -> Iterator[str]:
    tested, probe = found.tested, found.before.get("probe") or {}
    below = below_probe(
        tested.value if tested else None, probe.get("test_accuracy"), probe.get("n_test")
    )
    if below:
        yield _sentence(below)


def _few_images(found: Backbone) -> Iterator[str]:
    tests = int((found.images["split"] == "test").sum())
    if 0 < tests < FEWEST:
        yield (
            f"Nothing can be said of {tests} test image{'s' if tests > 1 else ''}: an interval "
            f"needs {FEWEST} at least."
        )


def _losses(found: Backbone) -> Iterator[str]:
    """What is told apart less well than before, all classes together and one by one."""
    found_gain = look_up(found.evidence.change, FEATURES, "knn_accuracy_gain")
    if found_gain is None:
        return
    split, gain = found_gain
    images = "test images" if split == "test" else "images"
    if gain["high"] is not None and gain["high"] < 0:
        yield (
            f"The features tell the classes of {images} apart less well than before fine-tuning "
            f"({100 * gain['value']:+.1f} points)."
        )
    lost = [
        (row["accuracy_gain"], row["class"])
        for row in found.change.get("classes") or []
        if row["split"] == split and _is_loss(row)
    ]
    if lost:
        shown = ", ".join(f"{name} {100 * change:+.1f}" for change, name in sorted(lost)[:NAMED])
        more = f" and {len(lost) - NAMED:,} more" if len(lost) > NAMED else ""
        yield (
            f"{len(lost):,} {'class is' if len(lost) == 1 else 'classes are'} named less often by "
            f"the neighbours of their {images} than before fine-tuning, in points: {shown}{more}."
        )


def _is_loss(row: Mapping[str, Any]) -> bool:
    high = row["accuracy_gain_high"]
    return high is not None and high < 0 and row["accuracy_gain"] < -UNSAID


def _memory(found: Backbone) -> Iterator[str]:
    test, train = (
        lookup(found.evidence.change, FEATURES, "knn_accuracy_gain", split)
        for split in ("test", "train")
    )
    less = test_less_train(found.evidence)
    if not (test and train and less) or not test["low"] <= 0 < train["low"]:
        return
    if less.high < 0:
        yield (
            "Training images gained in feature space, test images did not: what the layouts show "
            "of training images is memory."
        )
    else:
        yield (
            "Training images gained in feature space; whether test images did is open: there are "
            "too few to tell."
        )


def _disagreements(found: Backbone) -> Iterator[str]:
    """Methods in whose layouts test images gain while their features lose, or the reverse."""

    def accuracies(measured: Mapping[str, Any]) -> dict[str, float]:
        return {
            row["space"]: row["value"]
            for row in measured["measures"]
            if row["measure"] == "knn_accuracy" and row["split"] in ("test", "all")
        }

    before, after = accuracies(found.before), accuracies(found.after)
    gains = {space: after[space] - before[space] for space in before if space in after}
    own = gains.pop(FEATURES, 0.0)
    gains.pop(COSINE, None)
    opposite = [
        title_of(method)
        for method, gain in gains.items()
        if method in METHODS and gain * own < 0 and min(abs(gain), abs(own)) > UNSAID
    ]
    if opposite:
        yield (
            f"The layouts by {', '.join(opposite)} say the opposite of the features, whose k-NN "
            f"accuracy changed by {100 * own:+.1f} points: believe the features."
        )


def _hubs(found: Backbone) -> Iterator[str]:
    n = len(found.images)
    for stage, measured in found.measured.items():
        hub = lookup(measured["measures"], FEATURES, "largest_hub", "all")
        if hub and hub["value"] > max(HUB * n, HUB_K * measured["k"]):
            yield (
                f"{stage.capitalize()} fine-tuning one image is among the {measured['k']} "
                f"nearest of {hub['value']:,.0f} of {n:,} (a hub): "
                + ("neighbours say little there." if found.cosine else _by_cosine(found))
            )


def _by_cosine(found: Backbone) -> str:
    """What the neighbours by the cosine say, which lengths of features do not mislead."""
    rows = found.before["measures"], found.after["measures"]
    before, after = (estimate(each, COSINE, "knn_accuracy") for each in rows)
    shown = look_up(rows[0], COSINE, "knn_accuracy")
    said = "Euclidean neighbours say little there"
    if before is None or after is None or shown is None:
        return f"{said}."
    images = {"test": "test images", "all": "images"}[shown[0]]
    return (
        f"{said}; by the cosine they name the class of {percent(before)} % of {images} before and "
        f"{percent(after)} % after."
    )


def _carried_by_few(found: Backbone) -> Iterator[str]:
    whole, without = (
        lookup(found.evidence.change, FEATURES, measure, "all")
        for measure in ("cka", "cka_without_largest")
    )
    if whole and without and abs(whole["value"] - without["value"]) > CARRIED:
        yield (
            f"Ten images carry much of the CKA: {whole['value']:.2f} with and "
            f"{without['value']:.2f} without them (ids "
            f"{', '.join(map(str, found.change['outliers']))})."
        )


def _warnings(found: Backbone) -> Iterator[str]:
    """All sentences of all steps, each once."""
    contexts = [
        found.context,
        *(layout for layouts in found.layouts.values() for layout in layouts.values()),
        *(found.before, found.after, found.change, found.depth or {}),
    ]
    said = (sentence for each in contexts for sentence in each.get("warnings") or [] if sentence)
    for sentence in dict.fromkeys(said):
        yield _sentence(without_folders(sentence))


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}" + ("" if text.endswith((".", "?", "!")) else ".")
