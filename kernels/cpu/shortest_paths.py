"""Shortest paths from many sources: a label-correcting method for batches of sixteen.

Bellman (1958) and Ford (1956), with a queue as in Moore (1959): the edges of a vertex whose
distances fell are relaxed until nothing falls any more, which is exact in any order. The order
decides the work. Sixteen sources near each other share one: that of Dijkstra (1959) from the
nearest of them. At 70,000 points of MNIST each vertex is then relaxed 1.6 to 1.9 times; in the
order from one of the sixteen 3 to 4 times, from a vertex further off 5 times.

Distances are integers: sums are exact in any order, so that d(i, j) = d(j, i) to the last bit.
"""

import numba
import numpy as np

from kernels.cpu._simd import SIMD_WIDTH, add_scalar, any_less, load, minimum, prefetch, store
from kernels.pairs import TOP

SOURCES_PER_BATCH = SIMD_WIDTH  # an edge is relaxed for all of them by one vector instruction
# Sources of a group: distances from large groups are the priority for smaller ones.
GROUPS = (SOURCES_PER_BATCH**2, SOURCES_PER_BATCH)
UNREACHED = 1 << 30  # the sum with a length of at most as much is still an int32
FRACTION_BITS = 14  # of a fixed-point distance; rounded off where it is stored
COLUMNS = 64  # vertices of a tile that is transposed, in the first-level cache
BUCKET_BITS = 17  # low bits of a priority that do not count: width of a bucket


