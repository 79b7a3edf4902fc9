"""Does LLE on a GPU compute what it does on the CPU, kernel by kernel and as a whole?"""

import numpy as np
import pytest
from scipy.linalg import subspace_angles

from kernels import reference
from kernels.backend import to_host
from kernels.cpu import lle as cpu
from kernels.gpu import lle
from pipeline.methods.lle.exact import LocallyLinearEmbedding
from pipeline.methods.lle.weights import products_with, weight_matrix
from pipeline.methods.solvers.chebyshev import lowest_eigenpairs
from pipeline.neighbors.graph import knn_graph


def weights_on(gpu, X, rows, indices, reg=1e-3):
    return to_host(lle.barycenter_weights(*map(gpu.xp.asarray, (X, rows, indices)), reg))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("k", "d"), [(1, 3), (5, 1), (12, 40), (16, 32), (17, 33), (64, 7), (65, 70)]
)
def test_weights_are_the_cpus(gpu, dtype, k, d):
    """Tiles that are full or not, matrices in shared and in global memory, far from the origin."""
    random = np.random.default_rng(k)
    X = (1000 + random.normal(size=(90, d))).astype(dtype)
    X[20:30] = X[:10]  # duplicates
    rows = random.permutation(90)[:9]
    indices = np.array([random.permutation(90)[:k] for _ in rows], np.int32)
    found = weights_on(gpu, X, rows, indices)
    assert np.abs(found.sum(axis=1) - 1).max() < 1e-12
    assert np.abs(found - cpu.barycenter_weights(X, rows, indices, 1e-3)).max() < 1e-8
    assert np.abs(found - reference.barycenter_weights(X, rows, indices, 1e-3)).max() < 1e-8


def test_more_neighbours_than_blocks_have_room_for_at_once(gpu, monkeypatch):
    monkeypatch.setattr(lle, "BLOCKS", 2)
    random = np.random.default_rng(0)
    X, rows = random.normal(size=(120, 5)), np.arange(7)
    indices = np.array([random.permutation(120)[:100] for _ in rows], np.int32)
    expected = cpu.barycenter_weights(X, rows, indices, 1e-3)
    assert np.abs(weights_on(gpu, X, rows, indices) - expected).max() < 1e-8


def test_weights_of_equal_points_are_equal(gpu):
    indices = np.tile(np.arange(4, dtype=np.int32), (5, 1))
    found = weights_on(gpu, np.ones((5, 3)), np.arange(5), indices)
    assert np.allclose(found, 1 / 4)


def test_a_matrix_that_is_not_positive_definite_gives_nan(gpu):
    """Two equal neighbours, and nothing on the diagonal to separate them; others are fine."""
    X = np.array([[0.0, 0.0], [1, 2], [1, 2], [-1, 5]])
    indices = np.array([[1, 2], [1, 3]], np.int32)
    rows = np.zeros(2, np.int64)
    for solve in (cpu.barycenter_weights, lambda *given: weights_on(gpu, *given)):
        found = solve(X, rows, indices, 1e-300)
        assert not np.isfinite(found[0]).any()
        assert np.allclose(found[1], reference.barycenter_weights(X, rows[1:], indices[1:], 0))
        assert np.isnan(solve(X, rows, indices, -0.4)).all()


# ---- products


