"""Do claims follow the data: flipped where the data are flipped, open where they say nothing?"""

import pytest

from pipeline.measures.claims import CLAIMS, judge
from pipeline.measures.claims_over_backbones import judge_together
from pipeline.measures.evidence import (
    INCONCLUSIVE,
    NOT_APPLICABLE,
    NOT_SUPPORTED,
    SUPPORTED,
    Evidence,
    OtherLayouts,
    OtherRun,
    difference,
)
from pipeline.measures.intervals import Estimate, share
from pipeline.measures.own_claims import OwnClaim, judge_own
from pipeline.measures.table import FEATURES, row_of, space_of

BEFORE = {FEATURES: 0.6, "pca": 0.3, "mds": 0.3, "lle": 0.3, "tsne": 0.5, "isomap": 0.4}
AFTER = {FEATURES: 0.97, "pca": 0.8, "mds": 0.85, "lle": 0.7, "tsne": 0.96, "isomap": 0.93}
LOOSE = {"pca": 2.0, "mds": 1.5, "lle": 3.0, "tsne": 0.9, "isomap": 1.0}
TIGHT = {"pca": 0.5, "mds": 0.4, "lle": 0.6, "tsne": 0.1, "isomap": 0.2}
N = 2000

OVERLAP = "Before fine-tuning the classes overlap"
FEATURES_SEPARATE = "Fine-tuning separates the classes in feature space"
LAYOUTS_SEPARATE = "Separation improves under every method"
LAYOUTS_COMPACT = "Compactness improves under every method"
DISTINCT = "After fine-tuning, t-SNE and Isomap are the most distinct"
LESS_COMPACT = "PCA and MDS improve, but stay less compact"
SEPARABLE = "The features become more linearly separable"
AS_MUCH = "Test images gain as much as training images"
NEAR_OUTPUT = "The change lies near the output"
LLE_VARIES = "LLE varies most across backbones"


def accuracies(values, *, n=N, probe=None, loose=None):
    rows = [
        row_of(space, "test", "knn_accuracy", share(round(p * n), n)) for space, p in values.items()
    ]
    if probe is not None:
        rows.append(row_of(FEATURES, "test", "linear_probe", share(round(probe * n), n)))
    for space, value in (loose or {}).items():
        rows.append(
            row_of(space, "test", "cdnv", Estimate(value, value - 2 / n**0.5, value + 2 / n**0.5))
        )
    return rows


def gains(test, train, margin=0.01):
    return [
        row_of(FEATURES, split, "knn_accuracy_gain", Estimate(gain, gain - margin, gain + margin))
        for split, gain in (("test", test), ("train", train))
    ]


def pick(verdicts, claim):
    """The one verdict on a sentence."""
    (found,) = (verdict for verdict in verdicts if verdict.claim.startswith(claim))
    return found


def answer(claim, *evidence, **more):
    return pick(judge(Evidence(*evidence, **more)), claim).answer


def answers(*evidence, **more):
    return {verdict.claim: verdict.answer for verdict in judge(Evidence(*evidence, **more))}


CLEAR_BEFORE = accuracies(BEFORE, probe=0.8, loose=LOOSE)
CLEAR_AFTER = accuracies(AFTER, probe=0.97, loose=TIGHT)


def test_newcombes_interval_is_that_of_his_paper():
    """Table II (a): 56/70 and 48/80, method 10: 0.0524 to 0.3339."""
    found = difference(share(48, 80), share(56, 70))
    assert found.value == pytest.approx(0.2)
    assert found.low == pytest.approx(0.0524, abs=5e-5)
    assert found.high == pytest.approx(0.3339, abs=5e-5)


def test_a_clear_case_supports_every_claim():
    depth = profile(1, 0.99, 0.3)
    found = answers(CLEAR_BEFORE, CLEAR_AFTER, gains(0.37, 0.37, margin=0.005), depth=depth)
    assert set(found.values()) == {SUPPORTED}
    assert len(found) == len(CLAIMS)


