"""Does each method do what its name says, on the features and the graph that it was given?"""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.special import entr
from sklearn import manifold
from sklearn.manifold import trustworthiness
from sklearn.utils.estimator_checks import check_estimator

from kernels.backend import get_backend
from pipeline.errors import InputError
from pipeline.measures.votes import knn_accuracy
from pipeline.methods.isomap.scikit_learn import Isomap
from pipeline.methods.lle.scikit_learn import LocallyLinearEmbedding
from pipeline.methods.mds.scikit_learn import MDS
from pipeline.methods.pca.exact import PCA
from pipeline.methods.tsne.affinities import joint_probabilities
from pipeline.methods.tsne.opentsne import TSNE
from pipeline.methods.umap.library import umap_learn
from pipeline.methods.umap.tunescope import UMAP
from pipeline.neighbors.graph import Graph, knn_graph
from pipeline.neighbors.layout_neighbors import layout_neighbors

CPU = get_backend("cpu")

# Settings that keep a test short; LLE and Isomap see all three blobs as one component.
QUICK = {
    PCA: {"device": "cpu"},
    TSNE: {"perplexity": 15, "n_jobs": 1, "random_state": 0},
    UMAP: {"n_epochs": 100, "random_state": 0},
    MDS: {"max_iter": 50, "random_state": 0},
    LocallyLinearEmbedding: {"n_neighbors": 30, "random_state": 0},
    Isomap: {"n_neighbors": 30, "random_state": 0},
}
LABELS = np.arange(360) % 3


def three_blobs():
    """Three Gaussian blobs in 10 dimensions, apart but still one component of the graph."""
    random = np.random.default_rng(0)
    centres = np.zeros((3, 10))
    centres[0, 0], centres[1, 1], centres[2, 2] = 4, 4.5, 5
    return (centres[LABELS] + random.normal(size=(360, 10))).astype(np.float32)


@pytest.fixture(scope="module", name="X")
def features():
    return three_blobs()


@pytest.fixture(scope="module")
def graph(X):
    return knn_graph(X, k=90)


@pytest.fixture(scope="module")
def layouts(X, graph):
    return {cls: cls(**kw).fit_transform(X, graph=graph) for cls, kw in QUICK.items()}


@pytest.mark.parametrize("cls", QUICK)
def test_keeps_more_neighbours_than_chance(cls, X, layouts):
    chance = np.random.default_rng(1).normal(size=(360, 2))
    assert trustworthiness(X, layouts[cls]) > trustworthiness(X, chance) + 0.15


@pytest.mark.parametrize("cls", QUICK)
def test_separates_three_blobs(cls, layouts):
    assert knn_accuracy(layout_neighbors(layouts[cls]), LABELS) > 0.97


@pytest.mark.parametrize("cls", [TSNE, UMAP])
def test_another_seed_another_layout(cls, X, graph, layouts):
    other = cls(**{**QUICK[cls], "random_state": 1}).fit_transform(X, graph=graph)
    assert not np.allclose(other, layouts[cls])


@pytest.mark.parametrize("cls", [TSNE, UMAP])
def test_neighbours_come_from_the_graph(cls, X, graph, layouts):
    """The graph of relabelled points pulls the wrong points together."""
    mixed = np.random.default_rng(2).permutation(360)
    wrong = Graph(mixed[graph.indices[np.argsort(mixed)]].astype(np.int32), graph.distances)
    misled = cls(**QUICK[cls]).fit_transform(X, graph=wrong)
    assert trustworthiness(X, misled) < trustworthiness(X, layouts[cls]) - 0.1


@pytest.mark.parametrize("cls", [TSNE, UMAP, LocallyLinearEmbedding])
def test_without_a_graph_it_is_computed(cls, X, graph, layouts):
    assert np.array_equal(cls(**QUICK[cls]).fit_transform(X), layouts[cls])


@pytest.mark.parametrize("cls", QUICK)
def test_fit_gives_the_same_layout_for_the_same_seed(cls, X, graph, layouts):
    estimator = cls(**QUICK[cls])
    assert estimator.fit(X, graph=graph) is estimator
    assert np.array_equal(estimator.embedding_, layouts[cls])


# ---- t-SNE


