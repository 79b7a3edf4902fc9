"""Are the paths shortest, and is the layout classical scaling of them, as scikit-learn's is?"""

import re

import numba
import numpy as np
import pytest
from point_sets import islands
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import procrustes
from scipy.spatial.distance import pdist, squareform
from sklearn import datasets, manifold
from threadpoolctl import threadpool_limits

from kernels import reference
from kernels.backend import get_backend
from kernels.cpu import shortest_paths, squared_pairs
from kernels.cpu.shortest_paths import FRACTION_BITS, UNREACHED
from kernels.pairs import STRIP, TOP, Pairs, strip_starts
from pipeline.errors import InputError
from pipeline.methods.isomap import exact as isomap
from pipeline.methods.isomap.classical_scaling import (
    StoredPairs,
    diagnostics,
    kernel_of_matrix,
    kernel_of_pairs,
    largest_kernel_eigenpairs,
)
from pipeline.methods.isomap.exact import Isomap
from pipeline.methods.isomap.geodesics import compute_geodesics, neighborhood_graph
from pipeline.methods.isomap.resources import Exact
from pipeline.methods.isomap.scikit_learn import Isomap as ScikitLearnIsomap
from pipeline.neighbors.components import connect_components
from pipeline.neighbors.graph import Graph, knn_graph
from pipeline.neighbors.scale import scale_features

CPU = get_backend("cpu")
CONNECTED = pytest.mark.filterwarnings("ignore:the graph of .* connected components")
RESOLUTION = 1.05 / TOP  # a stored distance is off by half of this share of the longest path


def swiss_roll(n=700):
    """Points whose geodesics differ much from straight lines."""
    return datasets.make_swiss_roll(n, random_state=0)[0]


@pytest.fixture(scope="module", name="X")
def roll():
    return swiss_roll()


@pytest.fixture(scope="module", name="net")
def network_of_the_roll(X):
    graph = knn_graph(X, k=8)
    return neighborhood_graph(graph, connect_components(graph, X))


# ---- The shortest paths


def random_arcs(n, edges, seed):
    """A graph with random edges of integer length, as a matrix and as arrays."""
    random = np.random.default_rng(seed)
    matrix = np.full((n, n), np.inf)
    i, j = random.integers(0, n, size=(2, edges))
    matrix[i, j] = matrix[j, i] = random.integers(0, 1 << 24, size=edges)
    matrix = np.minimum(matrix, matrix.T)
    np.fill_diagonal(matrix, np.inf)
    rows, columns = np.nonzero(np.isfinite(matrix))
    starts = np.searchsorted(rows, np.arange(n + 1)).astype(np.int64)
    return matrix, (starts, columns.astype(np.int32), matrix[rows, columns].astype(np.int32))


