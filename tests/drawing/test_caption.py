"""Do the words around a figure say what must not be overlooked?"""

import pandas as pd

from pipeline.drawing.caption import ALIGNED, describe, notes
from pipeline.methods.registry import METHODS
from pipeline.report.summary import summarize

BEFORE = {
    "dataset": "digits",
    "images": 1797,
    "image_shape": [8, 8, 1],
    "backbone": "MobileNet",
    "image_size": 32,
    "weights": "ImageNet weights",
    "stage": "before",
    "method": "pca",
    "points": 500,
    "total_points": 1797,
}
AFTER = {
    **BEFORE,
    "stage": "after",
    "accuracy": {"train": 1.0, "validation": None, "test": 0.97531},
    "warnings": [],
}


def test_heading_and_caption_state_the_facts():
    words = describe([BEFORE, AFTER])
    assert words["heading"] == "MobileNet on Digits (scikit-learn)"
    assert words["warnings"] == ""
    assert words["caption"] == (
        "ImageNet weights. 1,797 images of 8 x 8 pixels, seen by the network at 32 pixels. "
        "Accuracy of the fine-tuned classifier: train 100.00%, test 97.53%. After "
        "fine-tuning, each layout is rotated and reflected towards the one before; only reflected "
        "where its axes have an order, as in PCA, LLE and Isomap."
    )
    assert words["alert"] == ""
    assert "rotated" not in describe([AFTER])["caption"]


def test_random_weights_and_warnings_are_loud():
    after = {**AFTER, "weights": "random weights, seed 0", "warnings": ["test accuracy is low"]}
    words = describe([after])
    assert words["alert"] == "random weights; warning, see the caption"
    assert words["warnings"] == "Warning: test accuracy is low."
    assert words["caption"].startswith("Random weights, seed 0.")


def test_a_fine_tuning_below_the_probe_of_what_it_started_from_is_loud():
    measures = {"before": {"k": 15, "probe": {"test_accuracy": 0.999, "n_test": 10_000}}}
    words = describe([BEFORE, AFTER], measures=measures)
    assert "0.975 against 0.999 on 10,000 images" in words["warnings"]
    assert words["alert"] == "warning, see the caption"
    measures["before"]["probe"]["test_accuracy"] = 0.97
    assert describe([BEFORE, AFTER], measures=measures)["warnings"] == ""


def test_what_the_measures_have_to_say_is_in_the_caption():
    words = describe([BEFORE], measures={"before": {"k": 4, "warnings": ["only 4 count"]}})
    assert words["warnings"] == "Warning: only 4 count."


def test_data_sets_have_their_own_titles_and_others_their_names():
    titles = [describe([{**AFTER, "dataset": name}])["heading"] for name in ("mnist", "my_birds")]
    assert titles == ["MobileNet on MNIST", "MobileNet on my_birds"]


def test_a_context_that_says_little_is_enough():
    words = describe([{"total_points": 5, "weights": None, "accuracy": None, "warnings": None}])
    assert words["caption"] == "5 images."
    assert describe([{"total_points": 5, "accuracy": {"test": None}}])["caption"] == "5 images."


def test_panels_show_the_measures_under_readable_names():
    whole = {**AFTER, "total_points": 500}
    row = {"space": "pca", "split": "test", "measure": "knn_accuracy", "value": 0.9974}
    assert notes(whole, 500, [row], "pca") == ["test 2-D kNN 0.997"]
    of_all = {**row, "split": "all", "low": 0.99, "high": 0.9991}
    assert notes(whole, 500, [of_all], "pca") == ["2-D kNN of all points 0.997 [0.990, 0.999]"]
    assert notes(whole, 500, [row], "lle") == []
    kept = {**row, "split": "all", "measure": "neighborhood_preservation", "value": 0.2}
    assert notes(whole, 500, [kept, row], "pca")[1] == "neighbours kept 0.200"
    assert (
        "among their 15 nearest training images"
        in describe([AFTER], measures={"after": {"k": 15}})["caption"]
    )
    unlabelled = {"after": {"k": 15, "measures": [kept]}}
    assert "2-D kNN" not in (shown := describe([AFTER], measures=unlabelled)["caption"])
    assert "Under each panel, neighbours kept" in shown
    assert "nearest" not in describe([AFTER])["caption"]
    assert notes(whole, 500, [{**row, "value": None}], "pca") == []


def test_a_subset_is_said():
    assert notes(AFTER, 500, [], "pca") == ["500 of 1,797 points (subset)"]
    assert notes(AFTER, 1797, [], "pca") == []


def test_connected_components_are_said():
    assert notes({**AFTER, "components": 9}, 1797, [], "pca") == [
        "neighbour graph has 9 connected components"
    ]
    assert notes({**AFTER, "components": 1}, 1797, [], "pca") == notes(AFTER, 1797, [], "pca") == []


def test_the_summary_has_one_row_a_layout():
    layouts = {"layouts": {"pca": {"points": 500}}}
    row = {"space": "pca", "split": "test", "measure": "knn_accuracy"}
    measures = [{"k": 15, "measures": [{**row, "value": value}]} for value in (0.5, 0.9)]
    table = summarize([({**BEFORE, **layouts}, measures[0]), ({**AFTER, **layouts}, measures[1])])
    assert list(table["stage"]) == ["before", "after"]
    assert list(table["knn_accuracy"]) == [0.5, 0.9]
    assert pd.isna(table["test_accuracy"][0])
    assert table["test_accuracy"][1] == 0.97531


def test_the_caption_names_the_methods_that_are_only_reflected():
    for method in METHODS.values():
        assert (method.title in ALIGNED) == method.ordered_axes


def test_a_layout_that_did_not_converge_is_loud():
    (note,) = notes({**AFTER, "converged": False}, 1797, [], "pca")
    assert note == "not converged"
    assert notes({**AFTER, "converged": True}, 1797, [], "pca") == []


def test_a_layout_that_was_started_from_another_says_so():
    assert notes({**AFTER, "started_from": "before"}, 1797, [], "tsne") == [
        "started from the layout before"
    ]
    assert notes({**AFTER, "started_from": "a.parquet"}, 1797, [], "tsne") == [
        "started from the layout a.parquet"
    ]


def test_measures_without_a_sidecar_are_tabulated():
    row = {"space": "pca", "split": "test", "measure": "knn_accuracy", "value": 0.5}
    (row,) = summarize([({}, {"k": 15, "measures": [row]})]).to_dict("records")
    assert row["method"] == "pca"
    assert row["knn_accuracy"] == 0.5
    assert row["engine"] is None
