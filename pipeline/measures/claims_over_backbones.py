"""Claims over all backbones of a study: that each one agrees, and what differs between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.measures.claims import Verdict, judge
from pipeline.measures.claims_about_layouts import DISTINCT, OTHERS
from pipeline.measures.evidence import (
    NOT_APPLICABLE,
    PERCENT,
    UNDECIDABLE,
    Decision,
    Evidence,
    all_of,
    difference,
    estimate,
    find,
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
    answer, numbers = _lle_varies_most(backbones) or (NOT_APPLICABLE, UNDECIDABLE)
    claim = "LLE varies most across backbones."
    rule = (
        "largest less smallest k-NN accuracy in the layouts after fine-tuning: that of LLE above "
        "the largest of the other methods, by more than its range over seeds"
    )
    return [*together, Verdict(claim, rule, answer, numbers)]


def _lle_varies_most(backbones: Mapping[str, Evidence]) -> Decision:
    others = max(len(evidence.layouts) for evidence in backbones.values())
    runs = [
        list(backbones.values()),
        *([each.laid_out(number) for each in backbones.values()] for number in range(others)),
    ]
    widths, lead = _variation(runs[0]), find(runs, _lead_of_lle)
    if widths is None or lead is None:
        return None
    numbers = "; ".join(
        f"{METHODS[method].title} {100 * each.value:.1f} points" for method, each in widths.items()
    )
    if lead.runs.width:
        numbers += f"; LLE less the largest other, {lead.runs.words('+.1f', PERCENT)}"
    return lead.sign, numbers


def _variation(backbones: Sequence[Evidence]) -> dict[str, Estimate] | None:
    """Largest less smallest accuracy in each method's layouts; None unless all are known."""
    found = {}
    for method in METHODS_OF_THE_CLAIM:
        known = [estimate(each.after, method, "knn_accuracy") for each in backbones]
        accuracies = [each for each in known if each is not None]
        if len(accuracies) < len(known):
            return None
        low, high = (f(accuracies, key=lambda each: each.value) for f in (min, max))
        found[method] = difference(low, high)
    return found


def _lead_of_lle(backbones: Sequence[Evidence]) -> Estimate | None:
    """How much more LLE varies than the method that varies most of the others."""
    widths = _variation(backbones)
    if widths is None:
        return None
    others = (each for method, each in widths.items() if method != "lle")
    return difference(max(others, key=lambda each: each.value), widths["lle"])
