"""Is it t-SNE without approximations: affinities, divergence, descent? Forces: test_gpu_tsne.py."""

import json
import logging
import warnings
from functools import partial

import numba
import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.special import entr
from sklearn.datasets import load_digits
from sklearn.manifold import _t_sne as theirs
from sklearn.utils.estimator_checks import check_estimator

from kernels import reference
from kernels.backend import get_backend
from pipeline.errors import InputError
from pipeline.measures.votes import knn_accuracy
from pipeline.methods.tsne import exact as exact_tsne
from pipeline.methods.tsne import opentsne
from pipeline.methods.tsne.affinities import conditional_probabilities, joint_probabilities
from pipeline.methods.tsne.exact import TSNE, Divergence, minimise
from pipeline.neighbors.graph import Graph, knn_graph
from pipeline.neighbors.layout_neighbors import layout_neighbors
from pipeline.runtime.log import Progress, log

CPU = get_backend("cpu")


@pytest.fixture(scope="module", name="digits")
def some_digits():
    X, labels = load_digits(return_X_y=True)
    return X[:600].astype(np.float32), labels[:600]


@pytest.fixture(scope="module", name="graph")
def neighbours_of_digits(digits):
    return knn_graph(digits[0], k=45)


# ---- affinities


def test_affinities_are_opentsnes_and_scikit_learns(graph):
    from openTSNE import affinity, nearest_neighbors

    found = joint_probabilities(graph, 15, CPU)
    index = nearest_neighbors.PrecomputedNeighbors(graph.indices, graph.distances)
    expected = affinity.PerplexityBasedNN(perplexity=15, knn_index=index).P
    assert abs(found - expected).max() < 1e-6 * expected.max()
    squared = csr_array(
        (np.square(graph.distances).ravel(), graph.indices.ravel(), np.arange(601) * 45), (600, 600)
    )
    expected = theirs._joint_probabilities_nn(squared, 15, 0)
    assert abs(found - csr_array(expected)).max() < 1e-4 * expected.max()
    assert abs(found - found.T).max() == 0
    assert found.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("unit", [1e-15, 1.0, 1e15])
def test_affinities_do_not_depend_on_the_unit(graph, unit):
    """Nor are they led astray by a neighbour that is a thousand times farther than all others."""
    distances = graph.distances.copy()
    distances[:, -1] *= 1000
    expected = joint_probabilities(Graph(graph.indices, distances), 15, CPU)
    given = Graph(graph.indices, distances.astype(np.float64) * unit)
    assert abs(joint_probabilities(given, 15, CPU) - expected).max() < 1e-9 * expected.max()


def test_affinities_of_copies_are_equal():
    """With more copies than the perplexity asks for, these have all of the affinity."""
    X = np.repeat(np.random.default_rng(0).normal(size=(4, 3)), 10, axis=0)
    P = joint_probabilities(knn_graph(X, k=12), 4, CPU).toarray()
    same = np.kron(np.eye(4), np.ones((10, 10))) - np.eye(40)
    assert np.allclose(P, same / same.sum(), atol=1e-12)


# ---- the descent


@pytest.fixture(scope="module", name="case")
def divergence_and_layout():
    X = np.random.default_rng(1).normal(size=(60, 5))
    P = joint_probabilities(knn_graph(X, k=15), 5, CPU)
    return P, np.random.default_rng(2).normal(size=(2, 60))


def test_exaggeration_multiplies_attraction(case):
    P, Y = case
    divergence = Divergence(P, CPU)
    plain, exaggerated = divergence.gradient(Y)[0], divergence.gradient(Y, 3.0)[0]
    attraction = 4 * reference.attractive_sums(P.toarray(), Y)
    assert np.allclose(exaggerated - plain, 2 * attraction)


def quick(**parameters):
    return TSNE(**{"perplexity": 15, "device": "cpu", "random_state": 0, **parameters})


def test_first_iterations_are_opentsnes(digits, graph):
    """Theirs with an angle of 0 is exact too; rounding grows, so only the first are the same."""
    start = 1e-2 * np.random.default_rng(3).normal(size=(600, 2))
    same = {"perplexity": 15, "init": start, "max_iter": 20}
    theirs = opentsne.TSNE(method="barnes_hut", angle=0, n_jobs=1, **same)
    expected = theirs.fit_transform(digits[0], graph=graph)
    found = quick(**same).fit_transform(digits[0], graph=graph)
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()
    assert np.abs(found - start).max() > np.abs(start).max()


def test_a_layout_on_a_line(digits, graph):
    layout = quick(n_components=1).fit_transform(digits[0], graph=graph)
    assert layout.shape == (600, 1)
    near = layout_neighbors(np.pad(layout, ((0, 0), (0, 1))))
    assert knn_accuracy(near, digits[1]) > 0.8


