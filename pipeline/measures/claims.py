"""Claims: sentences about fine-tuning, each decided by a rule that is fixed before data are seen.

The sentences are those of studies that judge by eye from pictures of layouts, and some of features.
Class accuracies are of test images, judged by training images; of all images without a split.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import NamedTuple

from pipeline.measures.claims_about_layouts import (
    layouts_compact,
    layouts_separate,
    less_compact,
    most_distinct,
)
from pipeline.measures.evidence import (
    INCONCLUSIVE,
    NOT_APPLICABLE,
    NOT_SUPPORTED,
    PERCENT,
    SUPPORTED,
    UNDECIDABLE,
    Decision,
    Evidence,
    Finding,
    by_sign,
    difference,
    estimate,
    find,
    percent,
)
from pipeline.measures.intervals import Estimate
from pipeline.measures.table import FEATURES

OVERLAPPING = 0.95  # test accuracy below which classes are said to overlap
AS_MUCH = 0.02  # difference of gains that counts as none
Z90 = 1.6448536269514722 / 1.959963984540054  # a 90 % interval's width over a 95 % one's


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
        answer, numbers = decide(evidence) or (NOT_APPLICABLE, UNDECIDABLE)
        verdicts.append(Verdict(claim, rule, answer, numbers))
    return verdicts


def _classes_overlap(evidence: Evidence) -> Decision:
    if (accuracy := estimate(evidence.before, FEATURES, "knn_accuracy")) is None:
        return None
    numbers = f"{percent(accuracy)} %"
    if accuracy.low <= OVERLAPPING <= accuracy.high:
        return INCONCLUSIVE, numbers
    return SUPPORTED if accuracy.value < OVERLAPPING else NOT_SUPPORTED, numbers


def _gain(evidence: Evidence) -> Estimate | None:
    return estimate(evidence.change, FEATURES, "knn_accuracy_gain")


def _features_separate(evidence: Evidence) -> Decision:
    return _by_gain(find(evidence.runs(), _gain))


def _by_gain(gain: Finding | None) -> Decision:
    """By the sign of a gain of a share of images."""
    if gain is None:
        return None
    numbers = f"{percent(gain.estimate, sign=True)} points"
    return gain.sign, "; ".join(filter(None, [numbers, gain.runs.words("+.1f", PERCENT)]))


def _probe_gain(evidence: Evidence) -> Estimate | None:
    before, after = (
        estimate(rows, FEATURES, "linear_probe", "test")
        for rows in (evidence.before, evidence.after)
    )
    return None if before is None or after is None else difference(before, after)


def _linearly_separable(evidence: Evidence) -> Decision:
    return _by_gain(find(evidence.runs(), _probe_gain))


def test_less_train(evidence: Evidence) -> Estimate | None:
    """The gain of test images less that of training images, with a 90 % interval."""
    train, test = (
        estimate(evidence.change, FEATURES, "knn_accuracy_gain", split)
        for split in ("train", "test")
    )
    if train is None or test is None:
        return None
    below = Z90 * sqrt(sum((gain.value - gain.low) ** 2 for gain in (train, test)))
    above = Z90 * sqrt(sum((gain.high - gain.value) ** 2 for gain in (train, test)))
    less = test.value - train.value
    return Estimate(less, less - below, less + above)


def _test_gains_as_much(evidence: Evidence) -> Decision:
    found = find(evidence.runs(), test_less_train)
    if found is None:
        return None
    less, runs = found
    test, train = (
        estimate(evidence.change, FEATURES, "knn_accuracy_gain", split)
        for split in ("test", "train")
    )
    words = runs.words("+.1f", PERCENT)
    numbers = "".join(
        [
            f"test {percent(test, sign=True)}, " if test else "",
            f"training {percent(train, sign=True)} points" if train else "",
            f"; test less training {words}" if words else "",
        ]
    )
    if max(abs(each) for each in (less.low, less.high, runs.low, runs.high)) <= AS_MUCH:
        return INCONCLUSIVE if train is None else by_sign(train), numbers
    apart = less.high < -AS_MUCH or less.low > AS_MUCH
    agree = runs.high < -AS_MUCH or runs.low > AS_MUCH
    return NOT_SUPPORTED if apart and agree else INCONCLUSIVE, numbers


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
        _classes_overlap,
    ),
    (
        "Fine-tuning separates the classes in feature space.",
        "paired gain of k-NN accuracy above 0, and larger than its range over seeds",
        _features_separate,
    ),
    (
        "Separation improves under every method.",
        "gain of k-NN accuracy in each layout above 0, and larger than its range over seeds",
        layouts_separate,
    ),
    (
        "Compactness improves under every method.",
        "class-distance normalised variance in each layout falls, by more than its range over "
        "seeds (t-SNE and UMAP choose the sizes of clusters themselves)",
        layouts_compact,
    ),
    (
        "After fine-tuning, t-SNE and Isomap are the most distinct (PCA, MDS and LLE less so).",
        "the smaller k-NN accuracy of t-SNE and Isomap above the largest of PCA, MDS and LLE, by "
        "more than its range over seeds",
        most_distinct,
    ),
    (
        "PCA and MDS improve, but stay less compact than t-SNE and Isomap.",
        "class-distance normalised variance in PCA and in MDS falls, and the smaller of theirs "
        "stays above the larger of t-SNE and Isomap, each by more than its range over seeds",
        less_compact,
    ),
    (
        "The features become more linearly separable.",
        "gain of the linear probe's test accuracy above 0, and larger than its range over seeds",
        _linearly_separable,
    ),
    (
        "Test images gain as much as training images.",
        f"gain of training images above 0; 90 % interval of the difference of the gains, and all "
        f"runs, within {100 * AS_MUCH:.0f} points of 0",
        _test_gains_as_much,
    ),
    (
        "The change lies near the output.",
        "each block of the first two thirds has a CKA of before and after above halfway between 1 "
        "and that of the last block",
        _near_the_output,
    ),
]
