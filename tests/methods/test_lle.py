"""Is it LLE's layout, to the digits that it claims, whatever the graph and the threads?"""

import json

import numba
import numpy as np
import pytest
from scipy.linalg import eigh, subspace_angles
from scipy.spatial.distance import cdist
from sklearn import manifold
from sklearn.manifold import _locally_linear as theirs
from threadpoolctl import threadpool_limits

from kernels import reference
from kernels.cpu import lle
from pipeline.errors import InputError
from pipeline.methods.lle.closed_classes import closed_classes, connect_closed_classes
from pipeline.methods.lle.exact import LocallyLinearEmbedding, participation
from pipeline.methods.lle.scikit_learn import LocallyLinearEmbedding as ScikitLearnLLE
from pipeline.methods.lle.weights import products_with, weight_matrix
from pipeline.methods.solvers.chebyshev import lowest_eigenpairs
from pipeline.neighbors.graph import knn_graph

SOLVERS = pytest.mark.parametrize("solver", ["inverse", "chebyshev"])
NO_JOINS = np.empty((0, 2), np.int64)


def roll(n=400):
    """A rolled strip in three dimensions, with some noise."""
    random = np.random.default_rng(0)
    t, height = random.uniform(2, 9, n), random.uniform(0, 6, n)
    X = np.stack([t * np.cos(t), height, t * np.sin(t)], axis=1)
    return X + 0.01 * random.normal(size=X.shape)


def clouds(*sizes, far=100.0):
    """Gaussian clouds of the given sizes, along a line."""
    random = np.random.default_rng(1)
    return np.concatenate(
        [random.normal([far * i, 0, 0, 0], size=(size, 4)) for i, size in enumerate(sizes)]
    )


@pytest.fixture(scope="module", name="X")
def features():
    return roll()


@pytest.fixture(scope="module", name="indices")
def neighbour_indices(X):
    return knn_graph(X, k=12).indices


@pytest.fixture(scope="module", name="exact")
def dense_solution(X, indices):
    """All eigenpairs of the dense M, the constant one first."""
    W = np.zeros((len(X), len(X)))
    weights = reference.barycenter_weights(X, np.arange(len(X)), indices, 1e-3)
    np.put_along_axis(W, indices.astype(np.int64), weights, axis=1)
    R = np.eye(len(X)) - W
    return eigh(R.T @ R)


def angle(A, B):
    """The largest angle between two planes."""
    return subspace_angles(A, B).max()


# ---- kernels


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_are_scikit_learns(X, indices, dtype):
    given = (X + 1000).astype(dtype)  # far from the origin: differences lose nothing
    found = lle.barycenter_weights(given, np.arange(len(X)), indices, 1e-3)
    expected = theirs.barycenter_weights(
        given.astype(np.float64), given.astype(np.float64), indices, reg=1e-3
    )
    assert np.abs(found - expected).max() < 1e-8
    again = reference.barycenter_weights(given, np.arange(len(X)), indices, 1e-3)
    assert np.abs(found - again).max() < 1e-8


def test_weights_of_some_rows(X, indices):
    rows = np.array([7, 3, 399])
    near = np.ascontiguousarray(indices[rows, :5])
    found = lle.barycenter_weights(X, rows, near, 1e-2)
    assert np.allclose(found, reference.barycenter_weights(X, rows, near, 1e-2))


def test_weights_of_equal_points_are_equal():
    found = lle.barycenter_weights(
        np.ones((5, 3)), np.arange(5), np.tile(np.arange(4, dtype=np.int32), (5, 1)), 1e-3
    )
    assert np.allclose(found, 1 / 4)


@pytest.mark.parametrize("b", [1, 3, 16])
def test_residuals_are_those_of_the_dense_matrix(b):
    random = np.random.default_rng(2)
    starts = np.array([0, 0, 2, 7, 8], np.int32)  # a row without entries, rows of 2, 5 and 1
    columns = random.integers(0, 4, 8).astype(np.int32)
    weights = random.normal(size=8)
    Z, V, out = random.normal(size=(3, 4, b))
    expected = out.copy()
    lle.add_residual(starts, columns, weights, Z, V, 2.0, -3.0, 0.5, out)
    reference.add_residual(starts, columns, weights, Z, V, 2.0, -3.0, 0.5, expected)
    assert np.allclose(out, expected)


