"""Is the linear probe the classifier it says, on any features, and is a loss against it said?"""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits

from pipeline.errors import InputError
from pipeline.measures import probe
from pipeline.measures.accuracy import below_probe
from pipeline.measures.probe import linear_probe, training_rows


@pytest.fixture(name="data")
def overlapping_classes():
    random = np.random.default_rng(0)
    labels = np.arange(300) % 3
    X = random.normal(size=(300, 5)) * [1, 100, 1e-3, 1, 5] + 7
    X[:, 0] += labels
    X[:, 1] -= 80 * (labels == 1)
    return X, labels, np.where(random.random(300) < 0.7, "train", "test")


def penalised_loss(flat, Z, labels):
    """Sum of cross-entropies plus half the squared weights, of weights (d, c) and biases (c,)."""
    weights, biases = flat[:-3].reshape(-1, 3), flat[-3:]
    scores = Z @ weights + biases
    own = scores[np.arange(len(Z)), labels]
    return (logsumexp(scores, axis=1) - own).sum() + np.square(weights).sum() / 2


def test_it_is_penalised_logistic_regression_of_standardised_features(data):
    X, labels, split = data
    train, test = split == "train", split == "test"
    Z = (X - X[train].mean(axis=0)) / X[train].std(axis=0)
    best = minimize(penalised_loss, np.zeros(18), args=(Z[train], labels[train])).x
    right = (Z @ best[:-3].reshape(-1, 3) + best[-3:]).argmax(axis=1) == labels
    found = linear_probe(X, labels, split)
    assert found == {
        "train_accuracy": pytest.approx(right[train].mean(), abs=1e-12),
        "test_accuracy": pytest.approx(right[test].mean(), abs=1e-12),
        "n_train": train.sum(),
        "n_test": test.sum(),
        "converged": True,
    }
    assert 0.5 < found["test_accuracy"] < 0.95  # classes overlap: not any classifier has these


def test_training_and_test_images_are_not_mixed():
    """Features that tell the training images apart and say nothing of the test images."""
    random = np.random.default_rng(1)
    labels, split = np.arange(200) % 2, np.where(np.arange(200) < 120, "train", "test")
    X = random.normal(size=(200, 400))
    X[:120, 0] += 9 * labels[:120]
    found = linear_probe(X, labels, split)
    assert found["train_accuracy"] == 1
    assert found["test_accuracy"] < 0.75


def test_constant_features_change_nothing(data):
    X, labels, split = data
    constants = np.tile([0.0, 0.3, 1e9], (len(X), 1))
    drifting = np.where(split == "train", 0.1, 1e6)[:, None]  # constant where it is trained
    assert linear_probe(np.hstack([X, constants, drifting]), labels, split) == linear_probe(
        X, labels, split
    )


@pytest.mark.parametrize("value", [0.0, 0.3, -1e300])
def test_features_without_any_information_have_the_share_of_the_largest_class(value):
    labels = np.repeat([0, 1, 2], [10, 20, 10])
    split = np.where(np.arange(40) % 4, "train", "test")
    found = linear_probe(np.full((40, 3), value), labels, split)
    assert found["test_accuracy"] == (labels[split == "test"] == 1).mean()
    assert found["converged"]


def test_neither_unit_nor_threads_nor_repeats_change_it(data):
    X, labels, split = data
    expected = linear_probe(X, labels, split)
    for factor in (2.0**-900, 2.0**900):
        assert linear_probe(X * factor, labels, split) == expected
    for threads in (1, 2):
        with threadpool_limits(threads):
            assert linear_probe(X, labels, split) == expected
    assert linear_probe(np.round(X * 1e6).astype(np.int64), labels, split)["converged"]


def test_float32_is_as_good(data):
    X, labels, split = data
    found = linear_probe(X.astype(np.float32), labels, split)
    expected = linear_probe(X, labels, split)
    assert found["test_accuracy"] == pytest.approx(expected["test_accuracy"], abs=0.02)


def test_rows_are_drawn_by_class_where_there_are_too_many(monkeypatch):
    labels = np.repeat([0, 1], [300, 100])
    split = np.where(np.arange(400) % 4, "train", "test")
    assert np.array_equal(training_rows(labels, split, 10), np.flatnonzero(split == "train"))
    monkeypatch.setattr(probe, "WORK", 2 * 10 * 60)
    rows = training_rows(labels, split, 10, seed=1)
    assert (split[rows] == "train").all()
    assert np.bincount(labels[rows]).tolist() == [45, 15]
    monkeypatch.setattr(probe, "WORK", 1)
    assert np.bincount(labels[training_rows(labels, split, 10)]).tolist() == [2, 2]


def test_an_end_before_convergence_is_said(data, monkeypatch):
    monkeypatch.setattr(probe, "MAX_ITER", 1)
    assert not linear_probe(*data)["converged"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": np.zeros(299, int)}, ["labels", "(299,)", "300 rows"]),
        ({"split": np.full(301, "train")}, ["split", "(301,)"]),
        ({"split": np.full(300, "val")}, ["'val'", "train or test"]),
        ({"split": np.full(300, "train")}, ["no test image"]),
        ({"labels": np.full(300, 4)}, ["class 4"]),
        ({"features": np.full((300, 2), np.nan)}, ["NaN"]),
    ],
)
def test_what_cannot_be_probed_is_one_sentence(data, change, words):
    given = dict(zip(("features", "labels", "split"), data, strict=True)) | change
    with pytest.raises(InputError) as error:
        linear_probe(**given)
    for word in words:
        assert word in str(error.value)


# ---- a training that ends below it


@pytest.mark.parametrize(
    ("test", "probe_test", "n", "said"),
    [
        (0.783, 0.933, 60, True),
        (0.883, 0.933, 60, False),  # 5 points of 60 images: three of them
        (0.883, 0.933, 6000, True),
        (0.939, 0.878, 6000, False),  # above it
        (1.0, 1.0, 100, False),
        (0.0, 1.0, 1, True),
        (None, 0.9, 100, False),
        (0.9, None, 100, False),
        (0.1, 0.9, None, False),
    ],
)
def test_ending_below_the_probe_is_said_beyond_the_standard_error(test, probe_test, n, said):
    sentence = below_probe(test, probe_test, n)
    assert (sentence is not None) == said
    if sentence:
        assert f"{test:.3f}" in sentence
        assert f"{probe_test:.3f}" in sentence
