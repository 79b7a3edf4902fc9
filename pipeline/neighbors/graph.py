"""The one exact k-nearest-neighbour graph of a feature set, shared by methods and measures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kernels.backend import Backend, get_backend, to_host
from pipeline.errors import InputError
from pipeline.neighbors.lower_bound import lower_bound_embedding, safe_limit
from pipeline.neighbors.scale import scale_features
from pipeline.neighbors.search import Points, Search, searched_together
from pipeline.neighbors.spatial_order import spatial_order
from pipeline.neighbors.spread_search import SpreadSearch
from pipeline.runtime.device import backend_for
from pipeline.runtime.log import log
from pipeline.runtime.memory import available_memory, refuse_shortage
from pipeline.runtime.workers import Workers

if TYPE_CHECKING:
    from distributed import Client


class Graph(NamedTuple):
    """Neighbours of each point, sorted by (distance, row number), the point itself left out.

    Attributes
    ----------
    indices : (n, k) int32
    distances : (n, k) float32
        Euclidean, in the unit of the features; sorted by their float64 values before rounding.
        float64 where float32 cannot hold them: none is positive, or one infinite, in float32.
    """

    indices: np.ndarray
    distances: np.ndarray


def knn_graph(
    X: np.ndarray, *, k: int = 90, device: str = "auto", client: Client | None = None
) -> Graph:
    """Find the exact k nearest neighbours of every row of X.

    Coordinates that bound distances from below, few where that pays (see `lower_bound_embedding`),
    choose k + some candidates a row, by tiles of float32 inner products; these are ranked by true
    float64 differences of the rows as given. The bound, with one on the rounding errors (see
    `safe_limit`), then proves that no row left out could be nearer; the rows where it cannot are
    searched again among *all* rows within the bound. The result is that of a float64 brute force
    on the features scaled by a power of two (see `scale_features`), ties included: neither huge
    nor tiny features lose a neighbour to squares that overflow or vanish.

    Parameters
    ----------
    X : (n, d) array
        Features, finite, any real dtype and unit; may be memory-mapped.
    k : int
        Neighbours a point; 90 serves t-SNE at perplexity 30, and everything else.
    device : {"auto", "cpu", "gpu"}
    client : distributed.Client, optional
        Of Dask workers that compute parts, see `pipeline.runtime.workers.Workers`.

    Returns
    -------
    Graph
        NumPy arrays, whoever computed them.

    Raises
    ------
    InputError
        X is not a finite matrix, or has fewer than k + 1 rows, or distances beyond float64; there
        is no GPU to use, or its memory is too small.

    Notes
    -----
    Time n^2 p flops for p coordinates (each tile serves its rows and, by symmetry, its columns);
    memory these coordinates, two tiles and n (k + slack) candidates, on a GPU the features too.
    On one type of processor the same X gives the same graph bit for bit, for any number of threads
    and of workers.
    """
    X, exponent = scale_features(X)
    n = len(X)
    if not 1 <= k < n:
        raise InputError(
            f"a graph of k = {k} neighbours needs at least {max(k, 1) + 1} rows and k >= 1 but "
            f"the features have {n}; choose a smaller k or more points"
        )
    backend = backend_for(device)
    if client is None:
        indices, squared = backend.retry_on_oom(lambda: _search(X, k, backend))
    else:
        with Workers(client, backend.name) as workers:
            indices, squared = _search(X, k, get_backend("cpu"), workers)
    return Graph(to_host(indices), _distances(to_host(squared), exponent))


def graph_width(wanted: int, n: int) -> tuple[int, str | None]:
    """Neighbours a point that n points allow, and a sentence where these are fewer than wanted.

    Parameters
    ----------
    wanted : int
        Neighbours a point, at least 1.
    n : int
        Points.

    Returns
    -------
    k : int
    adapted : str or None

    Raises
    ------
    InputError
        There is only one point.
    """
    if n < 2:
        raise InputError(f"a graph needs at least 2 points but there are {n}; add some")
    if wanted < n:
        return wanted, None
    return n - 1, (
        f"graph.n_neighbors {wanted} needs {wanted + 1} points but there are {n}: {n - 1} is used"
    )


def check_graph(graph: Graph, n: int, *, source: str = "the graph") -> Graph:
    """Return a graph that comes from outside as `Graph` promises it, or say what is wrong.

    Whether the neighbours are the nearest is not checked: an approximate graph passes.

    Parameters
    ----------
    graph : Graph
        Arrays of any integer and real dtypes.
    n : int
        Points that it belongs to.
    source : str
        What sentences call the graph, such as its file.

    Returns
    -------
    Graph
        C-ordered; the distances float32, or float64 if they are.

    Raises
    ------
    InputError
        Arrays of other shapes or dtypes; a neighbour that is no other point, or twice in a row; a
        distance that is not finite, negative, or less than the one before it.
    """
    indices, distances = (np.asarray(part) for part in graph)
    if indices.ndim != 2 or 0 in indices.shape or distances.shape != indices.shape:
        raise InputError(
            f"{source} has indices of shape {indices.shape} and distances of shape "
            f"{distances.shape} but both must have a row a point and a column a neighbour"
        )
    if indices.dtype.kind not in "iu" or distances.dtype.kind != "f":
        raise InputError(
            f"{source} has {indices.dtype} indices and {distances.dtype} distances but must have "
            "integers and real numbers; convert them"
        )
    if len(indices) != n:
        raise InputError(
            f"{source} has {len(indices)} points but there are {n}; compute it of these features"
        )
    in_order = np.sort(indices, axis=1)
    faults = [
        ("neighbours that are no row, from 0 to n - 1", (indices < 0) | (indices >= n)),
        ("points that are their own neighbours", indices == np.arange(n)[:, None]),
        ("a neighbour twice", in_order[:, 1:] == in_order[:, :-1]),
        (
            "distances that are NaN, infinite or negative",
            ~(np.isfinite(distances) & (distances >= 0)),
        ),
        ("distances that do not ascend", distances[:, 1:] < distances[:, :-1]),
    ]
    for what, where in faults:
        rows = np.flatnonzero(where.any(axis=1))
        if len(rows):
            raise InputError(
                f"{source} has {what} in {len(rows)} of {n} rows, the first is row {rows[0]}; "
                "compute it again"
            )
    kept = np.float64 if distances.dtype == np.float64 else np.float32
    return Graph(np.ascontiguousarray(indices, np.int32), np.ascontiguousarray(distances, kept))


def _distances(squared: np.ndarray, exponent: int) -> np.ndarray:
    """Square roots times 2^exponent, in float32 if it holds the largest, else in float64."""
    with np.errstate(over="ignore", under="ignore"):
        distances = np.ldexp(np.sqrt(squared), exponent)
    largest = distances.max()
    if largest == np.inf:
        raise InputError(
            "distances between the features exceed 1e308, the largest float64; divide the features"
        )
    limits = np.finfo(np.float32)
    fits = largest <= limits.max and (largest >= limits.tiny or not squared.any())
    return distances.astype(np.float32 if fits else np.float64)


def _search(
    X: np.ndarray, k: int, backend: Backend, workers: Workers | None = None
) -> tuple[Any, Any]:
    """Neighbours and squared distances, (n, k) arrays of the backend, of checked features."""
    n, d = X.shape
    tile = _tile(n, d, k, X.itemsize, backend)
    needed = memory_needed(n, d, k=k, itemsize=X.itemsize, tile=tile)
    log.info(
        f"graph: {n:,} points x {d:,} features, k = {k}: up to {n * n * d / 1e12:.2g} TFLOP, "
        f"{needed / 1e9:.1f} GB of {backend.memory}"
    )
    X = backend.to_device(X)
    xp, knn = backend.xp, backend.kernels("knn")
    width = min(n - 1, _width(k))
    Z, norms, scale = lower_bound_embedding(X, k=k, width=width, backend=backend)
    if Z.shape[1] == d:  # all coordinates, whose scores are off by rounding alone
        width = min(n - 1, k + max(8, k // 6))
    # Near points one after the other: their candidates are found first, so that few scores of later
    # tiles enter, and candidates of a row are in the cache when the next is ranked.
    order = xp.arange(n)
    if knn.SPATIAL_ORDER:
        order = xp.asarray(spatial_order(to_host(Z)))
        Z, norms = Z[order], norms[order]
    half_norms = (norms**2 / 2).astype(np.float32)
    points = Points(X, Z, half_norms, order)
    search: Search | SpreadSearch
    if workers is None:
        search = Search(points, k, tile, backend)
    else:
        search = SpreadSearch(points, k, tile, workers)
    values, columns = search.candidates(width)
    indices, squared = search.rank(columns)
    if width < n - 1:
        # Scores below this may belong to a true neighbour, those above cannot. Squares below
        # 1e-300 may have lost digits, or vanished.
        radius = xp.sqrt(squared[:, -1] + 1e-300) * scale
        limit = safe_limit(norms, radius, Z.shape[1])
        unproved = xp.flatnonzero(values[:, 0] <= limit)
        if len(unproved):
            log.info(
                f"graph: rows that are too close for the bound, searched again: {len(unproved):,}"
            )
        together = searched_together(n, tile)
        for rows, *found in search.again(unproved, limit[unproved], together):
            indices[rows], squared[rows] = found
    back = xp.argsort(order)
    return indices[back], squared[back]


def _tile(n: int, d: int, k: int, itemsize: int, backend: Backend) -> int:
    """Rows of a tile: the first of the kernels' sizes for which there is room."""
    free = available_memory(backend.name)
    for tile in backend.kernels("knn").TILES:
        needed = memory_needed(n, d, k=k, itemsize=itemsize, tile=tile)
        if needed <= free:
            return tile
    refuse_shortage(f"a graph of {n:,} points x {d:,} features", needed, backend)
    return tile