def test_products_are_those_with_m(X, indices):
    W = weight_matrix(X, indices, NO_JOINS, reg=1e-3)
    R = np.eye(len(X)) - W.toarray()
    V, out = np.random.default_rng(3).normal(size=(2, len(X), 16))
    expected = 0.5 * R.T @ R @ V - 2 * V + 3 * out
    products_with(W)(V, 0.5, -2.0, 3.0, out)
    assert np.allclose(out, expected)


# ---- the eigensolver


def dense_apply(M):
    def apply(V, scale, shift, decay, out):
        out[:] = scale * (M @ V) + shift * V + decay * out

    return apply


def matrix_with(eigenvalues):
    """A symmetric matrix with these eigenvalues, and its eigenvectors."""
    n = len(eigenvalues)
    Q = np.linalg.qr(np.random.default_rng(4).normal(size=(n, n)))[0]
    return (Q * eigenvalues) @ Q.T, Q


def solve(M, null, *, b=8, wanted=2, tol=1e-6, max_products=20_000):
    start = np.random.default_rng(5).normal(size=(len(M), b))
    return lowest_eigenpairs(
        dense_apply(M), start, wanted=wanted, null=null, tol=tol, max_products=max_products
    )


NONE = np.empty((300, 0))


@pytest.mark.parametrize("wanted", [1, 2, 5])
def test_finds_the_lowest_eigenvectors(wanted):
    """Six orders of magnitude between the largest and the lowest."""
    eigenvalues = np.concatenate([np.arange(1, 9) * 1e-5, np.geomspace(1e-3, 10, 292)])
    M, Q = matrix_with(eigenvalues)
    found = solve(M, NONE, wanted=wanted)
    assert found.converged
    assert np.allclose(found.values[:wanted], eigenvalues[:wanted], rtol=1e-8)
    assert angle(found.vectors[:, :wanted], Q[:, :wanted]) < 1e-4


def test_error_bounds_the_angle_and_residuals_bound_the_values():
    eigenvalues = np.concatenate([[0.01, 0.02], np.linspace(0.05, 10, 298)])
    M, Q = matrix_with(eigenvalues)
    for tol in (0.3, 1e-2, 1e-4):
        found = solve(M, NONE, tol=tol)
        assert found.converged
        assert np.sin(angle(found.vectors[:, :2], Q[:, :2])) <= found.angle_bound(2) <= tol
        distance = np.abs(found.values[:, None] - eigenvalues).min(axis=1)
        assert (distance <= found.residuals + 1e-12).all()
        assert np.allclose(
            np.linalg.norm(M @ found.vectors - found.vectors * found.values, axis=0),
            found.residuals,
            atol=1e-12,
        )


def test_known_eigenvectors_are_left_out():
    M, Q = matrix_with(np.concatenate([np.zeros(3), np.linspace(0.1, 9, 297)]))
    found = solve(M, Q[:, :3])
    assert np.allclose(found.values[:2], np.linspace(0.1, 9, 297)[:2])
    assert np.abs(Q[:, :3].T @ found.vectors).max() < 1e-12
    assert np.allclose(found.vectors.T @ found.vectors, np.eye(8), atol=1e-12)


def test_equal_eigenvalues_are_found_though_no_gap_exists():
    M, Q = matrix_with(np.concatenate([np.full(3, 0.1), np.linspace(5, 9, 297)]))
    found = solve(M, NONE)
    assert found.converged
    assert found.angle_bound(2) == 1
    assert np.linalg.norm(Q[:, :3].T @ found.vectors[:, :2], axis=0) == pytest.approx(1)


def test_a_block_that_spans_everything_is_exact():
    M, Q = matrix_with(np.array([0.0, 1, 2, 3]))
    found = solve(M, Q[:, :1], b=3, wanted=3)
    assert found.converged
    assert found.angle_bound(3) == 0
    assert np.allclose(found.values, [1, 2, 3])


