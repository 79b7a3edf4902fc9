"""Does the summary say of every layout what its steps had to say?"""

import pandas as pd
import pytest

from pipeline.report.summary import summarize

NETWORK = {"dataset": "cells", "backbone": "MobileNet", "weights": "imagenet"}
PROBE = {"train_accuracy": 0.99, "test_accuracy": 0.93, "n_train": 239, "n_test": 60}


def measured(stage, *, test=None, probe=None, warnings=(), backbone="MobileNet"):
    """A feature set with two layouts, each with a warning of its own."""
    context = {
        **NETWORK,
        "backbone": backbone,
        "stage": stage,
        "warnings": ["3 files are no images"],
        "layouts": {
            "pca": {"engine": "sklearn", "points": 299, "total_points": 299},
            "lle": {"warnings": ["3 files are no images", f"LLE {stage}: not converged"]},
        },
    }
    if test is not None:
        context["accuracy"] = {"train": 1.0, "test": test}
    layouts = {"pca": {"knn_accuracy": 0.5}, "lle": {"knn_accuracy": 0.4}}
    measures = {"k": 15, "layouts": layouts, "warnings": list(warnings)}
    return context, measures if probe is None else {**measures, "probe": probe}


def rows(*feature_sets):
    table = summarize(feature_sets)
    return {(row["stage"], row["method"]): row for _, row in table.iterrows()}


def test_a_row_has_the_accuracies_of_network_and_probe_on_both_parts():
    found = rows(measured("before", probe=PROBE), measured("after", test=0.95, probe=PROBE))
    after = found["after", "pca"]
    assert after["train_accuracy"] == 1
    assert after["test_accuracy"] == 0.95
    assert found["before", "lle"]["probe_train_accuracy"] == 0.99
    assert found["before", "lle"]["probe_test_accuracy"] == 0.93
    assert pd.isna(found["before", "lle"]["test_accuracy"])


def test_a_row_has_every_sentence_on_its_layout_once_and_none_on_others():
    found = rows(measured("before", warnings=["8 count"]), measured("after"))
    assert found["before", "pca"]["warnings"] == "3 files are no images; 8 count"
    assert (
        found["before", "lle"]["warnings"]
        == "3 files are no images; LLE before: not converged; 8 count"
    )
    assert found["after", "pca"]["warnings"] == "3 files are no images"


@pytest.mark.parametrize("order", [1, -1])
def test_a_training_below_the_probe_before_it_is_said_in_the_rows_after_it(order):
    low = {**PROBE, "test_accuracy": 0.6}
    sets = [
        measured("before", probe=PROBE),
        measured("after", test=0.78, probe=low),  # that of its own features is not asked
        measured("before", probe=low, backbone="VGG16"),
        measured("after", test=0.78, backbone="VGG16"),
    ]
    table = summarize(sets[::order])
    said = table["warnings"].str.contains("below a linear probe")
    assert set(map(tuple, table[said][["backbone", "stage"]].to_numpy())) == {
        ("MobileNet", "after")
    }
    assert said.sum() == 2


def test_measures_of_feature_sets_without_a_probe_have_empty_columns():
    (row,) = summarize([({}, {"k": 15, "layouts": {"pca": {}}})]).to_dict("records")
    assert row["probe_test_accuracy"] is None
    assert row["warnings"] == ""
