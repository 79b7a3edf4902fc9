"""Features in a unit of their own: checked, and scaled by a power of two, which is exact.

Squares of 1e200 overflow and those of 1e-200 vanish; between -1 and 1 neither happens. Steps and
estimators scale first, so that features times 2^k give the same result bit for bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.errors import InputError
from pipeline.neighbors.tiles import strips

# Of a row's largest entry, in the unit of all: squares of smaller ones vanish in float64.
SMALLEST = 2.0**-500


class Scaled(NamedTuple):
    """Features in the unit 2^exponent.

    Attributes
    ----------
    values : (n, d) float32 or float64, C-ordered
    exponent : int
        The features are values * 2^exponent.
    """

    values: np.ndarray
    exponent: int


def scale_features(X: np.ndarray) -> Scaled:
    """Scale features by a power of two so that their largest magnitude is in [0.5, 1).

    Parameters
    ----------
    X : (n, d) array
        Finite, any real dtype; may be memory-mapped.

    Returns
    -------
    Scaled
        float32 stays float32, all else becomes float64. X itself, uncopied, where it needs neither
        another dtype nor another unit; zeros have exponent 0.

    Raises
    ------
    InputError
        As of `check_features`; or rows whose sizes differ by more than a factor of 1e150, between
        which no distance could be computed.

    Notes
    -----
    Exact but for entries below the smallest normal number in the new unit, 1e-38 of the largest
    entry in float32 and 1e-308 in float64.
    """
    X, sizes = _checked(X)
    largest = float(sizes.max())
    exponent = int(np.frexp(largest)[1])
    tiny = (sizes > 0) & (np.ldexp(sizes.astype(np.float64), -exponent) < SMALLEST)
    if tiny.any():
        row, other = int(sizes.argmax()), int(np.flatnonzero(tiny)[0])
        raise InputError(
            f"the features reach {largest:g} in row {row} but only {sizes[other]:g} in row "
            f"{other}: squares of the one leave no digit of the other; correct or leave out such "
            "a row"
        )
    return Scaled(_times_power_of_two(X, -exponent) if exponent else X, exponent)


def _times_power_of_two(X: np.ndarray, exponent: int) -> np.ndarray:
    """As `numpy.ldexp`, in half its time; by two factors, since 2^140 alone overflows."""
    half = exponent // 2
    scaled = X * X.dtype.type(2.0**half)
    scaled *= X.dtype.type(2.0 ** (exponent - half))
    return scaled


def normalize_rows(X: np.ndarray) -> np.ndarray:
    """Rows over their lengths: between these, Euclidean neighbours are those of the cosine.

    The squared distance of two unit vectors is 2 - 2 cos, so that every step which takes Euclidean
    distances takes cosines when it is given these.

    Parameters
    ----------
    X : (n, d) array
        As of `scale_features`.

    Returns
    -------
    (n, d) float32 or float64

    Raises
    ------
    InputError
        As of `scale_features`; or a row of zeros, which has no direction.
    """
    X = scale_features(X).values
    lengths = np.empty(len(X))
    for rows in strips(len(X)):
        lengths[rows] = np.linalg.norm(X[rows].astype(np.float64), axis=1)
    zeros = np.flatnonzero(lengths == 0)
    if len(zeros):
        raise InputError(
            f"{len(zeros):,} of {len(X):,} rows of the features are all zeros, the first is row "
            f"{zeros[0]}: they have no cosine; take the Euclidean metric, or leave them out"
        )
    return (X / lengths[:, None].astype(X.dtype)).astype(X.dtype, copy=False)


def check_features(X: np.ndarray) -> np.ndarray:
    """Return X as a C-ordered float32 or float64 matrix, or say what is wrong with it.

    float32 stays float32, all else becomes float64.

    Raises
    ------
    InputError
        Not two-dimensional, empty, not real numbers, or NaN or infinite values somewhere (the
        sentence counts the rows and names the first).
    """
    return _checked(X)[0]


def _checked(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `check_features`; and the largest magnitude in each row, which tells a row's NaN too."""
    X = np.asarray(X)
    if X.ndim != 2 or 0 in X.shape:
        raise InputError(
            f"features must be a matrix of n points x d features but have shape {X.shape}; "
            "give one row a point"
        )
    if not (np.issubdtype(X.dtype, np.floating) or np.issubdtype(X.dtype, np.integer)):
        raise InputError(
            f"features must be real numbers but are {X.dtype}; convert them to float32"
        )
    X = np.ascontiguousarray(X, dtype=np.float32 if X.dtype == np.float32 else np.float64)
    parts = (X[strip] for strip in strips(len(X)))
    sizes = np.concatenate([np.maximum(x.max(axis=1), -x.min(axis=1)) for x in parts])
    rows = np.flatnonzero(~np.isfinite(sizes))
    if len(rows):
        raise InputError(
            f"features have NaN or infinite values in {len(rows)} of {len(X)} rows, the first is "
            f"row {rows[0]}; extract them again or remove these rows"
        )
    return X, sizes
