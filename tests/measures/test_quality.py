"""Do the measures of a layout say what their definitions say?"""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from pipeline.errors import InputError
from pipeline.measures.quality import (
    MEASURES,
    knn_accuracy,
    layout_neighbors,
    measure,
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


def test_neighbours_of_distinct_points_are_exact():
    X = np.random.default_rng(2).normal(size=(300, 2))
    expected = NearestNeighbors(n_neighbors=7).fit(X).kneighbors(return_distance=False)
    assert np.array_equal(layout_neighbors(X, k=7), expected)


def test_coincident_points_draw_their_neighbours_fairly():
    """Two classes in one place, sorted by class: neither row order nor the tree may decide."""
    X = np.zeros((400, 2))
    labels = np.repeat([0, 1], 200)
    near = layout_neighbors(X, k=15)
    assert not (near == np.arange(400)[:, None]).any()
    assert labels[near].mean() == pytest.approx(0.5, abs=0.05)
    assert len(np.unique(near)) > 300
    assert np.array_equal(near, layout_neighbors(X, k=15))


def test_a_pile_of_points_keeps_its_distance_to_others():
    """The shift that tells coincident points apart never reorders different places."""
    X = np.array([[0, 0]] * 5 + [[0.9, 0], [1.81, 0]])
    near = layout_neighbors(X, k=6)
    assert set(near[5, :5]) == {0, 1, 2, 3, 4}  # all five, 0.90 away, before the one 0.91 away
    assert near[5, 5] == 6
    assert set(near[0, :4]) == {1, 2, 3, 4}


def test_every_figure_is_documented():
    X = np.random.default_rng(3).normal(size=(50, 2))
    found = measure(X, np.arange(50) % 3, graph=knn_graph(X, k=15))
    assert set(found) == {*MEASURES, "k"}
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
