"""Are the axes those of PCA by either route, to the same bits for any number of threads?"""

import numba
import numpy as np
import pytest
from point_sets import blobs, low_rank
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from kernels.backend import get_backend
from pipeline.neighbors.principal_axes import STRIP, principal_axes

CPU = get_backend("cpu")
RANDOM = np.random.default_rng(0)
SETS = {
    "tall": RANDOM.normal(size=(2 * STRIP + 5, 12)) * np.arange(1, 13),
    "wide": RANDOM.normal(size=(11, 2 * STRIP + 5)) * np.linspace(1, 3, 2 * STRIP + 5),
    "square": RANDOM.normal(size=(30, 30)),
    "float32": low_rank(),
    "far from the origin": blobs(60).astype(np.float64) + 1e6,
}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("k", [1, 2, 8])
def test_axes_and_variances_are_those_of_pca(name, k):
    X = SETS[name]
    found = principal_axes(X, k, backend=CPU)
    expected = PCA(k, svd_solver="full").fit(X - X.mean(axis=0, dtype=np.float64))
    assert np.allclose(found.axes, expected.components_, atol=1e-7)
    assert np.allclose(found.variances, expected.explained_variance_, rtol=1e-7)


@pytest.mark.parametrize("name", SETS)
def test_axes_are_orthonormal_and_the_largest_entry_is_positive(name):
    axes = principal_axes(SETS[name], 8, backend=CPU).axes
    assert np.allclose(axes @ axes.T, np.eye(8), atol=1e-12)
    assert (axes.max(axis=1) == abs(axes).max(axis=1)).all()


@pytest.mark.parametrize("shape", [(40, 7), (7, 40)])
def test_beyond_the_rank_axes_are_zero(shape):
    """Three dimensions by either route; more axes are asked for than there are rows or columns."""
    X = RANDOM.normal(size=(shape[0], 3)) @ RANDOM.normal(size=(3, shape[1])) + 5
    found = principal_axes(X, 50, backend=CPU)
    assert found.axes.shape == (50, shape[1])
    assert np.count_nonzero(found.variances) == 3
    assert np.allclose(found.axes[:3] @ found.axes[:3].T, np.eye(3))
    assert not found.axes[3:].any()


@pytest.mark.parametrize("X", [np.ones((5, 3)), np.ones((1, 3)), np.ones((3, 5))])
def test_without_variance_there_are_no_axes(X):
    found = principal_axes(X, 2, backend=CPU)
    assert not found.axes.any()
    assert not found.variances.any()


@pytest.mark.parametrize("factor", [2.0**-600, 2.0**600])
def test_squares_neither_overflow_nor_vanish(factor):
    """A float64 square does at these sizes."""
    X = SETS["square"]
    assert np.array_equal(
        principal_axes(X * factor, 4, backend=CPU).axes, principal_axes(X, 4, backend=CPU).axes
    )


@pytest.mark.parametrize("shape", [(9_000, 400), (300, 9_000)])
def test_bits_are_the_same_for_any_number_of_threads(shape):
    """Large enough for LAPACK and BLAS to share their work."""
    X = np.random.default_rng(6).normal(size=shape)
    results = []
    before = numba.get_num_threads()
    try:
        for threads in (1, min(2, before)):
            numba.set_num_threads(threads)
            with threadpool_limits(threads):
                results.append(principal_axes(X, 5, backend=CPU))
    finally:
        numba.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        assert np.array_equal(one, two)


@pytest.mark.parametrize("name", ["tall", "wide"])
@pytest.mark.parametrize("on_device", [False, True])
def test_a_gpu_finds_them(gpu, name, on_device):
    X = SETS[name]
    found = principal_axes(gpu.to_device(X) if on_device else X, 3, backend=gpu)
    expected = principal_axes(X, 3, backend=CPU)
    assert isinstance(found.axes, np.ndarray)
    assert np.allclose(found.axes, expected.axes, atol=1e-9)
    assert np.allclose(found.variances, expected.variances)


def test_float32_products_suffice_where_float32_accuracy_does():
    X = SETS["tall"]
    found = principal_axes(X, 3, backend=CPU, dtype=np.float32)
    expected = principal_axes(X, 3, backend=CPU)
    assert np.allclose(found.axes, expected.axes, atol=1e-4)
    assert np.allclose(found.variances, expected.variances, rtol=1e-5)


def test_a_memory_mapped_file(tmp_path):
    np.save(tmp_path / "features.npy", SETS["tall"])
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    found = principal_axes(mapped, 2, backend=CPU)
    assert np.array_equal(found.axes, principal_axes(SETS["tall"], 2, backend=CPU).axes)