def test_attraction_is_exaggerated_for_250_iterations(case):
    seen = []

    class Spy(Divergence):
        def gradient(self, Y, exaggeration=1.0):
            seen.append(exaggeration)
            return super().gradient(Y, exaggeration)

    P, Y = case
    minimise(Spy(P, CPU), Y, max_iter=255, early_exaggeration=7.0, rates=(1.0, 1.0))
    assert seen == [7.0] * 250 + [1.0] * 5


def test_each_phase_has_its_learning_rate(case, monkeypatch):
    monkeypatch.setattr(exact_tsne, "EARLY_ITERATIONS", 1)
    P, start = case

    def end(max_iter, late):
        rates = {"early_exaggeration": 1.0, "rates": (1e-3, late)}
        return minimise(Divergence(P, CPU), start, max_iter=max_iter, **rates)[0]

    assert (end(1, 0.0) == end(1, 1e-2)).all()
    still, slow, fast = end(2, 0.0), end(2, 1e-3), end(2, 1e-2)
    assert np.abs(slow - still).max() > 0
    assert np.allclose(fast - still, 10 * (slow - still), rtol=1e-6, atol=0)


def test_no_point_moves_by_more_than_5(case):
    """Before the layout is centred, which moves all alike."""
    P, Y = case
    start = Y - Y.mean(axis=1, keepdims=True)
    far = {"max_iter": 1, "early_exaggeration": 12.0, "rates": (1e9, 0.0)}
    end, _ = minimise(Divergence(P, CPU), start, **far)
    assert 4 < np.linalg.norm(end - start, axis=0).max() <= 10


def test_divergence_is_as_low_as_opentsnes(digits, graph):
    X, labels = digits
    estimator = quick()
    layout = estimator.fit_transform(X, graph=graph)
    same = {"perplexity": 15, "random_state": 0, "n_jobs": 1}
    other = opentsne.TSNE(method="barnes_hut", **same).fit_transform(X, graph=graph)
    divergence = Divergence(joint_probabilities(graph, 15, CPU), CPU)
    Y = np.ascontiguousarray(other.T)
    assert estimator.kl_divergence_ < 1.01 * divergence.value(Y, divergence.gradient(Y)[1])
    assert knn_accuracy(layout_neighbors(layout), labels) > 0.93


def test_divergence_is_that_of_the_layout(digits, graph):
    estimator = quick(max_iter=300)
    Y = estimator.fit_transform(digits[0], graph=graph).T
    P = joint_probabilities(graph, 15, CPU).toarray()
    expected = reference.divergence_sums(P, Y).sum()
    assert estimator.kl_divergence_ == pytest.approx(expected, rel=1e-10)
    known = estimator.diagnostics_
    assert json.loads(json.dumps(known, allow_nan=False)) == known
    assert known["kl_divergence"] == estimator.kl_divergence_
    assert len(known["kl_divergences"]) == 6
    assert known["kl_divergences"][-1] == pytest.approx(estimator.kl_divergence_, rel=0.02)
    A, (F, Q) = reference.attractive_sums(P, Y), reference.repulsive_sums(Y)
    gradient = 4 * (A - F / Q.sum())
    assert known["gradient_norm"] == pytest.approx(np.linalg.norm(gradient), rel=1e-9)
    assert known["pairs"] == 600 * 599 // 2
    assert estimator.n_iter_ == known["n_iter"] == 300


def test_same_bits_for_any_number_of_threads(digits, graph):
    threads = numba.get_num_threads()
    layouts = []
    try:
        for count in (1, threads, threads):
            numba.set_num_threads(count)
            layouts.append(quick(max_iter=60).fit_transform(digits[0], graph=graph))
    finally:
        numba.set_num_threads(threads)
    assert np.array_equal(layouts[0], layouts[1])
    assert np.array_equal(layouts[1], layouts[2])


def test_copies_and_one_feature_survive():
    X = np.repeat(np.random.default_rng(5).normal(size=(30, 1)), 2, axis=0)
    layout = quick(perplexity=5, max_iter=100).fit_transform(X)
    assert np.isfinite(layout).all()
    assert len(np.unique(layout, axis=0)) == 60


