"""Are our MDS, Isomap and LLE with scikit-learn's parameters the same as scikit-learn's?"""

import pickle

import numpy as np
import pytest
from scipy.linalg import subspace_angles
from scipy.spatial.distance import pdist, squareform
from sklearn import datasets, manifold
from sklearn.base import clone

from pipeline.errors import InputError
from pipeline.methods import manifold as ours
from pipeline.methods.lle import exact as lle
from pipeline.methods.manifold import isomap
from pipeline.methods.mds import exact as mds

NAMES = ["MDS", "Isomap", "LocallyLinearEmbedding"]


@pytest.mark.parametrize("name", NAMES)
def test_parameters_and_their_defaults_are_scikit_learns(name):
    estimator = getattr(ours, name)()
    theirs = getattr(manifold, name)()
    assert estimator.get_params() == theirs.get_params()
    assert isinstance(estimator, type(theirs))


@pytest.fixture(scope="module", name="X")
def roll():
    return datasets.make_swiss_roll(600, random_state=0)[0]


@pytest.fixture(params=[1024, 0], ids=["float64", "16 bits"])
def error(request, monkeypatch):
    """How far our Isomap may be off, as a share of its largest coordinate."""
    monkeypatch.setattr(isomap, "FEW", request.param)
    return 1e-8 if request.param else 1e-3


def same(found, expected, error):
    return np.abs(found - expected).max() <= error * np.abs(expected).max()


ISOMAPS = [
    {"n_neighbors": 8},
    {"n_neighbors": 8, "path_method": "FW", "eigen_solver": "dense"},
    {"n_neighbors": 8, "neighbors_algorithm": "brute"},
    {"n_neighbors": None, "radius": 4.0},
    {"n_neighbors": 8, "metric": "cosine"},
    {"n_neighbors": 8, "metric": "minkowski", "p": 3},
    {"n_neighbors": 8, "metric": "seuclidean", "metric_params": {"V": np.array([1.0, 2, 3])}},
]


@pytest.mark.filterwarnings("ignore:.*[Tt]he number of connected components")
@pytest.mark.filterwarnings("ignore:Changing the sparsity structure")
@pytest.mark.parametrize("parameters", ISOMAPS)
def test_isomap_lays_out_as_scikit_learns(X, parameters, error):
    old, new = X[:500], X[500:]
    theirs = manifold.Isomap(**parameters).fit(old)
    found = ours.Isomap(**parameters).fit(old)
    assert same(found.embedding_, theirs.embedding_, error)
    assert same(found.transform(new), theirs.transform(new), error)
    assert found.reconstruction_error() == pytest.approx(theirs.reconstruction_error(), rel=error)


def test_isomap_of_precomputed_distances(X, error):
    D = squareform(pdist(X))
    theirs = manifold.Isomap(n_neighbors=8, metric="precomputed").fit(D[:500, :500])
    found = ours.Isomap(n_neighbors=8, metric="precomputed").fit(D[:500, :500])
    assert same(found.embedding_, theirs.embedding_, error)
    assert same(found.transform(D[500:, :500]), theirs.transform(D[500:, :500]), error)


@pytest.mark.filterwarnings("ignore:.*[Tt]he number of connected components")
@pytest.mark.filterwarnings("ignore:Changing the sparsity structure")
def test_isomap_of_several_components(X, error):
    apart = np.concatenate([X[:200], X[200:400] + 100])
    theirs, found = (cls(n_neighbors=8).fit(apart) for cls in (manifold.Isomap, ours.Isomap))
    assert same(found.embedding_, theirs.embedding_, error)
    assert same(found.transform(X[400:]), theirs.transform(X[400:]), error)


def test_isomap_of_a_line_has_no_second_coordinate(error):
    line = np.random.default_rng(0).uniform(size=(60, 1)) * [[1, 2, 3]]
    with pytest.warns(UserWarning, match="1 of 2 axes of Isomap"):
        found = ours.Isomap(n_neighbors=20).fit(line)
    assert not found.embedding_[:, 1].any()
    assert same(np.abs(pdist(found.embedding_)), pdist(line), error)
    assert not found.transform(line + 0.01)[:, 1].any()


def test_isomap_finds_paths_from_new_points_in_parts(X, monkeypatch):
    estimator = ours.Isomap(n_neighbors=8).fit(X[:500])
    expected = estimator.transform(X)
    assert same(expected[:500], estimator.embedding_, 1e-8)
    monkeypatch.setattr(isomap, "TOGETHER", 7)
    assert same(estimator.transform(X), expected, 1e-12)


def test_isomap_of_more_than_a_thousand_points_is_the_exact_engines():
    X = datasets.make_swiss_roll(isomap.FEW + 1, random_state=0)[0]
    found = ours.Isomap(n_neighbors=8).fit(X[:-1])
    assert found.dist_matrix_.shape == (isomap.FEW, isomap.FEW)
    found.fit(X)
    assert found.diagnostics_["path_error"] < 1e-5
    assert not hasattr(found, "dist_matrix_")
    expected = isomap.exact.Isomap(n_neighbors=8, random_state=0).fit_transform(X)
    assert same(found.embedding_, expected, 1e-6)
    assert same(found.transform(X[:50]), found.embedding_[:50], 1e-4)


