"""Which rows does a subset keep?"""

from collections import Counter
from functools import partial

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.images.subset import stratified_subset, subset_rows, subset_size

LABELS = np.repeat([0, 1, 2], [600, 300, 100])
SPLIT = np.where(np.arange(1000) % 5 == 0, "test", "train")


def test_subset_keeps_the_share_of_each_class_and_part():
    labels = np.repeat([0, 1, 2], [6000, 3000, 1000])
    split = np.where(np.arange(10_000) % 5 == 0, "test", "train")
    rows = stratified_subset(labels, 1000, seed=3, split=split)
    assert np.array_equal(rows, np.unique(rows))
    assert rows.dtype == np.int64
    kept = Counter(zip(labels[rows].tolist(), split[rows].tolist(), strict=True))
    assert kept == {
        **{(0, "train"): 480, (1, "train"): 240, (2, "train"): 80},
        **{(0, "test"): 120, (1, "test"): 60, (2, "test"): 20},
    }


def test_subset_depends_on_the_seed_and_grows_by_adding():
    labels = np.arange(500) % 7
    draw = partial(stratified_subset, labels)
    assert np.array_equal(draw(100, seed=1), draw(100, seed=1))
    assert not np.array_equal(draw(100, seed=1), draw(100, seed=2))
    assert set(draw(100, seed=1)) < set(draw(101, seed=1))


def test_subset_keeps_two_of_a_rare_class():
    labels = np.repeat([0, 1], [990, 10])
    split = np.where(np.arange(1000) % 2, "train", "test")
    assert np.bincount(labels[stratified_subset(labels, 20, seed=0)]).tolist() == [18, 2]
    rows = stratified_subset(labels, 20, seed=0, split=split)
    assert sorted(split[rows][labels[rows] == 1]) == ["test", "train"]


def test_subset_of_another_size_than_possible_is_refused():
    labels = np.repeat([0, 1], 10)
    assert len(stratified_subset(labels, 20, seed=0)) == 20
    with pytest.raises(InputError, match=r"a subset of 21 cannot be drawn from 20 images"):
        stratified_subset(labels, 21, seed=0)
    with pytest.raises(InputError, match=r"a subset of 3 is too small.* takes 4"):
        stratified_subset(labels, 3, seed=0)


def test_a_subset_of_the_training_images_keeps_all_test_images():
    rows = subset_rows(LABELS, SPLIT, {"train": 80}, seed=5)
    assert np.array_equal(rows, np.unique(rows))
    assert set(np.flatnonzero(SPLIT == "test")) < set(rows)
    kept = rows[SPLIT[rows] == "train"]
    assert np.bincount(LABELS[kept]).tolist() == [48, 24, 8]
    larger = subset_rows(LABELS, SPLIT, {"train": 81}, seed=5)
    assert set(rows) < set(larger)
    assert not np.array_equal(rows, subset_rows(LABELS, SPLIT, {"train": 80}, seed=6))


def test_a_subset_of_both_parts_is_the_stratified_one_and_none_keeps_all():
    rows = subset_rows(LABELS, SPLIT, 100, seed=5)
    assert np.array_equal(rows, stratified_subset(LABELS, 100, seed=5, split=SPLIT))
    assert np.array_equal(subset_rows(LABELS, SPLIT, None), np.arange(1000))


@pytest.mark.parametrize("subset", [None, 6, 1000, {"train": 3}, {"train": 77}, {"train": 800}])
def test_the_size_of_a_subset_is_known_beforehand(subset):
    size = subset_size(subset, train=800, test=200, classes=3)
    assert size == len(subset_rows(LABELS, SPLIT, subset))


@pytest.mark.parametrize(
    ("subset", "words"),
    [
        (1001, "1,001 .* from 1,000 images"),
        ({"train": 801}, "801 .* from 800 training images"),
        (5, "too small.* takes 6"),
        ({"train": 2}, "too small.* takes 3"),
        *((bad, "give a number") for bad in (0, -1, True, 2.5, "9", {}, {"train": 0})),
        *((bad, "give a number") for bad in ({"test": 9}, {"train": 9, "test": 9})),
        ({"train": None}, "give a number"),
    ],
    ids=repr,
)
def test_what_is_no_subset_is_refused(subset, words):
    with pytest.raises(InputError, match=words):
        subset_rows(LABELS, SPLIT, subset)
