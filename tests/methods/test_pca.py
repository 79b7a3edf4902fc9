"""Is PCA scikit-learn's, to float64's digits, on any features and for any number of threads?"""

import numba
import numpy as np
import pytest
from point_sets import blobs, low_rank
from sklearn import decomposition
from threadpoolctl import threadpool_limits

from kernels.backend import get_backend
from pipeline.errors import InputError
from pipeline.methods.pca import principal_components as module
from pipeline.methods.pca.exact import PCA
from pipeline.methods.pca.principal_components import principal_components
from pipeline.neighbors.principal_axes import STRIP

CPU = get_backend("cpu")
ATTRIBUTES = ("components_", "mean_", "explained_variance_", "explained_variance_ratio_")


def decaying(n, d, dtype=np.float32, seed=0):
    """Features whose variances fall, in directions that are no axis."""
    random = np.random.default_rng(seed)
    r = min(n, d, 20)
    turn = np.linalg.qr(random.normal(size=(d, r)))[0].T
    return ((random.normal(size=(n, r)) * 0.8 ** np.arange(r)) @ turn).astype(dtype)


SETS = {
    "tall": decaying(2 * STRIP + 5, 12),
    "wide": decaying(11, 2 * STRIP + 5),
    "square": decaying(30, 30),
    "float64": decaying(200, 15, np.float64),
    "integers": np.random.default_rng(0).integers(0, 255, size=(100, 8)),
    "two points": decaying(2, 6),
    "constant columns": np.hstack([decaying(50, 6), np.full((50, 3), 1e5, np.float32)]),
    "few dimensions": low_rank(),
    "far from the origin": blobs(60) + np.float32(1e4),
}


def scikit_learns(X, k):
    """Of rows centred in float64: its covariance solver cancels far from the origin."""
    mean = X.mean(axis=0, dtype=np.float64)
    fitted = decomposition.PCA(k, svd_solver="full").fit(X - mean)
    fitted.mean_ = mean
    return fitted, fitted.transform(X.astype(np.float64))


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("k", [1, 2])
def test_is_scikit_learns(name, k):
    X = SETS[name]
    found = PCA(k, device="cpu").fit(X)
    expected, layout = scikit_learns(X, k)
    size = np.abs(layout).max()
    rank = np.count_nonzero(expected.explained_variance_ratio_ > 1e-12)
    assert np.allclose(found.embedding_, layout, rtol=0, atol=2e-6 * size)
    for attribute in ATTRIBUTES:
        one, other = getattr(found, attribute), getattr(expected, attribute)
        assert one.dtype == np.float64
        ranked = slice(None if attribute == "mean_" else rank)
        scale = np.abs(other).max()
        assert np.allclose(one[ranked], other[ranked], rtol=1e-6, atol=2e-6 * scale), attribute


def test_float32_far_from_the_origin_loses_no_digit():
    """Features of 1e4 plus little: what float32 has left of them is laid out to the last digit."""
    near = decaying(3000, 20)
    far = near + np.float32(1e4)
    _, expected = scikit_learns(far, 2)
    found = PCA(device="cpu").fit_transform(far)
    assert np.abs(found - expected).max() < 1e-6 * np.abs(expected).max()


@pytest.mark.parametrize("shape", [(5000, 30), (30, 5000)])
def test_a_variance_that_another_dwarfs_is_found(shape):
    """The second standard deviation is 1e-5 of the first: products in float32 do not see it."""
    random = np.random.default_rng(1)
    turn = np.linalg.qr(random.normal(size=(shape[1], 3)))[0].T
    X = ((random.normal(size=(shape[0], 3)) * [1e5, 1, 0.2]) @ turn).astype(np.float32)
    expected, layout = scikit_learns(X, 2)
    found = PCA(device="cpu").fit(X)
    assert np.allclose(found.explained_variance_, expected.explained_variance_, rtol=1e-5)
    assert np.allclose(found.embedding_[:, 1], layout[:, 1], atol=1e-4 * layout[:, 1].std())


def test_products_are_in_float32_where_they_suffice(monkeypatch):
    precisions = []
    compute = module.principal_axes

    def spy(*given, dtype, **options):
        precisions.append(dtype)
        return compute(*given, dtype=dtype, **options)

    monkeypatch.setattr(module, "principal_axes", spy)
    principal_components(decaying(500, 30), 2, CPU)
    assert precisions == [np.float32]
    precisions.clear()
    principal_components(decaying(500, 30, np.float64), 2, CPU)
    assert precisions == [np.float64]
    precisions.clear()
    principal_components(decaying(500, 1), 2, CPU)  # there is no second dimension
    assert precisions == [np.float32, np.float64]


@pytest.mark.parametrize("shape", [(100, 4), (4, 100)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_features_without_variance_have_no_components(shape, dtype):
    """0.1 is no float: a mean that is rounded would leave differences."""
    found = PCA(device="cpu").fit(np.full(shape, 0.1, dtype))
    assert not found.embedding_.any()
    assert not found.explained_variance_ratio_.any()
    assert np.array_equal(found.mean_, np.full(shape[1], dtype(0.1)))


@pytest.mark.parametrize("p", [1, 2, 5, 12])
def test_coordinates_beyond_the_rank_are_zero(p):
    X = decaying(360, 10) + 100
    found = principal_components(X, p, CPU).coordinates
    assert found.shape == (360, p)
    expected = scikit_learns(X, min(p, 10))[1]
    assert np.allclose(found[:, :10], expected, atol=1e-5)
    assert not found[:, 10:].any()  # there are no more dimensions


@pytest.mark.parametrize(("dtype", "scales"), [("f4", (1e30, 1e-30)), ("f8", (1e-200, 1e200))])
def test_squares_neither_overflow_nor_vanish(dtype, scales):
    X = decaying(100, 10, dtype)
    expected = principal_components(X, 2, CPU).coordinates
    for scale in scales:
        found = principal_components(X * X.dtype.type(scale), 2, CPU).coordinates / scale
        assert np.allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_the_largest_entry_of_a_component_is_positive():
    components = PCA(5, device="cpu").fit(-SETS["tall"]).components_
    assert (components.max(axis=1) == np.abs(components).max(axis=1)).all()


@pytest.mark.parametrize("shape", [(9_000, 400), (300, 9_000)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_are_the_same_for_any_number_of_threads(shape, dtype):
    """Enough features for LAPACK to share its work, enough rows for several strips."""
    X = np.random.default_rng(6).normal(size=shape).astype(dtype)
    results = []
    before = numba.get_num_threads()
    try:
        for threads in (1, min(2, before)):
            numba.set_num_threads(threads)
            with threadpool_limits(threads):
                model = PCA(5, device="cpu").fit(X)
            results.append([model.embedding_, *(getattr(model, name) for name in ATTRIBUTES)])
    finally:
        numba.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        assert np.array_equal(one, two)


def test_more_components_than_there_are_is_refused():
    with pytest.raises(InputError, match="no more than 6 components but n_components is 7"):
        PCA(7).fit(decaying(20, 6))


@pytest.mark.parametrize("name", ["tall", "wide", "float64", "far from the origin"])
def test_a_gpu_finds_the_same(gpu, name):
    X = SETS[name]
    found = principal_components(X, 2, gpu)
    expected = principal_components(X, 2, CPU)
    for one, other in zip(found, expected, strict=True):
        assert isinstance(one, np.ndarray | float)
        assert np.allclose(one, other, rtol=1e-6, atol=2e-6 * np.abs(other).max())
