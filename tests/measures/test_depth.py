"""Is a depth profile that of the whole arrays, and right where the answer is known?"""

import numpy as np
import pytest
from scipy.stats import ortho_group

from pipeline.errors import InputError
from pipeline.measures.depth import measure_depth, sampled_rows
from pipeline.measures.intervals import GROUPS, Z, standard_error
from pipeline.measures.overlap import neighbors_kept
from pipeline.measures.probe import linear_probe
from pipeline.measures.similarity import cka, pair_sums, similarity
from pipeline.neighbors.graph import knn_graph

N = 330
LABELS, SPLIT = np.arange(N) % 3, np.where(np.arange(N) % 4, "train", "test")


def features(d, seed, offset=0.0):
    X = np.random.default_rng(seed).normal(size=(N, d)) + offset
    X[:, 0] += LABELS
    return X.astype(np.float32)


def measured(*pairs, size=64, labels=LABELS, split=SPLIT, **options):
    """The profile of pairs of feature sets, streamed in chunks."""
    n = len(pairs[0][0])
    chunks = ([(X[i : i + size], Y[i : i + size]) for X, Y in pairs] for i in range(0, n, size))
    layers = [f"layer {i}" for i in range(len(pairs))]
    return measure_depth(layers, chunks, labels=labels[:n], split=split[:n], **options)


def row(profile, layer, measure, split="all", stage=None):
    [found] = [
        each
        for each in profile["measures"]
        if (each["space"], each["measure"], each["split"], each.get("stage"))
        == (f"features of layer {layer}", measure, split, stage)
    ]
    return found


def test_cka_is_that_of_the_whole_arrays_however_they_come():
    pairs = [(features(9, 0, 50.0), features(9, 1, -7.0)), (features(40, 2), features(5, 3))]
    for size in (64, N, 7):
        profile = measured(*pairs, size=size)
        for layer, (X, Y) in enumerate(pairs):
            found = row(profile, layer, "cka")
            expected = similarity(X, Y).cka
            assert found["value"] == pytest.approx(expected.value, abs=1e-10)
            assert found["low"] == pytest.approx(expected.low, abs=1e-10)
    assert profile["blocks"] == [
        {"layer": "layer 0", "features": 9},
        {"layer": "layer 1", "features": 40},
    ]


def test_a_sample_has_its_share_of_each_class_and_split():
    rows = sampled_rows(LABELS, SPLIT, size=120, seed=3)
    assert len(rows) == 120
    assert (np.diff(rows) > 0).all()
    counts = np.unique([LABELS[rows], SPLIT[rows] == "test"], axis=1, return_counts=True)[1]
    assert set(counts) <= {10, 30}
    np.testing.assert_array_equal(sampled_rows(LABELS, SPLIT, size=N), np.arange(N))
    many = np.arange(N) // 3  # classes of three: two of each, whatever the size
    assert set(np.bincount(many[sampled_rows(many, None, size=10)])) == {2}


def test_neighbours_and_probes_are_those_of_the_features():
    X, Y = features(9, 0), features(9, 1)
    profile = measured((X, Y), images=1000, k=7, seed=3)
    assert (profile["k"], profile["sample"], profile["images"]) == (7, N, 1000)
    shared = neighbors_kept(*(knn_graph(F, k=7, device="cpu").indices for F in (X, Y)), k=7)
    assert row(profile, 0, "neighbors_overlap", "test")["value"] == pytest.approx(
        shared[SPLIT == "test"].mean()
    )
    assert row(profile, 0, "overlap_by_chance")["value"] == pytest.approx(7 / (N - 1))
    for stage, F in (("before", X), ("after", Y)):
        probe = linear_probe(F, LABELS, SPLIT, seed=3)
        found = row(profile, 0, "linear_probe", "test", stage)
        assert found["value"] == pytest.approx(probe["test_accuracy"])
        assert found["low"] < found["value"] < found["high"]


def test_identical_networks_are_alike_and_a_rotation_changes_no_cka():
    X = features(9, 0)
    turned = (3 * X @ ortho_group(9, seed=0).rvs()).astype(np.float32)
    profile = measured((X, X), (X, turned))
    for layer in (0, 1):
        assert row(profile, layer, "cka")["value"] == pytest.approx(1, abs=1e-6)
        assert row(profile, layer, "neighbors_overlap", "test")["value"] == pytest.approx(
            1, abs=0.01
        )
    same = row(measured((X, X), (X, X)), 0, "cka_above_halfway")
    assert (same["value"], same["low"], same["high"]) == pytest.approx((0, 0, 0), abs=1e-12)


