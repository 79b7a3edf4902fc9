"""Are the measures of quality those of their definitions, for peers as for own engines?"""

import sys

import numpy as np
import pytest
from sklearn.datasets import load_iris

from bench.report.tables import CHIEF
from bench.run.task import Outcome, Task
from bench.what import measures as bench_measures
from bench.what import peers
from pipeline.neighbors.graph import Graph, knn_graph


@pytest.fixture(scope="module")
def iris():
    X, labels = load_iris(return_X_y=True)
    X = X.astype(np.float32) + np.random.default_rng(0).normal(0, 1e-3, X.shape).astype("f4")
    return X, labels, knn_graph(X, k=90)


def test_recall_counts_ties_and_misses(iris):
    X, _, graph = iris
    assert bench_measures.recall(X, graph) == 1
    wrong = graph.indices.copy()
    wrong[:, 0] = graph.indices[:, 1]  # the nearest missed, the second listed twice
    assert bench_measures.recall(X, Graph(wrong, graph.distances)) == pytest.approx(89 / 90)
    grid = np.array([[x, y] for x in range(5) for y in range(5)], np.float32)
    tied = knn_graph(grid, k=2)  # a corner has two at distance 1, others up to four
    swapped = tied.indices.copy()
    swapped[12] = [13, 17]  # the centre's four neighbours are equally near: any two will do
    assert bench_measures.recall(grid, Graph(swapped, tied.distances)) == 1


def test_stress_is_that_of_its_definition(iris, monkeypatch):
    from scipy.spatial.distance import pdist

    monkeypatch.setattr(bench_measures, "BLOCK", 40)  # blocks on and beside the diagonal
    X, _, _ = iris
    layout = X[:, :2].astype(np.float64)
    given, drawn = pdist(X.astype(np.float64)), pdist(layout)
    scales = np.linspace(0.5, 5, 9001)
    direct = min(
        np.sqrt(((given - a * drawn) ** 2).sum() / ((a * drawn) ** 2).sum()) for a in scales
    )
    assert bench_measures.stress_1(X, None, layout) == pytest.approx(direct, rel=1e-4)
    assert bench_measures.stress_1(X, None, 7 * layout) == pytest.approx(direct, rel=1e-4)
    flat = np.pad(X[:, :2], ((0, 0), (0, 2)))
    assert bench_measures.stress_1(flat, None, layout) < 1e-3


def test_kl_divergence_agrees_with_openTSNE_where_that_is_exact(iris):  # noqa: N802
    from openTSNE import TSNEEmbedding, affinity, nearest_neighbors

    X, _, graph = iris
    layout = X[:, :2].astype(np.float64)
    P = affinity.PerplexityBasedNN(
        perplexity=30, knn_index=nearest_neighbors.PrecomputedNeighbors(*graph)
    )
    embedding = TSNEEmbedding(layout.copy(), P, negative_gradient_method="bh", theta=0)
    embedding.optimize(1, learning_rate=1e-12, inplace=True)
    ours = bench_measures.kl_divergence(X, graph, layout)
    assert ours == pytest.approx(float(embedding.kl_divergence), rel=1e-6)


def test_kl_divergence_is_measured_where_openTSNE_is_not_installed(iris, monkeypatch):  # noqa: N802
    X, _, graph = iris
    monkeypatch.setitem(sys.modules, "openTSNE", None)  # importing it fails
    assert bench_measures.kl_divergence(X, graph, X[:, :2].astype(np.float64)) > 0


def test_the_objective_of_lle_is_the_sum_of_its_eigenvalues(iris):
    from sklearn.manifold import LocallyLinearEmbedding

    X, _, graph = iris
    engine = LocallyLinearEmbedding(n_neighbors=12, eigen_solver="dense")
    layout = engine.fit_transform(X.astype(np.float64))
    ours = bench_measures.reconstruction_error(X, graph, layout)
    assert ours == pytest.approx(engine.reconstruction_error_, rel=1e-6)
    assert bench_measures.reconstruction_error(X, graph, X[:, :2].astype(float)) > 10 * ours


def test_residual_variance_prefers_isomap(iris):
    from sklearn.manifold import Isomap

    X, labels, graph = iris
    setosa = labels == 0  # one connected component: the classes are not connected
    X, graph = X[setosa], knn_graph(X[setosa], k=20)
    layout = Isomap(n_neighbors=12).fit_transform(X)
    good = bench_measures.residual_variance(X, graph, layout)
    chance = np.random.default_rng(0).normal(size=layout.shape)
    assert good < 0.3 < 0.9 < bench_measures.residual_variance(X, graph, chance)


def test_every_step_gets_its_chief_measure(iris):
    X, labels, graph = iris
    for step, measure_ in CHIEF.items():
        task = Task(step, X, labels, graph, X[:, :2], 0, 1, "cpu")
        outcome = {
            "features": Outcome(values={"kept_neighbors": 0.9}),
            "graph": Outcome(graph=graph),
        }.get(step, Outcome(layout=X[:, :2]))
        assert measure_ in bench_measures.quality(task, outcome)


def test_peers_give_graphs_without_the_points_themselves(iris):
    X, labels, _graph = iris
    task = Task("graph", X, labels, None, X[:, :2], 0, 1, "cpu")
    pytest.importorskip("faiss")
    found = peers.faiss_flat(task, k=5).graph
    assert bench_measures.recall(X, found) > 0.99
    assert not (found.indices == np.arange(len(X))[:, None]).any()
