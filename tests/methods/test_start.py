"""May a layout start from another one, and is it said what that costs?"""

import json

import numpy as np
import pytest
from command_line import call, tunescope
from scipy.sparse import coo_array

from pipeline import store
from pipeline.errors import InputError
from pipeline.methods.embed import embed
from pipeline.methods.registry import METHODS, check_start
from pipeline.methods.umap.loss import sampled_loss
from pipeline.neighbors.graph import knn_graph

N = 240
ROWS = np.arange(N)
# Few iterations, of which the early ones of t-SNE would scatter a start that is too large.
PARAMS = {
    "tsne": {"perplexity": 8, "max_iter": 300},
    "umap": {"n_epochs": 30},
    "mds": {"max_iter": 40},
}
OBJECTIVE = {"tsne": "kl_divergence", "umap": "loss", "mds": "stress_1"}


@pytest.fixture(scope="module", name="X")
def features():
    """Eight groups, as far from each other as any two."""
    rng = np.random.default_rng(0)
    centres = 12 * np.eye(8)
    return (centres[ROWS % 8] + rng.normal(size=(N, 8))).astype(np.float32)


@pytest.fixture(scope="module")
def graph(X):
    return knn_graph(X, k=30)


@pytest.fixture(scope="module")
def ring():
    """The groups around a circle in an order of their own."""
    rng = np.random.default_rng(1)
    angle = (3 * (ROWS % 8) % 8) * np.pi / 4
    return 1000 * np.column_stack([np.cos(angle), np.sin(angle)]) + rng.normal(size=(N, 2))


def turn(xy):
    """Angles of the groups' centres about that of all."""
    centres = np.array([xy[group == ROWS % 8].mean(axis=0) for group in range(8)])
    return np.arctan2(*(centres - centres.mean(axis=0)).T[::-1])


@pytest.mark.parametrize("method", PARAMS)
def test_groups_stay_where_the_start_has_them(X, graph, ring, method):
    found = embed(X, method=method, params=PARAMS[method], graph=graph, start=(ROWS, ring))
    own = embed(X, method=method, params=PARAMS[method], graph=graph)

    def off(xy):
        away = np.abs(turn(xy) - turn(ring))
        return np.minimum(away, 2 * np.pi - away).max()

    assert off(found.embedding) < 0.6 < off(own.embedding)
    name = OBJECTIVE[method]
    assert found.info["objective_from_own_start"] == own.info[name] != found.info[name]
    assert "objective_from_own_start" not in own.info
    assert found.info["parameters"] == own.info["parameters"]


@pytest.mark.parametrize("method", PARAMS)
def test_the_size_of_a_start_does_not_matter(X, graph, ring, method):
    small, large = (
        embed(X, method=method, params=PARAMS[method], graph=graph, start=(ROWS, size * ring))
        for size in (2.0**-9, 2.0**9)
    )
    assert np.array_equal(small.embedding, large.embedding)


def test_the_objective_is_one_of_the_diagnostics_of_every_engine_that_descends(X, graph):
    for method, row in METHODS.items():
        for name, engine in row.engines.items():
            if not engine.takes_start or "cpu" not in engine.devices:
                continue
            params = {k: v for k, v in PARAMS[method].items() if k in engine.defaults()}
            found = embed(X, method=method, engine=name, params=params, graph=graph)
            assert found.info[engine.load().objective] > 0


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("lle", {}, "lle cannot start from another layout, it is solved without one: leave start"),
        ("pca", {}, "pca cannot start from another layout"),
        ("isomap", {"engine": "sklearn"}, "isomap cannot start from another layout"),
        ("tsne", {"engine": "cuml"}, "its engine cuml takes none: leave start out or set engine"),
        ("umap", {"params": {"init": "random"}}, "umap has both start and init 'random'"),
    ],
)
def test_what_cannot_start_from_a_layout_is_refused(method, options, words):
    with pytest.raises(InputError, match=words):
        check_start(method, options.get("params", {}), engine=options.get("engine", "auto"))


@pytest.mark.parametrize(
    ("rows", "xy", "words"),
    [
        (ROWS[1:], np.ones((N - 1, 2)), "has 239 points, which are not the 240"),
        (ROWS[::-1], np.ones((N, 2)), "has 240 points, which are not the 240"),
        (ROWS, np.ones((N, 3)), "give a layout of the same points"),
        (ROWS, np.full((N, 2), np.nan), "the start must be finite"),
        (ROWS, np.ones((N, 2)), "points in different places"),
    ],
)
def test_a_start_that_is_no_layout_of_these_points_is_refused(X, rows, xy, words):
    with pytest.raises(InputError, match=words):
        embed(X, method="mds", start=(rows, xy))


def test_the_verb_says_where_a_layout_started(X, ring, tmp_path):
    features, before, after = (tmp_path / name for name in ("f.npy", "b.parquet", "a.parquet"))
    store.save_features(features, X, {})
    store.save_layout(before, ROWS, ring, None, {"step": "embed", "context": {"stage": "before"}})
    words = ["embed", "--features", features, "--method", "mds", "--out", after]
    call(*words, "--start", before)
    sidecar = json.loads((tmp_path / "a.parquet.json").read_text())
    assert sidecar["context"]["started_from"] == "before"
    assert sidecar["info"]["objective_from_own_start"] > 0
    assert str(before) in sidecar["inputs"]
    moved = tmp_path / "elsewhere.parquet"
    store.save_layout(moved, ROWS, ring, None, {"step": "embed"})
    call(*words, "--start", moved)
    sidecar = json.loads((tmp_path / "a.parquet.json").read_text())
    assert sidecar["context"]["started_from"] == "elsewhere.parquet"
    refused = tunescope(*words, "--start", features, status=2)
    assert "f.npy is not a readable .parquet file" in refused


def test_the_loss_is_that_of_edges_and_all_points_that_may_be_drawn():
    rng = np.random.default_rng(2)
    xy = rng.normal(size=(40, 2)) * 3
    mu = np.triu(rng.random((40, 40)) < 0.2, 1) * rng.random((40, 40))
    mu += mu.T
    a, b, rate, strength = 1.6, 0.9, 5, 0.7
    squared = np.square(xy[:, None] - xy).sum(axis=2)
    nu = 1 / (1 + a * squared**b)
    np.fill_diagonal(nu, 0)
    repulsion = -np.log(1 - nu).sum(axis=1) / 39
    np.fill_diagonal(nu, 1)
    expected = (mu * (-np.log(nu) + strength * rate * repulsion[:, None])).sum() / mu.sum()
    found = sampled_loss(
        coo_array(mu), xy, a=a, b=b, negative_sample_rate=rate, repulsion_strength=strength
    )
    assert found == pytest.approx(expected, rel=1e-12)
    together = sampled_loss(
        coo_array(mu), 0 * xy, a=a, b=b, negative_sample_rate=rate, repulsion_strength=strength
    )
    assert np.isfinite(together)
