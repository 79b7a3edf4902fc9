"""Do intervals hold the true value as often as they say?"""

import numpy as np
import pytest
from scipy.stats import binomtest

from pipeline.measures import intervals


@pytest.mark.parametrize(("hits", "n"), [(0, 20), (20, 20), (13, 20), (990, 1000), (1, 1)])
def test_wilsons_interval_is_scipys(hits, n):
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    found = intervals.share(hits, n)
    assert found.value == hits / n
    assert found.low == pytest.approx(expected.low, abs=1e-12)
    assert found.high == pytest.approx(expected.high, abs=1e-12)


def coverage(truth, draw, estimate, repeats=400):
    """How often the interval of a sample holds the truth."""
    rng = np.random.default_rng(0)
    found = (estimate(draw(rng)) for _ in range(repeats))
    return np.mean([low <= truth <= high for _, low, high in found])


@pytest.mark.parametrize(("p", "n"), [(0.9, 60), (0.99, 360), (0.5, 40)])
def test_coverage_of_a_share(p, n):
    held = coverage(
        p, lambda rng: rng.random(n) < p, lambda hits: intervals.share(int(hits.sum()), n)
    )
    assert 0.9 <= held <= 0.99


@pytest.mark.parametrize("balanced", [False, True])
def test_coverage_of_a_mean(balanced):
    """Shares of 15 neighbours in two classes of unequal size and difficulty."""
    strata = np.repeat([0, 1], [150, 50])
    p = np.where(strata == 0, 0.9, 0.4)
    truth = 0.65 if balanced else p.mean()
    held = coverage(
        truth,
        lambda rng: rng.binomial(15, p) / 15,
        lambda scores: intervals.mean(scores, strata, balanced=balanced),
        repeats=300,
    )
    assert 0.9 <= held <= 0.99


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("sizes", [[1] * 80, [2] * 40, [3] * 20, [30, 30, *[1] * 10]])
def test_coverage_of_a_mean_over_small_classes(sizes, balanced):
    """Gains of images, -1, 0 or 1, of which each class has very few."""
    strata = np.repeat(np.arange(len(sizes)), sizes)
    chances = [0.1, 0.5, 0.4]
    held = coverage(
        0.3,
        lambda rng: rng.choice([-1, 0, 1], p=chances, size=len(strata)),
        lambda scores: intervals.mean(scores, strata, balanced=balanced),
        repeats=300,
    )
    assert 0.9 <= held <= 0.99


@pytest.mark.parametrize("n", [1, 5, 6])
def test_few_images_that_all_agree_have_no_interval(n):
    """Five that all gain happen by chance once in sixteen times, six once in thirty-two."""
    found = intervals.mean(np.ones(n), np.arange(n))
    assert found.value == pytest.approx(1)
    assert np.isnan([found.low, found.high]).all() == (n < 6)


def test_the_value_is_the_mean_and_a_seed_gives_one_interval():
    scores, strata = np.array([0, 1, 1, 0, 1, 1, 0.5]), np.array([7, 7, 7, 7, 7, 7, 9])
    assert intervals.mean(scores, strata).value == pytest.approx(4.5 / 7)
    assert intervals.mean(scores, strata, balanced=True).value == pytest.approx((2 / 3 + 0.5) / 2)
    assert intervals.mean(scores, strata, seed=1) == intervals.mean(scores, strata, seed=1)
    same = intervals.mean(np.full(7, 0.3), strata)
    assert same.low == pytest.approx(0.3)
    assert same.high == pytest.approx(0.3)


def test_many_distinct_scores_are_resampled_in_pieces(monkeypatch):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=20_000)  # 500 resamples a piece
    found = intervals.mean(scores, np.zeros(20_000, int))
    assert found.high - found.low == pytest.approx(2 * 1.96 / np.sqrt(20_000), rel=0.1)
