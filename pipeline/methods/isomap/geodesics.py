"""Shortest paths through the neighbour graph, from all points or from some."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra, reverse_cuthill_mckee

from kernels.backend import Backend
from kernels.pairs import STRIP, TOP
from pipeline.errors import InputError
from pipeline.neighbors.components import Crossings
from pipeline.neighbors.graph import Graph
from pipeline.runtime.log import Progress, log

FAR, ROUNDS = 8, 3  # how many far vertices show how long the longest path is, and how often
MARGIN = 1.05  # the longest of all is hardly more than 5 % longer than theirs


class Network(NamedTuple):
    """A neighbour graph whose edges go both ways, vertices in an order good for caches.

    Attributes
    ----------
    edges : (n, n) csr_array of float64
        Lengths as given; an edge of length zero is there, too.
    points : (n,) int
        The point that each vertex is: reverse Cuthill-McKee order, in which neighbours are near.
    longest : float
        Hardly any path is longer.
    """

    edges: csr_array
    points: np.ndarray
    longest: float


def network(graph: Graph, joins: Crossings) -> Network:
    """The neighbours of all points, taken both ways, and the edges that join its pieces.

    Raises
    ------
    InputError
        All points coincide.
    """
    n, k = graph.indices.shape
    i = np.concatenate([np.repeat(np.arange(n), k), joins.rows])
    j = np.concatenate([np.ravel(graph.indices), joins.columns])
    length = np.concatenate([np.ravel(graph.distances), joins.distances]).astype(np.float64)
    _, first = np.unique(np.minimum(i, j) * np.int64(n) + np.maximum(i, j), return_index=True)
    i, j, length = i[first], j[first], length[first]
    points = reverse_cuthill_mckee(_both_ways(i, j, length, n), symmetric_mode=True)
    vertex = np.empty(n, np.int64)
    vertex[points] = np.arange(n)
    edges = _both_ways(vertex[i], vertex[j], length, n)
    longest = _longest_path(edges)
    if longest == 0:
        raise InputError(
            f"all {n} rows of the features are the same, so there is nothing to lay out; "
            "extract them again"
        )
    return Network(edges, points, longest)


def _both_ways(i: np.ndarray, j: np.ndarray, length: np.ndarray, n: int) -> csr_array:
    both = np.concatenate([i, j]), np.concatenate([j, i])
    edges = csr_array((np.concatenate([length, length]), both), shape=(n, n))
    edges.sort_indices()
    return edges


def _longest_path(edges: csr_array) -> float:
    """A little more than the longest path found from far vertices, and from those far from them."""
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


def fill(
    network: Network,
    sources: np.ndarray,
    rows: Callable[[int], tuple[int, Any]],
    backend: Backend,
) -> float:
    """Compute the distances from some vertices, in strips of 256.

    Parameters
    ----------
    network : Network
    sources : (m,) int64
        Vertices; nearby ones should follow each other.
    rows : callable
        From the number of a strip to the first vertex wanted and where to write: (sources of the
        strip, vertices from the first on) uint16 array of the backend.
    backend : Backend
        Who computes; the distances have the same bits on all.

    Returns
    -------
    float
        The distance that 1 stands for.

    Raises
    ------
    InputError
        Between some vertices there is no path.
    """
    pieces, _ = connected_components(network.edges, directed=False)
    if pieces > 1:
        raise InputError(
            f"the network falls into {pieces} pieces without a path between them; make it with "
            "the edges that `joining.crossings` finds"
        )
    longest = network.longest
    while not _fill(network, longest / TOP, sources, rows, backend):
        longest *= MARGIN
        log.info("isomap paths: one is longer than expected, all are computed again")
    return longest / TOP


def _fill(
    network: Network,
    unit: float,
    sources: np.ndarray,
    rows: Callable[[int], tuple[int, Any]],
    backend: Backend,
) -> bool:
    """Whether all distances could be written in this unit; stops at the first that cannot."""
    kernels = backend.kernels("shortest_paths")
    lanes, chunk = kernels.LANES, _chunk(kernels)
    edges = network.edges
    most = TOP + 0.75  # a longer edge stays too long for 16 bits, but not for 32
    lengths = np.rint(np.minimum(edges.data / unit, most) * 2.0**kernels.FRACTION_BITS)
    graph = [
        backend.to_device(edges.indptr.astype(np.int64)),
        backend.to_device(edges.indices.astype(np.int32)),
        backend.to_device(lengths.astype(np.int32)),
    ]
    progress = Progress("isomap paths", -(-len(sources) // STRIP))
    for first in range(0, len(sources), chunk):
        some = backend.to_device(sources[first : first + chunk])
        priority = backend.xp.zeros((1, edges.shape[0]), np.int32)
        for group in kernels.GROUPS:
            priority = kernels.group_distances(*graph, some, group, priority)
        for left in range(0, len(some), STRIP):
            mine, batches = some[left : left + STRIP], slice(left // lanes, (left + STRIP) // lanes)
            strip = rows((first + left) // STRIP)
            if not kernels.source_distances(*graph, mine, priority[batches], *strip):
                return False
            progress.update()
    return True


def _chunk(kernels: ModuleType) -> int:
    """Sources whose visiting orders are found together: one batch of the largest groups."""
    return kernels.LANES * kernels.GROUPS[0]


def fill_memory(n: int, searches: int, backend: Backend) -> int:
    """Bytes that `fill` needs beside the network and what it writes, with so many at a time."""
    kernels = backend.kernels("shortest_paths")
    orders = _chunk(kernels) // kernels.GROUPS[-1]
    return 4 * n * (2 * orders + (kernels.LANES + 2) * searches)
