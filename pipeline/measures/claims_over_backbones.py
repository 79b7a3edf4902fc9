"""Claims over all backbones of a study: that each one agrees, and what differs between them."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.measures.claims import DISTINCT, OTHERS, Verdict, judge
from pipeline.measures.evidence import (
    NOT_APPLICABLE,
    Decision,
    Evidence,
    all_of,
    by_sign,
    difference,
    estimate,
)
from pipeline.measures.intervals import Estimate
from pipeline.methods.registry import METHODS

METHODS_OF_THE_CLAIM = (*OTHERS, *DISTINCT)


def judge_together(backbones: Mapping[str, Evidence]) -> list[Verdict]:
    """Decide all claims over the backbones of a study.

    Parameters
    ----------
    backbones : mapping of str to Evidence
        Those with pre-trained weights: random ones say nothing of them.

    Returns
    -------
    list of Verdict
        A claim holds over all where it holds for each to which it applies; then that LLE varies
        most. Of fewer than two backbones none.
    """
    if len(backbones) < 2:
        return []
    verdicts = {name: judge(evidence) for name, evidence in backbones.items()}
    together = []
    for same in zip(*verdicts.values(), strict=True):
        found: dict[str, list[str]] = {}
        for name, verdict in zip(verdicts, same, strict=True):
            found.setdefault(verdict.answer, []).append(name)
        answers = [answer for answer in found if answer != NOT_APPLICABLE]
        numbers = "; ".join(f"{answer}: {', '.join(names)}" for answer, names in found.items())
        answer = all_of(answers) if answers else NOT_APPLICABLE
        together.append(same[0]._replace(answer=answer, numbers=numbers))
    answer, numbers = _lle_varies_most(backbones) or (NOT_APPLICABLE, "not measured")
    claim = "LLE varies most across backbones."
    rule = (
        "largest less smallest k-NN accuracy in the layouts after fine-tuning: that of LLE above "
        "the largest of the other methods"
    )
    return [*together, Verdict(claim, rule, answer, numbers)]


def _lle_varies_most(backbones: Mapping[str, Evidence]) -> Decision:
    ranges = {}
    for method in METHODS_OF_THE_CLAIM:
        found = [
            estimate(evidence.after, method, "knn_accuracy") for evidence in backbones.values()
        ]
        known = [each for each in found if each is not None]
        if len(known) < len(found):
            return None
        ranges[method] = _range(known)
    lle = ranges.pop("lle")
    other = max(ranges.values(), key=lambda each: each.value)
    widths = {"lle": lle, **ranges}
    numbers = "; ".join(
        f"{METHODS[method].title} {100 * each.value:.1f} points" for method, each in widths.items()
    )
    return by_sign(difference(other, lle)), numbers


def _range(accuracies: list[Estimate]) -> Estimate:
    """Largest less smallest."""
    low, high = (f(accuracies, key=lambda each: each.value) for f in (min, max))
    return difference(low, high)
