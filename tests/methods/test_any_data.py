"""Does every engine lay out any data: few points, wide ones, any unit, any number of threads?"""

import numba
import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from pipeline.errors import InputError
from pipeline.methods.embed import adapt, embed, preflight
from pipeline.methods.engine import Limit
from pipeline.methods.registry import METHODS, check_params
from pipeline.neighbors.graph import Graph, knn_graph
from pipeline.neighbors.scale import scale_features

ENGINES = [
    pytest.param(method, name, id=f"{method}-{name}")
    for method, row in METHODS.items()
    for name, engine in row.engines.items()
    if "cpu" in engine.devices
]
every_engine = pytest.mark.parametrize(("method", "engine"), ENGINES)
# So few steps that rounding does not grow, and tests stay short.
QUICK = {
    "tsne": {"perplexity": 8, "max_iter": 30},
    "umap": {"n_epochs": 15},
    "mds": {"max_iter": 20},
}


def blobs(n=150, d=12, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(4, d))[np.arange(n) % 4] + random.normal(size=(n, d))


UNITLESS = ("tsne", "umap", "lle")  # their layouts are as large whatever the features are


def in_unit(layout):
    """The embedding in the unit of the features, for the methods that have one."""
    exponent = 0 if layout.info["method"] in UNITLESS else layout.info["exponent"]
    return np.ldexp(layout.embedding.astype(np.float64), exponent)


def lay_out(X, method, engine, **given):
    params = QUICK.get(method)
    layout = embed(X, method=method, engine=engine, params=params, device="cpu", **given)
    layout.info["method"] = method
    return layout


# ---- few points


@every_engine
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 16, 31])
def test_few_points_are_laid_out_or_refused_in_one_sentence(method, engine, n):
    """With the default neighbourhood, and a graph of as many neighbours as there are, or none."""
    X = blobs(n)
    fewest = METHODS[method].engines[engine].fewest_points
    shared = knn_graph(scale_features(X).values, k=n - 1) if n > 1 else None
    steps = {"tsne": {"max_iter": 20}, "umap": {"n_epochs": 5}}.get(method)
    given = {"method": method, "engine": engine, "params": steps, "device": "cpu"}
    if n < fewest:
        with pytest.raises(InputError, match=f"{method} needs at least {fewest} points .* {n}:"):
            embed(X, graph=shared, **given)
        return
    for graph in (shared, None):
        layout = embed(X, graph=graph, **given)
        assert layout.embedding.shape == (n, 2)
        assert np.isfinite(layout.embedding).all()
        assert len(np.unique(layout.embedding, axis=0)) > 1


@every_engine
def test_limits_hold_up_to_the_points_they_name(method, engine):
    row = METHODS[method].engines[engine]
    for n in range(row.fewest_points, 120):
        for name, limit in row.limits(n).items():
            assert limit.points > n
            assert limit.largest < limit.wanted
            assert row.limits(limit.points).get(name) is None
            assert row.limits(limit.points - 1)[name].wanted == limit.wanted
            assert not row.limits(n, **{name: limit.largest})
            assert row.neighbors(**{name: limit.largest}) < n


def test_a_perplexity_is_adapted_with_a_sentence():
    row = METHODS["tsne"].engines["opentsne"]
    assert row.limits(36) == {"perplexity": Limit(30.0, 11, 91)}
    params, sentences = adapt(row, 36, {"max_iter": 10})
    assert params == {"perplexity": 11, "max_iter": 10}
    assert sentences == ["perplexity 30 needs 91 points but there are 36: 11 is used"]
    info = lay_out(blobs(15), "tsne", "exact").info
    assert info["parameters"]["perplexity"] == 4
    assert info["warnings"][0].startswith("perplexity 8 needs 25 points but there are 15")


