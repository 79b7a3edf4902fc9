"""Shortest paths from many sources; see `kernels.cpu.shortest_paths`, `cuda/shortest_paths.cu`.

On a GPU a batch is as many sources as leave the distances of all vertices in the second-level
cache, 36 MB for 128 sources and 70,000 vertices, and thousands of vertices are visited at a time.
"""

from __future__ import annotations

import itertools

import numpy as np

from kernels.cpu.shortest_paths import FRACTION_BITS, UNREACHED
from kernels.gpu import cuda
from kernels.pairs import TOP

LANES = 128  # sources of a batch: a multiple of 4 that divides THREADS and kernels.pairs.STRIP
GROUPS = (LANES,)  # sizes of the groups whose distances order the visits of the next, falling
SWEEPS = 4  # between two looks at whether a distance still falls, for which the CPU has to wait
TILE = 64  # vertices of a block in `round_off`: 128 bytes of a row of 16-bit numbers
THREADS = 256
CONSTANTS = {
    "LANES": LANES,
    "TILE": TILE,
    "THREADS": THREADS,
    "FRACTION_BITS": FRACTION_BITS,
    "TOP": TOP,
}


def group_distances(starts, neighbours, lengths, sources, group, priority):
    """Distance of every vertex from the nearest source of each group.

    As `kernels.cpu.shortest_paths.group_distances`, with batches of 128 groups: priority has shape
    (ceil(m / (128 group)), n).
    """
    n, groups = len(starts) - 1, -(-len(sources) // group)
    result = cuda.array_module().empty((groups, n), np.int32)
    for batch, near in enumerate(priority):
        some = result[batch * LANES : (batch + 1) * LANES]
        mine = sources[batch * LANES * group : (batch + 1) * LANES * group]
        distances = _search(starts, neighbours, lengths, mine, group, near)
        some[:] = distances[:, : len(some)].T
    return result


def source_distances(starts, neighbours, lengths, sources, priority, first_column, out):
    """Distance of the vertices from each source, rounded off to 16 bits.

    As `kernels.cpu.shortest_paths.source_distances`, with batches of 128 sources.
    """
    n = len(starts) - 1
    too_long = cuda.array_module().zeros(1, np.int32)
    for batch, near in enumerate(priority):
        some = out[batch * LANES : (batch + 1) * LANES]
        mine = sources[batch * LANES : (batch + 1) * LANES]
        distances = _search(starts, neighbours, lengths, mine, 1, near)
        cuda.launch(
            "shortest_paths",
            "round_off",
            -(-(n - first_column) // TILE),
            THREADS,
            (distances, n, first_column, len(some), some, out.strides[0] // 2, too_long),
            **CONSTANTS,
        )
    return not int(too_long[0])


def _search(starts, neighbours, lengths, sources, group, priority):
    """(n, 128) distances from at most 128 groups of sources."""
    xp = cuda.array_module()
    n = len(starts) - 1
    distances = xp.full((n, LANES), UNREACHED, np.int32)
    distances[sources, xp.arange(len(sources)) // group] = 0
    order = xp.argsort(priority, kind="stable")
    waiting, last_fall = xp.ones(n, np.int32), xp.zeros(1, np.int32)
    for sweep in itertools.count(1):
        cuda.launch(
            "shortest_paths",
            "visit",
            -(-n // (THREADS * 4 // LANES)),
            THREADS,
            (starts, neighbours, lengths, order, n, sweep, distances, waiting, last_fall),
            **CONSTANTS,
        )
        if sweep % SWEEPS == 0 and int(last_fall[0]) < sweep:
            return distances
