"""Does inverse iteration find the lowest singular vectors, however small the values are?"""

from contextlib import nullcontext

import numpy as np
import pytest
from scipy.linalg import eigh, subspace_angles
from scipy.sparse import block_diag, csr_array, eye_array

from pipeline.methods.lle import exact
from pipeline.methods.lle.closed_classes import closed_classes, connect_closed_classes
from pipeline.methods.lle.exact import LocallyLinearEmbedding
from pipeline.methods.lle.weights import weight_matrix
from pipeline.methods.solvers.inverse import elimination, lowest_singular_pairs
from pipeline.neighbors.graph import knn_graph


def matrix_with(values, seed=0):
    """A matrix with these singular values and one 0, of the constant; its right vectors."""
    n = len(values) + 1
    random = np.random.default_rng(seed)
    right = random.normal(size=(n, n))
    right[:, 0] = 1
    right, left = (np.linalg.qr(side)[0] for side in (right, random.normal(size=(n, n))))
    return csr_array((left[:, 1:] * values) @ right[:, 1:].T), right[:, 1:]


def solve(R, *, b=8, wanted=2, pivot=0, tol=1e-6, max_products=50):
    start = np.random.default_rng(1).normal(size=(R.shape[0], b))
    return lowest_singular_pairs(
        R, start, wanted=wanted, pivot=pivot, tol=tol, max_products=max_products
    ).pairs


def clusters(n=600, seed=0):
    """Ten curved clusters far apart: several closed classes, lowest eigenvalues below 1e-11."""
    random = np.random.default_rng(seed)
    labels, along = random.integers(0, 10, n), random.normal(size=(n, 4))
    centres, axes = 6 * random.normal(size=(10, 40)), random.normal(size=(10, 4, 40))
    X = centres[labels] + np.einsum("ni,nid->nd", along, axes[labels])
    return X + 0.1 * random.normal(size=X.shape)


def residual_matrix(X, k=12):
    """I - W, its one closed class, and how many there were."""
    indices = knn_graph(X, k=k).indices
    connections = connect_closed_classes(X, indices)
    W = weight_matrix(X, indices, connections, reg=1e-3)
    closed = closed_classes(indices, connections)
    assert len(closed) == 1
    return (eye_array(len(X)) - W).tocsr(), closed[0], len(closed_classes(indices))


@pytest.mark.parametrize("wanted", [1, 2, 5])
@pytest.mark.parametrize("least", [1e-3, 1e-7, 1e-11])
def test_lowest_singular_vectors_are_found(wanted, least):
    """Down to eigenvalues of 1e-22, which no product with R^T R could tell from 0."""
    values = np.concatenate([np.arange(1, 9) * least, np.geomspace(1e-2, 3, 191)])
    R, right = matrix_with(values)
    found = solve(R, wanted=wanted, b=12)
    assert found.converged
    assert np.allclose(found.values[:wanted], values[:wanted], rtol=1e-3)
    angle = subspace_angles(found.vectors[:, :wanted], right[:, :wanted]).max()
    assert np.sin(angle) < 1e-15 / least + 1e-6
    assert np.abs(found.vectors.sum(axis=0)).max() < 1e-10
    assert np.allclose(found.vectors.T @ found.vectors, np.eye(12), atol=1e-12)


@pytest.mark.parametrize("tol", [0.3, 1e-2, 1e-4])
def test_error_bounds_the_angle(tol):
    values = np.concatenate([[0.1, 0.14], np.linspace(0.22, 3, 197)])
    R, right = matrix_with(values)
    found = solve(R, b=4, tol=tol)
    assert found.converged
    angle = subspace_angles(found.vectors[:, :2], right[:, :2]).max()
    assert np.sin(angle) <= found.angle_bound(2) <= tol
    distance = np.abs(found.values[:, None] - values).min(axis=1)
    assert (distance <= found.residuals + 1e-12).all()


def test_gives_up_and_says_so():
    R, _ = matrix_with(np.linspace(0.5, 3, 199))
    found = solve(R, b=3, max_products=3)
    assert not found.converged
    assert found.products == 3
    assert found.angle_bound(2) > 1e-6


def test_a_block_that_spans_everything_is_exact():
    R, _ = matrix_with(np.array([1.0, 2, 3]))
    found = solve(R, b=3, wanted=3)
    assert found.converged
    assert np.allclose(found.values, [1, 2, 3])


def test_equal_values_are_found_though_no_gap_exists():
    R, right = matrix_with(np.concatenate([np.full(3, 0.1), np.linspace(1, 3, 196)]))
    found = solve(R)
    assert found.converged
    assert found.angle_bound(2) == 1
    assert np.linalg.norm(right[:, :3].T @ found.vectors[:, :2], axis=0) == pytest.approx(1)


def test_any_row_of_the_closed_class_will_do():
    """Also one whose share of the left null vector is next to nothing: another takes its place."""
    n = 60
    W = np.zeros((n, n))  # a walk that drifts to the end: shares fall by 9 a step
    W[np.arange(1, n), np.arange(n - 1)] = 0.1
    W[np.arange(n - 1), np.arange(1, n)] = 0.9
    W[0, 1] = W[-1, -2] = 1.0
    R = csr_array(np.eye(n) - W)
    expected = np.linalg.svd(R.toarray())[2][::-1][1:3].T
    for pivot in (0, 30, n - 1):
        found = solve(R, pivot=pivot, tol=1e-10)
        assert found.converged
        assert subspace_angles(found.vectors[:, :2], expected).max() < 1e-8