def test_gives_up_and_says_so():
    M, _ = matrix_with(np.geomspace(1e-5, 10, 300))
    found = solve(M, NONE, max_products=60)
    assert not found.converged
    assert found.products == 60
    assert found.angle_bound(2) > 1e-6


# ---- the layout


@SOLVERS
@pytest.mark.parametrize("q", [1, 2, 3])
def test_spans_the_lowest_eigenvectors(q, solver, X, exact):
    values, vectors = exact
    estimator = LocallyLinearEmbedding(q, eigen_solver=solver, tol=1e-5, random_state=0)
    embedding = estimator.fit_transform(X)
    assert angle(embedding, vectors[:, 1 : q + 1]) < 1e-4
    assert estimator.diagnostics_["converged"]
    assert estimator.diagnostics_["error"] <= 1e-5
    found = np.array(estimator.diagnostics_["eigenvalues"])
    assert np.abs(found - values[1 : q + 2]).max() < 1e-8 * values[-1]
    assert found[:q] == pytest.approx(values[1 : q + 1], rel=1e-4)
    assert estimator.reconstruction_error_ == pytest.approx(found[:q].sum())
    assert np.allclose(embedding.T @ embedding, np.eye(q), atol=1e-12)
    assert np.abs(embedding.sum(axis=0)).max() < 1e-10
    assert (embedding.max(axis=0) == np.abs(embedding).max(axis=0)).all()


def test_is_scikit_learns(X):
    expected = manifold.LocallyLinearEmbedding(n_neighbors=10, eigen_solver="dense")
    layout = expected.fit_transform(X)
    estimator = LocallyLinearEmbedding(n_neighbors=10, tol=1e-6, random_state=0)
    assert angle(estimator.fit_transform(X), layout) < 1e-4
    assert estimator.reconstruction_error_ == pytest.approx(
        expected.reconstruction_error_, abs=1e-12
    )


@SOLVERS
def test_same_bits_for_any_number_of_threads(X, solver):
    estimator = LocallyLinearEmbedding(eigen_solver=solver, random_state=0)
    threads = numba.get_num_threads()
    layouts = []
    try:
        for count in (1, threads, threads):
            numba.set_num_threads(count)
            with threadpool_limits(count):
                layouts.append(estimator.fit_transform(X))
    finally:
        numba.set_num_threads(threads)
    assert np.array_equal(layouts[0], layouts[1])
    assert np.array_equal(layouts[1], layouts[2])


@SOLVERS
def test_another_start_changes_less_than_tol(X, solver):
    one, two = (
        LocallyLinearEmbedding(eigen_solver=solver, tol=1e-4, random_state=seed).fit_transform(X)
        for seed in (0, 1)
    )
    assert not np.array_equal(one, two)
    assert np.sin(angle(one, two)) < 2e-4


@pytest.mark.parametrize(
    "change",
    [
        lambda X: X.astype(np.float16),
        lambda X: X.astype(np.float32),
        lambda X: np.asfortranarray(X),
        lambda X: np.repeat(X, 2, axis=1)[:, ::2],
        lambda X: (100 * X).astype(np.int64),
    ],
    ids=["float16", "float32", "fortran", "strided", "int64"],
)
def test_takes_any_kind_of_array(change, X):
    given = change(X)
    expected = LocallyLinearEmbedding(random_state=0).fit_transform(
        np.ascontiguousarray(given, dtype=np.float64)
    )
    assert np.allclose(LocallyLinearEmbedding(random_state=0).fit_transform(given), expected)


def test_memory_mapped(tmp_path, X):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    one, two = (LocallyLinearEmbedding(random_state=0).fit_transform(x) for x in (X, mapped))
    assert np.array_equal(one, two)


def test_participation_of_a_spike_and_of_a_constant():
    vectors = np.zeros((50, 3))
    vectors[7, 0] = -1
    vectors[:, 1] = 50**-0.5
    vectors[:10, 2] = 3.0
    assert participation(vectors) == pytest.approx([1 / 50, 1, 10 / 50])


