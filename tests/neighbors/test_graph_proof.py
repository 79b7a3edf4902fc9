"""Is the graph exact on points made to break its proof, and in any unit?"""

import numpy as np
import pytest
from point_sets import CASES, blobs, duplicates, low_rank
from scipy.spatial.distance import cdist

from kernels import reference
from kernels.backend import get_backend
from kernels.cpu import knn
from kernels.gpu import knn as gpu_knn
from pipeline.errors import InputError
from pipeline.neighbors import lower_bound
from pipeline.neighbors.graph import knn_graph
from pipeline.neighbors.lower_bound import lower_bound_embedding
from pipeline.neighbors.scale import scale_features

LEADING = 10  # dimensions of the subspace that has nearly all of the variance
BULK = 250  # rows in it


def almost_flat(seed, depth=1e-4):
    """Rows a hair (`depth`) off the leading subspace, each with its nearest neighbour far off it.

    The neighbour lies straight above its row, some sixty decoys a little farther away above the
    subspace in other directions. So the row's residual, as short as it is, decides who is nearer,
    and a length that is wrong by a rounding error of the row's norm gets it wrong.
    """
    random = np.random.default_rng(seed)
    blocks = [np.pad(3 * random.normal(size=(BULK, LEADING)), ((0, 0), (0, 50)))]
    up = np.eye(LEADING + 50)[LEADING:]
    for i in range(10):
        row = np.pad(random.normal(size=LEADING), (0, 50))
        row *= (4 + i / 5) / np.linalg.norm(row)
        norm = np.linalg.norm(row)
        heights = (0.5 - 0.8 * depth) * norm * (1 + 1e-6 * np.arange(56))
        decoys = [h * up[1 + t // 2] * (-1) ** t for t, h in enumerate(heights)]
        offsets = [depth * norm * up[0], 0.5 * norm * up[0], -0.5 * norm * up[0], *decoys]
        blocks.append(row + offsets)
    return np.concatenate(blocks)


def flat_around_duplicates(seed):
    """Copies, and rows that leave a plane by rounding errors only."""
    random = np.random.default_rng(seed)
    flat = random.normal(size=(300, 5)) @ random.normal(size=(5, 40))
    flat += 1e-7 * random.normal(size=(300, 1)) * random.normal(size=40)
    return random.permutation(np.vstack([flat, np.repeat(flat[:40], 3, axis=0)]))


def mixed_scales(seed):
    """Norms over twelve decades, in clusters."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(400, LEADING)) @ random.normal(size=(LEADING, 30))
    return X * 10.0 ** random.integers(-6, 6, (400, 1)) + 0.01 * random.normal(size=(400, 30))


FAMILIES = {f.__name__: f for f in (almost_flat, flat_around_duplicates, mixed_scales)}


@pytest.fixture
def few_axes(monkeypatch):
    """Few coordinates for all sets, however weak the bound that they give."""
    for kernels in (knn, gpu_knn):
        monkeypatch.setattr(kernels, "MIN_ROWS_PER_FEATURE", 1)
    monkeypatch.setattr(lower_bound, "_axes_needed", lambda *_: LEADING)


def brute_force(X, k):
    """The k nearest other rows, ties by row number."""
    distances = cdist(X.astype(np.float64), X.astype(np.float64))
    np.fill_diagonal(distances, np.inf)
    return distances.argsort(axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize(
    ("dtype", "change"),
    [
        (np.float32, lambda X: X),
        (np.float64, lambda X: X),
        (np.float32, lambda X: X * 1e30),
        (np.float64, lambda X: np.ldexp(X, 900)),
        (np.float64, lambda X: np.ldexp(X, -900)),
        (np.float32, lambda X: X + 1e5 * np.linspace(-1, 1, X.shape[1])),
        (np.float64, lambda X: X + 1e5 * np.linspace(-1, 1, X.shape[1])),
    ],
    ids=["float32", "float64", "x 1e30", "x 2^900", "x 2^-900", "far, float32", "far, float64"],
)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", [0, 1])
def test_graph_is_brute_force_on_points_made_to_break_it(family, change, dtype, seed, few_axes):
    X = change(FAMILIES[family](seed)).astype(dtype)
    scaled = scale_features(X).values  # of which no square overflows or vanishes
    for k in (1, 15):
        assert np.array_equal(knn_graph(X, k=k, device="cpu").indices, brute_force(scaled, k))


def test_a_gpu_finds_them_too(gpu, few_axes):
    X = almost_flat(2).astype(np.float32)
    assert np.array_equal(knn_graph(X, k=15, device="gpu").indices, brute_force(X, 15))


@pytest.mark.parametrize("seed", range(3))
def test_a_short_residual_is_as_exact_as_a_long_one(seed, few_axes):
    """The root of |z|^2 - |q|^2 with rounded q is wrong by up to 3e-4 |z|."""
    X = almost_flat(seed)
    Z, norms, scale = lower_bound_embedding(X, k=1, width=33, backend=get_backend("cpu"))
    assert Z.shape[1] == LEADING + 1
    bound, true = (cdist(A[BULK:], A[BULK:]) for A in (Z.astype(np.float64), scale * X))
    rounding = 2.0**-24 * (norms[BULK:, None] + norms[BULK:])
    assert (bound <= true + rounding).all()


# ---- units


@pytest.mark.parametrize("k", [-600, -20, 3, 600])
@pytest.mark.parametrize("make", [blobs, duplicates, low_rank])
def test_powers_of_two_change_the_distances_alone(make, k):
    X = make().astype(np.float64)
    one, other = knn_graph(X, k=9, device="cpu"), knn_graph(np.ldexp(X, k), k=9, device="cpu")
    assert np.array_equal(one.indices, other.indices)
    rescaled = np.ldexp(other.distances.astype(np.float64), -k)
    assert np.array_equal(one.distances, rescaled.astype(np.float32))


@pytest.mark.parametrize("factor", [1e200, 1e-200, 1e30, 1e-30, 1e16])
@pytest.mark.parametrize("make", [blobs, low_rank])
def test_other_units_give_the_same_neighbours(make, factor):
    X = make().astype(np.float64)
    one, other = knn_graph(X, k=9, device="cpu"), knn_graph(X * factor, k=9, device="cpu")
    assert np.array_equal(one.indices, other.indices)
    assert np.allclose(other.distances / factor, one.distances, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("X", "dtype"),
    [
        (blobs() * np.float32(1e30), np.float32),
        (CASES["integers"].astype(np.int64) * 10**16, np.float32),
        (blobs().astype(np.float64) * 1e38, np.float64),  # the largest distance is beyond float32
        (blobs().astype(np.float64) * 1e-46, np.float64),
        (np.zeros((20, 3)), np.float32),
    ],
)
def test_distances_are_finite_in_the_unit_of_the_features(X, dtype):
    found = knn_graph(X, k=9, device="cpu")
    scaled, exponent = scale_features(X)
    indices, squared = reference.knn(scaled, 9)
    assert np.array_equal(found.indices, indices)
    assert found.distances.dtype == dtype
    assert np.allclose(found.distances, np.ldexp(np.sqrt(squared), exponent), rtol=1e-6, atol=0)


def test_distances_beyond_float64_are_refused():
    with pytest.raises(InputError, match="1e308"):
        knn_graph(np.array([[-1e308], [1e308], [1e308]]), k=2, device="cpu")


def test_squares_that_vanish_hide_no_neighbour():
    """One constant column, and spreads whose squares are 0 in float64: the first rows win."""
    X = np.column_stack([np.ones(200), 1e-170 * np.random.default_rng(0).normal(size=200)])
    found = knn_graph(X, k=5, device="cpu")
    assert np.array_equal(found.indices, brute_force(X, 5))


# ---- shapes


@pytest.mark.parametrize("shape", [(2, 1), (3, 500), (40, 5000)])
@pytest.mark.parametrize("enough", [0.0, 8.0])
def test_more_features_than_rows(shape, enough, monkeypatch):
    monkeypatch.setattr(knn, "MIN_ROWS_PER_FEATURE", enough)
    X = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    k = min(5, shape[0] - 1)
    assert np.array_equal(knn_graph(X, k=k, device="cpu").indices, brute_force(X, k))
