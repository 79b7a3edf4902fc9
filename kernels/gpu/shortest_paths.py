"""Shortest paths from many sources; see `kernels.cpu.shortest_paths`, `cuda/shortest_paths.cu`.

On a GPU a batch is as many sources as leave the distances of all vertices in the second-level
cache, 36 MB for 128 sources and 70,000 vertices, and thousands of vertices are relaxed at a time.
"""

from __future__ import annotations

import itertools

import numpy as np

from kernels.cpu.shortest_paths import FRACTION_BITS, UNREACHED
from kernels.gpu import cuda
from kernels.pairs import TOP

SOURCES_PER_BATCH = 128  # a multiple of 4 that divides THREADS and kernels.pairs.STRIP
# Sources of a group: distances from large groups are the priority for smaller ones.
GROUPS = (SOURCES_PER_BATCH,)
SWEEPS = 4  # between two checks for convergence, for which the CPU has to wait
TILE = 64  # vertices of a block in `round_distances`: 128 bytes of a row of 16-bit numbers
THREADS = 256
CONSTANTS = {
    "SOURCES_PER_BATCH": SOURCES_PER_BATCH,
    "TILE": TILE,
    "THREADS": THREADS,
    "FRACTION_BITS": FRACTION_BITS,
    "TOP": TOP,
}


def group_distances(starts, neighbors, lengths, sources, group, priority):
    """Shortest-path distance of every vertex from the nearest source of each group.

    As `kernels.cpu.shortest_paths.group_distances`, with batches of 128 groups: priority has shape
    (ceil(m / (128 group)), n).
    """
    n, groups = len(starts) - 1, -(-len(sources) // group)
    result = cuda.array_module().empty((groups, n), np.int32)
    for batch, nearest in enumerate(priority):
        batch_distances = result[batch * SOURCES_PER_BATCH : (batch + 1) * SOURCES_PER_BATCH]
        batch_sources = sources[
            batch * SOURCES_PER_BATCH * group : (batch + 1) * SOURCES_PER_BATCH * group
        ]
        distances = _search(starts, neighbors, lengths, batch_sources, group, nearest)
        batch_distances[:] = distances[:, : len(batch_distances)].T
    return result


def source_distances(starts, neighbors, lengths, sources, priority, first_column, out):
    """Shortest-path distances from each source, rounded to 16 bits.

    As `kernels.cpu.shortest_paths.source_distances`, with batches of 128 sources.
    """
    n = len(starts) - 1
    too_long = cuda.array_module().zeros(1, np.int32)
    for batch, nearest in enumerate(priority):
        batch_distances = out[batch * SOURCES_PER_BATCH : (batch + 1) * SOURCES_PER_BATCH]
        batch_sources = sources[batch * SOURCES_PER_BATCH : (batch + 1) * SOURCES_PER_BATCH]
        distances = _search(starts, neighbors, lengths, batch_sources, 1, nearest)
        cuda.launch(
            "shortest_paths",
            "round_distances",
            -(-(n - first_column) // TILE),
            THREADS,
            (
                distances,
                n,
                first_column,
                len(batch_distances),
                batch_distances,
                out.strides[0] // 2,
                too_long,
            ),
            **CONSTANTS,
        )
    return not int(too_long[0])


def _search(starts, neighbors, lengths, sources, group, priority):
    """Shortest-path distances from at most 128 groups of sources, (n, 128)."""
    xp = cuda.array_module()
    n = len(starts) - 1
    distances = xp.full((n, SOURCES_PER_BATCH), UNREACHED, np.int32)
    distances[sources, xp.arange(len(sources)) // group] = 0
    order = xp.argsort(priority, kind="stable")
    waiting, last_fall = xp.ones(n, np.int32), xp.zeros(1, np.int32)
    for sweep in itertools.count(1):
        cuda.launch(
            "shortest_paths",
            "relax",
            -(-n // (THREADS * 4 // SOURCES_PER_BATCH)),
            THREADS,
            (starts, neighbors, lengths, order, n, sweep, distances, waiting, last_fall),
            **CONSTANTS,
        )
        if sweep % SWEEPS == 0 and int(last_fall[0]) < sweep:
            return distances
