"""Do the measures of a layout say what their definitions say?"""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from pipeline.errors import InputError
from pipeline.measures import probe, quality
from pipeline.measures.probe import linear_probe
from pipeline.measures.quality import (
    MEASURES,
    knn_accuracy,
    measure,
    measure_layouts,
    neighborhood_preservation,
)
from pipeline.measures.votes import TIES
from pipeline.neighbors.graph import Graph, knn_graph


def test_majority_vote_by_hand():
    indices = np.array([[1, 2, 3], [0, 2, 3], [3, 1, 0], [2, 1, 0]])
    labels = np.array([0, 0, 1, 1])
    # Row 0 sees 0, 1, 1 and row 1 the same; row 2 sees 1, 0, 0; row 3 sees 1, 0, 0: all wrong.
    assert knn_accuracy(indices, labels, k=3) == 0
    # Two votes each are a tie: the nearest decides, and is right each time.
    assert knn_accuracy(indices, labels, k=2) == 1
    assert knn_accuracy(indices, labels, k=1) == 1


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


def test_the_rule_for_ties_is_part_of_the_meaning():
    assert TIES in MEASURES["knn_accuracy"].meaning


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
    assert found.pop("warnings") == []
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
        (np.arange(120) + 0.5, ["pca", "row numbers", "float64"]),
        (np.arange(120) // 2, ["pca", "row 0 more than once"]),
    ],
)
def test_rows_that_the_features_do_not_have_are_one_sentence(features, rows, words):
    _, xy, labels = layout_of(np.arange(120), 0)
    with pytest.raises(InputError) as error:
        measure_layouts({"pca": (rows, xy, labels)}, features=features)
    for word in words:
        assert word in str(error.value)


def test_coordinates_that_are_texts_are_one_sentence(features):
    rows, xy, labels = layout_of(np.arange(120), 0)
    with pytest.raises(InputError, match="pca has coordinates"):
        measure_layouts({"pca": (rows, xy.astype(str), labels)}, features=features)


# ---- few points


def test_few_points_have_fewer_neighbours_and_a_sentence():
    X = np.random.default_rng(0).normal(size=(9, 3))
    whole = (np.arange(9), X[:, :2], np.arange(9) % 2)
    small = (np.arange(6), X[:6, :2], np.arange(6) % 2)
    found = measure_layouts({"pca": whole}, features=X)
    assert found["k"] == 8
    assert found["layouts"]["pca"]["neighborhood_preservation"] == 1
    (sentence,) = found["warnings"]
    for word in ("15 neighbours", "16 points", "pca has 9", "8 count"):
        assert word in sentence
    both = measure_layouts({"pca": whole, "lle": small}, features=X)  # comparable: one k for both
    assert both["k"] == 5
    alone = measure_layouts({"pca": whole}, features=X, k=5)
    assert both["layouts"]["pca"] == alone["layouts"]["pca"]
    assert alone["warnings"] == []
    pair = (np.arange(2), X[:2, :2], np.arange(2))
    assert measure_layouts({"pca": pair}, features=X)["k"] == 1


def test_one_point_has_no_neighbours():
    one = (np.arange(1), np.zeros((1, 2)), np.zeros(1, int))
    with pytest.raises(InputError, match="pca has 1 point"):
        measure_layouts({"pca": one}, features=np.ones((3, 2)))


# ---- graphs and features from outside


def test_a_graph_that_is_too_narrow_is_not_used(features):
    layouts = {"pca": layout_of(np.arange(120), 0)}
    narrow = measure_layouts(layouts, features=features, graph=knn_graph(features, k=4))
    assert narrow == measure_layouts(layouts, features=features)


@pytest.mark.parametrize("fault", [10**6, -1, 3])
def test_a_graph_that_is_none_is_one_sentence(features, fault):
    graph = knn_graph(features, k=15)
    graph.indices[3, 0] = fault
    with pytest.raises(InputError, match="graph"):
        measure_layouts({"pca": layout_of(np.arange(120), 0)}, features=features, graph=graph)


def test_nor_is_one_of_other_points(features):
    graph = knn_graph(features[:60], k=15)
    with pytest.raises(InputError, match="60 points"):
        measure_layouts({"pca": layout_of(np.arange(120), 0)}, features=features, graph=graph)


@pytest.mark.parametrize("exponent", [-600, 0, 600])
def test_the_unit_of_the_features_does_not_matter(features, exponent):
    X, split = features.astype(np.float64), np.where(np.arange(120) % 5, "train", "test")
    given = {"labels": np.arange(120) % 3, "split": split}
    layouts = {"pca": layout_of(np.arange(120), 0), "mds": layout_of(np.arange(60), 0)}
    expected = measure_layouts(layouts, features=X, **given)
    assert measure_layouts(layouts, features=np.ldexp(X, exponent), **given) == expected


# ---- the linear probe of the features


def test_the_probe_comes_with_labels_and_a_split(features):
    layouts = {"pca": layout_of(np.arange(120), 0)}
    labels, split = np.arange(120) % 3, np.where(np.arange(120) < 90, "train", "test")
    found = measure_layouts(layouts, features=features, labels=labels, split=split)
    assert found["probe"] == linear_probe(features, labels, split)
    assert found["warnings"] == []
    assert "probe" not in measure_layouts(layouts, features=features, labels=labels)


@pytest.mark.parametrize(
    ("labels", "split", "words"),
    [
        (np.arange(120) % 3, np.full(120, "train"), "no test image"),
        (np.arange(120) % 3, np.full(120, "test"), "no train image"),
        (np.zeros(120, int), np.where(np.arange(120) < 90, "train", "test"), "two classes"),
    ],
)
def test_a_split_that_allows_no_probe_is_a_sentence(features, labels, split, words):
    layouts = {"pca": layout_of(np.arange(120), 0)}
    found = measure_layouts(layouts, features=features, labels=labels, split=split)
    assert "probe" not in found
    assert words in found["warnings"][0]


def test_what_is_to_know_of_a_probe_is_said(features, monkeypatch):
    monkeypatch.setattr(probe, "WORK", 6 * 3 * 30)
    monkeypatch.setattr(probe, "MAX_ITER", 1)
    labels, split = np.arange(120) % 3, np.where(np.arange(120) < 90, "train", "test")
    layouts = {"pca": layout_of(np.arange(120), 0)}
    drawn, unfinished = measure_layouts(layouts, features=features, labels=labels, split=split)[
        "warnings"
    ]
    assert "30 of 90" in drawn
    assert "not converge" in unfinished
