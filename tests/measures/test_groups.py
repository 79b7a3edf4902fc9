"""Are the groups that are no class those that were made, and is nothing else called one?"""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sknetwork.clustering import Louvain

from pipeline.measures import groups
from pipeline.measures.groups import communities, find_groups, own_class_elsewhere
from pipeline.neighbors.graph import knn_graph

N, CLASSES, D = 600, 10, 24
LABELS = np.arange(N) % CLASSES
SESSION = np.arange(N) % 13 == 0  # 47 images, four or five of each class


def classes(distance, seed=0, labels=LABELS):
    """A class at each of ten corners, so far from its middle."""
    return np.random.default_rng(seed).normal(size=(N, D)) + distance * np.eye(D)[labels]


def in_session(X, seed=1):
    """The same features, but those of some images of all classes lie at a place of their own."""
    X = X.copy()
    X[SESSION] = np.random.default_rng(seed).normal(size=(SESSION.sum(), D))
    X[SESSION, -1] += 14
    return X


def neighbors(X):
    return knn_graph(X, k=15).indices


def found(before, after, labels=LABELS, **options):
    return find_groups({"before": neighbors(before), "after": neighbors(after)}, labels, **options)


# ---- constructed groups


def test_a_session_of_all_classes_is_one_group_before_and_after():
    before, after = in_session(classes(6)), in_session(classes(9, seed=2), seed=3)
    tested, wrong = np.arange(N) % 3 == 0, np.arange(N) % 4 == 0
    result = found(before, after, tested=tested, wrong=wrong)
    (group,) = result.listed
    assert group["stages"] == ["before", "after"]
    assert list(group["rows"]) == list(np.flatnonzero(SESSION))
    assert group["size"] == SESSION.sum() == 47
    assert group["jaccard"] == 1
    counts = np.bincount(LABELS[SESSION], minlength=CLASSES)
    assert {row["class"]: row["images"] for row in group["classes"]} == dict(enumerate(counts))
    assert [row["images"] for row in group["classes"]] == sorted(counts, reverse=True)
    assert group["majority_share"] == counts.max() / 47
    assert group["own_class_elsewhere"] > 0.8
    # Of 47 multiples of 13 below 600 those of 39 are tested, those of 156 also wrong.
    assert (group["test_images"], group["test_errors"]) == (16, 4)
    assert group["test_accuracy"] == 0.75
    assert group["all_test_errors"] == 50
    for stage, number in group["communities"].items():
        assert (result.numbers[stage] == number).tolist() == SESSION.tolist()
    assert [row["mixed"] for row in result.communities] == [1, 1]


@pytest.mark.parametrize("last", ["before", "after"])
def test_a_session_that_is_there_once_has_one_stage(last):
    apart, together = in_session(classes(9)), classes(9, seed=2)
    pair = (apart, together) if last == "before" else (together, apart)
    (group,) = found(*pair).listed
    assert group["stages"] == list(group["communities"]) == [last]
    assert group["jaccard"] is None
    assert list(group["rows"]) == list(np.flatnonzero(SESSION))


def test_a_session_among_classes_that_overlap_before_is_the_one_after():
    """Before, every community is mixed: that this one stands apart is known afterwards."""
    result = found(in_session(classes(1)), in_session(classes(9, seed=2), seed=3))
    assert result.communities[0]["mixed"] > 4
    (group,) = result.listed
    assert group["stages"] == ["before", "after"]


def test_what_is_there_after_comes_first_and_the_larger_before_the_smaller():
    X = classes(9)
    for place, size in ((-1, 70), (-2, 90), (-3, 50)):
        X[100 * -place : 100 * -place + size] = np.random.default_rng(place + 9).normal(
            size=(size, D)
        )
        X[100 * -place : 100 * -place + size, place] += 14
    Y = X.copy()
    Y[200:290] = classes(9, seed=4)[200:290]  # the largest has gone
    listed = found(X, Y).listed
    assert [group["size"] for group in listed] == [70, 50, 90]
    assert listed[2]["stages"] == ["before"]


# ---- what is no news


def test_separated_classes_are_no_groups():
    result = found(classes(6), classes(9, seed=2))
    assert result.listed == []
    assert result.communities == [
        {"stage": "before", "communities": 10, "mixed": 0},
        {"stage": "after", "communities": 10, "mixed": 0},
    ]


def test_a_class_in_two_places_is_none():
    X = classes(9)
    X[(LABELS == 3) & (np.arange(N) % 20 < 10), -1] += 14
    result = found(X, X)
    assert result.listed == []
    assert result.communities[0]["communities"] == 11


@pytest.mark.parametrize("distance", [0, 1, 2])
def test_classes_that_overlap_everywhere_are_none(distance):
    result = found(classes(distance), classes(distance, seed=2))
    assert result.communities[0]["mixed"] > 0
    assert result.listed == []


def test_whole_classes_in_one_place_are_none():
    """Classes 0, 1 and 2 cannot be told apart, the others can."""
    X = classes(9, labels=np.where(LABELS < 3, 0, LABELS))
    result = found(X, X)
    assert result.communities[0]["mixed"] == 1
    assert result.listed == []