def test_is_an_estimator_of_scikit_learn():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on what these checks feed it
        check_estimator(TSNE(perplexity=2, max_iter=100))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"n_components": 3}, "n_components of TSNE is 3 "),
        ({"perplexity": 0.5}, "perplexity of TSNE is 0.5 "),
        ({"perplexity": 40}, r"perplexity 40 needs 120 .* k = 45"),
        ({"max_iter": 0}, "max_iter of TSNE is 0 "),
        ({"learning_rate": 0}, "learning_rate of TSNE is 0 "),
        ({"init": "spectral"}, "init of TSNE is 'spectral' "),
        ({"init": np.zeros((5, 2))}, r"\(5, 2\) but the layout needs \(600, 2\)"),
        ({"device": "tpu"}, "device is 'tpu'"),
    ],
)
def test_what_cannot_be_done_is_said(parameters, words, digits, graph):
    with pytest.raises((InputError, ValueError), match=words):
        quick(**parameters).fit_transform(digits[0], graph=graph)


# ---- the perplexity


@pytest.fixture(scope="module", name="noise")
def far_and_about_equally_far():
    """Where squared distances are large beside their differences."""
    return np.random.default_rng(0).normal(size=(400, 1536)).astype(np.float32)


@pytest.mark.parametrize(("engine", "module"), [(TSNE, exact_tsne), (opentsne.TSNE, opentsne)])
def test_shown_progress_changes_no_layout(engine, module, digits, graph, monkeypatch):
    X, _ = digits
    silent = engine(perplexity=15, max_iter=300, random_state=0).fit_transform(X, graph=graph)
    monkeypatch.setattr(log, "level", logging.INFO)
    monkeypatch.setattr(module, "Progress", partial(Progress, interval=0))
    shown = engine(perplexity=15, max_iter=300, random_state=0).fit_transform(X, graph=graph)
    assert np.array_equal(silent, shown)


@pytest.mark.parametrize("engine", [TSNE, opentsne.TSNE])
def test_the_perplexity_is_what_was_asked_for(engine, noise):
    estimator = engine(max_iter=1, random_state=0).fit(noise)
    effective = estimator.diagnostics_["effective_perplexity"]
    assert effective == pytest.approx({"median": 30, "min": 30, "max": 30}, rel=1e-6)


def test_effective_perplexity_is_that_of_the_entropy(graph):
    found = conditional_probabilities(graph, 15, CPU)
    entropy = entr(found.probabilities).sum(axis=1)
    assert np.allclose(found.probabilities.sum(axis=1), 1)
    assert np.allclose(found.perplexities, np.exp(entropy))
    assert np.allclose(found.perplexities, 15)


@pytest.mark.parametrize("engine", [TSNE, opentsne.TSNE])
def test_all_engines_descend_from_the_same_affinities(engine, noise):
    """A descent that stays at the start has the divergence of the start from them."""
    graph = knn_graph(noise, k=90)
    start = np.random.default_rng(1).normal(size=(400, 2))
    estimator = engine(init=start, max_iter=1, learning_rate=1e-3, random_state=0)
    layout = estimator.fit_transform(noise, graph=graph)
    expected = Divergence(joint_probabilities(graph, 30, CPU), CPU).of_layout(layout)
    assert estimator.kl_divergence_ == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("engine", [TSNE, opentsne.TSNE])
def test_more_copies_than_the_perplexity_are_said(engine):
    X = np.random.default_rng(0).normal(size=(60, 3))
    X[:20] = 100
    with pytest.warns(UserWarning, match=r"20 of 60 points is not 5 but 5 to 15"):
        estimator = engine(perplexity=5, max_iter=5, random_state=0).fit(X)
    assert estimator.diagnostics_["effective_perplexity"]["max"] == pytest.approx(15)


@pytest.mark.parametrize("method", ["barnes_hut", "fft"])
def test_the_divergence_of_opentsne_is_exact(method, digits, graph):
    """That of its layout over all pairs, which is positive, for any approximation of the forces."""
    estimator = opentsne.TSNE(perplexity=15, method=method, max_iter=300, random_state=0)
    Y = estimator.fit_transform(digits[0], graph=graph).T
    P = joint_probabilities(graph, 15, CPU).toarray()
    assert estimator.kl_divergence_ > 0
    assert estimator.diagnostics_["kl_divergence_is"] == "exact"
    expected = reference.divergence_sums(P, Y).sum()
    assert estimator.kl_divergence_ == pytest.approx(expected, rel=1e-10)


def test_beyond_many_points_the_divergence_is_estimated(digits, graph, monkeypatch):
    same = {"perplexity": 15, "max_iter": 50, "random_state": 0}
    exact = opentsne.TSNE(**same).fit(digits[0], graph=graph)
    monkeypatch.setattr(opentsne, "EXACT_DIVERGENCE", 599)
    estimated = opentsne.TSNE(**same).fit(digits[0], graph=graph)
    assert estimated.diagnostics_["kl_divergence_is"] == "estimated"
    assert estimated.kl_divergence_ == pytest.approx(exact.kl_divergence_, rel=0.05)
    assert estimated.kl_divergence_ != exact.kl_divergence_