def test_strict_refuses_what_would_be_adapted():
    with pytest.raises(InputError, match=r"perplexity 8 needs 25 points .* at most 4"):
        lay_out(blobs(15), "tsne", "exact", strict=True)
    with pytest.raises(InputError, match="n_neighbors 15 needs 15 points"):
        lay_out(blobs(9), "umap", "tunescope", strict=True)
    lay_out(blobs(25), "tsne", "exact", strict=True)


@pytest.mark.parametrize("engine", ["opentsne", "exact"])
def test_an_absurd_perplexity_is_adapted_before_memory_is_asked_for(engine):
    params = {"perplexity": 1e9, "max_iter": 2}
    layout = embed(blobs(40), method="tsne", engine=engine, params=params, device="cpu")
    assert layout.info["parameters"]["perplexity"] == 13


# ---- any unit


@every_engine
@pytest.mark.parametrize(("dtype", "powers"), [("f8", (-660, 7, 660)), ("f4", (-100, 100))])
def test_a_power_of_two_changes_no_bit(method, engine, dtype, powers):
    X = blobs().astype(dtype)
    expected = lay_out(X, method, engine)
    for power in powers:
        found = lay_out(np.ldexp(X, power), method, engine)
        assert found.info["exponent"] == expected.info["exponent"] + power
        assert np.array_equal(found.embedding, expected.embedding)


@pytest.mark.parametrize(
    ("method", "engine"), [case for case in ENGINES if case.values[0] != "umap"]
)
@pytest.mark.parametrize(("dtype", "factors"), [("f8", (1e200, 1e-200)), ("f4", (1e30, 1e-30))])
def test_a_power_of_ten_changes_no_more_than_rounding(method, engine, dtype, factors):
    X = blobs().astype(dtype)
    tolerance = 1e-4 if dtype == "f8" else 1e-2
    expected = in_unit(lay_out(X, method, engine))
    for factor in factors:
        found = in_unit(lay_out(X * X.dtype.type(factor), method, engine))
        if method not in UNITLESS:
            found /= factor
        assert np.abs(found - expected).max() < tolerance * np.abs(expected).max()


@pytest.mark.parametrize(("dtype", "factors"), [("f8", (1e200, 1e-200)), ("f4", (1e30, 1e-30))])
def test_memberships_of_umap_do_not_depend_on_the_unit(dtype, factors):
    """Rounding decides which edges are drawn in an epoch, and so where the points go."""
    X = blobs().astype(dtype)
    cls = METHODS["umap"].engines["tunescope"].load()
    expected = cls(n_epochs=1, random_state=0).fit(X).graph_
    for factor in factors:
        found = cls(n_epochs=1, random_state=0).fit(X * X.dtype.type(factor)).graph_
        assert abs(found - expected).max() < 1e-4


@every_engine
def test_integers_that_float32_cannot_tell_apart(method, engine):
    X = np.rint(blobs() * 1e16).astype(np.int64)
    layout = lay_out(X, method, engine)
    assert np.array_equal(layout.embedding, lay_out(X.astype(np.float64), method, engine).embedding)


@pytest.mark.filterwarnings("ignore:MDS stopped")
@every_engine
def test_estimators_return_the_unit_of_the_features(method, engine):
    """Whether they are given a graph, in the features' unit too, or not."""
    cls = METHODS[method].engines[engine].load()
    estimator = cls(**QUICK.get(method, {}), random_state=0)
    X = blobs()
    powers = estimator.units()
    expected = estimator.fit_transform(X, graph=knn_graph(X, k=30))
    kept = {name: getattr(estimator, name) for name in powers}
    for factor in (-20, 20):
        graph = knn_graph(X, k=30)
        graph = Graph(graph.indices, np.ldexp(graph.distances, factor))
        found = estimator.fit_transform(np.ldexp(X, factor), graph=graph)
        assert np.array_equal(found, np.ldexp(expected, factor * powers.get("embedding_", 0)))
        for name, power in powers.items():
            assert np.array_equal(getattr(estimator, name), np.ldexp(kept[name], factor * power))
    assert ("embedding_" in powers) == (method not in UNITLESS)


