"""Are test images judged by training images, and class measures what their definitions say?"""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier

from pipeline.measures.classes import class_measures, majority_baseline, mixing_matrix, parts
from pipeline.neighbors.graph import knn_graph
from pipeline.neighbors.layout_neighbors import layout_neighbors
from pipeline.neighbors.nearest_among import nearest_among


@pytest.fixture(name="data")
def three_classes():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    X = rng.normal(size=(300, 5)) + labels[:, None]
    return X, labels, np.where(rng.random(300) < 0.3, "test", "train")


def test_the_accuracy_of_test_images_is_that_of_scikit_learns_classifier(data):
    """k = 1: no ties."""
    X, labels, split = data
    part = parts(split, 300)["test"]
    near = nearest_among(X, knn_graph(X, k=20), part.judges, k=1)
    found = class_measures(near, labels, part.judged)
    train = split == "train"
    classifier = KNeighborsClassifier(1).fit(X[train], labels[train])
    predicted = classifier.predict(X[~train])
    assert found["knn_accuracy"].value == np.mean(predicted == labels[~train])
    assert found["knn_balanced_accuracy"].value == pytest.approx(
        balanced_accuracy_score(labels[~train], predicted)
    )
    assert found["own_class_share"].value == pytest.approx(found["knn_accuracy"].value)


def test_training_images_are_not_their_own_judges(data):
    """Random labels: memory of the image itself would give 1, and all others give a third."""
    X, _, split = data
    labels = np.random.default_rng(1).integers(0, 3, 300)
    part = parts(split, 300)["train"]
    near = nearest_among(X, knn_graph(X, k=20), part.judges, k=5)
    assert not (near == np.arange(300)[:, None]).any()
    assert class_measures(near, labels, part.judged)["knn_accuracy"].value < 0.5


@pytest.mark.parametrize("split", [None, np.full(9, "train"), np.full(9, "test")])
def test_one_split_is_all(split):
    (name,) = found = parts(split, 9)
    assert name == "all"
    assert found["all"].judged.all()
    assert found["all"].judges.all()


def test_the_majority_class_is_that_of_the_judges():
    labels = np.array([0, 0, 0, 1, 1, 1, 1])
    split = np.array(["train"] * 4 + ["test"] * 3)
    found = {name: majority_baseline(labels, part) for name, part in parts(split, 7).items()}
    assert found == {"test": 0, "train": 0.75}


def test_the_mixing_matrix_by_hand():
    labels = np.array([0, 1, 1, 3])
    neighbors = np.array([[1, 2], [0, 2], [1, 3], [0, 1]])
    found = mixing_matrix(neighbors, labels, np.array([True, True, True, False]), 4)
    expected = [[0, 1, 0, 0], [0.25, 0.5, 0, 0.25], [np.nan] * 4, [np.nan] * 4]
    np.testing.assert_array_equal(found, expected)


# ---- the nearest among chosen points


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("offset", [0, 1e4])
def test_the_nearest_chosen_are_those_of_brute_force(share, offset):
    """Whether the graph lists enough of them or not."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(400, 7)) + offset
    chosen = rng.random(400) < share
    chosen[:7] = True
    k = 5
    found = nearest_among(X, knn_graph(X, k=12), chosen, k=k)
    distances = np.linalg.norm(X[:, None] - X[chosen], axis=2)
    distances[np.arange(400)[:, None] == np.flatnonzero(chosen)] = np.inf
    expected = np.flatnonzero(chosen)[distances.argsort(axis=1)[:, :k]]
    np.testing.assert_array_equal(found, expected)


def test_the_nearest_chosen_of_a_layout_are_those_of_brute_force():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(200, 2))
    chosen = rng.random(200) < 0.3
    found = layout_neighbors(X, k=4, chosen=chosen)
    expected = nearest_among(X, knn_graph(X, k=5), chosen, k=4)
    np.testing.assert_array_equal(found, expected)