def test_independent_features_are_like_nothing():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(2, N, 200)).astype(np.float32)
    profile = measured((X, Y))
    assert abs(row(profile, 0, "cka")["value"]) < 4 * np.sqrt(2) / N * 2
    overlap = row(profile, 0, "neighbors_overlap", "train")["value"]
    assert overlap == pytest.approx(row(profile, 0, "overlap_by_chance")["value"], abs=0.02)


def test_halfway_lies_between_nothing_changed_and_the_last_block():
    X = features(20, 0)
    noise = np.random.default_rng(5).normal(size=X.shape).astype(np.float32)
    others = [X + 0.1 * noise, X + 1.5 * noise, noise]
    profile = measured(*((X, Y) for Y in others))
    values = [row(profile, layer, "cka")["value"] for layer in range(3)]
    zeros = np.zeros(20), np.zeros(20)
    without_a_group = [
        [cka(pair_sums(X, Y, np.setdiff1d(np.arange(N), group), zeros)) for Y in others]
        for group in np.array_split(np.random.default_rng(0).permutation(N), GROUPS)
    ]
    assert values[0] > 0.9 > values[1] > values[2]
    for layer in (0, 1):
        found = row(profile, layer, "cka_above_halfway")
        assert found["value"] == pytest.approx(values[layer] - (1 + values[2]) / 2)
        half = Z * standard_error([own[layer] - (1 + own[2]) / 2 for own in without_a_group])
        assert found["high"] - found["value"] == pytest.approx(half, rel=1e-6)
        assert found["value"] - found["low"] == pytest.approx(half, rel=1e-6)
    assert not any(
        each["space"] == "features of layer 2"
        for each in profile["measures"]
        if each["measure"] == "cka_above_halfway"
    )


def test_constant_features_and_few_images_have_no_cka():
    profile = measured(
        (features(9, 0), np.ones((N, 4), np.float32)), (features(9, 0), features(9, 0))
    )
    assert row(profile, 0, "cka")["value"] is None
    assert row(profile, 0, "cka_above_halfway")["value"] is None
    assert row(profile, 1, "cka")["value"] == pytest.approx(1)
    few = measured((features(9, 0)[:12], features(9, 1)[:12]))
    assert row(few, 0, "cka")["value"] is None
    assert few["k"] == 11
    assert "15 neighbours need 16 images but there are 12" in few["warnings"]


def test_without_a_test_split_there_is_no_probe():
    X = features(9, 0)
    profile = measured((X, X), split=np.full(N, "train"))
    assert row(profile, 0, "neighbors_overlap", "all")["value"] == 1
    assert not any(each["measure"] == "linear_probe" for each in profile["measures"])
    assert profile["warnings"] == [
        "no linear probe of a block: there is no test image for a linear probe"
    ]


def test_a_probe_that_does_not_converge_is_said(monkeypatch):
    monkeypatch.setattr("pipeline.measures.probe.MAX_ITER", 1)
    X = features(9, 0)
    assert measured((X, X))["warnings"] == [
        "the linear probe of layer 0 did not converge before fine-tuning",
        "the linear probe of layer 0 did not converge after fine-tuning",
    ]


def test_bad_features_are_named():
    X = features(9, 0)
    broken = X.copy()
    broken[200, 3] = np.inf
    with pytest.raises(InputError, match="output of layer layer 1 is not finite"):
        measured((X, X), (X, broken))
    with pytest.raises(InputError, match="features of 330 images but 100 labels"):
        measure_depth(["a"], [[(X, X)]], labels=LABELS[:100])
    with pytest.raises(InputError, match="there are 1 images"):
        measured((X[:1], X[:1]))


def test_for_the_cosine_lengths_do_not_count():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 5)).astype(np.float32)
    Y = X + 0.5 * rng.normal(size=X.shape).astype(np.float32)
    longer = X * rng.lognormal(size=(N, 1)).astype(np.float32)
    unit = [F / np.linalg.norm(F, axis=1, keepdims=True) for F in (X, Y)]
    given = {"labels": np.arange(N) % 3}
    expected = measure_depth(["a"], [[tuple(unit)]], **given)["measures"]
    found = measure_depth(["a"], [[(longer, Y)]], cosine=True, **given)
    for row, other in zip(found["measures"], expected, strict=True):
        assert row["value"] == pytest.approx(other["value"], abs=1e-5)
    longer[3] = 0
    warnings = measure_depth(["a"], [[(longer, Y)]], cosine=True, **given)["warnings"]
    assert "1 times the features of an image in a are all zeros: they have no cosine" in warnings