def test_diagnostics_are_plain(X):
    for solver in ("inverse", "chebyshev"):
        estimator = LocallyLinearEmbedding(eigen_solver=solver, random_state=0).fit(X)
        known = estimator.diagnostics_
        assert json.loads(json.dumps(known, allow_nan=False)) == known
        assert known["eigen_solver"] == solver
        assert known["components"] == known["closed_classes"] == 1
        assert known["connections"] == 0
        assert known["participation"] == pytest.approx(list(participation(estimator.embedding_)))
    assert known["flops"] == 4 * 16 * 12 * 400 * known["n_iter"]


# ---- graphs of several connected components


def test_closed_classes_of_small_graphs():
    """A cycle that one other point leads to, and a pair that the cycle cannot reach."""
    leads = np.array([[1], [2], [0], [0], [5], [4], [4]])
    assert [list(some) for some in closed_classes(leads)] == [[0, 1, 2], [4, 5]]
    both = np.array([[1, 2], [2, 0], [0, 1], [0, 4], [3, 5], [4, 3]])  # the second leads out
    assert [list(some) for some in closed_classes(both)] == [[0, 1, 2]]
    assert [list(some) for some in closed_classes(both, np.array([[2, 5]]))] == [[*range(6)]]


def test_closed_classes_are_connected_by_their_shortest_edges():
    """From points that all of a component lead to, to another component."""
    sizes = (90, 40, 60)
    X = clouds(*sizes, far=20.0)
    indices = knn_graph(X, k=8).indices
    labels = np.repeat(np.arange(3), sizes)
    classes = closed_classes(indices)
    assert sum(map(len, classes)) < len(X)  # some points lead in, but nobody leads to them
    connections = connect_closed_classes(X, indices)
    assert len(closed_classes(indices, connections)) == 1
    D = cdist(X, X)
    for members, (point, other) in zip(classes[1:], connections, strict=False):
        outside = np.flatnonzero(labels != labels[members[0]])
        assert point in members
        assert D[point, other] == D[np.ix_(members, outside)].min()


def test_a_point_that_leads_to_two_classes_connects_them():
    X = np.array([[0.0], [1], [2], [20], [21], [22], [12]])
    indices = np.array([[1, 2], [0, 2], [1, 0], [4, 5], [3, 5], [4, 3], [3, 2]])
    assert connect_closed_classes(X, indices).tolist() == [[3, 6]]


def test_every_round_of_joins_halves_the_classes():
    X = clouds(*[20] * 9, far=30.0)
    connections = connect_closed_classes(X, knn_graph(X, k=6).indices)
    assert len(connections) <= 8 + 4 + 2 + 1


def test_joined_points_are_rebuilt_from_all_their_neighbours():
    X = clouds(30, 30)
    indices = knn_graph(X, k=5).indices
    connections = np.array([[3, 40], [3, 41], [50, 2]])
    W = weight_matrix(X, indices, connections, reg=1e-3).toarray()
    assert np.allclose(W.sum(axis=1), 1)
    near = np.append(indices[3], [40, 41])
    assert set(np.flatnonzero(W[3])) == set(near)
    assert np.allclose(W[3, near], reference.barycenter_weights(X, np.array([3]), near[None], 1e-3))
    assert np.allclose(
        W[7, indices[7]], reference.barycenter_weights(X, np.array([7]), indices[7:8], 1e-3)
    )


@pytest.mark.filterwarnings("ignore:eigenvalues of LLE agree")
@pytest.mark.parametrize("sizes", [(100, 100, 100), (200, 15, 14)])
def test_three_components_are_three_clusters(sizes):
    """Components are apart; scikit-learn's layout of them is an arbitrary one of many."""
    estimator = LocallyLinearEmbedding(random_state=0)
    with pytest.warns(UserWarning, match="12 neighbours has 3 closed classes"):
        embedding = estimator.fit_transform(clouds(*sizes))
    assert estimator.diagnostics_["converged"]
    assert estimator.diagnostics_["components"] == estimator.diagnostics_["closed_classes"] == 3
    labels = np.repeat(np.arange(3), sizes)
    centres = np.array([np.median(embedding[labels == label], axis=0) for label in range(3)])
    assert (cdist(embedding, centres).argmin(axis=1) == labels).all()


