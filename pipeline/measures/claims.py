"""Claims: sentences about fine-tuning, each decided by a rule that is fixed before data are seen.

The sentences are those of studies that judge by eye from pictures of layouts, and some of features.
Class accuracies are of test images, judged by training images; of all images without a split.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from typing import Any, NamedTuple

from pipeline.measures.intervals import Estimate
from pipeline.measures.table import FEATURES, look_up
from pipeline.methods.registry import METHODS

SUPPORTED, NOT_SUPPORTED, INCONCLUSIVE, NOT_APPLICABLE = (
    "supported",
    "not supported",
    "inconclusive",
    "not applicable",
)
OVERLAPPING = 0.95  # test accuracy below which classes are said to overlap
AS_MUCH = 0.02  # difference of gains that counts as none
Z90 = 1.6448536269514722 / 1.959963984540054  # a 90 % interval's width over a 95 % one's
DISTINCT, OTHERS = ("tsne", "isomap"), ("pca", "mds", "lle")

Rows = Sequence[Mapping[str, Any]]


class Verdict(NamedTuple):
    """What the measures say of a claim.

    Attributes
    ----------
    claim, rule : str
        The sentence, and what decides it.
    answer : str
        "supported", "not supported", "inconclusive" or "not applicable".
    numbers : str
        Those that decided.
    """

    claim: str
    rule: str
    answer: str
    numbers: str


class Evidence(NamedTuple):
    """Measures of one backbone: rows of `measure_layouts`, `measure_change`, `measure_depth`."""

    before: Rows
    after: Rows
    change: Rows
    depth: Rows = ()


def difference(first: Estimate, second: Estimate) -> Estimate:
    """Second less first, of two shares with Wilson's intervals, as if of different images.

    Newcombe (1998, Statistics in Medicine 17, 873-890, method 10). Of the same images the interval
    is too wide rather than too narrow.
    """
    value = second.value - first.value
    below = sqrt((second.value - second.low) ** 2 + (first.high - first.value) ** 2)
    above = sqrt((second.high - second.value) ** 2 + (first.value - first.low) ** 2)
    return Estimate(value, value - below, value + above)


def judge(evidence: Evidence) -> list[Verdict]:
    """Decide all claims for one backbone.

    Parameters
    ----------
    evidence : Evidence

    Returns
    -------
    list of Verdict
        In the order of `CLAIMS`.
    """
    verdicts = []
    for claim, rule, decide in CLAIMS:
        answer, numbers = decide(evidence) or (NOT_APPLICABLE, "not measured")
        verdicts.append(Verdict(claim, rule, answer, numbers))
    return verdicts


Decision = tuple[str, str] | None


def _accuracy(rows: Rows, space: str) -> Estimate | None:
    """The k-NN accuracy in a space, with its interval."""
    found = look_up(rows, space, "knn_accuracy")
    if found is None or found[1]["low"] is None:
        return None
    return Estimate(*(found[1][key] for key in ("value", "low", "high")))


def _row(rows: Rows, measure: str, split: str) -> Estimate | None:
    """A measure of the features of one split, with its interval."""
    for row in rows:
        if (row["space"], row["measure"], row["split"]) == (FEATURES, measure, split):
            values = [row[key] for key in ("value", "low", "high")]
            return None if None in values else Estimate(*values)
    return None


def percent(estimate: Estimate, *, sign: bool = False) -> str:
    """In percent (with a sign: percentage points), and the interval."""
    form = "+.1f" if sign else ".1f"
    value, low, high = (format(100 * each, form) for each in estimate)
    return f"{value} [{low}, {high}]"


def by_sign(change: Estimate) -> str:
    """Supported for a gain, not supported for a loss, inconclusive where the interval holds 0."""
    if change.low <= 0 <= change.high:
        return INCONCLUSIVE
    return SUPPORTED if change.value > 0 else NOT_SUPPORTED


def _overlap_before(evidence: Evidence) -> Decision:
    if (accuracy := _accuracy(evidence.before, FEATURES)) is None:
        return None
    numbers = f"{percent(accuracy)} %"
    if accuracy.low <= OVERLAPPING <= accuracy.high:
        return INCONCLUSIVE, numbers
    return SUPPORTED if accuracy.value < OVERLAPPING else NOT_SUPPORTED, numbers


def _features_separate(evidence: Evidence) -> Decision:
    gain = _row(evidence.change, "knn_accuracy_gain", "test")
    gain = gain or _row(evidence.change, "knn_accuracy_gain", "all")
    return None if gain is None else (by_sign(gain), f"{percent(gain, sign=True)} points")


def _layouts_separate(evidence: Evidence) -> Decision:
    gains = {}
    for method in (*OTHERS, *DISTINCT, "umap"):
        pair = _accuracy(evidence.before, method), _accuracy(evidence.after, method)
        if pair[0] is not None and pair[1] is not None:
            gains[method] = difference(pair[0], pair[1])
    if not gains:
        return None
    answers = {method: by_sign(gain) for method, gain in gains.items()}
    numbers = "; ".join(
        f"{METHODS[method].title} {percent(gain, sign=True)}" for method, gain in gains.items()
    )
    for answer in (NOT_SUPPORTED, INCONCLUSIVE):
        if answer in answers.values():
            return answer, numbers
    return SUPPORTED, numbers


def _most_distinct(evidence: Evidence) -> Decision:
    found = {method: _accuracy(evidence.after, method) for method in (*DISTINCT, *OTHERS)}
    known = {method: each for method, each in found.items() if each is not None}
    if len(known) < len(found):
        return None
    worst = min((known[method] for method in DISTINCT), key=lambda each: each.value)
    best = max((known[method] for method in OTHERS), key=lambda each: each.value)
    numbers = "; ".join(
        f"{METHODS[method].title} {percent(each)}" for method, each in known.items()
    )
    return by_sign(difference(best, worst)), numbers


def _linearly_separable(evidence: Evidence) -> Decision:
    pair = [_row(rows, "linear_probe", "test") for rows in (evidence.before, evidence.after)]
    if pair[0] is None or pair[1] is None:
        return None
    gain = difference(pair[0], pair[1])
    return by_sign(gain), f"{percent(pair[0])} to {percent(pair[1])} %"


def _test_gains_as_much(evidence: Evidence) -> Decision:
    gains = [_row(evidence.change, "knn_accuracy_gain", split) for split in ("train", "test")]
    if gains[0] is None or gains[1] is None:
        return None
    change = gains[1].value - gains[0].value
    below = Z90 * sqrt(sum((gain.value - gain.low) ** 2 for gain in gains if gain))
    above = Z90 * sqrt(sum((gain.high - gain.value) ** 2 for gain in gains if gain))
    low, high = change - below, change + above
    numbers = f"test {percent(gains[1], sign=True)}, training {percent(gains[0], sign=True)} points"
    if low >= -AS_MUCH and high <= AS_MUCH:
        return SUPPORTED, numbers
    return (NOT_SUPPORTED if high < -AS_MUCH or low > AS_MUCH else INCONCLUSIVE), numbers


def _near_the_output(evidence: Evidence) -> Decision:
    """By the blocks of the first two thirds, none of which may be below halfway.

    Halfway lies between 1, where nothing changed, and the CKA of the last block.
    """
    cka = {row["space"]: row["value"] for row in evidence.depth if row["measure"] == "cka"}
    above = {
        row["space"]: Estimate(*(row[key] for key in ("value", "low", "high")))
        for row in evidence.depth
        if row["measure"] == "cka_above_halfway" and row["low"] is not None
    }
    blocks = list(cka)  # from the input to the output
    early = blocks[: 2 * len(blocks) // 3]
    if not early or not set(early) <= set(above) or cka[blocks[-1]] is None:
        return None
    least = min(early, key=lambda space: above[space].value)
    shown = [early[0], least, blocks[-1]]
    numbers = "CKA " + ", ".join(
        f"{cka[space]:.3f} in block {blocks.index(space) + 1}" for space in dict.fromkeys(shown)
    )
    found = above[least]
    numbers += (
        f"; block {blocks.index(least) + 1} {found.value:+.3f} [{found.low:+.3f}, "
        f"{found.high:+.3f}] from halfway"
    )
    if all(above[space].low > 0 for space in early):
        return SUPPORTED, numbers
    return (NOT_SUPPORTED if any(above[s].high < 0 for s in early) else INCONCLUSIVE), numbers


CLAIMS: list[tuple[str, str, Callable[[Evidence], Decision]]] = [
    (
        "Before fine-tuning the classes overlap.",
        f"k-NN accuracy in feature space below {100 * OVERLAPPING:.0f} %",
        _overlap_before,
    ),
    (
        "Fine-tuning separates the classes in feature space.",
        "paired gain of k-NN accuracy above 0",
        _features_separate,
    ),
    (
        "Separation improves under every method.",
        "gain of k-NN accuracy in each layout above 0",
        _layouts_separate,
    ),
    (
        "After fine-tuning, t-SNE and Isomap are the most distinct (PCA, MDS and LLE less so).",
        "the smaller k-NN accuracy of t-SNE and Isomap above the largest of PCA, MDS and LLE",
        _most_distinct,
    ),
    (
        "The features become more linearly separable.",
        "gain of the linear probe's test accuracy above 0",
        _linearly_separable,
    ),
    (
        "Test images gain as much as training images.",
        f"90 % interval of the difference of their gains within {100 * AS_MUCH:.0f} points of 0",
        _test_gains_as_much,
    ),
    (
        "The change lies near the output.",
        "of the blocks of the first two thirds none has lost half as much CKA as the last",
        _near_the_output,
    ),
]
