"""Shortest paths from many sources: sixteen at a time, in an order that suits all of them.

A label-correcting method (Bellman 1958; Ford 1956; as a worklist, Moore 1959): a vertex whose
distances fell hands them on to its neighbours until nothing falls any more, which is exact in any
order. The order decides the work. Sixteen sources near each other share one: that of Dijkstra
(1959) from the nearest of them. At 70,000 points of MNIST each vertex is then visited 1.6 to 1.9
times; in the order from one of the sixteen 3 to 4 times, from a vertex further off 5 times.

Distances are integers: sums are exact in any order, so that d(i, j) = d(j, i) to the last bit.
"""

import numba
import numpy as np

from kernels.cpu._simd import LANES, add, any_less, load, minimum, prefetch, store
from kernels.pairs import TOP

GROUPS = (LANES**2, LANES)  # sizes of the groups whose distances order the visits of the next
UNREACHED = 1 << 30  # plus a length of at most as much it is still an int32
FRACTION_BITS = 14  # a stored distance is rounded off by so many bits
COLUMNS = 64  # vertices turned from rows into columns together, in the first-level cache
BUCKET_BITS = 17  # distances that agree but for these count as equal when vertices are ordered


@numba.njit(parallel=True, cache=True)
def group_distances(starts, neighbours, lengths, sources, group, priority):
    """Distance of every vertex from the nearest source of each group.

    Parameters
    ----------
    starts, neighbours, lengths : (n + 1,) int64, (arcs,) int32, (arcs,) int32
        The arcs of vertex v are starts[v]:starts[v + 1]; every edge is there both ways, equally
        long.
    sources : (m,) int64
        Vertices, such that 16 consecutive groups are near each other.
    group : int
        A group is this many consecutive sources; the last may be shorter.
    priority : (ceil(m / (16 group)), n) int32
        What `group_distances` returns for groups 16 times as large: vertices near a batch of 16
        groups are visited first. Zeros are allowed.

    Returns
    -------
    (ceil(m / group), n) int32
        UNREACHED where there is no path.
    """
    n = starts.shape[0] - 1
    groups = -(-sources.shape[0] // group)
    result = np.empty((groups, n), np.int32)
    for batch in numba.prange(priority.shape[0]):
        first = batch * LANES
        distances = _search(
            starts, neighbours, lengths, sources[first * group :], group, priority[batch]
        )
        for left in range(0, n, COLUMNS):
            for lane in range(min(LANES, groups - first)):
                for v in range(left, min(left + COLUMNS, n)):
                    result[first + lane, v] = distances[v, lane]
    return result


@numba.njit(parallel=True, cache=True)
def source_distances(starts, neighbours, lengths, sources, priority, first_column, out):
    """Distance of the vertices from each source, rounded off to 16 bits.

    Parameters
    ----------
    starts, neighbours, lengths, sources, priority
        As in `group_distances` with group = 1.
    first_column : int
        The first vertex that is wanted.
    out : (m, n - first_column) uint16
        Filled with distance / 2**FRACTION_BITS, rounded, and 65535 where this is too large.

    Returns
    -------
    bool
        Whether no distance was too large.
    """
    n = starts.shape[0] - 1
    half = 1 << (FRACTION_BITS - 1)
    fits = np.ones(priority.shape[0], np.bool_)
    for batch in numba.prange(priority.shape[0]):
        first = batch * LANES
        distances = _search(starts, neighbours, lengths, sources[first:], 1, priority[batch])
        longest = 0
        for left in range(first_column, n, COLUMNS):
            for lane in range(min(LANES, sources.shape[0] - first)):
                for v in range(left, min(left + COLUMNS, n)):
                    distance = (distances[v, lane] + half) >> FRACTION_BITS
                    longest = max(longest, distance)
                    out[first + lane, v - first_column] = min(distance, TOP)
        fits[batch] = longest <= TOP
    return fits.all()


@numba.njit(cache=True)
def _search(starts, neighbours, lengths, sources, group, priority):
    """(n, 16) distances from the first 16 groups of sources."""
    n = starts.shape[0] - 1
    distances = _cache_lines(n)
    distances[:] = UNREACHED
    for s in range(min(LANES * group, sources.shape[0])):
        distances[sources[s], s // group] = 0

    order = _by_bucket(priority)
    fell = _relax_all(starts, neighbours, lengths, order, distances)
    queue = np.empty(n, np.int32)
    while True:
        queued = 0
        for v in order:
            queue[queued] = v
            queued += fell[v]
        if queued == 0:
            return distances
        for i in range(queued):
            _prefetch(starts, neighbours, lengths, distances, queue, i, queued)
            v = queue[i]
            fell[v] = False
            here = load(distances, v)
            for arc in range(starts[v], starts[v + 1]):
                _relax_edge(here, lengths[arc], distances, neighbours[arc], fell)


@numba.njit(cache=True)
def _relax_all(starts, neighbours, lengths, order, distances):
    """Relax every edge both ways, when the later of its ends is visited; say what fell after that.

    A vertex takes from those before it and then hands on to them: half the arcs of a visit in
    which it hands on to all, and what it takes needs no branch.
    """
    n = order.shape[0]
    rank = np.empty(n, np.int32)
    for r in range(n):
        rank[order[r]] = r
    fell = np.zeros(n, np.bool_)
    earlier = np.empty(n, np.int64)  # arcs to vertices that were visited before
    for r in range(n):
        _prefetch(starts, neighbours, lengths, distances, order, r, n)
        v = order[r]
        count = 0
        for arc in range(starts[v], starts[v + 1]):
            earlier[count] = arc
            count += rank[neighbours[arc]] < r
        here = load(distances, v)
        for i in range(count):
            there = load(distances, neighbours[earlier[i]])
            here = minimum(here, add(there, lengths[earlier[i]]))
        store(distances, v, here)
        for i in range(count):
            _relax_edge(here, lengths[earlier[i]], distances, neighbours[earlier[i]], fell)
    return fell


@numba.njit(cache=True)
def _relax_edge(here, length, distances, u, fell):
    """Let the distances of vertex u fall to those of a neighbour plus the length of the edge."""
    there = load(distances, u)
    through = add(here, length)
    if any_less(through, there):
        store(distances, u, minimum(through, there))
        fell[u] = True


@numba.njit(cache=True)
def _prefetch(starts, neighbours, lengths, distances, queue, i, queued):
    """Ask for the arcs of a vertex further on and for the distances around the next one.

    Visits jump about in memory: without this they take twice as long.
    """
    later = starts[queue[min(i + 8, queued - 1)]]
    for line in range(2):
        prefetch(neighbours, later + LANES * line)
        prefetch(lengths, later + LANES * line)
    near = queue[min(i + 1, queued - 1)]
    for arc in range(starts[near], starts[near + 1]):
        prefetch(distances, np.int64(neighbours[arc]) * LANES)


@numba.njit(cache=True)
def _cache_lines(n):
    """An (n, 16) int32 array whose rows are cache lines: a row across two would cost double."""
    room = np.empty((n + 1) * LANES, np.int32)
    skip = (-room.ctypes.data // 4) % LANES
    return room[skip : skip + n * LANES].reshape(n, LANES)


@numba.njit(cache=True)
def _by_bucket(priority):
    """Vertices sorted by their distance without its last bits."""
    ends = np.zeros((UNREACHED >> BUCKET_BITS) + 2, np.int64)
    for distance in priority:
        ends[(distance >> BUCKET_BITS) + 1] += 1
    ends = np.cumsum(ends)
    order = np.empty(priority.shape[0], np.int32)
    for v in range(priority.shape[0]):
        bucket = priority[v] >> BUCKET_BITS
        order[ends[bucket]] = v
        ends[bucket] += 1
    return order
