"""Is a GPU's neighbour graph that of a float64 brute force, kernel by kernel and as a whole?"""

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from point_sets import CASES, blobs

from kernels import reference
from kernels.backend import to_host
from kernels.gpu import cuda, knn
from pipeline.errors import InputError
from pipeline.neighbors import graph as graph_module
from pipeline.neighbors.graph import knn_graph, memory_needed


def start(b, m):
    """What `keep_nearest` is given at first."""
    return np.full((b, m), np.inf, np.float32), np.full((b, m), -1, np.int32)


def drawn(random, shape, ties):
    """Random numbers, or integers so few that most scores are shared."""
    if ties:
        return random.integers(0, 9, shape).astype(np.float32)
    return random.normal(size=shape).astype(np.float32)


def test_keep_nearest_of_columns(gpu):
    random = np.random.default_rng(0)
    products, half_norms = drawn(random, (150, 70), False), drawn(random, 150, False)
    kept, expected = [gpu.xp.asarray(a) for a in start(70, 12)], start(70, 12)
    knn.keep_nearest_of_columns(gpu.xp.asarray(products), gpu.xp.asarray(half_norms), 3, *kept)
    reference.keep_nearest_of_columns(products, half_norms, 3, *expected)
    assert np.array_equal(to_host(kept[1]), expected[1][:, ::-1])  # largest first


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(
    ("b", "m", "widths"),
    [
        (1, 1, [1]),
        (1, 3, [1, 1, 1, 700]),
        (9, 12, [150, 150]),
        (5, 225, [2500, 130, 40]),  # more than a block looks at together, and than it has room for
        (3, 257, [300, 1100]),  # a larger room
        (2, 1900, [2000, 2000]),  # one in global memory
    ],
)
def test_keep_nearest(gpu, b, m, widths, ties):
    random = np.random.default_rng(m)
    kept = [gpu.xp.asarray(a) for a in start(b, m)]
    expected = start(b, m)
    first = 0
    for width in widths:
        products, half_norms = drawn(random, (b, width), ties), drawn(random, width, ties)
        products[:, width // 2] = -np.inf  # left out
        knn.keep_nearest(gpu.xp.asarray(products), gpu.xp.asarray(half_norms), first, *kept)
        reference.keep_nearest(products, half_norms, first, *expected)
        first += width
    assert np.array_equal(to_host(kept[0]), expected[0][:, ::-1])  # largest first
    assert np.array_equal(to_host(kept[1]), expected[1][:, ::-1])


def test_keep_nearest_when_the_nearest_come_last(gpu):
    """Every score enters: rooms run over again and again."""
    scores = np.arange(3000, 0, -1, dtype=np.float32)
    kept = [gpu.xp.asarray(a) for a in start(2, 40)]
    products = np.stack([-scores, 0 * scores])
    knn.keep_nearest(gpu.xp.asarray(products), gpu.xp.asarray(0 * scores), 7, *kept)
    assert np.array_equal(to_host(kept[0])[0], np.arange(40, 0, -1))
    assert np.array_equal(to_host(kept[1]), [np.arange(2967, 3007), np.arange(46, 6, -1)])


def test_more_blocks_with_room_in_global_memory_than_at_a_time(gpu, monkeypatch):
    monkeypatch.setattr(knn, "BLOCKS", 2)
    random = np.random.default_rng(1)
    products, half_norms = drawn(random, (5, 2100), False), drawn(random, 2100, False)
    kept = [gpu.xp.asarray(a) for a in start(5, 1800)]
    expected = start(5, 1800)
    knn.keep_nearest(gpu.xp.asarray(products), gpu.xp.asarray(half_norms), 0, *kept)
    reference.keep_nearest(products, half_norms, 0, *expected)
    assert np.array_equal(to_host(kept[1]), expected[1][:, ::-1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("d", "k"), [(1, 1), (3, 12), (31, 30), (100, 300)])
def test_rank_candidates(gpu, d, k, dtype):
    """Rows of integers, so that sums are exact in any order and many distances are equal."""
    random = np.random.default_rng(d)
    X = random.integers(0, 4, (700, d)).astype(dtype)
    X[300] = X[0]
    rows = np.array([0, 699, 300, 42])
    near = [
        random.permutation(np.delete(np.arange(700), i))[: k + 100 * r] for r, i in enumerate(rows)
    ]
    starts = np.cumsum([0, *map(len, near)])
    candidates = np.concatenate(near).astype(np.int32)
    given = [gpu.xp.asarray(a) for a in (X, rows, starts, candidates)]
    indices, squared = knn.rank_candidates(*given, k)
    expected = reference.rank_candidates(X, rows, starts, candidates, k)
    assert np.array_equal(to_host(indices), expected[0])
    assert np.array_equal(to_host(squared), expected[1])
    assert indices.dtype == np.int32


def test_rank_candidates_with_room_in_global_memory(gpu):
    random = np.random.default_rng(0)
    X = random.normal(size=(2200, 5))
    candidates = random.permutation(np.arange(1, 2200)).astype(np.int32)
    rows, starts = np.zeros(1, np.int64), np.array([0, 2199])
    given = [gpu.xp.asarray(a) for a in (X, rows, starts, candidates)]
    indices, squared = knn.rank_candidates(*given, 2000)
    expected = reference.rank_candidates(X, rows, starts, candidates, 2000)
    assert np.array_equal(to_host(indices), expected[0])
    assert np.allclose(to_host(squared), expected[1], rtol=1e-13)


@pytest.mark.parametrize("case", CASES)
def test_graph_is_brute_force(gpu, case, monkeypatch):
    """Several tiles; cases that need the second search; ties, duplicates, other dtypes."""
    monkeypatch.setattr(knn, "TILES", (150,))
    X = CASES[case]
    found = knn_graph(X, k=15, device="gpu")
    indices, squared = reference.knn(X, 15)
    assert np.array_equal(found.indices, indices)
    assert np.allclose(found.distances, np.sqrt(squared), rtol=1e-6, atol=0)
    assert [type(a) for a in found] == [np.ndarray, np.ndarray]
    assert [a.dtype for a in found] == [np.int32, np.float32]


def test_every_point_is_a_neighbour_when_k_is_n_minus_1(gpu):
    X = blobs(40)
    assert np.array_equal(knn_graph(X, k=39, device="gpu").indices, reference.knn(X, 39)[0])


def test_tiles_are_as_large_as_memory_allows(gpu, monkeypatch, capfd):
    sizes = []
    for free in (10**9, 4 * 10**8, 2 * 10**8):
        monkeypatch.setattr(cuda, "free_memory", lambda free=free: free)
        sizes.append(graph_module._tile(20_000, 64, 15, 4, gpu))
    assert sizes == [8192, 4096, 2048]
    monkeypatch.setattr(cuda, "free_memory", lambda: 10**8)
    with pytest.raises(InputError, match=r"needs .* of the GPU's memory, .* set device to cpu"):
        knn_graph(blobs(), k=5, device="gpu")
    monkeypatch.setattr(cuda, "free_memory", lambda: 10**9)
    knn_graph(blobs(), k=5, device="gpu")
    assert "GB of the GPU's memory" in capfd.readouterr().err


@pytest.mark.parametrize("itemsize", [4, 8])
def test_all_of_mnist_fits_a_gpu_of_8_gb(itemsize):
    largest = knn.TILES[0]
    assert memory_needed(70_000, 2048, k=90, itemsize=itemsize, tile=largest) < 6e9


def test_coarse_products_are_noticed():
    assert not cuda.rounds_to_tf32(np)
    coarse = SimpleNamespace(full=np.full, eye=lambda n, dtype: np.eye(n) - 2**-13, any=np.any)
    assert cuda.rounds_to_tf32(coarse)


@pytest.mark.gpu
def test_no_environment_rounds_the_factors_of_products():
    code = "from kernels.gpu import cuda; assert not cuda.rounds_to_tf32(cuda.array_module())"
    environment = {**os.environ, "CUPY_TF32": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
