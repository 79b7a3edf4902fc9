"""Is the change of constructed features the one that was made?"""

import numpy as np
import pytest
from scipy.stats import ortho_group

from pipeline.errors import InputError
from pipeline.measures.change import measure_change
from pipeline.measures.table import MEASURES
from pipeline.neighbors.graph import knn_graph

LABELS = np.arange(300) % 3
SPLIT = np.where(np.arange(300) % 4, "train", "test")


@pytest.fixture(name="X")
def classes():
    return np.random.default_rng(0).normal(size=(300, 8)) + 2 * np.eye(8)[LABELS]


def rows(change):
    return {(row["measure"], row["split"]): row for row in change.measures}


def test_the_same_features_have_not_changed(X):
    found = measure_change(X, X, labels=LABELS, split=SPLIT)
    assert (found.images["overlap"] == 1).all()
    assert all(len(each) == 0 for name in ("lost", "gained") for each in found.images[name])
    by_name = rows(found)
    for measure in ("knn_accuracy_gain", "own_class_share_gain"):
        for split in ("test", "train"):
            row = by_name[measure, split]
            assert row["value"] == row["low"] == row["high"] == 0
    assert by_name["cka", "all"]["value"] == pytest.approx(1)
    assert by_name["procrustes", "all"]["value"] == pytest.approx(0, abs=1e-9)
    assert {row["accuracy_gain"] for row in found.classes} == {0}
    assert found.warnings == []


def test_a_rotation_keeps_all_neighbours(X):
    found = measure_change(X, 100 * X @ ortho_group(8, seed=0).rvs(), labels=LABELS, split=SPLIT)
    assert found.images["overlap"].min() > 0.9  # ties of rounding
    assert rows(found)["cka", "all"]["value"] == pytest.approx(1)


def test_shuffled_rows_are_like_chance(X):
    Y = np.random.default_rng(1).permutation(X)
    by_name = rows(measure_change(X, Y, labels=LABELS, split=SPLIT))
    chance = by_name["overlap_by_chance", "all"]["value"]
    assert chance == pytest.approx(15 / 299)
    for split in ("test", "train"):
        row = by_name["neighbors_overlap", split]
        assert row["value"] == pytest.approx(chance, abs=0.02)
    cka = by_name["cka", "all"]
    assert cka["low"] < 0.05
    assert by_name["knn_accuracy_gain", "test"]["high"] < -0.2  # they lost their classes
    procrustes = by_name["procrustes", "all"]["value"]
    assert procrustes == pytest.approx(by_name["procrustes_by_chance", "all"]["value"], rel=0.1)


def test_only_the_class_that_was_scrambled_changes(X):
    """Far from the others, so that none of their neighbours are among it."""
    X[LABELS == 1, 5] += 100
    Y = X.copy()
    Y[LABELS == 1] = np.random.default_rng(1).permutation(X[LABELS == 1])
    found = measure_change(X, Y, labels=LABELS, split=SPLIT)
    overlap = found.images["overlap"]
    assert (overlap[LABELS != 1] == 1).all()
    assert overlap[LABELS == 1].mean() < 0.3
    for row in found.classes:
        assert (row["overlap"] == 1) == (row["class"] != 1)
        assert row["images"] == ((row["class"] == LABELS) & (row["split"] == SPLIT)).sum()


def test_lost_and_gained_are_the_differences_of_the_neighbourhoods(X):
    Y = X + np.random.default_rng(2).normal(size=X.shape)
    graphs = knn_graph(X, k=20), knn_graph(Y, k=20)
    found = measure_change(X, Y, labels=LABELS, split=SPLIT, graphs=graphs)
    for i in range(0, 300, 7):
        old, new = (list(graph.indices[i, :15]) for graph in graphs)
        assert list(found.images["lost"][i]) == [j for j in old if j not in new]
        assert list(found.images["gained"][i]) == [j for j in new if j not in old]
        assert found.images["overlap"][i] == pytest.approx(len({*old} & {*new}) / 15)
    assert measure_change(X, Y, labels=LABELS, split=SPLIT).measures == found.measures


def test_separated_classes_gain_and_the_interval_says_so(X):
    rng = np.random.default_rng(3)
    before = rng.normal(size=(300, 8))
    found = measure_change(before, X + 10 * np.eye(8)[LABELS], labels=LABELS, split=SPLIT)
    by_name = rows(found)
    for split in ("test", "train"):
        row = by_name["knn_accuracy_gain", split]
        assert 0.4 < row["low"] <= row["value"] <= row["high"] < 0.8
    assert (found.images["predicted_after"] == LABELS).all()
    assert {row["measure"] for row in found.measures} <= set(MEASURES)
    assert len(found.classes) == 6


def test_one_split_and_few_images():
    X = np.random.default_rng(0).normal(size=(12, 3))
    found = measure_change(X, X[:, ::-1], labels=np.zeros(12, int))
    assert "16 images but there are 12: 11 count" in found.warnings[0]
    assert rows(found)["neighbors_overlap", "all"]["value"] == 1
    assert rows(found)["cka", "all"]["value"] is None  # too few to leave some out


def test_other_images_are_refused(X):
    with pytest.raises(InputError, match="after have 299 rows but there are 300 labels"):
        measure_change(X, X[1:], labels=LABELS)
    with pytest.raises(InputError, match="1 training images"):
        measure_change(X, X, labels=LABELS, split=np.where(np.arange(300), "test", "train"))


def test_without_labels_neighbours_and_similarity_are_left(X):
    Y = X + np.random.default_rng(3).normal(size=X.shape)
    known = measure_change(X, Y, labels=np.zeros(300, int), split=SPLIT)
    found = measure_change(X, Y, labels=None, split=SPLIT)
    assert set(found.images) == {"overlap", "lost", "gained"}
    assert np.array_equal(found.images["overlap"], known.images["overlap"])
    assert found.classes == []
    of_classes = ("knn_accuracy_gain", "own_class_share_gain")
    assert found.measures == [row for row in known.measures if row["measure"] not in of_classes]
    with pytest.raises(InputError, match="299 rows but there are 300 rows before"):
        measure_change(X, Y[1:], labels=None)