def test_two_null_vectors_are_told_from_all_others():
    """A second closed class makes the factor singular to the last bit: it is shifted."""
    W = np.full((4, 4), 1 / 3)
    np.fill_diagonal(W, 0)
    far = csr_array(np.eye(4) - W)
    R = block_diag([far, far], format="csr")
    found = solve(csr_array(R), b=4, wanted=1)
    assert found.values[0] < 1e-14
    assert np.abs(found.vectors[:, 0]) == pytest.approx(8**-0.5)
    assert found.values[1] > 0.1  # of 4/3: only what is wanted has converged


def test_plane_of_clusters_is_known_where_the_eigenvalues_of_m_are_rounding():
    X = clusters(300)
    R, closed, classes = residual_matrix(X)
    assert classes > 3
    found = solve(R, b=24, pivot=closed[0], tol=1e-3)
    assert found.converged
    assert found.values[0] ** 2 < 1e-11
    values, right = np.linalg.svd(R.toarray())[1:]
    assert found.values[:3] == pytest.approx(values[::-1][1:4], rel=1e-3)
    assert subspace_angles(found.vectors[:, :2], right[::-1][1:3].T).max() < 1e-3


def test_plane_of_smooth_points_is_that_of_dense_m():
    X = np.random.default_rng(2).uniform(size=(500, 2)) @ np.array([[1.0, 2, 0], [0, 1, 1]])
    R, closed, _ = residual_matrix(X + 0.01 * np.random.default_rng(3).normal(size=X.shape))
    found = solve(R, b=16, pivot=closed[0], tol=1e-8)
    M = (R.T @ R).toarray()
    values, vectors = eigh(M)
    assert found.values[:3] ** 2 == pytest.approx(values[1:4], rel=1e-4)
    assert subspace_angles(found.vectors[:, :2], vectors[:, 1:3]).max() < 1e-6


@pytest.mark.filterwarnings("ignore:the graph of .* closed classes")
@pytest.mark.parametrize("seed", range(3))
def test_layout_of_clusters_converges(seed):
    estimator = LocallyLinearEmbedding(random_state=0).fit(clusters(seed=seed))
    assert estimator.diagnostics_["closed_classes"] > 3
    assert estimator.diagnostics_["converged"]
    assert estimator.diagnostics_["error"] <= 1e-3
    assert estimator.diagnostics_["n_iter"] < 20
    assert estimator.diagnostics_["eigen_residual"] < 1e-13


def test_solvers_agree():
    X = np.random.default_rng(4).normal(size=(400, 6))
    layouts = [
        LocallyLinearEmbedding(eigen_solver=solver, tol=1e-5, random_state=0).fit_transform(X)
        for solver in ("inverse", "chebyshev")
    ]
    assert subspace_angles(*layouts).max() < 1e-4


def test_work_is_that_of_connected_points():
    """A path has two rows a step but the last, if its edges lead both ways, else one."""
    path = np.diag(np.ones(9), 1) + np.diag(np.arange(10.0))
    shuffled = np.random.default_rng(0).permutation(10)
    for A, work, entries in ((path + path.T, 9 * 4 + 1, 9 * 2 + 1), (path, 10, 10)):
        found = elimination(csr_array(A[np.ix_(shuffled, shuffled)]))
        assert sorted(found.order) == list(range(10))
        assert (found.work, found.entries) == (work, entries)


def test_components_are_above_the_diagonal():
    """Two rings that a chain leads to: each behind what leads to it, none fills another."""
    ring = np.roll(np.eye(6), 1, axis=1)
    A = np.zeros((20, 20))
    A[:6, :6], A[6:12, 6:12] = ring, ring
    A[0, 7] = 1
    A[np.arange(12, 19), np.arange(13, 20)] = 1
    A[19, 3] = A[15, 9] = 1
    shuffled = np.random.default_rng(1).permutation(20)
    A = A[np.ix_(shuffled, shuffled)]
    order = elimination(csr_array(A)).order
    component = np.searchsorted([6, 12, *range(13, 20)], shuffled[order], side="right")
    rows, columns = np.nonzero(A[np.ix_(order, order)])
    assert (component[rows] != component[columns])[rows > columns].sum() == 0


def test_factors_are_as_sparse_as_their_order_promises():
    R, closed, _ = residual_matrix(clusters(600))
    found = lowest_singular_pairs(
        R, np.eye(600)[:, :8], wanted=2, pivot=closed[0], tol=1e-3, max_products=50
    )
    assert found.entries <= 2 * elimination(R).entries + R.nnz


@pytest.mark.parametrize(
    ("first", "last", "memory", "solvers"),
    [
        (1e6, 1e9, 1e9, ["inverse"]),
        (1.0, 1e9, 1e9, ["chebyshev", "inverse"]),
        (1.0, 1e3, 1e9, ["chebyshev"]),
        (1e6, 1e9, 1e4, ["chebyshev"]),
    ],
)
def test_work_and_memory_decide_which_solvers_are_tried(monkeypatch, first, last, memory, solvers):
    monkeypatch.setattr(exact, "FIRST_WORK", {"cpu": first, "gpu": first})
    monkeypatch.setattr(exact, "LAST_WORK", last)
    monkeypatch.setattr(exact, "available_memory", lambda owner: memory)
    X = np.random.default_rng(5).normal(size=(200, 3))
    estimator = LocallyLinearEmbedding(random_state=0).fit(X)
    assert estimator.diagnostics_["eigen_solver"] == solvers[0]
    if solvers[0] == "chebyshev":  # which does not converge: the next is tried, where there is one
        message = "raise max_iter" if len(solvers) == 1 else None
        with pytest.warns(UserWarning, match=message) if message else nullcontext():
            estimator.set_params(max_iter=40, tol=1e-5).fit(X)
        assert estimator.diagnostics_["eigen_solver"] == solvers[-1]
        assert estimator.diagnostics_["converged"] == (len(solvers) == 2)
