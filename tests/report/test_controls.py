"""Do controls reach the page: the range of the seeds, and the floor of random weights?"""

import pytest

from pipeline.measures.evidence import OtherRun
from pipeline.measures.intervals import Estimate, share
from pipeline.measures.table import FEATURES, row_of
from pipeline.report.controls import Controls, controls_table, no_better_than_random, other_seeds


def rows(accuracy, cka=None):
    found = [row_of(FEATURES, "test", "knn_accuracy", share(round(1000 * accuracy), 1000))]
    found.append(row_of(FEATURES, "train", "knn_accuracy", share(1000, 1000)))
    if cka is not None:
        found.append(row_of(FEATURES, "all", "cka", Estimate(cka, cka - 0.1, cka + 0.1)))
    return found


OTHERS = [OtherRun(rows(0.9), rows(0, 0.2)), OtherRun(rows(0.95), rows(0, 0.5))]


def test_the_range_is_that_of_all_runs_and_the_floor_stands_beside():
    table = controls_table(
        rows(0.6), rows(0.93), rows(0, 0.3), Controls(OTHERS, [0.9, 0.95], rows(0.4))
    )
    assert (table["runs"], table["floor"]) == (3, True)
    accuracy, cka = table["rows"]
    assert accuracy == {
        **{"title": "k-NN accuracy", "split": "test", "floor": 0.4},
        **{"before": 0.6, "after": 0.93, "low": 0.9, "high": 0.95},
    }
    assert (cka["before"], cka["after"], cka["low"], cka["high"]) == (None, 0.3, 0.2, 0.5)


def test_without_controls_there_is_no_table_and_of_one_run_no_range():
    assert controls_table(rows(0.6), rows(0.9), [], Controls()) == {}
    table = controls_table(rows(0.6), rows(0.9), [], Controls(floor=rows(0.4)))
    assert table["runs"] == 1
    assert table["rows"][0]["low"] is None


@pytest.mark.parametrize(
    ("accuracies", "words"),
    [
        ([], ""),
        ([0.961], " (by another seed 96.1 %)"),
        ([0.972, 0.961], " (by 2 other seeds 96.1 to 97.2 %)"),
    ],
)
def test_other_seeds_end_a_sentence(accuracies, words):
    assert other_seeds(Controls(accuracies=accuracies)) == words


def test_features_that_are_no_better_than_random_ones_are_said():
    assert no_better_than_random(rows(0.6), Controls(floor=rows(0.4))) is None
    assert no_better_than_random(rows(0.6), Controls()) is None
    for accuracy in (0.41, 0.2):
        sentence = no_better_than_random(rows(accuracy), Controls(floor=rows(0.4)))
        assert "no better than those in features of random weights" in sentence
