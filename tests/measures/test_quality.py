"""Do the measures of a layout say what their definitions say?"""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from pipeline.errors import InputError
from pipeline.measures import quality
from pipeline.measures.quality import (
    MEASURES,
    knn_accuracy,
    measure,
    measure_layouts,
    neighborhood_preservation,
)
from pipeline.neighbors.graph import Graph, knn_graph


def test_majority_vote_by_hand():
    indices = np.array([[1, 2, 3], [0, 2, 3], [3, 1, 0], [2, 1, 0]])
    labels = np.array([0, 0, 1, 1])
    # Row 0 sees 0, 1, 1 and row 1 the same; row 2 sees 1, 0, 0; row 3 sees 1, 0, 0: all wrong.
    assert knn_accuracy(indices, labels, k=3) == 0
    # Two votes each are a tie: the nearest decides, and is right each time.
    assert knn_accuracy(indices, labels, k=2) == 1
    assert knn_accuracy(indices, labels, k=1) == 1


def test_a_tie_goes_to_the_class_seen_first_not_to_the_lower_label():
    labels = np.array([5, 5, 2, 2, 9])
    indices = np.array([[1, 2, 3, 0][1:4], [2, 0, 4], [3, 0, 4], [2, 0, 4], [0, 2, 3]])
    # Votes 5, 2, 9 (row 1: 2, 5, 9): one each.
    assert knn_accuracy(indices[[0, 1, 2, 3, 4]], labels, k=3) == pytest.approx(2 / 5)


def test_accuracy_is_scikit_learns_without_ties():
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 200)
    X = random.normal(size=(200, 2)) + labels[:, None]
    found = measure(X, labels, k=15)["knn_accuracy"]
    right = 0
    for i in range(200):
        rest = np.arange(200) != i
        classifier = KNeighborsClassifier(15).fit(X[rest], labels[rest])
        right += classifier.predict(X[[i]])[0] == labels[i]
    assert found == right / 200


def test_preservation_by_hand():
    features = np.array([[1, 2], [0, 2], [0, 1]])
    assert neighborhood_preservation(features, features, k=2) == 1
    assert neighborhood_preservation(features, features[:, ::-1], k=2) == 1
    assert neighborhood_preservation(features, features[:, ::-1], k=1) == 0
    assert neighborhood_preservation(np.array([[1, 2]]), np.array([[2, 3]]), k=2) == 0.5


def test_the_plane_itself_is_preserved_and_chance_is_not():
    random = np.random.default_rng(1)
    X = random.normal(size=(600, 2)).astype(np.float32)
    labels = np.zeros(600, int)
    graph = knn_graph(X, k=20)
    assert measure(X, labels, graph=graph)["neighborhood_preservation"] == 1
    shuffled = measure(random.permutation(X), labels, graph=graph)["neighborhood_preservation"]
    assert shuffled == pytest.approx(15 / 599, abs=0.01)


def test_every_measure_is_documented():
    X = np.random.default_rng(3).normal(size=(50, 2))
    found = measure(X, np.arange(50) % 3, graph=knn_graph(X, k=15))
    assert set(found) == set(MEASURES)
    for name, row in MEASURES.items():
        assert row.low <= found[name] <= row.high
        assert row.better in ("higher", "lower")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"layout": np.zeros((30, 3))}, ["(30, 3)"]),
        ({"layout": np.full((30, 2), np.nan)}, ["finite"]),
        ({"layout": np.zeros((15, 2)), "labels": np.zeros(15, int)}, ["15", "14"]),
        ({"labels": np.zeros(29, int)}, ["(29,)", "30 points"]),
        ({"graph": Graph(np.zeros((30, 4), int), np.zeros((30, 4)))}, ["15", "4 neighbours"]),
        ({"graph": Graph(np.zeros((31, 15), int), np.zeros((31, 15)))}, ["31", "30"]),
    ],
)
def test_what_does_not_belong_together_is_one_sentence(arguments, words):
    given = {"layout": np.random.default_rng(0).normal(size=(30, 2)), "labels": np.zeros(30, int)}
    with pytest.raises(InputError) as error:
        measure(**{**given, **arguments})
    for word in words:
        assert word in str(error.value)


# ---- several layouts of one feature set


@pytest.fixture(name="features")
def random_features():
    return np.random.default_rng(5).normal(size=(120, 6)).astype(np.float32)


def layout_of(rows, seed):
    """Rows, random coordinates and three classes."""
    xy = np.random.default_rng(seed).normal(size=(len(rows), 2)).astype(np.float32)
    return rows, xy, rows % 3


def test_layouts_are_measured_as_each_alone(features):
    whole, subset = np.arange(120), np.arange(0, 120, 2)
    layouts = {"pca": layout_of(whole, 0), "umap": layout_of(subset, 1)}
    found = measure_layouts(layouts, features=features, k=7, device="cpu")
    expected = {
        name: measure(xy, labels, graph=knn_graph(features[rows], k=7), k=7)
        for name, (rows, xy, labels) in layouts.items()
    }
    assert found == {"k": 7, "layouts": expected}
    assert all(set(values) == set(MEASURES) for values in found["layouts"].values())


def test_each_set_of_rows_has_its_own_graph_once(features, monkeypatch):
    """That of all points is the graph handed in, or computed where it is missing."""
    computed = []

    def counted(X, **options):
        computed.append(len(X))
        return knn_graph(X, **options)

    monkeypatch.setattr(quality, "knn_graph", counted)
    whole, subset, reverse = np.arange(120), np.arange(60), np.arange(120)[::-1]
    layouts = {
        "pca": layout_of(whole, 0),
        "tsne": layout_of(whole, 1),
        "umap": layout_of(subset, 2),
        "mds": layout_of(subset, 3),
    }
    missing = measure_layouts(layouts, features=features)
    assert computed == [120, 60]
    graph = knn_graph(features, k=20)
    assert measure_layouts(layouts, features=features, graph=graph) == missing
    assert computed == [120, 60, 60]
    turned = {"pca": tuple(part[::-1] for part in layouts["pca"])}
    found = measure_layouts(turned, features=features, graph=graph)["layouts"]["pca"]
    assert found == missing["layouts"]["pca"]
    assert np.array_equal(turned["pca"][0], reverse)
    assert computed == [120, 60, 60, 120]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (np.arange(1, 121), ["pca", "row 120", "120 rows"]),
        (np.arange(-1, 119), ["pca", "row -1"]),
        (np.arange(119), ["pca", "120 points", "(119,)"]),
    ],
)
def test_rows_that_the_features_do_not_have_are_one_sentence(features, rows, words):
    _, xy, labels = layout_of(np.arange(120), 0)
    with pytest.raises(InputError) as error:
        measure_layouts({"pca": (rows, xy, labels)}, features=features)
    for word in words:
        assert word in str(error.value)