def wide_enough(graph: Graph | None, n: int, k: int) -> Graph | None:
    """The graph of n points that was given, checked, if it has k neighbours of each, else None.

    Raises
    ------
    InputError
        As of `check_graph`.
    """
    if graph is None or (checked := check_graph(graph, n)).indices.shape[1] < k:
        return None
    return checked


def memory_needed(n: int, d: int, *, k: int, itemsize: int, tile: int) -> int:
    """Bytes that `knn_graph` needs where it computes.

    The features (`itemsize` bytes a number), their centred copy, candidates and results, and
    either two tiles or what is searched again: products, scores, whether they are within the
    bound, and where those are (32 bytes a pair, should all be).
    """
    kept = n * ((itemsize + 4) * d + 8 * _width(k) + 20 * k + 64)
    tiles = max(2 * 4 * min(n, tile) ** 2, 32 * n * searched_together(n, tile))
    # Of BLAS; a strip that is centred in float64, or the covariance and its eigenvectors, which is
    # n x n where points are fewer than features.
    workspace = 100e6 + 3 * 8 * min(n, max(1024, d)) * d
    return int(kept + tiles + workspace)


def _width(k: int) -> int:
    """Candidates a row: the wider the margin, the fewer rows are searched again."""
    return k + max(32, 3 * k // 2)