@pytest.mark.parametrize(
    "claim", [OVERLAP, FEATURES_SEPARATE, LAYOUTS_SEPARATE, LAYOUTS_COMPACT, LESS_COMPACT]
)
def test_its_mirror_refutes_what_it_supports(claim):
    """Before and after exchanged: accuracies fall, variances grow."""
    assert answer(claim, CLEAR_AFTER, CLEAR_BEFORE, gains(-0.37, 0.3)) == NOT_SUPPORTED


@pytest.mark.parametrize("claim", [SEPARABLE, AS_MUCH])
def test_its_mirror_refutes_probe_and_equal_gains(claim):
    assert answer(claim, CLEAR_AFTER, CLEAR_BEFORE, gains(-0.37, 0.3)) == NOT_SUPPORTED


def test_identical_features_are_inconclusive_in_every_change():
    still = gains(0.0, 0.0, margin=0.0)
    found = judge(Evidence(CLEAR_BEFORE, CLEAR_BEFORE, still))
    for claim in (FEATURES_SEPARATE, LAYOUTS_SEPARATE, LAYOUTS_COMPACT, SEPARABLE, AS_MUCH):
        assert pick(found, claim).answer == INCONCLUSIVE


def test_losing_as_much_is_no_gain():
    assert answer(AS_MUCH, [], [], gains(-0.2, -0.2, margin=0.005)) == NOT_SUPPORTED
    assert answer(AS_MUCH, [], [], gains(0.2, 0.2, margin=0.005)) == SUPPORTED


def test_few_images_leave_all_open():
    before = accuracies(BEFORE, probe=0.8, loose=TIGHT, n=12)
    after = accuracies(AFTER, probe=0.9, loose={name: v - 0.1 for name, v in TIGHT.items()}, n=12)
    depth = profile(0.9, 0.6, 0.3, margin=0.4)
    found = answers(before, after, gains(0.37, 0.37, margin=0.4), depth=depth)
    found.pop(next(claim for claim in found if claim.startswith(OVERLAP)))
    assert set(found.values()) == {INCONCLUSIVE}


def test_one_method_that_loses_refutes_every_and_one_other_that_is_better_refutes_most():
    loses = accuracies({**AFTER, "lle": 0.2})
    assert answer(LAYOUTS_SEPARATE, CLEAR_BEFORE, loses, []) == NOT_SUPPORTED
    better = accuracies({**AFTER, "lle": 0.99})
    verdict = pick(judge(Evidence(CLEAR_BEFORE, better, [])), DISTINCT)
    assert verdict.answer == NOT_SUPPORTED
    assert "LLE 99.0 [" in verdict.numbers


def test_less_compact_needs_both_that_they_improve_and_that_they_stay_behind():
    ahead = accuracies(AFTER, loose={**TIGHT, "pca": 0.08})
    assert answer(LESS_COMPACT, CLEAR_BEFORE, ahead, []) == NOT_SUPPORTED
    looser = accuracies(AFTER, loose={**TIGHT, "mds": 2.0})
    assert answer(LESS_COMPACT, CLEAR_BEFORE, looser, []) == NOT_SUPPORTED


def test_memory_is_no_generalisation():
    verdict = pick(judge(Evidence([], [], gains(0.01, 0.17))), AS_MUCH)
    assert verdict.answer == NOT_SUPPORTED
    assert verdict.numbers.startswith("test +1.0 [+0.0, +2.0], training +17.0")


def test_a_gain_within_the_range_of_the_runs_is_inconclusive():
    others = [OtherRun([], gains(gain, gain)) for gain in (0.0, 0.07)]
    small = pick(judge(Evidence([], [], gains(0.05, 0.05), others)), FEATURES_SEPARATE)
    assert small.answer == INCONCLUSIVE
    assert small.numbers.endswith("range of 3 runs +0.0 to +7.0")
    assert answer(FEATURES_SEPARATE, [], [], gains(0.05, 0.05)) == SUPPORTED
    near = [OtherRun([], gains(gain, gain)) for gain in (0.04, 0.06)]
    assert answer(FEATURES_SEPARATE, [], [], gains(0.05, 0.05), others=near) == SUPPORTED


