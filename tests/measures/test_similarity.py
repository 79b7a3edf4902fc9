"""Are CKA and Procrustes distance right where the answer is known?"""

import numpy as np
import pytest
from scipy.spatial import procrustes
from scipy.stats import ortho_group

from pipeline.measures.similarity import cka, hsic, pair_sums, similarity, sums


def direct_hsic(X, Y):
    """Song et al. (2012), eq. 5, by (n, n) matrices."""
    n = len(X)
    K, L = X @ X.T, Y @ Y.T
    np.fill_diagonal(K, 0)
    np.fill_diagonal(L, 0)
    one = np.ones(n)
    total = np.trace(K @ L) + K.sum() * L.sum() / ((n - 1) * (n - 2))
    return (total - 2 / (n - 2) * one @ K @ L @ one) / (n * (n - 3))


@pytest.fixture(name="X")
def features():
    return np.random.default_rng(0).normal(size=(120, 9))


@pytest.mark.parametrize("offset", [0, 3.0])
def test_hsic_is_that_of_its_definition(X, offset):
    Y = np.random.default_rng(1).normal(size=(120, 4)) + X[:, :4]
    shifts = np.full(9, offset), np.full(4, -offset)
    found = hsic(sums(X, Y, np.arange(120), shifts))
    assert found == pytest.approx(direct_hsic(X, Y), rel=1e-9)


def test_a_rotation_a_shift_and_a_scale_change_nothing(X):
    Y = 7 * X @ ortho_group(9, seed=0).rvs() + 5
    found = similarity(X, Y)
    assert found.cka.value == pytest.approx(1)
    assert found.procrustes.value == pytest.approx(0, abs=1e-9)
    assert found.cka_without_largest == pytest.approx(1)


def test_independent_features_have_a_cka_of_nothing():
    """Where the biased one is 0.42: each seed within 4 sqrt(2) / n, the mean of 20 within 6e-4."""
    n, p = 1797, 1280
    found = []
    for seed in range(20):
        X, Y = np.random.default_rng(seed).normal(size=(2, n, p)).astype(np.float32)
        zeros = np.zeros(p), np.zeros(p)
        found.append(cka(pair_sums(X, Y, np.arange(n), zeros)))
    assert np.abs(found).max() < 4 * np.sqrt(2) / n
    assert abs(np.mean(found)) < 6e-4


def test_shared_outliers_are_named(X):
    """Seven rows that make independent features alike."""
    rng = np.random.default_rng(3)
    X, Y = rng.normal(size=(2, 2000, 9))
    outliers = np.array([5, 80, 300, 777, 1200, 1500, 1999])
    X[outliers] += 300
    Y[outliers] += 300
    found = similarity(X, Y)
    assert found.cka.value > 0.9
    assert abs(found.cka_without_largest) < 0.01
    assert set(outliers) <= set(found.largest)


def test_procrustes_is_scipys_squared(X):
    Y = np.random.default_rng(1).normal(size=(120, 9)) + X
    centred = [F - F.mean(axis=0) for F in (X, Y)]
    unit = [F / np.linalg.norm(F) for F in centred]
    nuclear = np.linalg.svd(unit[0].T @ unit[1], compute_uv=False).sum()
    found = similarity(X, Y)
    assert found.procrustes.value == pytest.approx(2 - 2 * nuclear)
    *_, disparity = procrustes(X, Y)  # where the second is scaled, too
    assert disparity == pytest.approx(1 - nuclear**2)
    assert found.procrustes.value < found.procrustes_of_permuted_rows < 2


def test_the_interval_holds_the_value_of_many_more_images():
    """Images drawn from one distribution: 95 % bands, checked to 90 %."""

    def draw(n, rng):
        Z = rng.normal(size=(n, 6)) * [3, 2, 1, 1, 1, 1]
        return Z + 0.5 * rng.normal(size=(n, 6)), Z[:, ::-1] + 0.5 * rng.normal(size=(n, 6))

    truth = similarity(*draw(60_000, np.random.default_rng(99)))
    held = []
    for seed in range(150):
        found = similarity(*draw(400, np.random.default_rng(seed)))
        held.append(found.cka.low <= truth.cka.value <= found.cka.high)
    assert 0.9 <= np.mean(held) <= 1


@pytest.mark.parametrize("Y", [np.ones((120, 3)), np.zeros((120, 3))])
def test_constant_features_are_like_nothing(X, Y):
    found = similarity(X, Y)
    assert found.cka is None
    assert found.procrustes is None


def test_few_rows_have_no_similarity(X):
    assert similarity(X[:29], X[:29]).cka is None
    assert similarity(X[:30], X[:30]).cka.value == pytest.approx(1)
