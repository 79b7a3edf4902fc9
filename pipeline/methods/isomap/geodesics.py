"""Geodesic distances: shortest paths through the neighbor graph, from all points or from some."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra, reverse_cuthill_mckee

from kernels.backend import Backend
from kernels.pairs import STRIP, TOP
from pipeline.errors import InputError
from pipeline.neighbors.components import ConnectingEdges
from pipeline.neighbors.graph import Graph
from pipeline.runtime.log import Progress, log

FAR, ROUNDS = 8, 3  # how many far vertices show how long the longest path is, and how often
MARGIN = 1.05  # the longest of all is hardly more than 5 % longer than theirs

# From the number of a strip of 256 sources to the first vertex wanted and where to write: a
# (sources of the strip, vertices from the first on) uint16 array of the backend.
Strip = Callable[[int], tuple[int, Any]]


class NeighborhoodGraph(NamedTuple):
    """A connected neighbor graph whose edges go both ways, vertices in an order good for caches.

    Attributes
    ----------
    edges : (n, n) csr_array of float64
        Euclidean lengths; an edge of length zero is stored, too.
    points : (n,) int
        The point that each vertex is: reverse Cuthill-McKee order, in which neighbours are near.
    diameter : float
        Estimate of the longest shortest path; hardly any is longer.
    """

    edges: csr_array
    points: np.ndarray
    diameter: float


def neighborhood_graph(graph: Graph, connections: ConnectingEdges) -> NeighborhoodGraph:
    """The edges to all neighbours and those between connected components, each both ways once.

    Raises
    ------
    InputError
        All points coincide, or a distance is no length.
    """
    n, k = graph.indices.shape
    i = np.concatenate([np.repeat(np.arange(n), k), connections.rows])
    j = np.concatenate([np.ravel(graph.indices), connections.columns])
    length = np.concatenate([np.ravel(graph.distances), connections.distances])
    return graph_of_edges(i, j, length, n)


def graph_of_edges(i: np.ndarray, j: np.ndarray, length: np.ndarray, n: int) -> NeighborhoodGraph:
    """Edges between the points i and j of n, each both ways once, however often it is given.

    Parameters
    ----------
    i, j : (m,) int
    length : (m,) float
    n : int

    Raises
    ------
    InputError
        As of `neighborhood_graph`.
    """
    length = length.astype(np.float64)
    if not (np.isfinite(length) & (length >= 0)).all():
        raise InputError(
            "the neighbour graph has distances that are negative, infinite or NaN; compute it again"
        )
    _, first = np.unique(np.minimum(i, j) * np.int64(n) + np.maximum(i, j), return_index=True)
    i, j, length = i[first], j[first], length[first]
    points = reverse_cuthill_mckee(_both_ways(i, j, length, n), symmetric_mode=True)
    vertex = np.empty(n, np.int64)
    vertex[points] = np.arange(n)
    edges = _both_ways(vertex[i], vertex[j], length, n)
    diameter = _estimated_diameter(edges)
    if diameter == 0:
        raise InputError(
            f"all {n} rows of the features are the same, as far as float32 can tell, so there is "
            "nothing to lay out; extract them again"
        )
    return NeighborhoodGraph(edges, points, diameter)


def _both_ways(i: np.ndarray, j: np.ndarray, length: np.ndarray, n: int) -> csr_array:
    ends = np.concatenate([i, j]), np.concatenate([j, i])
    edges = csr_array((np.concatenate([length, length]), ends), shape=(n, n))
    edges.sort_indices()
    return edges


def _estimated_diameter(edges: csr_array) -> float:
    """A little more than the longest path from far vertices, and from those far from them."""
    there = dijkstra(edges, indices=dijkstra(edges, indices=0).argmax())
    back = dijkstra(edges, indices=there.argmax())
    middle = dijkstra(edges, indices=np.maximum(there, back).argmin())
    far = np.argsort(middle, kind="stable")[-FAR:]
    longest = 0.0
    for _ in range(ROUNDS):
        distances = dijkstra(edges, indices=far)
        longest = max(longest, float(distances.max()))
        far = np.unique(distances.argmax(axis=1))
    return MARGIN * longest


def compute_geodesics(
    graph: NeighborhoodGraph, sources: np.ndarray, strip: Strip, backend: Backend
) -> float:
    """Write the lengths of the shortest paths from some vertices as 16-bit fixed-point numbers.

    Parameters
    ----------
    graph : NeighborhoodGraph
    sources : (m,) int64
        Vertices; nearby ones should follow each other.
    strip : callable
        See `Strip`.
    backend : Backend
        Who computes; the distances have the same bits on all.

    Returns
    -------
    float
        The quantisation step: a distance is the number written times this.

    Raises
    ------
    InputError
        Between some vertices there is no path.
    """
    return fitting_step(
        graph, lambda step: write_distances(graph.edges, step, sources, strip, backend)
    )


def fitting_step(graph: NeighborhoodGraph, write: Callable[[float], bool]) -> float:
    """Write all distances of a connected graph in a quantisation step in which they fit 16 bits.

    Parameters
    ----------
    graph : NeighborhoodGraph
    write : callable
        Writes them in a step and tells whether they fit, as `write_distances` does.

    Returns
    -------
    float

    Raises
    ------
    InputError
        As of `compute_geodesics`.
    """
    count, _ = connected_components(graph.edges, directed=False)
    if count > 1:
        raise InputError(
            f"the neighborhood graph has {count} connected components without a path between "
            "them; make it with the edges that `components.connect_components` finds"
        )
    longest = graph.diameter
    while not write(longest / TOP):
        longest *= MARGIN
        log.info("isomap paths: one is longer than expected, all are computed again")
    return longest / TOP


def write_distances(
    edges: csr_array, step: float, sources: np.ndarray, strip: Strip, backend: Backend
) -> bool:
    """Write the distances from some vertices, as long as they fit 16 bits in this step.

    Parameters
    ----------
    edges : (n, n) csr_array of float64
    step : float
    sources, strip, backend
        As of `compute_geodesics`.

    Returns
    -------
    bool
        Whether all fitted.
    """
    kernels = backend.kernels("shortest_paths")
    batch, chunk = kernels.SOURCES_PER_BATCH, _chunk(kernels)
    arrays = _fixed_point(edges, step, backend)
    progress = Progress("isomap paths", -(-len(sources) // STRIP))
    for first in range(0, len(sources), chunk):
        near = backend.to_device(sources[first : first + chunk])
        priority = backend.xp.zeros((1, edges.shape[0]), np.int32)
        for group in kernels.GROUPS:
            priority = kernels.group_distances(*arrays, near, group, priority)
        for left in range(0, len(near), STRIP):
            batches = slice(left // batch, (left + STRIP) // batch)
            out = strip((first + left) // STRIP)
            if not kernels.source_distances(
                *arrays, near[left : left + STRIP], priority[batches], *out
            ):
                return False
            progress.update()
    return True


def rounding(n: int, step: float, backend: Backend) -> float:
    """Bound on how far the distances that `compute_geodesics` wrote are off.

    Half a step where a distance is stored; half of 2^-FRACTION_BITS steps for each edge of a path,
    of which there are at most n - 1; and two units of float32, in which lengths are given.
    """
    fraction = 2.0 ** backend.kernels("shortest_paths").FRACTION_BITS
    return step * (0.5 + 0.5 * (n - 1) / fraction + TOP * 2.0**-23)


def path_error(graph: NeighborhoodGraph, vertices: np.ndarray, rows: ArrayLike) -> float:
    """Largest difference between rows and Dijkstra's distances, as a share of the longest path."""
    errors = np.abs(rows - dijkstra(graph.edges, indices=vertices))
    return float(errors.max() / graph.diameter)


def _fixed_point(edges: csr_array, step: float, backend: Backend) -> list[Any]:
    """Row pointers, columns and lengths of the edges as `kernels.cpu.shortest_paths` takes them."""
    fraction = 2.0 ** backend.kernels("shortest_paths").FRACTION_BITS
    most = TOP + 0.75  # a longer edge stays too long for 16 bits, but not for 32
    lengths = np.rint(np.minimum(edges.data / step, most) * fraction)
    return [
        backend.to_device(edges.indptr.astype(np.int64)),
        backend.to_device(edges.indices.astype(np.int32)),
        backend.to_device(lengths.astype(np.int32)),
    ]


def _chunk(kernels: ModuleType) -> int:
    """Sources whose priorities are computed together: one batch of the largest groups."""
    return kernels.SOURCES_PER_BATCH * kernels.GROUPS[0]


def memory_needed(n: int, backend: Backend) -> int:
    """Bytes that `compute_geodesics` needs beside the graph and what it writes."""
    kernels = backend.kernels("shortest_paths")
    priorities = _chunk(kernels) // kernels.GROUPS[-1]
    return 4 * n * (2 * priorities + (kernels.SOURCES_PER_BATCH + 2) * backend.threads)