@numba.njit(parallel=True, cache=True)
def group_distances(starts, neighbors, lengths, sources, group, priority):
    """Shortest-path distance of every vertex from the nearest source of each group.

    Parameters
    ----------
    starts, neighbors, lengths : (n + 1,) int64, (arcs,) int32, (arcs,) int32
        The arcs of vertex v are starts[v]:starts[v + 1]; every edge is there both ways, equally
        long.
    sources : (m,) int64
        Vertices, such that 16 consecutive groups are near each other.
    group : int
        A group is this many consecutive sources; the last may be shorter.
    priority : (ceil(m / (16 group)), n) int32
        What `group_distances` returns for groups 16 times as large: vertices near a batch of 16
        groups are relaxed first. Zeros are allowed.

    Returns
    -------
    (ceil(m / group), n) int32
        UNREACHED where there is no path.
    """
    n = starts.shape[0] - 1
    groups = -(-sources.shape[0] // group)
    result = np.empty((groups, n), np.int32)
    for batch in numba.prange(priority.shape[0]):
        first = batch * SOURCES_PER_BATCH
        distances = _search(
            starts, neighbors, lengths, sources[first * group :], group, priority[batch]
        )
        for left in range(0, n, COLUMNS):
            for lane in range(min(SOURCES_PER_BATCH, groups - first)):
                for v in range(left, min(left + COLUMNS, n)):
                    result[first + lane, v] = distances[v, lane]
    return result


@numba.njit(parallel=True, cache=True)
def source_distances(starts, neighbors, lengths, sources, priority, first_column, out):
    """Shortest-path distances from each source, rounded to 16 bits.

    Parameters
    ----------
    starts, neighbors, lengths, sources, priority
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
        first = batch * SOURCES_PER_BATCH
        distances = _search(starts, neighbors, lengths, sources[first:], 1, priority[batch])
        longest = 0
        for left in range(first_column, n, COLUMNS):
            for lane in range(min(SOURCES_PER_BATCH, sources.shape[0] - first)):
                for v in range(left, min(left + COLUMNS, n)):
                    distance = (distances[v, lane] + half) >> FRACTION_BITS
                    longest = max(longest, distance)
                    out[first + lane, v - first_column] = min(distance, TOP)
        fits[batch] = longest <= TOP
    return fits.all()


@numba.njit(cache=True)
def _search(starts, neighbors, lengths, sources, group, priority):
    """Shortest-path distances from the first 16 groups of sources, (n, 16)."""
    n = starts.shape[0] - 1
    distances = _aligned_rows(n)
    distances[:] = UNREACHED
    for s in range(min(SOURCES_PER_BATCH * group, sources.shape[0])):
        distances[sources[s], s // group] = 0

    order = _bucket_sort(priority)
    fell = _relax_all(starts, neighbors, lengths, order, distances)
    queue = np.empty(n, np.int32)
    while True:
        queued = 0
        for v in order:
            queue[queued] = v
            queued += fell[v]
        if queued == 0:
            return distances
        for i in range(queued):
            _prefetch(starts, neighbors, lengths, distances, queue, i, queued)
            v = queue[i]
            fell[v] = False
            here = load(distances, v)
            for arc in range(starts[v], starts[v + 1]):
                _relax_edge(here, lengths[arc], distances, neighbors[arc], fell)


@numba.njit(cache=True)
def _relax_all(starts, neighbors, lengths, order, distances):
    """Relax every edge both ways, when the later of its ends is reached; return what fell later.

    A vertex pulls from its earlier neighbours and then pushes to them: half the arcs of pushing to
    all, and pulling needs no branch.
    """
    n = order.shape[0]
    rank = np.empty(n, np.int32)
    for r in range(n):
        rank[order[r]] = r
    fell = np.zeros(n, np.bool_)
    earlier = np.empty(n, np.int64)  # arcs to vertices before it in the order
    for r in range(n):
        _prefetch(starts, neighbors, lengths, distances, order, r, n)
        v = order[r]
        count = 0
        for arc in range(starts[v], starts[v + 1]):
            earlier[count] = arc
            count += rank[neighbors[arc]] < r
        here = load(distances, v)
        for i in range(count):
            there = load(distances, neighbors[earlier[i]])
            here = minimum(here, add_scalar(there, lengths[earlier[i]]))
        store(distances, v, here)
        for i in range(count):
            _relax_edge(here, lengths[earlier[i]], distances, neighbors[earlier[i]], fell)
    return fell


@numba.njit(cache=True)
def _relax_edge(here, length, distances, u, fell):
    """Relax an edge: lower the distances of vertex u to those of its neighbour plus the length."""
    there = load(distances, u)
    through = add_scalar(here, length)
    if any_less(through, there):
        store(distances, u, minimum(through, there))
        fell[u] = True


@numba.njit(cache=True)
def _prefetch(starts, neighbors, lengths, distances, queue, i, queued):
    """Prefetch the arcs of a vertex further on and the distances around the next one.

    Relaxations jump about in memory: without this they take twice as long.
    """
    later = starts[queue[min(i + 8, queued - 1)]]
    for line in range(2):
        prefetch(neighbors, later + SIMD_WIDTH * line)
        prefetch(lengths, later + SIMD_WIDTH * line)
    near = queue[min(i + 1, queued - 1)]
    for arc in range(starts[near], starts[near + 1]):
        prefetch(distances, np.int64(neighbors[arc]) * SOURCES_PER_BATCH)


@numba.njit(cache=True)
def _aligned_rows(n):
    """An (n, 16) int32 array aligned to cache lines: a row across two would cost double."""
    room = np.empty((n + 1) * SOURCES_PER_BATCH, np.int32)
    skip = (-room.ctypes.data // 4) % SOURCES_PER_BATCH
    return room[skip : skip + n * SOURCES_PER_BATCH].reshape(n, SOURCES_PER_BATCH)


@numba.njit(cache=True)
def _bucket_sort(priority):
    """Vertices in order of priority without its last bits: a counting sort."""
    ends = np.zeros((UNREACHED >> BUCKET_BITS) + 2, np.int64)
    for distance in priority:
        ends[_bucket(distance) + 1] += 1
    ends = np.cumsum(ends)
    order = np.empty(priority.shape[0], np.int32)
    for v in range(priority.shape[0]):
        bucket = _bucket(priority[v])
        order[ends[bucket]] = v
        ends[bucket] += 1
    return order


@numba.njit(cache=True)
def _bucket(distance):
    """The bucket of a priority; one that is no distance gets the nearest, not memory of others."""
    return min(max(distance, 0), UNREACHED) >> BUCKET_BITS