@pytest.mark.parametrize(("n", "b"), [(1, 1), (50, 3), (70, 16), (33, 80), (5, 300)])
def test_residuals_are_the_cpus(gpu, n, b):
    """Rows without entries, and up to all."""
    random = np.random.default_rng(b)
    counts = random.integers(0, min(n, 20) + 1, n)
    counts[0], counts[-1] = 0, n
    starts = np.concatenate([[0], np.cumsum(counts)])
    columns = np.concatenate([random.permutation(n)[:count] for count in counts]).astype(np.int32)
    weights = random.normal(size=len(columns))
    Z, V, out = random.normal(size=(3, n, b))
    by_cpu, expected = out.copy(), out.copy()
    given = [gpu.xp.asarray(array) for array in (starts, columns, weights, Z, V)]
    found = gpu.xp.asarray(out.copy())
    lle.add_residual(*given, 2.0, -3, 0.5, found)
    cpu.add_residual(starts, columns, weights, Z, V, 2.0, -3.0, 0.5, by_cpu)
    reference.add_residual(starts, columns, weights, Z, V, 2.0, -3.0, 0.5, expected)
    assert np.allclose(to_host(found), by_cpu, rtol=1e-12, atol=1e-12)
    assert np.allclose(to_host(found), expected, rtol=1e-12, atol=1e-12)


# ---- eigenvectors and layouts


def roll(n):
    """A rolled strip in three dimensions, with some noise."""
    random = np.random.default_rng(1)
    t, height = random.uniform(2, 9, n), random.uniform(0, 6, n)
    X = np.stack([t * np.cos(t), height, t * np.sin(t)], axis=1)
    return (X + 0.01 * random.normal(size=X.shape)).astype(np.float32)


def test_eigenvectors_stay_on_the_device(gpu):
    X = roll(200)
    W = weight_matrix(X, knn_graph(X, k=10).indices, np.empty((0, 2), int), reg=1e-2, backend=gpu)
    start = np.random.default_rng(2).normal(size=(200, 12))
    found = lowest_eigenpairs(
        products_with(W, gpu),
        gpu.xp.asarray(start),
        wanted=2,
        null=gpu.xp.full((200, 1), 200**-0.5),
        tol=1e-5,
        max_products=5000,
        xp=gpu.xp,
    )
    assert isinstance(found.vectors, gpu.xp.ndarray)
    assert isinstance(found.residuals, np.ndarray)
    R = np.eye(200) - W.toarray()
    values, vectors = np.linalg.eigh(R.T @ R)
    assert found.values[:2] == pytest.approx(values[1:3], rel=1e-6)
    assert subspace_angles(to_host(found.vectors)[:, :2], vectors[:, 1:3]).max() < 1e-5


def test_layout_is_the_cpus(gpu):
    X = roll(300)
    layouts, diagnostics = [], []
    for device in ("cpu", "gpu", "gpu"):
        estimator = LocallyLinearEmbedding(
            eigen_solver="chebyshev", tol=1e-5, device=device, random_state=0
        )
        layouts.append(estimator.fit_transform(X))
        diagnostics.append(estimator.diagnostics_)
    assert isinstance(layouts[1], np.ndarray)
    assert np.array_equal(layouts[1], layouts[2])
    assert subspace_angles(layouts[0], layouts[1]).max() < 2e-5
    assert diagnostics[1]["converged"]
    assert diagnostics[1]["eigenvalues"] == pytest.approx(diagnostics[0]["eigenvalues"], rel=1e-6)


@pytest.mark.filterwarnings("ignore:eigenvalues of LLE agree")
def test_components_and_copies_survive(gpu):
    """Three components that are connected, two of them of equal points."""
    X = np.concatenate([roll(60), np.full((20, 3), 50.0), np.full((20, 3), -50.0)])
    estimator = LocallyLinearEmbedding(
        n_neighbors=8, eigen_solver="chebyshev", device="gpu", random_state=0
    )
    with pytest.warns(UserWarning, match="3 closed classes"):
        embedding = estimator.fit_transform(X)
    assert estimator.diagnostics_["closed_classes"] == 3
    assert np.allclose(embedding.T @ embedding, np.eye(2), atol=1e-9)


def test_layout_by_inverse_iteration_is_the_cpus(gpu):
    """Weights are the GPU's, the factors the host's."""
    X = roll(300)
    layouts = [
        LocallyLinearEmbedding(tol=1e-5, device=device, random_state=0).fit_transform(X)
        for device in ("cpu", "gpu")
    ]
    assert subspace_angles(*layouts).max() < 1e-6