def test_the_probe_of_other_seeds_counts_too():
    before, after = accuracies({}, probe=0.8), accuracies({}, probe=0.86)
    assert answer(SEPARABLE, before, after, []) == SUPPORTED
    others = [OtherRun(accuracies({}, probe=0.78), [])]
    assert answer(SEPARABLE, before, after, [], others=others) == INCONCLUSIVE


def test_one_seed_whose_training_images_gain_more_leaves_equal_gains_open():
    others = [OtherRun([], gains(0.2, 0.3))]
    assert answer(AS_MUCH, [], [], gains(0.2, 0.2, margin=0.005), others=others) == INCONCLUSIVE


def by_another_seed(method, before, after):
    """The layouts of one method by another seed: both measures are of these values."""
    return OtherLayouts(
        *(accuracies({method: value}, loose={method: value}) for value in (before, after))
    )


@pytest.mark.parametrize(
    ("claim", "method", "beyond", "within"),
    [
        (LAYOUTS_SEPARATE, "tsne", (0.5, 0.51), (0.5, 0.49)),  # gains 46, and 1 or -1
        (LAYOUTS_SEPARATE, "mds", (0.3, 0.31), (0.3, 0.29)),
        (LAYOUTS_COMPACT, "tsne", (0.9, 0.89), (0.9, 0.91)),  # falls by 0.8, and 0.01 or -0.01
        (DISTINCT, "tsne", (0.5, 0.86), (0.5, 0.84)),  # Isomap leads MDS by 8, t-SNE by 1 or -1
        (LESS_COMPACT, "mds", (0.41, 0.4), (0.39, 0.4)),  # falls by 1.1, and 0.01 or -0.01
        (LESS_COMPACT, "isomap", (1, 0.39), (1, 0.41)),  # below MDS by 0.2, and 0.01 or -0.01
    ],
)
def test_a_change_within_the_range_of_layout_seeds_is_inconclusive(claim, method, beyond, within):
    for values, expected in ((beyond, SUPPORTED), (within, INCONCLUSIVE)):
        layouts = [by_another_seed(method, *values)]
        found = pick(judge(Evidence(CLEAR_BEFORE, CLEAR_AFTER, [], layouts=layouts)), claim)
        assert found.answer == expected
    assert answer(claim, CLEAR_BEFORE, CLEAR_AFTER, []) == SUPPORTED


def test_a_loss_within_the_range_of_layout_seeds_refutes_nothing():
    layouts = [by_another_seed("tsne", 0.96, 0.97)]
    assert answer(LAYOUTS_SEPARATE, CLEAR_AFTER, CLEAR_BEFORE, []) == NOT_SUPPORTED
    lost = accuracies({"tsne": 0.96}), accuracies({"tsne": 0.5})
    assert answer(LAYOUTS_SEPARATE, *lost, [], layouts=layouts) == INCONCLUSIVE


def test_the_range_is_of_methods_that_a_seed_changes_and_of_runs_that_were_measured():
    layouts = [by_another_seed("tsne", 0.5, value) for value in (0.9, 0.97)]
    others = [OtherRun(accuracies({FEATURES: 0.96}), gains(0.36, 0.36))]
    change = gains(0.37, 0.37)
    found = judge(Evidence(CLEAR_BEFORE, CLEAR_AFTER, change, others, layouts=layouts))
    numbers = pick(found, LAYOUTS_SEPARATE).numbers
    assert numbers.count("range") == 1
    assert "(range of 3 runs +40.0 to +47.0); Isomap" in numbers
    assert pick(found, FEATURES_SEPARATE).numbers.endswith("range of 2 runs +36.0 to +37.0")
    assert "(range of 3 runs -0.8 to +0.47)" in pick(found, LAYOUTS_COMPACT).numbers
    assert "smaller less largest, range of 3 runs +5.0 to +8.0" in pick(found, DISTINCT).numbers