# ---- wide features


@every_engine
def test_more_features_than_points(method, engine):
    """No d x d matrix, and the layout of the same points in fewer columns.

    Distances and all that is made of them do not change when points are turned.
    """
    few = blobs(60, 20)
    wide = few @ np.linalg.qr(np.random.default_rng(1).normal(size=(6_000, 20)))[0].T
    found = lay_out(wide, method, engine)
    expected = lay_out(few, method, engine)
    distances = [pdist(in_unit(layout)) for layout in (found, expected)]
    assert np.abs(distances[0] - distances[1]).max() < 0.02 * distances[1].max()


def test_pca_of_wide_features_is_scikit_learns():
    X = np.random.default_rng(0).normal(size=(40, 3_000)) + 100
    layout = embed(X, method="pca", device="cpu")
    expected = PCA(2, svd_solver="full").fit_transform(X)
    assert np.allclose(np.ldexp(layout.embedding, layout.info["exponent"]), expected, atol=1e-4)


def test_no_subset_is_proposed_where_none_fits(monkeypatch):
    monkeypatch.setattr("pipeline.methods.embed.available_memory", lambda device: 10**6)
    with pytest.raises(InputError) as error:
        preflight(120, 30_000, method="pca", device="cpu")
    assert "subset" not in str(error.value)
    assert "30,000 features" in str(error.value)


# ---- any number of threads


@pytest.mark.parametrize(
    ("method", "engine", "options"),
    [
        *(pytest.param(*case.values, {}, id=case.id) for case in ENGINES),
        pytest.param("tsne", "opentsne", {"method": "fft"}, id="tsne-opentsne-fft"),
    ],
)
def test_the_number_of_threads_changes_no_bit(method, engine, options):
    """Enough points and features for BLAS, LAPACK and the kernels to share their work."""
    X = blobs(1200, 300).astype(np.float32)
    params = {"tsne": {"max_iter": 60}, "umap": {"n_epochs": 15}, "mds": {"max_iter": 5}}
    found = []
    before = numba.get_num_threads()
    try:
        for threads in (1, min(2, before)):
            numba.set_num_threads(threads)
            with threadpool_limits(threads):
                given = {**params.get(method, {}), **options}
                found.append(embed(X, method=method, engine=engine, params=given, device="cpu"))
    finally:
        numba.set_num_threads(before)
    assert np.array_equal(found[0].embedding, found[1].embedding)
    assert found[0].info.get("kl_divergence") == found[1].info.get("kl_divergence")


# ---- parameters


WRONG = {
    "perplexity": ["3", None, True, float("nan"), float("inf"), 0.5],
    "n_neighbors": [15.5, "15", None, True, -1],
    "max_iter": [10.5, "many", True, 0],
    "landmarks": ["many", 10.5, True],
    "init": ["magic", 3, np.zeros(4)],
    "method": ["magic", 1],
    "learning_rate": ["fast", -1.0, None],
    "eps": ["small", -1.0],
    "min_dist": ["0.1", -0.1],
    "n_epochs": [0, 10.5],
    "normalized_stress": ["yes", 1],
    "n_init": [0, 1.5],
    "storage": ["tape", None],
    "angle": [1.5, "steep"],
    "negative_sample_rate": [0.5, -1],
}


@every_engine
def test_a_parameter_of_another_type_or_range_is_named(method, engine):
    known = METHODS[method].engines[engine].defaults()
    for name, values in WRONG.items():
        for value in values if name in known else []:
            with pytest.raises(InputError) as error:
                embed(blobs(), method=method, engine=engine, params={name: value}, device="cpu")
            assert name in str(error.value)
            assert "\n" not in str(error.value)


@every_engine
def test_defaults_are_allowed(method, engine):
    known = METHODS[method].engines[engine].defaults()
    assert check_params(method, known, engine=engine) == known


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "0", None])
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises(InputError, match="seed is"):
        embed(blobs(), method="pca", seed=seed)
