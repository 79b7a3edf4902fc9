"""Does the summary say of every layout what its steps had to say?"""

import pandas as pd
import pytest

from pipeline.report.summary import summarize, tabulate_measures

NETWORK = {"dataset": "cells", "backbone": "MobileNet", "weights": "imagenet"}
PROBE = {"train_accuracy": 0.99, "test_accuracy": 0.93, "n_train": 239, "n_test": 60}


def measure_row(space, value, split="test", measure="knn_accuracy", margin=0.1):
    low, high = value - margin, value + margin
    return {
        **{"space": space, "split": split, "measure": measure},
        **{"value": value, "low": low, "high": high},
    }


def measured(stage, *, test=None, probe=None, warnings=(), backbone="MobileNet"):
    """A feature set with two layouts, each with a warning of its own."""
    context = {
        **NETWORK,
        "backbone": backbone,
        "stage": stage,
        "warnings": ["3 files are no images"],
        "layouts": {
            "pca": {"engine": "exact", "points": 299, "total_points": 299},
            "lle": {"warnings": ["3 files are no images", f"LLE {stage}: not converged"]},
        },
    }
    if test is not None:
        context["accuracy"] = {"train": 1.0, "test": test}
    rows = [measure_row("pca", 0.5), measure_row("lle", 0.4)]
    measures = {"k": 15, "measures": rows, "warnings": list(warnings)}
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
    context = {"layouts": {"pca": {}}}
    (row,) = summarize([(context, {"k": 15, "measures": []})]).to_dict("records")
    assert row["probe_test_accuracy"] is None
    assert row["knn_accuracy"] is None
    assert row["warnings"] == ""


def test_test_images_speak_for_a_layout_and_all_where_there_is_no_split():
    rows = [
        measure_row("pca", 0.9, "train"),
        measure_row("pca", 0.6),
        measure_row("features", 0.7),
        measure_row("lle", 0.5, "all"),
        measure_row("lle", 0.2, "all", "neighborhood_preservation"),
    ]
    context = {"layouts": {"pca": {}, "lle": {}}}
    pca, lle = summarize([(context, {"k": 15, "measures": rows})]).to_dict("records")
    assert (pca["knn_accuracy"], pca["train_knn_accuracy"]) == (0.6, 0.9)
    assert pca["knn_accuracy_low"] == pytest.approx(0.5)
    assert pca["features_knn_accuracy"] == 0.7
    assert pd.isna(pca["neighborhood_preservation"])
    assert (lle["knn_accuracy"], lle["neighborhood_preservation"]) == (0.5, 0.2)


def test_the_long_table_has_all_measures():
    table = tabulate_measures([measured("before", probe=PROBE), measured("after", test=0.9)])
    assert list(table.columns) == [
        *("dataset", "backbone", "weights", "seed", "stage", "metric"),
        *("space", "layout_seed", "split", "measure", "value", "low", "high"),
    ]
    assert list(table["stage"]) == ["before"] * 2 + ["after"] * 2
    assert list(table["value"]) == [0.5, 0.4] * 2
    assert table["layout_seed"].isna().all()


def test_layouts_by_other_seeds_are_rows_of_the_long_table_alone():
    context, measures = measured("before")
    context["layouts"]["pca"]["layout_seed"] = 3
    measures["layout_seeds"] = {"4": [measure_row("pca", 0.6)], "5": [measure_row("pca", 0.7)]}
    table = tabulate_measures([(context, measures)])
    of_pca = table[table["space"] == "pca"]
    assert dict(zip(of_pca["layout_seed"], of_pca["value"], strict=True)) == {
        3: 0.5,
        4: 0.6,
        5: 0.7,
    }
    assert set(of_pca["stage"]) == {"before"}
    assert len(rows((context, measures))) == 2
