"""Does a majority vote follow its rule, ties included?"""

import numpy as np
import pytest

from pipeline.measures.votes import knn_accuracy, majority_vote


def by_the_rule(votes):
    """The winner among the classes of one point's neighbours, nearest first."""
    ranks = {}
    for rank, voted in enumerate(votes, start=1):
        ranks.setdefault(voted, []).append(rank)
    most = max(map(len, ranks.values()))
    tied = [each for each in ranks if len(ranks[each]) == most]
    least = min(sum(ranks[each]) for each in tied)
    tied = [each for each in tied if sum(ranks[each]) == least]
    return min(tied, key=lambda each: ranks[each][0])


@pytest.mark.parametrize(
    ("votes", "winner"),
    [
        ([7, 7, 2], 7),
        ([2, 7, 7], 7),  # most votes
        ([7, 2, 5], 7),  # one each: the nearest
        ([7, 2, 2, 5, 7], 2),  # two each: ranks 2 + 3 against 1 + 5, though 7 is nearest
        ([2, 7, 7, 2], 2),  # 1 + 4 against 2 + 3: the nearest
        ([2, 7, 7, 2][::-1], 2),
        ([1], 1),
    ],
)
def test_votes_by_hand(votes, winner):
    assert majority_vote(np.array([votes])) == [winner]
    assert by_the_rule(votes) == winner


@pytest.mark.parametrize(("k", "classes"), [(1, 3), (2, 2), (6, 3), (15, 4), (15, 60), (40, 9)])
def test_votes_are_those_of_the_rule(k, classes):
    votes = np.random.default_rng(k).integers(0, classes, (500, k))
    found = majority_vote(votes)
    assert found.tolist() == [by_the_rule(row) for row in votes.tolist()]


def test_the_numbers_of_the_classes_do_not_matter():
    votes = np.random.default_rng(0).integers(0, 5, (400, 6))
    names = np.array([40, 3, 17, 0, 9])
    assert np.array_equal(majority_vote(names[votes]), names[majority_vote(votes)])


def test_neighbours_may_be_of_training_points_alone():
    """Test points vote among training points: no label of theirs is among the votes."""
    training = np.array([4, 4, 8])
    neighbours = np.array([[2, 0, 1], [2, 1, 0], [0, 2, 1]])
    assert majority_vote(training[neighbours]).tolist() == [4, 4, 4]
    assert knn_accuracy(np.array([[1, 2], [2, 0], [0, 1]]), training, k=1) == 1 / 3
