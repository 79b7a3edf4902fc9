"""The one exact k-nearest-neighbour graph of a feature set, shared by methods and measures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from kernels.cpu import knn
from pipeline.errors import InputError
from pipeline.progress import Clock, tell

BLOCK = 4096  # rows of a tile of products: 64 MB in float32, enough for BLAS to run at full speed


class Graph(NamedTuple):
    """Neighbours of each point, sorted by (distance, row number), the point itself left out.

    Attributes
    ----------
    indices : (n, k) int32
    distances : (n, k) float32, Euclidean; sorted by their float64 values before rounding
    """

    indices: np.ndarray
    distances: np.ndarray


def knn_graph(X: np.ndarray, *, k: int = 90) -> Graph:
    """Find the exact k nearest neighbours of every row of X.

    Tiles of float32 inner products of the centred rows choose k + some candidates a row; these
    are ranked by true float64 differences of the rows as given. A bound on the float32 error
    (Higham 2002, section 3.1) then proves that no row left out could be nearer; the few rows
    where it cannot are searched again among *all* rows within the bound. The result is that of
    a float64 brute force, ties included.

    Parameters
    ----------
    X : (n, d) array
        Features, finite, any real dtype; may be memory-mapped.
    k : int
        Neighbours a point; 90 serves t-SNE at perplexity 30, and everything else.

    Returns
    -------
    Graph

    Raises
    ------
    InputError
        X is not a finite matrix, or has fewer than k + 1 rows.

    Notes
    -----
    Time n^2 d flops (each tile serves its rows and, by symmetry, its columns); memory one
    float32 copy of X, two tiles and n (k + slack) candidates. The same X gives the same graph
    bit for bit, for any number of threads.
    """
    X = check_features(X)
    n, d = X.shape
    if not 1 <= k < n:
        raise InputError(
            f"a graph of k = {k} neighbours needs at least {max(k, 1) + 1} rows and k >= 1 but "
            f"the features have {n}; choose a smaller k or more points"
        )
    width = min(n - 1, _width(k))
    tell(
        f"graph: {n:,} points x {d:,} features, k = {k}: {n * n * d / 1e12:.2g} TFLOP, "
        f"{memory_needed(n, d, k=k) / 1e9:.1f} GB beyond the features"
    )
    Z, norms, scale = _centred(X)
    half_norms = (norms**2 / 2).astype(np.float32)
    values, columns = _candidates(Z, half_norms, width)

    rows = np.arange(n)
    indices, squared = knn.rank_candidates(
        X, rows, np.arange(n + 1) * width, columns.reshape(-1), k
    )
    # Scores below this may belong to a true neighbour, those above cannot.
    limit = _safe_limit(norms, np.sqrt(squared[:, -1]) * scale, d)
    unproved = np.flatnonzero(values[:, 0] <= limit) if width < n - 1 else rows[:0]
    if len(unproved):
        tell(f"graph: {len(unproved):,} rows are too close for float32 and are searched again")
    for some in np.array_split(unproved, -(-len(unproved) // 512) or 1):
        starts, near = _all_within(Z, half_norms, some, limit[some])
        indices[some], squared[some] = knn.rank_candidates(X, some, starts, near, k)
    return Graph(indices, np.sqrt(squared).astype(np.float32))


def memory_needed(n: int, d: int, *, k: int = 90) -> int:
    """Bytes that `knn_graph` needs beside the features themselves."""
    width = _width(k)
    tiles = 2 * 4 * min(n, BLOCK) ** 2
    workspace = 50e6  # of BLAS and of the strips that are centred in float64
    return int(4 * n * d + tiles + n * (8 * width + 16 * k + 64) + workspace)


def _width(k: int) -> int:
    """Candidates a row: the wider the margin, the fewer rows are searched again."""
    return k + max(32, 3 * k // 2)


def check_features(X: np.ndarray) -> np.ndarray:
    """Return X as a C-ordered float32 or float64 matrix, or say what is wrong with it.

    Raises
    ------
    InputError
        Not two-dimensional, empty, not real numbers, or NaN or infinite values somewhere (the
        sentence counts the rows and names the first).
    """
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
    small = X.dtype in (np.float16, np.float32)
    X = np.ascontiguousarray(X, dtype=np.float32 if small else np.float64)
    finite = np.concatenate([np.isfinite(X[strip]).all(axis=1) for strip in _strips(len(X))])
    rows = np.flatnonzero(~finite)
    if len(rows):
        raise InputError(
            f"features have NaN or infinite values in {len(rows)} of {len(X)} rows, the first is "
            f"row {rows[0]}; extract them again or remove these rows"
        )
    return X


def _centred(X: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """X minus its mean in float32, its row norms, and the scale it was multiplied by.

    Centring keeps |a|^2 + |b|^2 - 2ab from cancelling for features far from the origin; scaling
    by a power of two is exact and keeps products from overflowing.
    """
    mean = X.mean(axis=0, dtype=np.float64)
    largest = max(np.abs(X[strip] - mean).max() for strip in _strips(len(X)))
    scale = 2.0 ** -np.frexp(largest)[1] if largest else 1.0
    Z = np.empty(X.shape, np.float32)
    norms = np.empty(len(X))
    for strip in _strips(len(X)):
        Z[strip] = (X[strip] - mean) * scale
        norms[strip] = np.linalg.norm(Z[strip].astype(np.float64), axis=1)
    return Z, norms, scale


def _strips(n: int, size: int = 1024) -> list[slice]:
    return [slice(first, min(first + size, n)) for first in range(0, n, size)]


def _candidates(Z: np.ndarray, half_norms: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The `width` best-scoring columns of every row, from one sweep over half of all tiles."""
    n = len(Z)
    values = np.full((n, width), np.inf, np.float32)
    columns = np.full((n, width), -1, np.int32)
    blocks = _strips(n, BLOCK)
    tiles = [(a, b) for i, a in enumerate(blocks) for b in blocks[i:]]
    clock = Clock("graph", len(tiles))
    for a, b in tiles:
        products = Z[a] @ Z[b].T
        if a == b:
            np.fill_diagonal(products, -np.inf)
        else:
            other = np.ascontiguousarray(products.T)
            knn.keep_nearest(other, half_norms[a], a.start, values[b], columns[b])
        knn.keep_nearest(products, half_norms[b], b.start, values[a], columns[a])
        clock.step()
    return values, columns