@pytest.mark.filterwarnings("ignore:eigenvalues of LLE agree")
def test_copies_of_points_survive():
    """Twenty points, each twenty times: every copy has only copies for neighbours."""
    X = np.repeat(np.random.default_rng(6).normal(size=(20, 3)), 20, axis=0)
    estimator = LocallyLinearEmbedding(random_state=0)
    with pytest.warns(UserWarning, match="20 closed classes"):
        embedding = estimator.fit_transform(X)
    assert estimator.diagnostics_["converged"]
    assert np.isfinite(embedding).all()


def test_equal_points_survive_and_have_no_unique_plane():
    estimator = LocallyLinearEmbedding(random_state=0)
    with pytest.warns(UserWarning, match="not unique"):
        embedding = estimator.fit_transform(np.ones((50, 3)))
    assert estimator.diagnostics_["error"] == 1
    assert np.allclose(embedding.T @ embedding, np.eye(2))


# ---- what is refused


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"n_components": 0}, "n_components of LocallyLinearEmbedding is 0 but"),
        ({"n_components": 400}, "n_components is 400 but 400 points"),
        ({"n_neighbors": 400}, "400"),
        ({"reg": 0}, "reg of .* is 0"),
        ({"tol": -1}, "tol of .* is -1"),
        ({"max_iter": 0}, "max_iter of .* is 0"),
        ({"eigen_solver": "arpack"}, "eigen_solver of .* is 'arpack'"),
        ({"reg": 1e-30}, "reg is 1e-30, too small"),
    ],
)
def test_what_cannot_be_done_is_said(parameters, words, X):
    X = np.concatenate([X[:200], X[:200]]) if "reg" in parameters else X
    with pytest.raises(InputError, match=words):
        LocallyLinearEmbedding(**parameters).fit_transform(X)


@pytest.mark.parametrize(("solver", "products"), [("inverse", 1), ("chebyshev", 100)])
def test_warns_when_not_converged(X, solver, products):
    estimator = LocallyLinearEmbedding(
        eigen_solver=solver, tol=1e-6, max_iter=products, random_state=0
    )
    with pytest.warns(UserWarning, match=f"max_iter = {products} products .* raise max_iter"):
        estimator.fit_transform(X)
    assert not estimator.diagnostics_["converged"]
    assert estimator.diagnostics_["n_iter"] == products


# ---- any unit, few points


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_power_of_two_changes_nothing(X, dtype):
    X = X.astype(dtype)
    expected = LocallyLinearEmbedding(random_state=0).fit(X)
    for exponent in (-100, 90):
        found = LocallyLinearEmbedding(random_state=0).fit(np.ldexp(X, exponent))
        assert np.array_equal(found.embedding_, expected.embedding_)
        assert found.diagnostics_ == expected.diagnostics_


@pytest.mark.parametrize("factor", [1e-200, 1e-6, 1e3, 1e200])
@pytest.mark.parametrize("engine", [LocallyLinearEmbedding, ScikitLearnLLE])
def test_a_power_of_ten_changes_rounding_only(X, engine, factor):
    expected, found = (engine(random_state=0).fit_transform(x) for x in (X, factor * X))
    assert np.allclose(found, expected, atol=1e-6 * np.abs(expected).max())


@pytest.mark.filterwarnings("ignore:eigenvalues of LLE agree")
@pytest.mark.filterwarnings("ignore:the graph of .* closed classes")
@pytest.mark.parametrize("engine", [LocallyLinearEmbedding, ScikitLearnLLE])
@pytest.mark.parametrize("n", [3, 4, 5, 6, 40])
@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("kind", ["random", "twins", "one apart"])
def test_few_and_equal_points_have_a_layout(engine, n, k, kind):
    if k >= n:
        pytest.skip("as many neighbours as points")
    X = np.random.default_rng(n).normal(size=(n, 4))
    if kind == "twins":
        X = np.repeat(X, 2, axis=0)[:n]
    elif kind == "one apart":
        X[1:] = X[1]
    estimator = engine(n_neighbors=k, random_state=0)
    found = estimator.fit_transform(X)
    assert found.shape == (n, 2)
    assert np.allclose(found.T @ found, np.eye(2), atol=1e-9)
    assert estimator.diagnostics_.get("converged", True)
