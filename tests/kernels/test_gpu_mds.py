"""Does MDS on a GPU compute what it does on the CPU, kernel by kernel and as a whole?"""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from kernels import reference
from kernels.backend import to_host
from kernels.cpu import distances as cpu_distances
from kernels.gpu import distances, smacof
from kernels.pairs import folds, strip_starts
from pipeline.errors import InputError
from pipeline.methods.mds.exact import MDS


def strips_of(D, dtype):
    """The upper half of a symmetric matrix in strips, anything below the diagonal poisoned."""
    n, starts = len(D), strip_starts(len(D))
    poison = np.nan if np.dtype(dtype).kind == "f" else 4242
    filled = np.where(np.triu(np.ones((n, n), bool), 1), D, poison)
    parts = [filled[first : first + 256, first:].ravel() for first in range(0, n, 256)]
    return np.concatenate(parts).astype(dtype), starts


@pytest.mark.parametrize(("n", "p"), [(2, 2), (9, 3), (300, 3), (700, 2)])
@pytest.mark.parametrize(("values", "real"), [("uint16", "float32"), ("float64", "float64")])
def test_guttman_sums(gpu, n, p, values, real):
    rng = np.random.default_rng(n)
    X = rng.normal(scale=1e4, size=(n, p)).astype(real)
    X[n // 2] = X[0]  # coincident
    D = rng.integers(0, 65536, (n, n)).astype(float)
    D = np.triu(D, 1) + np.triu(D, 1).T
    stored, starts = strips_of(D, values)
    sums, squares = np.ones((1, p, n)), np.ones(1)  # added to
    device = [gpu.xp.asarray(a) for a in (stored, starts, X.T.copy(), sums, squares)]
    for fold in range(folds(n)):
        smacof.guttman_sums(*device, fold, fold + 1)
    expected, stress = reference.guttman_sums(D, X.astype(float))
    tolerance = 3e-6 if real == "float32" else 1e-12
    got = to_host(device[3])[0].T - 1
    assert np.abs(got - expected).max() <= tolerance * np.abs(expected).max()
    assert to_host(device[4])[0] - 1 == pytest.approx(stress, rel=tolerance)


@pytest.mark.parametrize(("real", "value"), [("float32", "uint16"), ("float64", "float64")])
@pytest.mark.parametrize(("first_row", "first_column"), [(0, 0), (40, 30), (7, 60)])
def test_later_distances(gpu, real, value, first_row, first_column):
    """Products of rows and columns that overlap, points that coincide or nearly do."""
    rng = np.random.default_rng(first_row)
    X = rng.normal(size=(90, 33)).astype(real)
    X[45] = X[3]
    X[61] = X[60] + 1e-4
    X -= X.mean(axis=0)
    rows, columns = slice(first_row, first_row + 25), slice(first_column, None)
    norms = np.square(X).sum(axis=1)
    products = X[rows] @ X[columns].T
    step = 2 * np.sqrt(norms.max()) / 65535
    expected = np.zeros(products.shape, value)
    cpu_distances.later_distances(products, X, norms, first_row, first_column, step, expected)

    room = gpu.xp.zeros((25, products.shape[1] + 9), value)  # rows further apart than they are long
    out = room[:, 4:-5]
    device = [gpu.xp.asarray(a) for a in (products, X, norms)]
    distances.later_distances(*device, first_row, first_column, step, out)
    got = to_host(room).astype(float)
    assert not got[:, :4].any()
    assert not got[:, -5:].any()
    got = got[:, 4:-5]
    if value == "uint16":
        assert np.abs(got - expected).max() <= 1  # a sum in another order, rounded off
        assert np.mean(got != expected) < 0.01
    else:
        np.testing.assert_allclose(got, expected, rtol=1e-9)
    true = np.sqrt(((X[rows, None].astype(float) - X[columns]) ** 2).sum(axis=-1)) / step
    later = np.arange(first_column, 90) > np.arange(first_row, first_row + 25)[:, None]
    assert np.abs(got - true)[later].max() < 0.6
    assert not got[~later].any()


@pytest.mark.parametrize(
    ("storage", "n_components"), [("auto", 2), ("auto", 1), ("memory", 2), ("recompute", 3)]
)
def test_mds_is_that_of_the_cpu(gpu, storage, n_components):
    X = load_digits().data[:300]
    options = {"n_components": n_components, "storage": storage, "max_iter": 4, "eps": 0}
    with pytest.warns(UserWarning, match="stopped after"):
        there = MDS(**options, device="gpu").fit(X)
    with pytest.warns(UserWarning, match="stopped after"):
        here = MDS(**options, device="cpu").fit(X)
    assert there.diagnostics_["storage"] == here.diagnostics_["storage"]
    assert there.stress_ == pytest.approx(here.stress_, rel=1e-4)
    assert there.diagnostics_["identity"] < 1e-12
    scale = np.abs(here.embedding_).max()
    if storage == "auto":  # all in float64
        np.testing.assert_allclose(there.embedding_, here.embedding_, atol=1e-8 * scale)
    with pytest.warns(UserWarning, match="stopped after"):
        again = MDS(**options, device="gpu").fit(X)
    assert (again.embedding_ == there.embedding_).all()  # to the last bit


def test_mds_of_a_matrix(gpu):
    X = load_digits().data[:60]
    D = np.sqrt(((X[:, None] - X) ** 2).sum(axis=-1))
    there = MDS(metric="precomputed", device="gpu").fit(D)
    here = MDS(metric="precomputed", device="cpu").fit(D)
    assert there.stress_ == pytest.approx(here.stress_, rel=1e-9)


def test_a_gpu_has_no_disk(gpu):
    with pytest.raises(InputError, match="disk"):
        MDS(storage="disk", device="gpu").fit(np.eye(5000, 3))
