"""Does Isomap on a GPU compute what it does on the CPU, kernel by kernel and as a whole?"""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from sklearn import datasets

from kernels import reference
from kernels.backend import get_backend, to_host
from kernels.cpu import shortest_paths as cpu_paths
from kernels.gpu import cuda, shortest_paths, squared_pairs
from kernels.pairs import STRIP, TOP, Pairs, pairs_bytes, strip_starts
from pipeline.errors import InputError
from pipeline.methods.isomap import exact as isomap
from pipeline.methods.isomap.exact import Isomap
from pipeline.methods.isomap.geodesics import (
    NeighborhoodGraph,
    compute_geodesics,
    neighborhood_graph,
)
from pipeline.neighbors.components import connect_components
from pipeline.neighbors.graph import knn_graph
from pipeline.runtime.pair_storage import choose_storage, new_pairs

CPU = get_backend("cpu")
UNREACHED, FRACTION_BITS = cpu_paths.UNREACHED, cpu_paths.FRACTION_BITS


# ---- The shortest paths


def random_arcs(n, edges, lengths=(0, 1 << 24)):
    """A graph with random edges of integer length, some of them zero, as a matrix and as arrays."""
    random = np.random.default_rng(0)
    matrix = np.full((n, n), np.inf)
    i, j = random.integers(0, n, size=(2, edges))
    matrix[i, j] = matrix[j, i] = random.integers(*lengths, size=edges)
    matrix[i[::5], j[::5]] = matrix[j[::5], i[::5]] = 0
    matrix = np.minimum(matrix, matrix.T)
    np.fill_diagonal(matrix, np.inf)
    rows, columns = np.nonzero(np.isfinite(matrix))
    starts = np.searchsorted(rows, np.arange(n + 1)).astype(np.int64)
    return matrix, (starts, columns.astype(np.int32), matrix[rows, columns].astype(np.int32))


def on(gpu, *arrays):
    return [gpu.xp.asarray(array) for array in arrays]