@pytest.mark.parametrize(("sources", "group"), [(1, 1), (40, 1), (33, 16), (70, 256)])
def test_group_distances_are_floyd_and_warshalls(sources, group):
    """Whatever the order in which vertices are visited."""
    matrix, arcs = random_arcs(90, 150, seed=group)
    random = np.random.default_rng(1)
    some = random.permutation(90)[:sources]
    batches = -(-sources // (16 * group))
    expected = reference.group_distances(matrix, some, group)
    assert np.isinf(expected).any()  # components that a source does not reach
    expected[np.isinf(expected)] = UNREACHED
    for priority in (np.zeros((batches, 90)), random.integers(0, UNREACHED, (batches, 90))):
        found = shortest_paths.group_distances(*arcs, some, group, priority.astype(np.int32))
        assert np.array_equal(found, expected)


def test_source_distances_are_rounded_and_too_long_ones_reported():
    matrix, arcs = random_arcs(60, 150, seed=3)
    sources = np.arange(20, 40)
    exact = reference.group_distances(matrix, sources, 1)
    rounded = np.floor(exact / 2**FRACTION_BITS + 0.5)
    out = np.empty((20, 50), np.uint16)
    priority = np.zeros((2, 60), np.int32)
    fits = shortest_paths.source_distances(*arcs, sources, priority, 10, out)
    assert fits == bool((rounded <= TOP).all())
    assert np.array_equal(out, np.minimum(rounded, TOP)[:, 10:])
    far = arcs[0], arcs[1], np.full_like(arcs[2], 30_000 << FRACTION_BITS)
    assert not shortest_paths.source_distances(*far, sources, priority, 10, out)
    assert out.max() == TOP


def geodesics_of(net):
    """All paths as `Isomap` keeps them, as a matrix."""
    n = len(net.points)
    pairs = Pairs(np.zeros(strip_starts(n)[-1], np.uint16), strip_starts(n), n, 1.0)
    step = compute_geodesics(net, np.arange(n), pairs.strip, CPU)
    return step * np.array([pairs.row(i) for i in range(n)], np.float64)


def test_all_geodesics_are_dijkstras(net):
    found, expected = geodesics_of(net), dijkstra(net.edges)
    assert expected.max() > 2.5 * pdist(swiss_roll()).max()  # around the roll, not through it
    assert np.abs(found - expected).max() < 1e-5 * expected.max()
    assert np.array_equal(found, found.T)
    some = np.random.default_rng(0).integers(0, len(found), size=(1000, 3))
    i, j, k = some.T
    assert (found[i, k] <= found[i, j] + found[j, k] + 2 * RESOLUTION * found.max()).all()


def test_a_priority_that_is_no_distance_changes_nothing():
    """It only orders the work; without a bound it would be written outside of an array."""
    matrix, arcs = random_arcs(90, 150, seed=0)
    sources = np.arange(20)
    expected = reference.group_distances(matrix, sources, 1)
    expected[np.isinf(expected)] = UNREACHED
    extremes = np.iinfo(np.int32)
    priority = np.random.default_rng(0).choice([extremes.min, -1, 7, extremes.max], (2, 90))
    found = shortest_paths.group_distances(*arcs, sources, 1, priority.astype(np.int32))
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("length", [np.nan, np.inf, -1.0])
def test_what_is_no_length_is_refused(X, length):
    graph = knn_graph(X[:100], k=8)
    distances = graph.distances.copy()
    distances[17, 3] = length
    with pytest.raises(InputError, match="negative, infinite or NaN"):
        neighborhood_graph(Graph(graph.indices, distances), connect_components(graph, X[:100]))


def test_longer_paths_than_expected_are_computed_again(net, capfd):
    expected = dijkstra(net.edges)
    found = geodesics_of(net._replace(diameter=0.8 * expected.max()))
    assert "again" in capfd.readouterr().err
    assert np.abs(found - expected).max() < 1e-5 * expected.max()


def test_the_network_has_each_edge_both_ways_once(X):
    """Edges of length zero stay, those to a common neighbour are not counted twice."""
    twins = np.repeat(X[:40], 2, axis=0)
    graph = knn_graph(twins, k=5)
    net = neighborhood_graph(graph, connect_components(graph, twins))
    i, j = np.repeat(np.arange(80), 5), graph.indices.ravel()
    expected = {(a, b) for a, b in zip(i, j, strict=True)} | {
        (b, a) for a, b in zip(i, j, strict=True)
    }
    edges = net.edges.tocoo()
    i, j = net.points[edges.coords[0]], net.points[edges.coords[1]]
    found = list(zip(i, j, strict=True))
    assert len(found) == len(expected)
    assert set(found) == expected
    assert np.allclose(edges.data, np.linalg.norm(twins[i] - twins[j], axis=1), rtol=1e-6)
    assert (edges.data == 0).sum() >= 80


# ---- Several connected components


@CONNECTED
@pytest.mark.filterwarnings("ignore:The number of connected components")
@pytest.mark.filterwarnings("ignore:Changing the sparsity structure")
def test_three_components_are_laid_out_as_by_scikit_learn():
    X = islands((90, 60, 50))
    estimator = Isomap(n_neighbors=7, random_state=0)
    found = estimator.fit_transform(X)
    expected = manifold.Isomap(n_neighbors=7).fit_transform(X)
    assert procrustes(expected, found)[2] < 1e-6
    assert estimator.diagnostics_["components"] == 3


def test_several_components_are_warned_of():
    with pytest.warns(UserWarning, match="12 neighbours has 2 connected components"):
        Isomap(random_state=0).fit(islands((40, 40)))


# ---- Classical scaling


@pytest.mark.parametrize("n", [2, STRIP - 1, STRIP + 1, 2 * STRIP + 5])
def test_squares_are_those_of_the_symmetric_matrix(n):
    random = np.random.default_rng(n)
    starts = strip_starts(n)
    pairs = Pairs(random.integers(0, TOP + 1, starts[-1], np.uint16), starts, n, 1.0)
    D = np.array([pairs.row(i) for i in range(n)], np.float64)
    D[np.diag_indices(n)] = 0  # what is stored there has no meaning, nor what is below
    vectors = random.normal(size=(3, n))
    strips = len(starts) - 1
    sums = np.ones((squared_pairs.PARTS, 3, n))
    squared_pairs.squared_products(*pairs[:3], 0, strips, vectors, sums)
    found = sums.sum(axis=0) - squared_pairs.PARTS
    expected = reference.squared_products(D, vectors)
    assert np.abs(found - expected).max() < 1e-12 * np.abs(expected).max()
    sum_fourth_powers = np.empty(strips)
    squared_pairs.fourth_powers(*pairs[:3], 0, strips, sum_fourth_powers)
    assert sum_fourth_powers.sum() == pytest.approx(reference.fourth_powers(D), rel=1e-12)


@pytest.fixture(scope="module")
def distances():
    """City-block distances: far from Euclidean, so that B has negative eigenvalues."""
    return squareform(
        pdist(np.random.default_rng(0).normal(size=(300, 5)) * [5, 4, 3, 2, 1], "cityblock")
    )


def as_pairs(D):
    n = len(D)
    pairs = Pairs(np.empty(strip_starts(n)[-1], np.uint16), strip_starts(n), n, D.max() / TOP)
    for s in range(-(-n // STRIP)):
        first, strip = pairs.strip(s)
        strip[:] = np.rint(D[first : first + STRIP, first:] / pairs.step)
    return pairs


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("kept", ["as a matrix", "as pairs"])
def test_largest_eigenpairs_are_those_of_a_dense_solver(distances, kept, k):
    if kept == "as pairs":
        kernel = kernel_of_pairs(StoredPairs(as_pairs(distances), CPU, name="test"))
    else:
        kernel = kernel_of_matrix(distances, CPU)
    found, negative_sum = largest_kernel_eigenpairs(
        kernel, k=k, tol=1e-8, max_iter=100, random=np.random.RandomState(0)
    )
    values, vectors = reference.classical_scaling(distances, k)
    everything = reference.classical_scaling(distances, 300)[0]
    assert np.allclose(found.values, values, rtol=1e-6)
    assert np.linalg.svd(found.vectors.T @ vectors)[1].min() > 1 - 1e-8
    assert found.converged
    facts = diagnostics(kernel, found, negative_sum)
    assert facts["eigen_residual"] < 1e-7
    assert kernel.trace == pytest.approx(everything.sum(), rel=1e-5)
    assert kernel.squared_norm == pytest.approx(np.square(everything).sum(), rel=1e-5)
    missed = np.sqrt(np.square(everything[k:]).sum()) / 300
    assert facts["reconstruction_error"] == pytest.approx(missed, rel=1e-4)
    negative = -everything[everything < 0].sum() / np.abs(everything).sum()
    assert negative > 0.05
    assert facts["negative_share"] == pytest.approx(negative, rel=0.1)


def test_residuals_are_true(distances):
    """Also when the iteration was cut short."""
    kernel = kernel_of_matrix(distances, CPU)
    found, _ = largest_kernel_eigenpairs(
        kernel, k=2, tol=1e-12, max_iter=2, random=np.random.RandomState(0)
    )
    assert not found.converged
    J = np.eye(300) - 1 / 300
    B = -0.5 * J @ distances**2 @ J
    expected = np.linalg.norm(B @ found.vectors - found.vectors * found.values, axis=0)
    assert np.allclose(found.residuals, expected, rtol=1e-6)
    assert expected.min() > 1e-6 * found.values[0]


# ---- The estimator


@pytest.mark.parametrize("n_components", [1, 2, 3])
def test_layout_is_scikit_learns(X, n_components):
    ours = Isomap(n_components, n_neighbors=8, random_state=0)
    found = ours.fit_transform(X)
    theirs = manifold.Isomap(n_components=n_components, n_neighbors=8)
    expected = theirs.fit_transform(X)
    assert found.shape == (700, n_components)
    if n_components > 1:  # scipy refuses a single column
        assert procrustes(expected, found)[2] < 1e-6
    assert np.allclose(found, expected, atol=1e-3 * np.abs(expected).max())  # signs agree, too
    eigenvalues = np.ldexp(ours.diagnostics_["eigenvalues"], 2 * scale_features(X).exponent)
    assert np.allclose(eigenvalues, theirs.kernel_pca_.eigenvalues_, rtol=1e-5)
    assert ours.diagnostics_["flat_axes"] == 0
    assert ours.reconstruction_error_ == pytest.approx(theirs.reconstruction_error(), rel=1e-4)
    assert ours.diagnostics_["path_error"] < 1e-5
    assert ours.diagnostics_["converged"]


def test_a_grid_of_which_all_are_neighbours_is_itself():
    grid = np.array([(i, j) for i in range(5) for j in range(5)], float)
    found = Isomap(n_neighbors=24, random_state=0).fit_transform(grid)
    assert np.allclose(pdist(found), pdist(grid), atol=2 * RESOLUTION * pdist(grid).max())


@pytest.mark.parametrize("n", [30, 3000])
@pytest.mark.parametrize("landmarks", [None, 25])
def test_points_on_a_line_have_no_second_coordinate(n, landmarks):
    random = np.random.default_rng(n)
    column = (np.arange(n) + random.uniform(0, 0.5, n))[:, None]
    estimator = Isomap(n_neighbors=4, landmarks=landmarks, random_state=0)
    with pytest.warns(UserWarning, match="1 of 2 axes of Isomap are within the rounding"):
        found = estimator.fit_transform(column)
    assert estimator.diagnostics_["flat_axes"] == 1
    assert not found[:, 1].any()
    along = column[:, 0] - column.mean()
    assert np.allclose(found[:, 0], along * np.sign(found[-1, 0]), atol=1e-4 * n)


def test_a_second_axis_of_a_hundredth_is_kept():
    random = np.random.default_rng(0)
    strip = random.uniform(0, 1, (400, 2)) * [1000, 10]
    estimator = Isomap(n_neighbors=40, random_state=0)
    found = estimator.fit_transform(strip)
    assert estimator.diagnostics_["flat_axes"] == 0
    assert np.corrcoef(np.abs(found[:, 1]), np.abs(strip[:, 1] - 5))[0, 1] > 0.9


@pytest.mark.parametrize("line", [True, False])
def test_rounding_moves_no_eigenvalue_further_than_its_bound(line):
    """Of distances along a line, whose rounding has a pattern, and of city blocks."""
    random = np.random.default_rng(1)
    points = random.uniform(0, 1, (200, 1 if line else 4))
    D = squareform(pdist(points, "cityblock"))
    pairs = as_pairs(D)
    kernel = kernel_of_pairs(StoredPairs(pairs, CPU, name="test"))
    bound = kernel.error_bound(pairs.step / 2)
    J = np.eye(200) - 1 / 200
    rounded = squareform(np.rint(squareform(D) / pairs.step) * pairs.step)
    moved = np.linalg.norm(0.5 * J @ (D**2 - rounded**2) @ J, 2)
    assert moved < bound
    assert bound < (20 if line else 100) * moved
    assert kernel.trace == pytest.approx(np.square(rounded).sum() / 400)


def test_result_is_the_same_for_any_number_of_threads(X):
    """Of numba's with all pairs, of BLAS's with landmarks and so many points that it uses them."""
    lattice = np.indices((142, 142)).reshape(2, -1).T
    near = lattice[:, None] + [[0, 1], [1, 0], [0, -1], [-1, 0]]
    near = (np.abs(near) - 2 * np.maximum(near - 141, 0)) @ [142, 1]  # reflected at the border
    many = lattice + np.random.default_rng(0).uniform(-0.3, 0.3, lattice.shape)
    distances = np.linalg.norm(many[:, None] - many[near], axis=2)
    graph = Graph(near.astype(np.int32), distances.astype(np.float32))
    layouts = []
    threads = numba.get_num_threads()
    try:
        for some in (1, max(2, threads)):
            numba.set_num_threads(min(some, threads))
            with threadpool_limits(some):
                pairs = Isomap(n_neighbors=8, device="cpu", random_state=0).fit_transform(X)
                few = Isomap(n_neighbors=4, landmarks=64, device="cpu", random_state=0)
                layouts.append((pairs, few.fit_transform(many, graph=graph)))
    finally:
        numba.set_num_threads(threads)
    for one, more in zip(*layouts, strict=True):
        assert np.array_equal(one, more)


def test_all_points_as_landmarks_give_the_layout_of_all_pairs(X):
    exact = Isomap(n_neighbors=8, random_state=0).fit_transform(X)
    found = Isomap(n_neighbors=8, landmarks=700, random_state=0).fit_transform(X)
    assert procrustes(exact, found)[2] < 1e-8
    assert np.allclose(found, exact, atol=1e-4 * np.abs(exact).max())


def test_landmarks_come_near_and_nearer(X):
    exact = Isomap(n_neighbors=8, random_state=0).fit_transform(X)
    apart = [
        procrustes(exact, Isomap(n_neighbors=8, landmarks=m, random_state=0).fit_transform(X))[2]
        for m in (20, 300)
    ]
    assert apart[1] < 1e-3
    assert apart[1] < apart[0] / 3


def test_disk_and_memory_give_the_same(X):
    layouts = [
        Isomap(n_neighbors=8, storage=storage, device="cpu", random_state=0).fit_transform(X)
        for storage in ("memory", "disk")
    ]
    assert np.array_equal(*layouts)


def test_dtype_and_layout_in_memory_do_not_matter(X, tmp_path):
    whole = np.rint(8 * X)
    expected = Isomap(n_neighbors=8, random_state=0).fit_transform(whole)
    np.save(tmp_path / "x.npy", whole.astype(np.float16))
    views = whole.astype(int), np.asfortranarray(whole), np.load(tmp_path / "x.npy", mmap_mode="r")
    for view in views:
        found = Isomap(n_neighbors=8, random_state=0).fit_transform(view)
        assert np.allclose(found, expected, atol=1e-6 * np.abs(expected).max())


def test_neighbours_come_from_the_graph(X):
    graph = knn_graph(X, k=20)
    given = Isomap(n_neighbors=8, random_state=0).fit_transform(X, graph=graph)
    assert np.array_equal(given, Isomap(n_neighbors=8, random_state=0).fit_transform(X))
    with pytest.raises(InputError, match=r"n_neighbors 21 needs 21 .* k = 20"):
        Isomap(n_neighbors=21).fit(X, graph=graph)


@CONNECTED
def test_duplicate_rows_survive(X):
    twins = np.repeat(X[:60], 15, axis=0)  # more equals than neighbours
    found = Isomap(random_state=0).fit_transform(twins)
    assert np.abs(found[::15] - found[14::15]).max() < 1e-3 * np.abs(found).max()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"n_components": 0}, "n_components of Isomap is 0 but"),
        ({"n_components": 30}, "n_components is 30 but .* less than the 30 points"),
        ({"n_components": 5, "landmarks": 5}, "n_components is 5 .* the 5 landmarks"),
        ({"landmarks": 31}, "landmarks is 31 but there are only 30"),
        ({"storage": "tape"}, "storage of Isomap is 'tape'"),
        ({"n_neighbors": 30}, "k = 30 .* choose a smaller k"),
        ({"n_neighbors": 0}, "n_neighbors of Isomap is 0 but"),
        ({"landmarks": 0}, "landmarks of Isomap is 0 but"),
        ({"max_iter": 0}, "max_iter of Isomap is 0 but .* at least 1"),
        ({"max_iter": 2.5}, "max_iter of Isomap is 2.5 but .* integer"),
        ({"tol": 0}, "tol of Isomap is 0 but"),
        ({"tol": float("nan")}, "tol of Isomap is nan but"),
    ],
)
def test_unusable_parameters_are_named(X, parameters, words):
    with pytest.raises(InputError, match=words):
        Isomap(**parameters).fit(X[:30])