def test_half_of_the_images_is_a_majority():
    """Two classes of equal size in one place: neither is outvoted."""
    X = classes(9, labels=np.where(LABELS < 2, 0, LABELS))
    result = found(X, X)
    assert result.communities[0] == {"stage": "before", "communities": 9, "mixed": 0}


def test_without_a_test_split_or_predictions_there_is_no_accuracy():
    X = in_session(classes(9))
    for options in ({}, {"tested": SESSION}, {"wrong": SESSION}):
        (group,) = found(X, X, **options).listed
        assert group["test_accuracy"] is group["test_errors"] is group["all_test_errors"] is None
    (group,) = found(X, X, tested=~SESSION, wrong=~SESSION).listed
    assert (group["test_images"], group["test_accuracy"]) == (0, None)


# ---- the definitions


def test_elsewhere_is_the_mean_over_members_of_what_is_outside():
    rng = np.random.default_rng(0)
    where, labels, share = rng.integers(0, 4, 200), rng.integers(0, 6, 200), rng.random(200)
    counts, own = np.zeros((5, 6), int), np.zeros((5, 6))  # the last has no image
    np.add.at(counts, (where, labels), 1)
    np.add.at(own, (where, labels), share)
    result = own_class_elsewhere(counts, own)
    for group in range(4):
        outside = [
            share[(labels == labels[i]) & (where != group)].sum() / (labels == labels[i]).sum()
            for i in np.flatnonzero(where == group)
        ]
        assert result[group] == pytest.approx(np.mean(outside))
    assert np.isnan(result[4])


def rings(*sizes, k):
    """Neighbours in groups none of which knows another: each image the next k of its ring."""
    starts = np.cumsum([0, *sizes[:-1]])
    return np.concatenate(
        [
            start + (np.arange(size)[:, None] + np.arange(1, k + 1)) % size
            for start, size in zip(starts, sizes, strict=True)
        ]
    )


def test_communities_are_numbered_by_size_and_small_ones_are_none():
    sizes = (5, 4, 9, 3, 4)
    result = communities(rings(*sizes, k=2), k=2)
    assert list(result) == list(np.repeat([1, 2, 0, 4, 3], sizes))
    one_more = communities(rings(500, 5, 6, k=3), k=3)
    assert set(one_more[500:505]) == {-1}  # less than 1 %
    assert -1 not in one_more[505:]
    assert set(communities(np.array([[1], [0], [3], [2], [0]]), k=1)) == {0, 1}
    assert set(communities(np.array([[1, 2], [0, 2], [0, 1], [4, 0], [3, 0]]), k=2)) == {0, -1}


def test_communities_are_those_of_the_undirected_graph():
    """Without structure, where every edge counts: Louvain of the matrix written out in full."""
    wide = knn_graph(classes(0), k=30).indices
    matrix = np.zeros((N, N))
    for i, near in enumerate(wide[:, :15]):
        matrix[i, near] += 1
        matrix[near, i] += 1
    expected = Louvain(modularity="newman").fit_predict(csr_matrix(matrix))
    np.random.seed(1)  # noqa: NPY002
    result = communities(wide, k=15)
    assert (communities(wide, k=15) == result).all()
    pairs = set(zip(result.tolist(), expected.tolist(), strict=True))
    assert len(pairs) == len(set(expected)) > 3


def test_disconnected_communities_are_taken_apart():
    ends = np.array([[0, 1], [1, 2], [3, 4], [2, 3]])
    graph = csr_matrix((np.ones(8), (*np.vstack([ends, ends[:, ::-1]]).T,)), shape=(5, 5))
    assert list(groups._connected(graph, np.zeros(5, int))) == [0] * 5
    assert list(groups._connected(graph, np.array([0, 0, 1, 0, 0]))) == [0, 0, 1, 2, 2]


def test_a_group_that_was_of_one_class_before_is_one_after_alone():
    X, Y = classes(9), in_session(classes(9, seed=2))
    together = SESSION | ((LABELS == 0) & (np.arange(N) < 440))  # mostly of class 0
    X[together] = np.random.default_rng(1).normal(size=(together.sum(), D))
    X[together, -1] += 14
    assert SESSION.sum() / together.sum() > 0.5
    (group,) = found(X, Y).listed
    assert group["stages"] == ["after"]


def test_half_in_common_is_not_the_same_group():
    """Two sessions of 60, of which 40 of 80 images are both: Jaccard is 1/2, no more."""
    X, Y = classes(9), classes(9, seed=2)
    for Z, rows in ((X, slice(0, 60)), (Y, slice(20, 80))):
        Z[rows] = np.random.default_rng(5).normal(size=(60, D))
        Z[rows, -1] += 14
    assert [group["stages"] for group in found(X, Y).listed] == [["after"], ["before"]]
    Y[19] = Y[20]  # one more
    (group,) = found(X, Y).listed
    assert group["jaccard"] == pytest.approx(41 / 80)
    assert list(group["rows"]) == list(range(19, 80))  # those after