@pytest.mark.parametrize(
    ("n", "edges"),
    [
        (1, 0),
        (2, 1),
        (90, 60),  # not connected, most of the vertices on their own
        (133, 300),
    ],
)
@pytest.mark.parametrize(("sources", "group"), [(1, 1), (40, 1), (300, 1), (300, 128), (33, 5)])
def test_group_distances_are_floyd_and_warshalls(gpu, n, edges, sources, group):
    """Whatever the order in which vertices are visited; sources may come twice."""
    matrix, arcs = random_arcs(n, edges)
    random = np.random.default_rng(1)
    some = random.integers(0, n, sources)
    batches = -(-sources // (shortest_paths.SOURCES_PER_BATCH * group))
    expected = reference.group_distances(matrix, some, group)
    if n == 90:
        assert np.isinf(expected).any()
    expected[np.isinf(expected)] = UNREACHED
    orders = np.zeros((batches, n)), random.integers(0, UNREACHED, (batches, n))
    for priority in orders:
        arrays = on(gpu, *arcs, some), gpu.xp.asarray(priority.astype(np.int32))
        found = shortest_paths.group_distances(*arrays[0], group, arrays[1])
        assert found.dtype == np.int32
        assert np.array_equal(to_host(found), expected)


@pytest.mark.parametrize(
    ("n", "first_column", "sources"), [(60, 10, 20), (200, 0, 131), (65, 64, 1)]
)
@pytest.mark.parametrize("lengths", [(0, 1 << 24), (1 << 29, TOP << FRACTION_BITS)])
def test_source_distances_are_the_cpus(gpu, n, first_column, sources, lengths):
    """Rounded alike, and too long ones reported, into rows further apart than they are long."""
    _, arcs = random_arcs(n, 8 * n, lengths)  # connected
    some = np.random.default_rng(n).integers(0, n, sources)
    expected = np.empty((sources, n - first_column), np.uint16)
    priority = np.zeros((-(-sources // 16), n), np.int32)
    fits = cpu_paths.source_distances(*arcs, some, priority, first_column, expected)
    if sources > 1:
        assert fits == (lengths[0] == 0)  # else no path of two edges does

    room = gpu.xp.full((sources, n + 3), 7, np.uint16)
    priority = gpu.xp.zeros((-(-sources // shortest_paths.SOURCES_PER_BATCH), n), np.int32)
    there = on(gpu, *arcs, some)
    out = room[:, 1 : 1 + n - first_column]
    assert shortest_paths.source_distances(*there, priority, first_column, out) == fits
    assert np.array_equal(to_host(out), expected)
    rest = np.delete(to_host(room), np.s_[1 : 1 + n - first_column], axis=1)
    assert (rest == 7).all()


def test_a_distance_is_too_long_only_where_it_is_wanted(gpu):
    """The largest that fits, the smallest that does not, and one in a column left out."""
    starts, neighbours = np.array([0, 1, 3, 4]), np.array([1, 0, 2, 1], np.int32)
    half = 1 << (FRACTION_BITS - 1)
    for length, first_column, fits in [
        ((TOP << FRACTION_BITS) + half - 1, 0, True),
        ((TOP << FRACTION_BITS) + half, 0, False),
        ((TOP << FRACTION_BITS) + half, 1, True),
    ]:
        arcs = starts, neighbours, np.array([length, length, 0, 0], np.int32)
        out = gpu.xp.empty((1, 3 - first_column), np.uint16)
        priority = gpu.xp.zeros((1, 3), np.int32)
        there = on(gpu, *arcs, np.array([2]))
        assert shortest_paths.source_distances(*there, priority, first_column, out) == fits
        assert to_host(out).tolist() == [[TOP, 0, 0][first_column:]]


def roll(n, k=8):
    X = datasets.make_swiss_roll(n, random_state=0)[0]
    graph = knn_graph(X, k=k, device="cpu")
    return neighborhood_graph(graph, connect_components(graph, X))


@pytest.mark.parametrize("n", [2, STRIP + 1, 2 * STRIP + 1])
def test_all_geodesics_are_the_cpus_to_the_last_bit(gpu, n, capfd):
    """Also when they turn out longer than expected."""
    net = roll(n, k=min(8, n - 1))
    for one in (net, net._replace(diameter=0.8 * net.diameter)):
        pairs = [
            new_pairs(n, step=1.0, storage="memory", name="test", backend=backend)
            for backend in (CPU, gpu)
        ]
        steps = [
            compute_geodesics(one, np.arange(n), some.strip, backend)
            for some, backend in zip(pairs, (CPU, gpu), strict=True)
        ]
        assert steps[0] == steps[1]
        longest = steps[0] * pairs[0].values.max()
        assert longest == pytest.approx(dijkstra(net.edges).max(), rel=1 / TOP)
        assert np.array_equal(pairs[0].values, to_host(pairs[1].values))
    assert "the GPU's memory" in capfd.readouterr().err


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_paths_between_components_are_refused(gpu, device):
    """They would be computed again and again in ever larger steps."""
    edges = csr_array(np.kron(np.eye(3), [[0, 1.0], [1.0, 0]]))
    net = NeighborhoodGraph(edges, np.arange(6), 1.0)
    with pytest.raises(InputError, match="has 3 connected components"):
        compute_geodesics(net, np.arange(6), lambda s: pytest.fail("computed"), get_backend(device))


# ---- Classical scaling


def stored(n, dtype):
    """Random pairs of a matrix, which comes along with zeros where they have no meaning."""
    random = np.random.default_rng(n)
    starts = strip_starts(n)
    pairs = Pairs(random.integers(0, TOP + 1, starts[-1]).astype(dtype), starts, n, 1.0)
    D = np.zeros((n, n))
    for s in range(len(starts) - 1):
        first, strip = pairs.strip(s)
        D[first : first + STRIP, first:] = strip
    return pairs, np.triu(D, 1) + np.triu(D, 1).T


@pytest.mark.parametrize("n", [1, 2, STRIP - 1, STRIP + 1, 2 * STRIP + 5])
@pytest.mark.parametrize(("vectors", "dtype"), [(1, "uint16"), (11, "uint16"), (3, "float32")])
def test_squared_products(gpu, n, vectors, dtype):
    """Added to what is there, strip by strip or all at once, in any layout of the vectors."""
    pairs, D = stored(n, dtype)
    V = np.random.default_rng(0).normal(size=(vectors, n))
    expected = reference.squared_products(D, V)
    values, starts = on(gpu, pairs.values, pairs.starts)
    strips = len(starts) - 1
    for some, ranges in (
        (gpu.xp.asarray(V), [(s, s + 1) for s in range(strips)]),
        (gpu.xp.asarray(V.T.copy()).T, [(0, strips)]),
    ):
        sums = gpu.xp.ones((squared_pairs.PARTS, vectors, n))
        for first, last in ranges:
            squared_pairs.squared_products(values, starts, n, first, last, some, sums)
        found = to_host(sums)[0] - 1
        assert np.abs(found - expected).max() <= 1e-12 * max(np.abs(expected).max(), 1)


@pytest.mark.parametrize("n", [1, 2, STRIP - 1, STRIP + 1, 2 * STRIP + 5])
def test_fourth_powers(gpu, n):
    pairs, D = stored(n, "uint16")
    values, starts = on(gpu, pairs.values, pairs.starts)
    sums = gpu.xp.full(len(starts) - 1, np.nan)
    for s in range(len(starts) - 1):
        squared_pairs.fourth_powers(values, starts, n, s, s + 1, sums)
        assert np.isnan(to_host(sums)[s + 1 :]).all()
    assert to_host(sums).sum() == pytest.approx(reference.fourth_powers(D), rel=1e-12)


# ---- The estimator


@pytest.mark.parametrize("n_components", [1, 2, 3])
@pytest.mark.parametrize("landmarks", [None, 150])
def test_isomap_is_that_of_the_cpu(gpu, n_components, landmarks):
    X = datasets.make_swiss_roll(520, random_state=0)[0]
    graph = knn_graph(X, k=8, device="cpu")
    options = {"n_neighbors": 8, "landmarks": landmarks, "random_state": 0}
    there = Isomap(n_components, device="gpu", **options).fit(X, graph=graph)
    here = Isomap(n_components, device="cpu", **options).fit(X, graph=graph)
    assert isinstance(there.embedding_, np.ndarray)
    scale = np.abs(here.embedding_).max()
    np.testing.assert_allclose(there.embedding_, here.embedding_, atol=1e-5 * scale)
    differ = {"seconds_paths", "seconds_eigen", "eigen_residual"}
    ours, theirs = there.diagnostics_, here.diagnostics_
    assert ours.keys() == theirs.keys()
    assert ours.pop("storage", None) == theirs.pop("storage", None)
    for key in theirs.keys() - differ:
        assert ours[key] == pytest.approx(theirs[key], rel=1e-6), key
    assert ours["eigen_residual"] < 1e-6
    again = Isomap(n_components, device="gpu", **options).fit(X, graph=graph)
    assert (again.embedding_ == there.embedding_).all()  # to the last bit


@pytest.mark.filterwarnings("ignore:the graph of .* connected components")
def test_duplicate_rows_and_components_survive(gpu):
    random = np.random.default_rng(0)
    X = np.repeat(
        np.concatenate([random.normal(size=(9, 3)), 40 + random.normal(size=(8, 3))]), 9, 0
    )
    graph = knn_graph(X, k=6, device="cpu")
    there = Isomap(n_neighbors=6, device="gpu", random_state=0).fit(X, graph=graph)
    here = Isomap(n_neighbors=6, device="cpu", random_state=0).fit(X, graph=graph)
    assert there.diagnostics_["components"] == here.diagnostics_["components"] > 1
    scale = np.abs(here.embedding_).max()
    np.testing.assert_allclose(there.embedding_, here.embedding_, atol=1e-5 * scale)


def test_pairs_that_do_not_fit_are_refused_before_anything_is_computed(gpu, monkeypatch):
    X = np.random.default_rng(0).normal(size=(600, 3))
    monkeypatch.setattr(isomap, "nearest_neighbors", lambda *_: pytest.fail("computed"))
    monkeypatch.setattr(cuda, "free_memory", lambda: pairs_bytes(600))
    with pytest.raises(InputError, match=r"GPU has no room; set landmarks, .* or device to cpu"):
        Isomap(device="gpu").fit(X)
    with pytest.raises(InputError, match=r"'memory' but .* GPU.*set storage to auto, or device"):
        Isomap(device="gpu", storage="memory").fit(X)
    with pytest.raises(InputError, match="'disk' but a GPU"):
        Isomap(device="gpu", storage="disk").fit(X)
    with pytest.raises(InputError, match="device is 'tpu'"):
        Isomap(device="tpu").fit(X)
    assert choose_storage(600, backend=gpu) == "memory"
    assert choose_storage(600, spare=1, backend=gpu) == "none"
