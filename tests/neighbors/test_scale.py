"""Is scaling exact, and the same whatever unit the features come in?"""

import numpy as np
import pytest
from point_sets import blobs

from pipeline.errors import InputError
from pipeline.neighbors.scale import normalize_rows, scale_features


def rescaled(scaled):
    return np.ldexp(scaled.values, scaled.exponent)


@pytest.mark.parametrize(
    "X",
    [
        blobs(),
        blobs().astype(np.float64),
        blobs() * np.float32(1e30),
        blobs() * np.float32(1e-30),
        blobs().astype(np.float64) * 1e200,
        blobs().astype(np.float64) * 1e-200,
        blobs().astype(np.float64) * 1e307,
        np.full((3, 2), 5e-324),  # the smallest denormal number
        np.array([[1e-45, -3e-42]], np.float32),
        np.array([[np.finfo(np.float32).max, 0]], np.float32),
        np.array([[-np.finfo(np.float64).max, 1]]),
        np.array([[-1.0], [0.25]]),  # a power of two has the mantissa 0.5
    ],
)
def test_scaling_is_exact_and_between_a_half_and_one(X):
    found = scale_features(X)
    assert 0.5 <= abs(found.values).max() < 1
    assert found.values.dtype == X.dtype
    assert found.values.flags.c_contiguous
    assert isinstance(found.exponent, int)  # as a sidecar in JSON takes it
    assert np.array_equal(rescaled(found), X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [-90, -1, 1, 100])
def test_powers_of_two_change_the_exponent_alone(dtype, k):
    X = blobs().astype(dtype)
    one, other = scale_features(X), scale_features(np.ldexp(X, k))
    assert np.array_equal(one.values, other.values)
    assert other.exponent == one.exponent + k


@pytest.mark.parametrize(
    "X",
    [
        np.array([[-(2**15), 5]], np.int16),  # whose magnitude is no int16
        np.array([[255, 3]], np.uint8),
        np.array([[10**16, -3 * 10**16]]),
        np.array([[-(2**63), 0]]),
        np.array([[0.5, 60000]], np.float16),
    ],
    ids=lambda X: str(X.dtype),
)
def test_other_types_become_float64(X):
    found = scale_features(X)
    assert found.values.dtype == np.float64
    assert 0.5 <= abs(found.values).max() < 1
    assert np.array_equal(rescaled(found), X.astype(np.float64))


def test_zeros_have_no_scale():
    values, exponent = scale_features(np.zeros((4, 3), np.float32))
    assert not values.any()
    assert exponent == 0


def test_a_memory_mapped_file_is_not_copied_without_need(tmp_path):
    for name, factor in [("unit", 0.01), ("large", 1000)]:
        np.save(tmp_path / f"{name}.npy", blobs() / abs(blobs()).max() * np.float32(0.9 * factor))
    small = np.load(tmp_path / "unit.npy", mmap_mode="r")
    large = np.load(tmp_path / "large.npy", mmap_mode="r")
    assert np.array_equal(rescaled(scale_features(large)), large)
    unit = np.lib.format.open_memmap(tmp_path / "new.npy", "w+", small.dtype, small.shape)
    unit[:] = scale_features(small).values
    assert np.shares_memory(scale_features(unit).values, unit)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_has_no_scale(bad):
    with pytest.raises(InputError, match=r"1 of 3 rows.*row 2"):
        scale_features(np.array([[1.0], [2.0], [bad]]))


def test_rows_between_which_no_distance_can_be_computed_are_refused():
    X = blobs().astype(np.float64)
    X[7] = 1e165
    with pytest.raises(InputError, match=r"reach 1e\+165 in row 7 but only .* in row 0"):
        scale_features(X)
    X[7] = 1e140
    scale_features(X)
    X[3] = 0  # has no digits to lose
    scale_features(X)


@pytest.mark.parametrize("unit", [1, 2.0**-20, 2.0**700, 2.0**-700])
def test_normalized_rows_are_directions_in_any_unit(unit):
    X = blobs().astype(np.float64)
    expected = X / np.linalg.norm(X, axis=1, keepdims=True)
    assert np.allclose(normalize_rows(X * unit), expected, rtol=1e-15)
    assert normalize_rows(X.astype(np.float32)).dtype == np.float32


def test_rows_of_zeros_have_no_cosine():
    X = blobs().astype(np.float32)
    X[[3, 8]] = 0
    with pytest.raises(InputError, match=f"2 of {len(X)} rows .* the first is row 3"):
        normalize_rows(X)