def test_tsne_optimises(X, graph):
    """The descent, not the start, separates the blobs (a random start knows nothing of them)."""
    kwargs = {"perplexity": 15, "n_jobs": 1, "init": "random", "random_state": 0}
    start = TSNE(max_iter=1, **kwargs)
    end = TSNE(**kwargs)
    before = knn_accuracy(layout_neighbors(start.fit_transform(X, graph=graph)), LABELS)
    after = knn_accuracy(layout_neighbors(end.fit_transform(X, graph=graph)), LABELS)
    assert before < 0.6
    assert after > 0.97
    assert end.kl_divergence_ < 0.5 * start.kl_divergence_


def test_tsne_divergence_is_that_of_its_definition(X, graph, layouts):
    """KL of P from the graph's 45 neighbours against the exact Q of the layout."""
    estimator = TSNE(**QUICK[TSNE])
    Y = estimator.fit_transform(X, graph=graph)
    P = np.zeros((360, 360))
    for i in range(360):
        d2 = graph.distances[i, :45].astype(np.float64) ** 2
        low, high = 1e-6, 1e6
        for _ in range(200):  # bisect the precision for entropy log(perplexity)
            beta = (low * high) ** 0.5
            p = np.exp(-beta * (d2 - d2[0]))
            p /= p.sum()
            low, high = (beta, high) if entr(p).sum() > np.log(15) else (low, beta)
        P[i, graph.indices[i, :45]] = p
    P = (P + P.T) / (2 * 360)
    W = 1 / (1 + ((Y[:, None] - Y) ** 2).sum(axis=-1))
    np.fill_diagonal(W, 0)
    seen = P > 0
    exact = (P[seen] * np.log(P[seen] / (W / W.sum())[seen])).sum()
    assert estimator.kl_divergence_ == pytest.approx(exact, rel=1e-6)  # of distances in float32


def test_tsne_starts_from_an_array(X, graph):
    start = 1e-4 * np.random.default_rng(3).normal(size=(360, 2))
    found = TSNE(perplexity=15, max_iter=1, learning_rate=1e-3, init=start, random_state=0)
    assert np.allclose(found.fit_transform(X, graph=graph), start - start.mean(axis=0), atol=1e-6)


def test_tsne_learning_rates_are_opentsnes_own(X, graph):
    """Those that it chooses itself in both phases; the same to the last bit."""
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PrecomputedAffinities

    start = 1e-4 * np.random.default_rng(3).normal(size=(360, 2))
    found = TSNE(max_iter=260, init=start, n_jobs=1, random_state=0).fit_transform(X, graph=graph)
    expected = TSNEEmbedding(
        start,
        PrecomputedAffinities(joint_probabilities(graph, 30, CPU), normalize=False),
        negative_gradient_method="bh",
        learning_rate="auto",
        n_jobs=1,
    )
    expected.optimize(250, exaggeration=12, momentum=0.8, inplace=True)
    expected.optimize(10, momentum=0.8, inplace=True)
    assert (found == np.asarray(expected)).all()


def test_tsne_perplexity_beyond_the_graph_names_both(X, graph):
    with pytest.raises(InputError, match=r"perplexity 40 needs 120 .* k = 90"):
        TSNE(perplexity=40).fit_transform(X, graph=graph)


# ---- UMAP


