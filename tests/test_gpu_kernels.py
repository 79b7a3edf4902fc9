"""Do the CUDA kernels compute what NumPy does: on a GPU, and run on the host without one?"""

import numpy as np
import pytest

from kernels import reference
from kernels.backend import to_host
from kernels.gpu import smacof
from kernels.pairs import strip_starts


def strips_of(D, dtype):
    """The upper half of a symmetric matrix in strips, anything below the diagonal poisoned."""
    n, starts = len(D), strip_starts(len(D))
    poison = np.nan if np.dtype(dtype).kind == "f" else 4242
    filled = np.where(np.triu(np.ones((n, n), bool), 1), D, poison)
    parts = [filled[first : first + 256, first:].ravel() for first in range(0, n, 256)]
    return np.concatenate(parts).astype(dtype), starts


@pytest.mark.parametrize("n", [2, 9, 300, 700])
@pytest.mark.parametrize("p", [2, 3])
@pytest.mark.parametrize("values,real", [("uint16", "float32"), ("float64", "float64")])
def test_guttman_sums(gpu, n, p, values, real):
    rng = np.random.default_rng(n)
    X = rng.normal(scale=1e4, size=(n, p)).astype(real)
    X[n // 2] = X[0]  # coincident
    D = rng.integers(0, 65536, (n, n)).astype(float)
    D = np.triu(D, 1) + np.triu(D, 1).T
    stored, starts = strips_of(D, values)
    sums, squares = np.ones((1, p, n)), np.ones(1)  # added to
    device = [gpu.xp.asarray(a) for a in (stored, starts, X.T.copy(), sums, squares)]
    folds = (-(-n // 256) + 1) // 2
    for fold in range(folds):
        smacof.guttman_sums(*device, fold, fold + 1)
    expected, stress = reference.guttman_sums(D, X.astype(float))
    tolerance = 3e-6 if real == "float32" else 1e-12
    got = to_host(device[3])[0].T - 1
    assert np.abs(got - expected).max() <= tolerance * np.abs(expected).max()
    assert to_host(device[4])[0] - 1 == pytest.approx(stress, rel=tolerance)