@pytest.mark.parametrize("solver", ["auto", "dense", "arpack"])
def test_lle_lays_out_as_scikit_learns(X, solver):
    old, new = X[:500], X[500:]
    theirs = manifold.LocallyLinearEmbedding(n_neighbors=10, eigen_solver="dense").fit(old)
    found = ours.LocallyLinearEmbedding(n_neighbors=10, eigen_solver=solver, tol=1e-8).fit(old)
    assert subspace_angles(found.embedding_, theirs.embedding_).max() < 1e-6
    turn = theirs.embedding_.T @ found.embedding_  # within the plane: signs
    assert np.allclose(np.abs(turn), np.eye(2), atol=1e-6)
    assert same(found.transform(new), theirs.transform(new) @ turn, 1e-6)
    assert found.reconstruction_error_ == pytest.approx(theirs.reconstruction_error_, rel=1e-3)


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "cityblock", "precomputed"])
def test_mds_is_not_worse_than_scikit_learns(X, metric):
    given = squareform(pdist(X[:150])) if metric == "precomputed" else X[:150]
    parameters = {"metric": metric, "init": "classical_mds", "eps": 1e-9, "max_iter": 3000}
    theirs = manifold.MDS(**parameters).fit(given)
    found = ours.MDS(**parameters).fit(given)
    assert found.stress_ <= theirs.stress_ * (1 + 1e-6)
    assert np.allclose(found.dissimilarity_matrix_, theirs.dissimilarity_matrix_)
    D = squareform(found.dissimilarity_matrix_, checks=False)
    assert found.stress_ == pytest.approx(np.square(pdist(found.embedding_) - D).sum())


@pytest.mark.parametrize(("name", "engine"), [("MDS", mds), ("LocallyLinearEmbedding", lle)])
def test_layouts_are_the_exact_engines(X, name, engine):
    """Bit for bit: scikit-learn's code does not lay out."""
    parameters = {"n_neighbors": 8, "tol": 1e-6} if engine is lle else {"init": "random"}
    found = getattr(ours, name)(**parameters, random_state=0).fit(X)
    expected = getattr(engine, name)(**parameters, random_state=0).fit(X)
    assert np.array_equal(found.embedding_, expected.embedding_)
    assert found.diagnostics_ == expected.diagnostics_


@pytest.mark.filterwarnings("ignore:MDS stopped after max_iter")
def test_mds_starts_where_scikit_learns_does(X):
    """At random by the same numbers, or at an array, of which one step is the same."""
    parameters = {"max_iter": 1, "init": "random", "random_state": 3}
    theirs, found = (cls(**parameters).fit_transform(X) for cls in (manifold.MDS, ours.MDS))
    assert same(found, theirs, 1e-9)
    start = X[:, :2] ** 2
    theirs, found = (cls(**parameters).fit(X, init=start) for cls in (manifold.MDS, ours.MDS))
    assert same(found.embedding_, theirs.embedding_, 1e-9)


@pytest.mark.parametrize("name", ["Isomap", "LocallyLinearEmbedding"])
def test_a_copy_transforms_as_the_original(X, name):
    estimator = getattr(ours, name)(n_neighbors=8).fit(X[:500])
    copy = pickle.loads(pickle.dumps(estimator))
    assert np.array_equal(copy.transform(X[500:]), estimator.transform(X[500:]))
    assert not hasattr(clone(estimator), "embedding_")


# ---- What is refused


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("LocallyLinearEmbedding", {"method": "hessian"}, "'hessian' .* use sklearn.manifold"),
        ("LocallyLinearEmbedding", {"method": "modified"}, "'modified' .* use sklearn.manifold"),
        ("LocallyLinearEmbedding", {"method": "ltsa"}, "'ltsa' .* use sklearn.manifold"),
        ("MDS", {"metric_mds": False}, "metric_mds of MDS is False .* use sklearn.manifold.MDS"),
        ("MDS", {"metric": "cosine", "dissimilarity": "precomputed"}, "'precomputed'.* 'cosine'"),
        ("Isomap", {"n_components": 600}, "n_components is 600 but .* n_samples = 600"),
        ("Isomap", {"radius": 2.0}, "Both n_neighbors and radius are provided, 5 and 2.0"),
        ("Isomap", {"n_neighbors": None}, "n_neighbors and radius are both None; set one of them"),
    ],
)
def test_what_is_not_computed_is_refused(X, name, parameters, words):
    with pytest.raises(InputError, match=words):
        getattr(ours, name)(**parameters).fit(X)


@pytest.mark.parametrize("name", NAMES)
def test_other_values_are_refused_in_scikit_learns_words(X, name):
    with pytest.raises(ValueError, match=f"The 'n_components' parameter of {name} must be an int"):
        getattr(ours, name)(n_components=0).fit(X)


@pytest.mark.usefixtures("error")
@pytest.mark.parametrize("scale", [1e200, 1e-200])
@pytest.mark.parametrize("metric", ["euclidean", "precomputed"])
def test_isomap_refuses_numbers_whose_powers_leave_float64(X, scale, metric):
    X = scale * (X if metric == "euclidean" else squareform(pdist(X)))
    with pytest.raises(
        InputError, match=r"the largest magnitude in X is .*e(.20\d|-199), .*divide X by"
    ):
        ours.Isomap(metric=metric).fit(X)


def test_isomap_refuses_a_new_point_without_neighbours(X):
    estimator = ours.Isomap(n_neighbors=None, radius=10.0).fit(X)
    with pytest.raises(InputError, match=r"row 1 of X has no neighbour within radius = 10.0"):
        estimator.transform(np.stack([X[0], X[0] + 1000]))