@CONNECTED
def test_equal_rows_are_refused():
    with pytest.raises(InputError, match="all 20 rows of the features are the same"):
        Isomap(n_neighbors=3).fit(np.ones((20, 4)))


def test_too_many_points_for_memory_and_disk_are_told_of_landmarks(X, monkeypatch):
    monkeypatch.setattr(isomap, "choose_storage", lambda n, **_: "none")
    with pytest.raises(InputError, match=re.escape("set landmarks")):
        Isomap(device="cpu").fit(X)


def test_unfinished_eigenpairs_are_warned_of(X):
    with pytest.warns(UserWarning, match="max_iter = 1 products"):
        estimator = Isomap(n_neighbors=8, max_iter=1, random_state=0).fit(X)
    assert not estimator.diagnostics_["converged"]
    assert estimator.diagnostics_["eigen_residual"] > 1e-6


# ---- Any unit, few points


@pytest.mark.parametrize("landmarks", [None, 60])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_power_of_two_scales_the_layout_and_nothing_else(X, dtype, landmarks):
    X = X[:200].astype(dtype)
    one = Isomap(n_neighbors=8, landmarks=landmarks, random_state=0).fit(X)
    for exponent in (-100, 90):
        two = Isomap(n_neighbors=8, landmarks=landmarks, random_state=0)
        assert np.array_equal(
            two.fit_transform(np.ldexp(X, exponent)), np.ldexp(one.embedding_, exponent)
        )
        assert two.reconstruction_error_ == np.ldexp(one.reconstruction_error_, 2 * exponent)
        assert two.diagnostics_["eigenvalues"] == one.diagnostics_["eigenvalues"]