def test_what_was_not_measured_is_not_applicable():
    assert set(answers([], [], []).values()) == {NOT_APPLICABLE}
    some = judge(Evidence(accuracies({"pca": 0.5}), accuracies({"pca": 0.7}), []))
    assert pick(some, LAYOUTS_SEPARATE).answer == SUPPORTED
    assert pick(some, DISTINCT).answer == NOT_APPLICABLE


def study(*afters):
    return {
        f"backbone {number}": Evidence(accuracies(BEFORE), accuracies(after), [])
        for number, after in enumerate(afters)
    }


def test_over_all_backbones_each_must_agree():
    together = judge_together(study(AFTER, {**AFTER, "lle": 0.5}))
    assert pick(together, LAYOUTS_SEPARATE).answer == SUPPORTED
    one_loses = judge_together(study(AFTER, {**AFTER, "pca": 0.2}))
    verdict = pick(one_loses, LAYOUTS_SEPARATE)
    assert verdict.answer == NOT_SUPPORTED
    assert verdict.numbers == "supported: backbone 0; not supported: backbone 1"
    assert pick(together, AS_MUCH).answer == NOT_APPLICABLE
    assert judge_together(study(AFTER)) == []  # one backbone is not all


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({"lle": 0.2}, SUPPORTED),
        ({"lle": 0.2, "mds": 0.1}, NOT_SUPPORTED),
        ({"lle": 0.4, "mds": 0.56}, INCONCLUSIVE),
        ({}, INCONCLUSIVE),
    ],
)
def test_lle_varies_most_where_its_accuracies_are_furthest_apart(other, expected):
    together = judge_together(study(AFTER, {**AFTER, **other}))
    assert pick(together, LLE_VARIES).answer == expected


@pytest.mark.parametrize(("accuracy", "expected"), [(0.37, SUPPORTED), (0.33, INCONCLUSIVE)])
def test_a_lead_of_lle_within_the_range_of_layout_seeds_is_inconclusive(accuracy, expected):
    """It varies by 50 points and MDS by none, or, by a seed of one backbone, by 48 or 52."""
    first, second = study(AFTER, {**AFTER, "lle": 0.2}).values()
    second = second._replace(layouts=[by_another_seed("mds", 0.3, accuracy)])
    verdict = pick(judge_together({"a": first, "b": second}), LLE_VARIES)
    assert verdict.answer == expected
    assert "LLE less the largest other, range of 2 runs" in verdict.numbers


@pytest.mark.parametrize(
    ("comparison", "threshold", "expected"),
    [
        ("above", 0.9, SUPPORTED),
        ("above", 0.99, NOT_SUPPORTED),
        ("above", 0.961, INCONCLUSIVE),
        ("below", 0.99, SUPPORTED),
        ("below", 0.9, NOT_SUPPORTED),
    ],
)
def test_an_own_claim_is_decided_by_the_whole_interval(comparison, threshold, expected):
    claim = OwnClaim("Good maps.", "knn_accuracy", comparison, threshold, space="tsne")
    verdict = judge_own(claim, Evidence([], CLEAR_AFTER, []))
    assert verdict.answer == expected
    assert verdict.numbers.startswith("0.96 [0.95")
    assert verdict.rule == f"k-NN accuracy (t-SNE, after) {comparison} {threshold}"


