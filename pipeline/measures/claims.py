"""Claims: sentences about fine-tuning, each decided by a rule that is fixed before data are seen.

The sentences are those of studies that judge by eye from pictures of layouts, and some of features.
Class accuracies are of test images, judged by training images; of all images without a split.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt
from typing import NamedTuple

from pipeline.measures.evidence import (
    INCONCLUSIVE,
    NOT_APPLICABLE,
    NOT_SUPPORTED,
    SUPPORTED,
    Decision,
    Evidence,
    all_of,
    by_sign,
    difference,
    estimate,
    percent,
    percent_of_runs,
    range_of_runs,
)
from pipeline.measures.intervals import Estimate
from pipeline.measures.table import FEATURES
from pipeline.methods.registry import METHODS

OVERLAPPING = 0.95  # test accuracy below which classes are said to overlap
AS_MUCH = 0.02  # difference of gains that counts as none
Z90 = 1.6448536269514722 / 1.959963984540054  # a 90 % interval's width over a 95 % one's
DISTINCT, COMPACT, OTHERS = ("tsne", "isomap"), ("pca", "mds"), ("pca", "mds", "lle")
NAMED = (*OTHERS, *DISTINCT, "umap")


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
        answer, numbers = decide(evidence) or (NOT_APPLICABLE, "not measured")
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
    if (gain := _gain(evidence)) is None:
        return None
    runs = range_of_runs(evidence, _gain)
    numbers = f"{percent(gain, sign=True)} points{percent_of_runs(runs, sign=True)}"
    return by_sign(gain, spread=runs.width), numbers


def _of_layouts(evidence: Evidence, measure: str) -> dict[str, tuple[Estimate, Estimate]]:
    """A measure of each method's layout before and after, where it has an interval."""
    found = {}
    for method in NAMED:
        pair = [estimate(rows, method, measure) for rows in (evidence.before, evidence.after)]
        if pair[0] is not None and pair[1] is not None:
            found[method] = (pair[0], pair[1])
    return found


def _layouts_separate(evidence: Evidence) -> Decision:
    pairs = _of_layouts(evidence, "knn_accuracy")
    gains = {method: difference(*pair) for method, pair in pairs.items()}
    if not gains:
        return None
    numbers = "; ".join(
        f"{METHODS[method].title} {percent(gain, sign=True)}" for method, gain in gains.items()
    )
    return all_of([by_sign(gain) for gain in gains.values()]), numbers


def _tighter(pair: tuple[Estimate, Estimate]) -> str:
    """Whether the variance of classes fell in a layout."""
    return by_sign(difference(pair[1], pair[0]))


def _variances(pairs: Mapping[str, tuple[Estimate, Estimate]]) -> str:
    """Before, after, and the change with its interval."""
    changes = {method: difference(*pair) for method, pair in pairs.items()}
    return "; ".join(
        f"{METHODS[method].title} {old.value:.2g} to {new.value:.2g}, "
        f"{changes[method].value:+.2g} [{changes[method].low:+.2g}, {changes[method].high:+.2g}]"
        for method, (old, new) in pairs.items()
    )


def _layouts_compact(evidence: Evidence) -> Decision:
    pairs = _of_layouts(evidence, "cdnv")
    if not pairs:
        return None
    return all_of([_tighter(pair) for pair in pairs.values()]), _variances(pairs)


def _less_compact(evidence: Evidence) -> Decision:
    pairs = _of_layouts(evidence, "cdnv")
    pairs = {method: pairs[method] for method in (*COMPACT, *DISTINCT) if method in pairs}
    if len(pairs) < len(COMPACT) + len(DISTINCT):
        return None
    linear = min((pairs[method][1] for method in COMPACT), key=lambda each: each.value)
    others = max((pairs[method][1] for method in DISTINCT), key=lambda each: each.value)
    answers = [
        *(_tighter(pairs[method]) for method in COMPACT),
        by_sign(difference(others, linear)),
    ]
    return all_of(answers), _variances(pairs)


def _most_distinct(evidence: Evidence) -> Decision:
    after = {method: pair[1] for method, pair in _of_layouts(evidence, "knn_accuracy").items()}
    known = {method: after[method] for method in (*DISTINCT, *OTHERS) if method in after}
    if len(known) < len(DISTINCT) + len(OTHERS):
        return None
    worst = min((known[method] for method in DISTINCT), key=lambda each: each.value)
    best = max((known[method] for method in OTHERS), key=lambda each: each.value)
    numbers = "; ".join(
        f"{METHODS[method].title} {percent(each)}" for method, each in known.items()
    )
    return by_sign(difference(best, worst)), numbers


def _probe_gain(evidence: Evidence) -> Estimate | None:
    before, after = (
        estimate(rows, FEATURES, "linear_probe", "test")
        for rows in (evidence.before, evidence.after)
    )
    return None if before is None or after is None else difference(before, after)


def _linearly_separable(evidence: Evidence) -> Decision:
    if (gain := _probe_gain(evidence)) is None:
        return None
    runs = range_of_runs(evidence, _probe_gain)
    numbers = f"{percent(gain, sign=True)} points{percent_of_runs(runs, sign=True)}"
    return by_sign(gain, spread=runs.width), numbers


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
    if (less := test_less_train(evidence)) is None:
        return None
    runs = range_of_runs(evidence, test_less_train)
    test, train = (
        estimate(evidence.change, FEATURES, "knn_accuracy_gain", split)
        for split in ("test", "train")
    )
    numbers = "".join(
        [
            f"test {percent(test, sign=True)}, " if test else "",
            f"training {percent(train, sign=True)} points" if train else "",
            f"; test less training{percent_of_runs(runs, sign=True)[1:]}" if runs.runs > 1 else "",
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
        "paired gain of k-NN accuracy above 0, and above the range of the runs",
        _features_separate,
    ),
    (
        "Separation improves under every method.",
        "gain of k-NN accuracy in each layout above 0",
        _layouts_separate,
    ),
    (
        "Compactness improves under every method.",
        "class-distance normalised variance in each layout falls (those of t-SNE and UMAP choose "
        "the sizes of clusters themselves)",
        _layouts_compact,
    ),
    (
        "After fine-tuning, t-SNE and Isomap are the most distinct (PCA, MDS and LLE less so).",
        "the smaller k-NN accuracy of t-SNE and Isomap above the largest of PCA, MDS and LLE",
        _most_distinct,
    ),
    (
        "PCA and MDS improve, but stay less compact than t-SNE and Isomap.",
        "class-distance normalised variance in PCA and in MDS falls, and the smaller of theirs "
        "stays above the larger of t-SNE and Isomap",
        _less_compact,
    ),
    (
        "The features become more linearly separable.",
        "gain of the linear probe's test accuracy above 0, and above the range of the runs",
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
        "of the blocks of the first two thirds none has lost half as much CKA as the last",
        _near_the_output,
    ),
]