def _safe_limit(norms: np.ndarray, radius: np.ndarray, d: int) -> np.ndarray:
    """The largest computed score that a point within `radius` of each row can have.

    The true score of a point at distance r from row i is (r^2 - |z_i|^2) / 2. Such a point has
    norm at most R = |z_i| + r, so rounding (of z, of the half norm, of a dot product of d terms
    in any order, of their difference) moves its score by at most (d + 8) u R^2, up to
    second-order terms, plus what underflow can lose.
    """
    unit = 2.0**-24
    gamma = (d + 8) * unit / (1 - (d + 8) * unit)
    R = norms + radius
    slack = gamma * R**2 + 4 * d * np.finfo(np.float32).tiny
    return (radius**2 * (1 + 1e-12) - norms**2) / 2 + slack


def _all_within(
    Z: np.ndarray, half_norms: np.ndarray, rows: np.ndarray, limit: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Every column that scores at most `limit` in each of `rows`, as starts and columns."""
    products = Z[rows] @ Z.T
    products[np.arange(len(rows)), rows] = -np.inf
    within = half_norms - products <= limit[:, None]
    starts = np.concatenate([[0], np.cumsum(within.sum(axis=1))])
    return starts, np.nonzero(within)[1].astype(np.int32)


def components(indices: np.ndarray) -> int:
    """Number of pieces that a graph falls into when its edges are walked both ways.

    Parameters
    ----------
    indices : (n, k) int
        Neighbours of each point.
    """
    n, k = indices.shape
    edges = csr_array(
        (np.ones(n * k, np.int8), np.ravel(indices), np.arange(n + 1) * k), shape=(n, n)
    )
    return int(connected_components(edges, directed=False)[0])