def test_every_run_must_be_on_the_side_of_an_own_claim():
    claim = OwnClaim("Good maps.", "knn_accuracy", "above", 0.9, space="tsne")
    for accuracy, expected in ((0.91, SUPPORTED), (0.89, INCONCLUSIVE)):
        layouts = [by_another_seed("tsne", 0.5, accuracy)]
        verdict = judge_own(claim, Evidence(CLEAR_BEFORE, CLEAR_AFTER, [], layouts=layouts))
        assert verdict.answer == expected
        assert verdict.numbers.endswith(f"; range of 2 runs {accuracy} to 0.96")
        others = [OtherRun(accuracies({FEATURES: accuracy}), [])]
        evidence = Evidence(CLEAR_BEFORE, CLEAR_AFTER, [], others)
        assert judge_own(claim._replace(space=FEATURES), evidence).answer == expected
        assert judge_own(claim, evidence).answer == SUPPORTED  # of other networks no layout


def test_layouts_before_fine_tuning_are_not_those_of_other_networks():
    """They share what is before it, which is no further run."""
    claim = OwnClaim("Good maps.", "knn_accuracy", "above", 0.4, space="tsne", stage="before")
    layouts, others = [by_another_seed("tsne", 0.45, 0.9)], [OtherRun([], [])]
    evidence = Evidence(CLEAR_BEFORE, CLEAR_AFTER, [], others, layouts=layouts)
    assert judge_own(claim, evidence).numbers.endswith("; range of 2 runs 0.45 to 0.5")


def test_an_own_claim_of_a_number_without_interval_and_of_one_that_is_not_there():
    rows = [row_of(FEATURES, "train", "nc1", 0.3), row_of(FEATURES, "test", "nc1", 0.7)]
    claim = OwnClaim("Collapsed.", "nc1", "below", 0.5)
    assert judge_own(claim, Evidence([], rows, [])).answer == NOT_SUPPORTED
    assert judge_own(claim._replace(split="train"), Evidence([], rows, [])).answer == SUPPORTED
    assert judge_own(claim, Evidence(rows, [], [])).answer == NOT_APPLICABLE


def profile(*values, margin=0.01):
    """Rows of a depth profile with these CKAs, from the input to the output."""
    rows = [
        row_of(space_of(f"layer {i}"), "all", "cka", Estimate(c, c - margin, c + margin))
        for i, c in enumerate(values)
    ]
    for i, c in enumerate(values[:-1]):
        above = c - (1 + values[-1]) / 2
        estimate = Estimate(above, above - margin, above + margin)
        rows.append(row_of(space_of(f"layer {i}"), "all", "cka_above_halfway", estimate))
    return rows


@pytest.mark.parametrize(
    ("values", "margin", "expected"),
    [
        ((1, 0.99, 0.97, 0.9, 0.6, 0.3), 0.01, SUPPORTED),
        ((0.9, 0.6, 0.5, 0.4, 0.3, 0.3), 0.01, NOT_SUPPORTED),  # lost near the input
        ((1, 0.3, 0.97, 0.9, 0.9, 0.3), 0.01, NOT_SUPPORTED),  # in one early block
        ((1, 0.99, 0.97, 0.66, 0.6, 0.3), 0.02, INCONCLUSIVE),
        ((1, 1, 1, 1), 0.0, INCONCLUSIVE),  # nothing changed
        ((1, 1, 1, 0.2, 0.3, 0.3), 0.01, NOT_SUPPORTED),  # the fourth of six is early
        ((1, 1, 1, 0.9, 0.2, 0.3), 0.01, SUPPORTED),  # the fifth is not
    ],
)
def test_a_change_near_the_output_spares_the_first_two_thirds(values, margin, expected):
    found = Evidence([], [], [], depth=profile(*values, margin=margin))
    verdict = pick(judge(found), NEAR_OUTPUT)
    assert verdict.answer == expected
    assert f"{values[-1]:.3f} in block {len(values)}" in verdict.numbers


def test_an_undefined_profile_decides_nothing():
    rows = [row_of(space_of(f"layer {i}"), "all", "cka", None) for i in range(3)]
    assert answer(NEAR_OUTPUT, [], [], [], depth=rows) == NOT_APPLICABLE
