"""Are the measures of faithfulness those of scikit-learn, SciPy and their definitions?"""

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr
from sklearn.manifold import trustworthiness as sklearns

from pipeline.measures import faithfulness
from pipeline.measures.faithfulness import (
    distance_histogram,
    distance_measures,
    draw_sample,
    pair_distances,
    rank_measures,
)
from pipeline.measures.overlap import area, co_ranking, r_nx
from pipeline.neighbors.graph import knn_graph
from pipeline.neighbors.layout_neighbors import layout_neighbors


@pytest.fixture(name="X")
def features():
    return np.random.default_rng(0).normal(size=(150, 6))


LABELS = np.arange(150) % 3


def test_the_co_ranking_is_the_share_in_common_for_every_k(X):
    indices, near = knn_graph(X, k=40).indices, layout_neighbors(X[:, :2], k=40)
    found = co_ranking(indices, near)
    for k in (1, 2, 15, 40):
        pairs = zip(indices[:, :k], near[:, :k], strict=True)
        assert found[k - 1] == pytest.approx(np.mean([len({*a} & {*b}) / k for a, b in pairs]))


def test_r_nx_is_one_for_the_same_neighbours_and_zero_for_chance(X):
    same = knn_graph(X, k=60).indices
    assert area(r_nx(co_ranking(same, same), 150)) == 1
    curves = [
        r_nx(co_ranking(same, layout_neighbors(xy, k=60)), 150)
        for xy in np.random.default_rng(1).normal(size=(20, 150, 2))
    ]
    assert np.abs(np.mean(curves, axis=0)).max() < 0.02
    assert area(np.array([1.0, 0.0])) == pytest.approx(2 / 3)


@pytest.mark.parametrize("drawn", [False, True])
def test_trustworthiness_and_continuity_are_scikit_learns(X, monkeypatch, drawn):
    """Of all points; and drawn points, if they are all, give the same."""
    if drawn:
        monkeypatch.setattr(faithfulness, "EXACT", 149)
        monkeypatch.setattr(faithfulness, "QUERIES", 150)
    layouts = {"pca": X[:, :2], "mds": X[:, 2:4] ** 3}
    sample = draw_sample(X, LABELS)
    assert (sample.rows is not None) == drawn
    found = rank_measures(
        X,
        knn_graph(X, k=20),
        {name: (xy, layout_neighbors(xy, k=12)) for name, xy in layouts.items()},
        LABELS,
        sample,
        k=12,
    )
    for name, xy in layouts.items():
        for measure, spaces in (("trustworthiness", (X, xy)), ("continuity", (xy, X))):
            estimate = found[name][measure]
            assert estimate.value == pytest.approx(sklearns(*spaces, n_neighbors=12), abs=1e-12)
            assert estimate.low < estimate.value < estimate.high


def test_the_interval_of_drawn_points_holds_the_value_of_all(X, monkeypatch):
    near = layout_neighbors(X[:, :2], k=12)
    graph = knn_graph(X, k=12)
    given = {"pca": (X[:, :2], near)}
    exact = rank_measures(X, graph, given, LABELS, draw_sample(X, LABELS), k=12)["pca"]
    monkeypatch.setattr(faithfulness, "EXACT", 0)
    monkeypatch.setattr(faithfulness, "QUERIES", 60)
    held = []
    for seed in range(40):
        sample = draw_sample(X, LABELS, seed=seed)
        assert len(sample.rows) == 60
        assert list(np.bincount(LABELS[sample.rows])) == [20, 20, 20]
        found = rank_measures(X, graph, given, LABELS, sample, k=12, seed=seed)["pca"]
        held += [
            found[name].low <= exact[name].value <= found[name].high
            for name in ("trustworthiness", "continuity")
        ]
    assert np.mean(held) > 0.9


def test_distances_of_all_pairs_of_few_points(X):
    sample, xy = draw_sample(X, LABELS), X[:, :2]
    np.testing.assert_allclose(sample.distances, pdist(X))
    found = distance_measures(xy, sample)
    assert found["distance_correlation"] == pytest.approx(spearmanr(pdist(X), pdist(xy)).statistic)
    scale = (pdist(xy) @ pdist(X)) / (pdist(xy) @ pdist(xy))
    stress = np.sqrt(np.sum((pdist(X) - scale * pdist(xy)) ** 2) / np.sum(pdist(X) ** 2))
    assert found["stress_1"] == pytest.approx(stress)


def test_random_pairs_of_many_points_are_two_points_and_say_what_all_say(X, monkeypatch):
    exact = distance_measures(X[:, :2], draw_sample(X, LABELS))
    monkeypatch.setattr(faithfulness, "PAIRS", 10_000)
    sample = draw_sample(X, LABELS)
    assert sample.pairs.shape == (2, 10_000)
    assert (sample.pairs[0] != sample.pairs[1]).all()
    np.testing.assert_allclose(sample.distances, pair_distances(X, sample.pairs))
    for name, value in distance_measures(X[:, :2], sample).items():
        assert value == pytest.approx(exact[name], abs=0.03)


def test_distances_that_are_all_equal_correlate_with_nothing(X):
    found = distance_measures(np.ones((150, 2)), draw_sample(X, LABELS))
    assert np.isnan(list(found.values())).all()
    perfect = distance_measures(7 * X, draw_sample(X, LABELS))
    assert perfect["distance_correlation"] == pytest.approx(1)
    assert perfect["stress_1"] == pytest.approx(0, abs=1e-7)


def test_the_histogram_of_distances_counts_every_pair_where_it_lies(X):
    sample = draw_sample(X, LABELS)
    xy = X[:, :2]
    found = distance_histogram(xy, sample)
    counts = np.array(found["counts"])
    assert counts.shape == (40, 40)
    assert counts.sum() == len(sample.distances)
    placed = pdist(xy)
    ends = found["features_to"], found["layout_to"]
    assert ends == pytest.approx([np.quantile(pdist(X), 0.99), np.quantile(placed, 0.99)])
    edges = [np.r_[np.linspace(0, end, 41)[:-1], np.inf] for end in ends]
    expected, *_ = np.histogram2d(pdist(X), placed, bins=edges)
    assert np.abs(counts - expected).sum() <= 4  # pairs on the edge of a bin


def test_the_histogram_of_a_layout_that_is_the_features_is_its_diagonal(X):
    plane = X[:, :2]
    found = distance_histogram(3 * plane, draw_sample(plane, LABELS))
    counts = np.array(found["counts"])
    near = np.abs(np.subtract.outer(np.arange(40), np.arange(40))) <= 1  # rounding at edges
    assert np.trace(counts) > 0.99 * counts.sum()
    assert counts[~near].sum() == 0
    assert found["layout_to"] == pytest.approx(3 * found["features_to"])


def test_one_far_point_does_not_flatten_the_histogram():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(300, 2))
    points[0] = 1e6
    sample = draw_sample(rng.normal(size=(300, 6)), np.zeros(300, int))
    counts = np.array(distance_histogram(points, sample)["counts"])
    assert counts[:, 5:].sum() > 0.8 * counts.sum()


def test_points_in_one_place_have_no_histogram(X):
    assert distance_histogram(np.ones((len(X), 2)), draw_sample(X, LABELS)) is None
    assert distance_histogram(X[:, :2], draw_sample(np.ones_like(X), LABELS)) is None
