"""Do claims follow the data: flipped where the data are flipped, open where they say nothing?"""

import pytest

from pipeline.measures.claims import (
    CLAIMS,
    INCONCLUSIVE,
    NOT_APPLICABLE,
    NOT_SUPPORTED,
    SUPPORTED,
    Evidence,
    difference,
    judge,
)
from pipeline.measures.intervals import Estimate, share
from pipeline.measures.table import FEATURES, row_of, space_of

BEFORE = {FEATURES: 0.6, "pca": 0.3, "mds": 0.3, "lle": 0.3, "tsne": 0.5, "isomap": 0.4}
AFTER = {FEATURES: 0.97, "pca": 0.8, "mds": 0.85, "lle": 0.7, "tsne": 0.96, "isomap": 0.93}
N = 2000


def accuracies(values, *, n=N, probe=None):
    rows = [
        row_of(space, "test", "knn_accuracy", share(round(p * n), n)) for space, p in values.items()
    ]
    if probe is not None:
        rows.append(row_of(FEATURES, "test", "linear_probe", share(round(probe * n), n)))
    return rows


def gains(test, train, margin=0.01):
    return [
        row_of(FEATURES, split, "knn_accuracy_gain", Estimate(gain, gain - margin, gain + margin))
        for split, gain in (("test", test), ("train", train))
    ]


def answers(before, after, change):
    return [verdict.answer for verdict in judge(Evidence(before, after, change))]


def test_newcombes_interval_is_that_of_his_paper():
    """Table II (a): 56/70 and 48/80, method 10: 0.0524 to 0.3339."""
    found = difference(share(48, 80), share(56, 70))
    assert found.value == pytest.approx(0.2)
    assert found.low == pytest.approx(0.0524, abs=5e-5)
    assert found.high == pytest.approx(0.3339, abs=5e-5)


def test_a_clear_case_and_its_mirror():
    before, after = accuracies(BEFORE, probe=0.8), accuracies(AFTER, probe=0.97)
    assert answers(before, after, gains(0.37, 0.37, margin=0.005))[:6] == [SUPPORTED] * 6
    flipped = answers(after, before, gains(-0.37, 0.3))
    assert flipped[:6] == [NOT_SUPPORTED] * 3 + [SUPPORTED] + [NOT_SUPPORTED] * 2


def test_identical_features_are_inconclusive_in_every_change():
    rows = accuracies(BEFORE, probe=0.8)
    still = [
        row_of(FEATURES, split, "knn_accuracy_gain", Estimate(0.0, 0.0, 0.0))
        for split in ("test", "train")
    ]
    found = answers(rows, rows, still)
    assert [found[i] for i in (1, 2, 4)] == [INCONCLUSIVE] * 3
    assert found[5] == SUPPORTED  # both gain nothing


def test_few_images_leave_all_open():
    few = {"n": 12}
    before, after = accuracies(BEFORE, probe=0.8, **few), accuracies(AFTER, probe=0.9, **few)
    found = answers(before, after, gains(0.37, 0.37, margin=0.4))
    assert found[1:6] == [INCONCLUSIVE] * 5


def test_one_method_that_loses_refutes_every_and_one_other_that_is_better_refutes_most():
    before = accuracies(BEFORE)
    loses = accuracies({**AFTER, "lle": 0.2})
    assert judge(Evidence(before, loses, gains(0.3, 0.3)))[2].answer == NOT_SUPPORTED
    better = accuracies({**AFTER, "lle": 0.99})
    verdict = judge(Evidence(before, better, gains(0.3, 0.3)))[3]
    assert verdict.answer == NOT_SUPPORTED
    assert "LLE 99.0 [" in verdict.numbers


def test_memory_is_no_generalisation():
    verdict = judge(Evidence([], [], gains(0.01, 0.17)))[5]
    assert verdict.answer == NOT_SUPPORTED
    assert verdict.numbers.startswith("test +1.0 [+0.0, +2.0], training +17.0")


def test_what_was_not_measured_is_not_applicable():
    assert answers([], [], []) == [NOT_APPLICABLE] * len(CLAIMS)
    some = accuracies({"pca": 0.5})
    found = answers(some, accuracies({"pca": 0.7}), [])
    assert found[2] == SUPPORTED
    assert found[3] == NOT_APPLICABLE


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
    ("values", "margin", "answer"),
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
def test_a_change_near_the_output_spares_the_first_two_thirds(values, margin, answer):
    verdict = judge(Evidence([], [], [], profile(*values, margin=margin)))[6]
    assert verdict.answer == answer
    assert f"{values[-1]:.3f} in block {len(values)}" in verdict.numbers


def test_an_undefined_profile_decides_nothing():
    rows = [row_of(space_of(f"layer {i}"), "all", "cka", None) for i in range(3)]
    assert judge(Evidence([], [], [], rows))[6].answer == NOT_APPLICABLE
