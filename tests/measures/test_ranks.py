"""Are ranks those that sorting all distances gives, on both devices, and the measures right?"""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.manifold import trustworthiness as scikit_learns

from kernels import reference
from kernels.backend import to_host
from kernels.cpu import ranks as cpu_ranks
from kernels.gpu import ranks as gpu_ranks
from pipeline.errors import InputError
from pipeline.measures import ranks as ranks_module
from pipeline.measures.ranks import ranks, trustworthiness
from pipeline.neighbors.layout_neighbors import layout_neighbors


def cloud(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def others(n, m, seed=0):
    """For each of n points, m others in no order."""
    random = np.random.default_rng(seed)
    return np.stack([random.permutation(np.delete(np.arange(n), i))[:m] for i in range(n)])


def tiles(dtype, ties, m):
    """Products of 3 rows with 1,300 columns in two tiles, and m neighbours of each row."""
    random = np.random.default_rng(m)
    products, half_norms = random.normal(size=(3, 1300)), random.normal(size=1300)
    if ties:
        products, half_norms = np.round(products), np.round(half_norms)
    products, half_norms = products.astype(dtype), half_norms.astype(dtype)
    products[[0, 1, 2], [5, 0, 1299]] = -np.inf  # the rows themselves
    columns = np.stack([random.permutation(np.arange(6, 1299))[:m] for _ in range(3)])
    scores = half_norms[columns] - np.take_along_axis(products, columns, axis=1)
    return products, half_norms, scores, columns.astype(np.int32)


def counted(kernels, xp, products, half_norms, scores, columns):
    counts = xp.zeros(columns.shape, np.int32)
    scores, columns = xp.asarray(scores), xp.asarray(columns)
    for part in (slice(0, 700), slice(700, None)):
        tile, norms = xp.asarray(products[:, part].copy()), xp.asarray(half_norms[part])
        kernels.count_nearer(tile, norms, part.start, scores, columns, counts)
    return to_host(counts)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("m", [1, 15, 40])
def test_counts_are_positions_in_the_sorted_row(m, ties, dtype):
    products, half_norms, _, columns = given = tiles(dtype, ties, m)
    order = np.argsort(half_norms - products, axis=1, kind="stable")
    positions = np.argsort(order, axis=1)
    expected = np.take_along_axis(positions, columns, axis=1)
    assert np.array_equal(counted(reference, np, *given), expected)
    assert np.array_equal(counted(cpu_ranks, np, *given), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("m", [1, 15, 40])
def test_a_gpu_counts_the_same(gpu, m, ties, dtype):
    given = tiles(dtype, ties, m)
    found = counted(gpu_ranks, gpu.xp, *given)
    assert np.array_equal(found, counted(reference, np, *given))


@pytest.mark.parametrize("kernels", [reference, cpu_ranks])
def test_no_neighbour_is_nearer_than_itself(kernels):
    """Scores that were computed apart from the products, and rounded up."""
    products, half_norms, scores, columns = tiles("float64", False, 15)
    raised = np.nextafter(scores, np.inf)
    exact = counted(kernels, np, products, half_norms, scores, columns)
    assert np.array_equal(counted(kernels, np, products, half_norms, raised, columns), exact)


def test_nor_on_a_gpu(gpu):
    products, half_norms, scores, columns = tiles("float64", False, 15)
    raised = np.nextafter(scores, np.inf)
    exact = counted(reference, np, products, half_norms, scores, columns)
    found = counted(gpu_ranks, gpu.xp, products, half_norms, raised, columns)
    assert np.array_equal(found, exact)


@pytest.mark.parametrize("block", [64, 4096])
def test_ranks_are_those_of_all_distances(block, monkeypatch):
    monkeypatch.setattr(ranks_module, "TILE", block)
    X, near = cloud(300, 7), others(300, 9)
    distances = cdist(X, X)
    np.fill_diagonal(distances, np.inf)
    expected = np.argsort(np.argsort(distances, axis=1), axis=1) + 1
    found = ranks(X.astype(np.float32), near, device="cpu")
    found_again = ranks(X, near, device="cpu")
    assert np.array_equal(found_again, np.take_along_axis(expected, near, axis=1))
    assert (found == found_again).mean() > 0.99  # float32 moved the points a little


def test_ranks_on_a_gpu(gpu, monkeypatch):
    monkeypatch.setattr(ranks_module, "TILE", 70)
    grid = np.stack(np.meshgrid(np.arange(14.0), np.arange(12.0)), axis=-1).reshape(-1, 2)
    for X in (cloud(160, 7), grid - grid.mean(axis=0)):  # the second has exact ties
        near = others(len(X), 9)
        expected = ranks(X, near, device="cpu")
        assert np.array_equal(ranks(X, near, device="gpu"), expected)
        rows = np.array([71, 3, *range(80, len(X))])
        for device in ("gpu", "cpu"):
            found = ranks(X, near[rows], rows=rows, device=device)
            assert np.array_equal(found, expected[rows])


def test_equal_distances_rank_by_number():
    X = np.array([[0.0], [1], [-1], [2], [-2]])
    assert ranks(X, np.array([[1, 2, 3, 4]] * 5), device="cpu")[0].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("k", [1, 5, 15])
def test_trustworthiness_is_scikit_learns(k):
    X, Y = cloud(200, 10), cloud(200, 2, seed=1)
    Y[:, 0] += X[:, 0]
    ours = trustworthiness(X, layout_neighbors(Y, k=k), k=k)
    assert ours == pytest.approx(scikit_learns(X, Y, n_neighbors=k), rel=1e-12)
    # And the continuity is that of the way back.
    back = trustworthiness(Y, layout_neighbors(X[:, :2], k=k), k=k)
    assert back == pytest.approx(scikit_learns(Y, X[:, :2], n_neighbors=k), rel=1e-12)


def test_the_worst_layout_has_none():
    """n = 6, k = 1, each point's neighbour the farthest of all: the sum is at its maximum."""
    X = 2.0 ** np.arange(6)[:, None]
    far = np.array([[5], [5], [5], [5], [5], [0]])
    assert trustworthiness(X, far, k=1) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("k", "words"), [(4, "k is 4"), (3, "half of 6 points")])
def test_too_many_neighbours_are_one_sentence(k, words):
    with pytest.raises(InputError, match=words):
        trustworthiness(cloud(6, 2), np.zeros((6, 3), int), k=k)