def test_umap_imports_no_tensorflow():
    code = (
        "import sys; from pipeline.methods.umap.library import umap_learn; umap_learn();"
        "assert 'tensorflow' not in sys.modules; assert 'umap' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_umap_memberships_are_umap_learns(X, graph):
    """Theirs come from its own brute force on few points, ours from the graph."""
    ours = UMAP(n_epochs=11, random_state=0).fit(X, graph=graph).graph_
    theirs = umap_learn().UMAP(random_state=0, n_jobs=1, transform_mode="graph").fit(X).graph_
    assert abs(ours - theirs).max() < 1e-4


def test_umap_more_neighbours_than_the_graph_names_both(X, graph):
    with pytest.raises(InputError, match=r"n_neighbors 92 needs 91 .* k = 90"):
        UMAP(n_neighbors=92).fit_transform(X, graph=graph)


# ---- MDS, LLE, Isomap by scikit-learn; the exact engines have tests of their own


def test_mds_starts_from_classical_scaling(X):
    """One pass from PCA is one pass from scikit-learn's classical start, up to signs."""
    ours = MDS(max_iter=1)
    with pytest.warns(UserWarning, match="max_iter = 1"):
        found = ours.fit_transform(X)
    theirs = manifold.MDS(2, init="classical_mds", n_init=1, max_iter=1)
    expected = theirs.fit_transform(X.astype(np.float64))
    assert np.allclose(np.abs(found), np.abs(expected), atol=1e-4)
    assert ours.stress_ == pytest.approx(theirs.stress_, rel=1e-6)


def test_mds_stress_1_is_kruskals(X):
    estimator = MDS(random_state=0)
    found = pdist(estimator.fit_transform(X))
    given = pdist(X.astype(np.float64))
    stress_1 = np.sqrt(((found - given) ** 2).sum() / (found**2).sum())
    assert estimator.diagnostics_["stress_1"] == pytest.approx(stress_1, rel=1e-9)
    assert estimator.diagnostics_["converged"]
    normalised = MDS(random_state=0, normalized_stress=True).fit(X)
    assert normalised.diagnostics_["stress_1"] == pytest.approx(stress_1, rel=1e-9)


def test_mds_of_a_plane_is_the_plane():
    plane = np.random.default_rng(4).normal(size=(80, 2)) @ np.random.default_rng(5).normal(
        size=(2, 9)
    )
    estimator = MDS()
    assert np.allclose(pdist(estimator.fit_transform(plane)), pdist(plane))
    assert estimator.diagnostics_["stress_1"] < 1e-6


def test_isomap_is_scikit_learns(X, graph):
    estimator = Isomap(n_neighbors=30)
    expected = manifold.Isomap(n_neighbors=30)
    assert np.allclose(
        np.abs(estimator.fit_transform(X, graph=graph)),
        np.abs(expected.fit_transform(X.astype(np.float64))),
    )
    assert estimator.reconstruction_error_ == pytest.approx(expected.reconstruction_error())


def test_lle_spans_the_lowest_eigenvectors(X, layouts):
    """Against dense eigenvectors, as a subspace."""
    dense = manifold.LocallyLinearEmbedding(n_neighbors=30, eigen_solver="dense")
    expected = dense.fit_transform(X.astype(np.float64))
    cosines = np.linalg.svd(expected.T @ layouts[LocallyLinearEmbedding], compute_uv=False)
    assert np.allclose(cosines, 1, atol=1e-6)


@pytest.mark.filterwarnings("ignore:Changing the sparsity structure")
@pytest.mark.parametrize("cls", [LocallyLinearEmbedding, Isomap])
def test_components_are_counted(cls):
    """Three blobs 100 apart are three components, with a graph and without."""
    X = three_blobs() + 100 * np.eye(10, dtype=np.float32)[LABELS]
    for graph in (None, knn_graph(X, k=12)):
        estimator = cls(n_neighbors=12)
        with pytest.warns(UserWarning, match="3"):
            estimator.fit_transform(X, graph=graph)
        assert estimator.diagnostics_["components"] == 3


@pytest.mark.filterwarnings("ignore:MDS stopped")
@pytest.mark.parametrize("cls", QUICK)
def test_constant_columns_and_duplicate_rows_survive(cls, X):
    spoilt = np.hstack([np.repeat(X[:150], 2, axis=0), np.full((300, 5), 2, np.float32)])
    found = cls(**QUICK[cls]).fit_transform(spoilt)
    assert np.isfinite(found).all()


def test_methods_import_no_heavy_library():
    code = (
        "import sys; sys.modules['psutil'] = None;"
        "from pipeline.methods.registry import METHODS;"
        "[engine.load() for method in METHODS.values() for engine in method.engines.values()];"
        "heavy = {'tensorflow', 'keras', 'openTSNE', 'umap', 'datashader', 'matplotlib'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("cls", [PCA, MDS, LocallyLinearEmbedding, Isomap])
def test_is_an_estimator_of_scikit_learn(cls):
    few = {"n_neighbors": 5} if "n_neighbors" in cls().get_params() else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on what these checks feed it
        check_estimator(cls(**few))
