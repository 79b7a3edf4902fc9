"""Call every CUDA kernel on the host, on inputs of a few blocks, watched by ThreadSanitizer.

A program of its own, for `test_gpu_races`: ThreadSanitizer must be loaded before Python is.

    LD_PRELOAD=libtsan.so python tests/kernel_calls.py [folder of sources] [topic ...]

Prints the names of the kernels that ran; what could race is reported on stderr.
"""

import sys
from pathlib import Path

import cuda_on_host
import numpy as np
from cuda_on_host import xp

from kernels import pairs
from kernels.gpu import cuda, distances, knn, lle, ranks, smacof, squared_pairs, tsne
from kernels.gpu import shortest_paths as paths

N = 80  # points: three strips of pairs
STRIP = 32
THREADS = 32  # of a block: ThreadSanitizer distinguishes 255 threads, and some blocks must fit
random = np.random.default_rng(0)


def double(*shape):
    return xp.asarray(random.random(shape))


def real(*shape):
    return double(*shape).astype(np.float32)


def integers(high, *shape, dtype=np.int32):
    return xp.asarray(random.integers(0, high, shape).astype(dtype))


def call_distances():
    X, out = real(N, 5), xp.zeros((3, N), np.uint16)
    distances.later_distances(X[:3] @ X.T, X, xp.square(X).sum(axis=1), 0, 0, 1.0, out)


def call_knn():
    # Buffers in shared memory; in global memory, of fewer blocks than there are rows.
    for selected, seen in ((20, 300), (200, 250)):
        values, columns = (
            xp.full((3, selected), np.inf, np.float32),
            xp.full((3, selected), -1, np.int32),
        )
        knn.keep_nearest(real(3, seen), real(seen), 0, values, columns)
        knn.keep_nearest_of_columns(real(seen, 3), real(seen), 0, values, columns)
        starts = xp.asarray(np.array([0, seen, seen, 2 * seen]))
        knn.rank_candidates(real(seen, 5), xp.arange(3), starts, integers(seen, 2 * seen), selected)


def call_lle():
    for neighbours in (7, 9):  # whose matrix is in shared memory, in global memory
        lle.barycenter_weights(real(N, 33), xp.arange(3), integers(N, 3, neighbours), 1e-3)
    W = 3 * xp.arange(11), integers(10, 30), double(30)
    lle.add_residual(*W, double(10, 40), double(10, 40), 2, -3, 0.5, double(10, 40))


def call_ranks():
    scores, columns = real(3, 20), integers(N, 3, 20)
    ranks.count_nearer(real(3, N), real(N), 0, scores, columns, xp.zeros((3, 20), np.int32))


def call_shortest_paths():
    ring, steps = np.arange(24)[:, None], np.array([-7, -1, 1, 7])
    neighbours = xp.asarray(((ring + steps) % 24).ravel().astype(np.int32))
    arcs = 4 * xp.arange(25), neighbours, integers(1 << 30, 96)  # some are too long
    priority, out = integers(1 << 20, 1, 24), xp.empty((24, 24), np.uint16)
    paths.source_distances(*arcs, xp.arange(24), priority, 0, out)


def stored_pairs():
    starts = pairs.strip_starts(N)
    return integers(1 << 16, int(starts[-1]), dtype=np.uint16), xp.asarray(starts)


def call_smacof():
    smacof.guttman_sums(*stored_pairs(), real(2, N), xp.zeros((1, 2, N)), xp.zeros(1), 0, 2)


def call_squared_pairs():
    stored = stored_pairs()
    squared_pairs.squared_products(*stored, N, 0, 3, double(3, N), xp.zeros((1, 3, N)))
    squared_pairs.fourth_powers(*stored, N, 0, 3, xp.zeros(3))


def call_tsne():
    tsne.repulsive_sums(real(2, N), 3, N)
    P = 3 * xp.arange(11), integers(10, 30), double(30)
    tsne.attractive_sums(*P, real(2, 10))
    tsne.divergence_sums(*P, real(2, 10), 1.0)


def shrink():
    """Use smaller blocks, so few of them that some have several rows, tiles or points to do."""
    for module in (distances, knn, lle, paths, ranks, smacof, squared_pairs, tsne):
        resize(module, THREADS=THREADS)
    for module in (smacof, squared_pairs):
        resize(module, STRIP=STRIP, COLUMNS=8)
    pairs.STRIP = STRIP
    resize(knn, SHARED=128, THREADS_PER_CANDIDATE=8)
    resize(lle, SIDE=4, FEATURES=8, SMALL=8)
    resize(paths, SOURCES_PER_BATCH=STRIP)
    resize(tsne, ROWS=2, THREADS_PER_ROW=8)
    knn.BLOCKS = lle.BLOCKS = tsne.CHUNKS = 2


def resize(module, **sizes):
    """Set constants of a module, and in its source."""
    module.CONSTANTS.update(sizes)
    vars(module).update(sizes)


def main(sources=cuda.SOURCES, *topics):
    ran = set()

    def compiled(source, name, definitions):
        ran.add(name)
        return cuda_on_host.compiled(source, name, definitions)

    cuda.array_module, cuda.compiled = lambda: xp, compiled
    cuda.free_memory = lambda: 10**9
    cuda.SOURCES = Path(sources).resolve()
    cuda_on_host.OPTIONS += ["-fsanitize=thread", "-g"]
    shrink()
    for name, call in list(globals().items()):
        if name.startswith("call_") and name[5:] in (topics or [name[5:]]):
            call()
    print(*sorted(ran))


if __name__ == "__main__":
    main(*sys.argv[1:])
