"""Are the measures of a feature set those of their definitions, computed directly?"""

import numpy as np
import pytest
from scipy.stats import skew

from pipeline.measures.representation import (
    cdnv,
    class_moments,
    compactness,
    dead_features,
    effective_rank,
    hubness,
    intrinsic_dimension,
    nc1,
)
from pipeline.neighbors.graph import knn_graph


def classes(n=40, c=5, d=8, noise=0.3, seed=0, offset=0.0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(c), n)
    means = rng.normal(size=(c, d))
    return means[labels] + noise * rng.normal(size=(n * c, d)) + offset, labels


def test_moments_are_numpys():
    X, labels = classes()
    found = class_moments(X, labels)
    for c in range(5):
        own = X[labels == c]
        np.testing.assert_allclose(found.means[c], own.mean(axis=0))
        assert found.variances[c] == pytest.approx(own.var(axis=0).sum())


@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_nc1_is_the_trace_of_its_definition(offset):
    X, labels = classes(offset=offset)
    found = nc1(X, labels, class_moments(X, labels))
    X, labels = classes()
    means = np.array([X[labels == c].mean(axis=0) for c in range(5)])
    centred = means - means.mean(axis=0)
    between = centred.T @ centred / 5
    within = np.cov((X - means[labels]).T, bias=True)
    expected = np.trace(within @ np.linalg.pinv(between, rcond=1e-9)) / 5
    assert found == pytest.approx(expected, rel=1e-6)


def test_nc1_does_not_invert_rounding_errors():
    """More features than classes: S_B has rank C - 1, and nothing else may be inverted."""
    X, labels = classes(c=3, d=50, noise=0.1)
    assert 0 < nc1(X, labels, class_moments(X, labels)) < 1
    one = np.zeros(len(X), int)
    assert nc1(X, one, class_moments(X, one)) is None
    equal = np.ones_like(X)
    assert nc1(equal, labels, class_moments(equal, labels)) is None


def test_cdnv_is_unbiased_for_few_images():
    """Twenty images a class: their means are 22.4 apart on average (squared), the classes 16."""
    inverses = []
    for seed in range(300):
        X = np.random.default_rng(seed).normal(size=(40, 64))
        X[20:] += 0.5
        found = cdnv(class_moments(X, np.repeat([0, 1], 20)))
        assert np.isnan(found.diagonal()).all()
        inverses.append(1 / found[0, 1])
    assert np.mean(inverses) == pytest.approx(16 / 64, rel=0.05)


def test_cdnv_by_its_definition():
    X, labels = classes(n=4000, c=3, noise=0.5)
    found = cdnv(class_moments(X, labels))
    own = [X[labels == c] for c in range(3)]
    distance = np.sum((own[0].mean(axis=0) - own[1].mean(axis=0)) ** 2)
    expected = (own[0].var(axis=0).sum() + own[1].var(axis=0).sum()) / (2 * distance)
    assert found[0, 1] == pytest.approx(expected, rel=1e-2)
    assert found[1, 0] == found[0, 1]


def test_means_that_noise_explains_are_undefined():
    X = np.random.default_rng(0).normal(size=(400, 50))
    found = cdnv(class_moments(X, np.arange(400) % 10))
    assert np.isnan(found).sum() > 10  # of 90, half or so, and the diagonal
    alone = cdnv(class_moments(X[:3], np.array([0, 0, 1])))
    assert np.isnan(alone).all()


@pytest.mark.parametrize("shape", [(300, 20), (20, 300)])
def test_effective_rank_is_that_of_the_singular_values(shape):
    X = np.random.default_rng(0).normal(size=shape) * np.geomspace(1, 1e-3, shape[1])
    values = np.linalg.svd(X - X.mean(axis=0), compute_uv=False)
    values = values[values > 1e-9 * values[0]]
    shares = values / values.sum()
    expected = np.exp(-np.sum(shares * np.log(shares)))
    assert effective_rank(X + 3) == pytest.approx(expected, rel=1e-6)


def test_ranks_that_are_known():
    line = np.outer(np.arange(50.0), np.ones(6))
    assert effective_rank(line) == pytest.approx(1, rel=1e-5)
    assert np.isnan(effective_rank(np.ones((5, 3))))
    simplex = np.eye(12)
    assert effective_rank(simplex) == pytest.approx(11, rel=1e-6)


def test_dead_features_have_one_value():
    X = np.random.default_rng(0).normal(size=(3000, 5))
    X[:, 1], X[:, 3] = 0, 7
    assert dead_features(X) == 2
    X[2999, 3] = 6
    assert dead_features(X) == 1


def test_hubs_are_named():
    indices = np.array([[4, 1], [4, 0], [4, 0], [4, 1], [0, 1]])
    found = hubness(indices, k=1)
    assert found[1:] == (4, 4)
    assert found.skewness == pytest.approx(skew([1, 0, 0, 0, 4]))
    ring = np.array([[1], [2], [0]])
    assert np.isnan(hubness(ring, k=1).skewness)


def test_the_interval_of_compactness_holds_the_true_value():
    """Of three classes whose variances and distances are known."""
    means = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    true = float(np.median([2 / d**2 for d in (3, 4, 5)]))  # variance 1 in each of two axes
    rng, hits, tries = np.random.default_rng(0), 0, 200
    labels = np.arange(240) % 3
    for _ in range(tries):
        found = compactness(means[labels] + rng.normal(size=(240, 2)), labels)
        hits += found.low <= true <= found.high
    assert 0.9 <= hits / tries <= 0.99


def two_nn(distances):
    """Facco et al. (2017), steps 2 to 5 of their algorithm, in so many words."""
    ratios = sorted(second / first for first, second in distances[:, :2] if first > 0)
    n = len(ratios)
    kept = ratios[: int(0.9 * n)]
    x = np.log(kept)
    y = np.array([-np.log(1 - (i + 1) / n) for i in range(len(kept))])
    return (x @ y) / (x @ x)


def test_the_intrinsic_dimension_is_that_of_its_definition():
    distances = knn_graph(np.random.default_rng(0).normal(size=(200, 7)), k=3).distances
    distances[[3, 50, 7], 0] = 0
    found = intrinsic_dimension(distances)
    assert found.value == pytest.approx(two_nn(distances.astype(float)), rel=1e-9)
    assert found.duplicates == 3


def test_intrinsic_dimensions_that_are_known():
    rng = np.random.default_rng(0)
    plane = rng.uniform(size=(3000, 2)) @ rng.normal(size=(2, 50))
    assert intrinsic_dimension(knn_graph(plane, k=2).distances).value == pytest.approx(2, rel=0.05)
    gauss = rng.normal(size=(3000, 5))
    assert intrinsic_dimension(knn_graph(gauss, k=2).distances).value == pytest.approx(5, rel=0.05)


def test_intrinsic_dimensions_that_are_undefined():
    assert intrinsic_dimension(np.zeros((100, 5))) == (None, 100)
    few = np.sort(np.random.default_rng(0).uniform(1, 2, size=(100, 2)), axis=1)
    few[29:, 0] = 0
    assert intrinsic_dimension(few) == (None, 71)
    assert intrinsic_dimension(few[:29]).value is None
    few[29, 0] = 1e-3
    assert intrinsic_dimension(few).value > 0
    assert intrinsic_dimension(np.ones((100, 1))).value is None  # a graph of one neighbour
    assert intrinsic_dimension(np.ones((100, 3))) == (None, 0)  # a simplex: all equally far