@pytest.mark.parametrize("factor", [1e-200, 1e-6, 1e3, 1e200])
@pytest.mark.parametrize("engine", [Isomap, ScikitLearnIsomap])
def test_a_power_of_ten_scales_the_layout_to_rounding(X, engine, factor):
    X = X[:200].astype(np.float64)
    expected = engine(n_neighbors=8, random_state=0).fit_transform(X)
    found = engine(n_neighbors=8, random_state=0).fit_transform(factor * X) / factor
    assert np.allclose(found, expected, atol=1e-4 * np.abs(expected).max())


@CONNECTED
@pytest.mark.filterwarnings("ignore:.* axes of Isomap are within the rounding")
@pytest.mark.filterwarnings("ignore:The number of connected components")
@pytest.mark.filterwarnings("ignore:Changing the sparsity structure")
@pytest.mark.parametrize("engine", [Isomap, ScikitLearnIsomap])
@pytest.mark.parametrize("n", [3, 4, 5, 6, 40])
@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("kind", ["random", "twins", "one apart"])
def test_few_and_equal_points_have_a_layout(engine, n, k, kind):
    if k >= n:
        pytest.skip("as many neighbours as points")
    random = np.random.default_rng(n)
    X = random.normal(size=(n, 4))
    if kind == "twins":
        X = np.repeat(X, 2, axis=0)[:n]
    elif kind == "one apart":
        X[1:] = X[1]
    found = engine(n_neighbors=k, random_state=0).fit_transform(X)
    assert found.shape == (n, 2)
    assert np.isfinite(found).all()
    assert found.any()


def test_landmarks_are_limited_by_the_points():
    limits = Exact().limits(50, landmarks=51, n_neighbors=49)
    assert limits == {"landmarks": (51, 50, 51)}
    assert Exact().limits(51, landmarks=51, n_neighbors=51) == {"n_neighbors": (51, 50, 52)}
