"""The one exact k-nearest-neighbour graph of a feature set, shared by methods and measures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from kernels.cpu import knn
from pipeline.errors import InputError
from pipeline.progress import Clock, tell

WORTH = 8  # times as many points as features: then eigenvectors cost less than they save
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

    Few coordinates that bound distances from below (see `bounding_coordinates`) choose
    k + some candidates a row, by tiles of float32 inner products; these are ranked by true float64
    differences of the rows as given. The bound, with one on the float32 error (Higham 2002,
    section 3.1), then proves that no row left out could be nearer; the rows where it cannot are
    searched again among *all* rows within the bound. The result is that of a float64 brute force,
    ties included.

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
    Time n^2 p flops for p bounding coordinates (each tile serves its rows and, by symmetry, its
    columns); memory these coordinates, two tiles and n (k + slack) candidates. The same X gives
    the same graph bit for bit, for any number of threads.
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
        f"graph: {n:,} points x {d:,} features, k = {k}: up to {n * n * d / 1e12:.2g} TFLOP, "
        f"{memory_needed(n, d, k=k) / 1e9:.1f} GB beyond the features"
    )
    Z, norms, scale = bounding_coordinates(X, k=k, width=width)
    half_norms = (norms**2 / 2).astype(np.float32)
    values, columns = _candidates(Z, half_norms, width)

    rows = np.arange(n)
    indices, squared = knn.rank_candidates(
        X, rows, np.arange(n + 1) * width, columns.reshape(-1), k
    )
    # Scores below this may belong to a true neighbour, those above cannot.
    limit = _safe_limit(norms, np.sqrt(squared[:, -1]) * scale, Z.shape[1])
    unproved = np.flatnonzero(values[:, 0] <= limit) if width < n - 1 else rows[:0]
    if len(unproved):
        tell(f"graph: {len(unproved):,} rows are too close for the bound and are searched again")
    for some in np.array_split(unproved, -(-len(unproved) // 512) or 1):
        starts, near = _all_within(Z, half_norms, some, limit[some])
        indices[some], squared[some] = knn.rank_candidates(X, some, starts, near, k)
    return Graph(indices, np.sqrt(squared).astype(np.float32))


def memory_needed(n: int, d: int, *, k: int = 90) -> int:
    """Bytes that `knn_graph` needs beside the features themselves."""
    width = _width(k)
    tiles = 2 * 4 * min(n, BLOCK) ** 2 + 24 * d * d  # with the covariance and its eigenvectors
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


def bounding_coordinates(
    X: np.ndarray, *, k: int, width: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Few coordinates whose distances never exceed those of X, by principal components.

    Split a centred row z into its part in the leading principal components, of coordinates q, and
    the rest, of length r. Then |z_i - z_j|^2 >= |q_i - q_j|^2 + (r_i - r_j)^2, the squared
    distance of (q, r): rotation keeps distances, and two vectors differ at least as much as their
    lengths. Norms are kept: |(q, r)| = |z|.

    Parameters
    ----------
    X : (n, d) float32 or float64
    k, width : int
        The coordinates are so many that for nearly all rows at most `width` others are bounded by
        the distance of the k-th neighbour.

    Returns
    -------
    Z : (n, p + 1) float32
        Or all d centred coordinates, where p would be more than half of them or n is too small
        for the eigenvectors to pay.
    norms : (n,) float64
    scale : float
        Z is this times as large as X. Centring keeps |a|^2 + |b|^2 - 2ab from cancelling for
        features far from the origin; scaling by a power of two is exact and keeps products from
        overflowing.
    """
    n, d = X.shape
    mean = X.mean(axis=0, dtype=np.float64)
    largest = max(np.abs(X[strip] - mean).max() for strip in _strips(n))
    scale = 2.0 ** -np.frexp(largest)[1] if largest else 1.0
    worth_it = n > WORTH * d
    axes = _leading_components(X, mean, scale) if worth_it else np.empty((d, 0))
    Z = np.empty(X.shape, np.float32)
    Q = np.empty((n, axes.shape[1]), np.float32)
    norms = np.empty(n)
    for strip in _strips(n):
        z = (X[strip] - mean) * scale
        Z[strip], Q[strip] = z, z @ axes
        norms[strip] = np.linalg.norm(z, axis=1)
    p = _components_needed(Z, Q, norms, k, width)
    if p is None:
        return Z, norms, scale
    return np.column_stack([Q[:, :p], _rest(Q, norms, p)]), norms, scale


def _leading_components(X: np.ndarray, mean: np.ndarray, scale: float) -> np.ndarray:
    """The first half of the principal axes, (d, d // 2) float64.

    Any orthonormal axes give a valid bound, so float32 products do for the covariance.
    """
    d = X.shape[1]
    covariance = np.zeros((d, d))
    for strip in _strips(len(X), BLOCK):
        z = ((X[strip] - mean) * scale).astype(np.float32)
        covariance += z.T @ z
    axes = np.linalg.eigh(covariance)[1]  # ascending
    return np.ascontiguousarray(axes[:, ::-1][:, : d // 2])


def _rest(Q: np.ndarray, norms: np.ndarray, p: int) -> np.ndarray:
    """Length of what the first p components leave of each row."""
    squared = np.einsum("ij,ij->i", Q[:, :p], Q[:, :p], dtype=np.float64)
    return np.sqrt(np.maximum(norms**2 - squared, 0)).astype(np.float32)


def _components_needed(
    Z: np.ndarray, Q: np.ndarray, norms: np.ndarray, k: int, width: int
) -> int | None:
    """The fewest components that prove 98 % of a sample of rows, None if there are not enough.

    Fewer make shorter products but leave more rows to search again; where the balance lies
    depends on the features: 28 components explain 97 % of the variance of one set and prove
    next to nothing, another needs 400.
    """
    sample = np.linspace(0, len(Z) - 1, 128).astype(int)

    def squared_distances(A: np.ndarray) -> np.ndarray:
        return norms[sample, None] ** 2 + norms**2 - 2 * (A[sample] @ A.T)  # (128, n)

    true = squared_distances(Z)
    reach = np.partition(true, k, axis=1)[:, k, None]  # of the k-th, after the row itself
    step = max(1, Z.shape[1] // 40)
    for p in range(step, Q.shape[1] + 1, step):
        bounded = squared_distances(np.column_stack([Q[:, :p], _rest(Q, norms, p)])) <= reach
        if np.mean(bounded.sum(axis=1) <= width) >= 0.98:
            return p
    return None


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
            knn.keep_nearest(knn.transpose(products), half_norms[a], a.start, values[b], columns[b])
        knn.keep_nearest(products, half_norms[b], b.start, values[a], columns[a])
        clock.step()
    return values, columns


def _safe_limit(norms: np.ndarray, radius: np.ndarray, p: int) -> np.ndarray:
    """The largest computed score that a point within `radius` of each row can have.

    The score of a point at distance r from row i is at most (r^2 - |z_i|^2) / 2. Such a point has
    norm at most R = |z_i| + r, so rounding (of z, of the half norm, of a dot product of p terms
    in any order, of their difference) moves its score by at most (p + 8) u R^2, up to
    second-order terms, plus what underflow can lose. The rotation in float64 moves each end of a
    pair by less than 1e-6 R (the rest's length is a root of a difference), the score by 2e-6 r R.
    """
    unit = 2.0**-24
    gamma = (p + 8) * unit / (1 - (p + 8) * unit)
    R = norms + radius
    slack = gamma * R**2 + 2e-6 * radius * R + 1e-12 * R**2 + 4 * p * np.finfo(np.float32).tiny
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
