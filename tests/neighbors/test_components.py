"""Are connected components counted, and connected by the shortest edges to the last bit?"""

import numpy as np
import pytest
from point_sets import blobs, far_away, islands, lattice, two_scales
from scipy.sparse.csgraph import dijkstra
from scipy.spatial.distance import cdist
from sklearn.utils.graph import _fix_connected_components

from pipeline.errors import InputError
from pipeline.neighbors import components as components_module
from pipeline.neighbors.components import (
    NearestPairSearch,
    connect_components,
    count_components,
)
from pipeline.neighbors.graph import Graph, knn_graph


def test_components_are_counted():
    two = np.array([[1, 2], [0, 2], [0, 1], [4, 5], [3, 5], [3, 4]])
    assert count_components(two) == 2
    one_way = np.array([[1], [2], [3], [2]])  # nobody points back to 0
    assert count_components(one_way) == 1


def two_lines(bend):
    """Sixty points each: equally near everywhere, or bent so that only the middles are near."""
    x = np.arange(60.0)
    return np.concatenate([np.stack([x, 0 * x], 1), np.stack([x, 10 + bend * np.abs(x - 30)], 1)])


@pytest.mark.parametrize(
    ("X", "components"),
    [
        (islands((60,)), 1),
        (islands((40, 300, 9, 17)), 4),
        (islands((50, 30)) + 1e4, 2),
        (two_lines(bend=0), 2),
        (two_lines(bend=0.2), 2),
    ],
)
def test_connecting_edges_are_scikit_learns(X, components):
    """The first of equally short ones, too."""
    graph = knn_graph(X, k=6)
    found = connect_components(graph, X)
    assert found.n_components == components
    n = len(X)
    matrix = np.zeros((n, n))
    matrix[np.repeat(np.arange(n), 6), graph.indices.ravel()] = 1
    labels = np.full(n, -1)
    for component, i in enumerate(range(n)):  # by walking from each point in turn
        if labels[i] < 0:
            reached = np.isfinite(dijkstra(matrix, directed=False, unweighted=True, indices=i))
            labels[reached] = component
    labels = np.unique(labels, return_inverse=True)[1]
    joined = _fix_connected_components(X, np.zeros((n, n)), components, labels)
    expected = np.triu(joined)
    assert len(found.rows) == np.count_nonzero(expected) == components * (components - 1) // 2
    assert np.allclose(joined[found.rows, found.columns], found.distances, rtol=1e-9)


def test_connecting_edges_of_equal_points_have_length_zero():
    X = np.repeat([[0.0, 0.0], [0.0, 0.0], [3.0, 4.0]], 5, axis=0)
    first = np.repeat([0, 5, 10], 5)[:, None]
    others = (first + (np.arange(15)[:, None] % 5 + [1, 2]) % 5).astype(np.int32)
    found = connect_components(Graph(others, np.zeros((15, 2), np.float32)), X)
    assert sorted(found.distances) == [0, 5, 5]


def test_a_connected_graph_needs_no_edges():
    X = blobs(50)
    found = connect_components(knn_graph(X, k=49), X)
    assert found.n_components == 1
    assert [len(part) for part in found[1:]] == [0, 0, 0]
    assert found.rows.dtype == np.int64


def test_many_components_are_connected_pair_by_pair():
    """Copies: each of sixty points, nine times."""
    points = blobs(60)
    X = np.repeat(points, 9, axis=0)
    found = connect_components(knn_graph(X, k=8), X)
    assert found.n_components == 60
    i, j = np.tril_indices(60, -1)
    assert np.array_equal(found.rows, 9 * i)
    assert np.array_equal(found.columns, 9 * j)
    expected = cdist(points.astype(np.float64), points.astype(np.float64))[i, j]
    assert np.array_equal(found.distances, expected)


def test_edges_that_do_not_fit_into_memory_are_refused(monkeypatch):
    X = islands((40, 30, 20))
    graph = knn_graph(X, k=6)
    monkeypatch.setattr(components_module, "available_memory", lambda: 100)
    with pytest.raises(InputError, match=r"3 connected components"):
        connect_components(graph, X)


# ---- the nearest pair


def nearest_by_cdist(X, rows, columns):
    distances = cdist(X[rows].astype(np.float64), X[columns].astype(np.float64))
    i, j = np.unravel_index(distances.argmin(), distances.shape)
    return rows[i], columns[j], distances[i, j]


@pytest.mark.parametrize("tiles", [(512, 4096), (7, 11)])
@pytest.mark.parametrize("X", [blobs(), lattice(), two_scales(), np.ones((150, 7))])
def test_nearest_pairs_of_many_sets_are_those_of_each_two(X, tiles, monkeypatch):
    """Sets of one point and of many, which tiles cut anywhere."""
    monkeypatch.setattr(components_module, "ROWS", tiles[0])
    monkeypatch.setattr(components_module, "COLUMNS", tiles[1])
    monkeypatch.setattr(components_module, "IN_DOUBT", 5 * X.shape[1])
    random = np.random.default_rng(0)
    cuts = np.sort(random.choice(np.arange(1, len(X) - 30), 60, replace=False))
    sets = [np.sort(part) for part in np.split(random.permutation(len(X)), cuts)]
    found = NearestPairSearch(X).nearest_pairs(sets)
    expected = [nearest_by_cdist(X, sets[i], sets[j]) for i in range(61) for j in range(i)]
    for part, column in zip(found, zip(*expected, strict=True), strict=True):
        assert np.array_equal(part, column)


@pytest.mark.parametrize("tiles", [(512, 4096), (7, 11)])
@pytest.mark.parametrize(
    "X",
    [
        blobs(),
        lattice(),  # ties
        far_away(),
        two_scales(),  # float32 products cannot order what is within a cluster
        np.ones((150, 7), np.float32),
        blobs() * np.float32(1e30),
        blobs().astype(np.float64) * 1e-30,
    ],
    ids=["blobs", "lattice", "far away", "two scales", "equal", "huge", "tiny"],
)
def test_nearest_pair_is_that_of_all_float64_distances(X, tiles, monkeypatch):
    """And of equally near pairs the first."""
    monkeypatch.setattr(components_module, "ROWS", tiles[0])
    monkeypatch.setattr(components_module, "COLUMNS", tiles[1])
    search = NearestPairSearch(X)
    random = np.random.default_rng(0)
    for size in (1, 40, len(X) // 2):
        rows = np.sort(random.permutation(len(X))[:size])
        columns = np.setdiff1d(np.arange(len(X)), rows)
        assert search.nearest_pair(rows, columns) == nearest_by_cdist(X, rows, columns)


@pytest.mark.parametrize("exponent", [-900, 900])
def test_squares_neither_overflow_nor_vanish(exponent):
    X = blobs().astype(np.float64)
    rows, columns = np.arange(100), np.arange(100, 400)
    row, column, distance = NearestPairSearch(X).nearest_pair(rows, columns)
    scaled = NearestPairSearch(np.ldexp(X, exponent)).nearest_pair(rows, columns)
    assert scaled == (row, column, np.ldexp(distance, exponent))


def test_float64_decides_where_float32_products_cannot():
    """Two hundred pairs whose distances agree to five digits."""
    random = np.random.default_rng(1)
    A, offsets = random.normal(size=(2, 200, 64))
    lengths = 1e-2 * (1 + 1e-5 * random.random(200))
    B = A + offsets * (lengths / np.linalg.norm(offsets, axis=1))[:, None]
    nearest = lengths.argmin()
    found = NearestPairSearch(np.concatenate([A, B])).nearest_pair(
        np.arange(200), np.arange(200, 400)
    )
    assert found[:2] == (nearest, 200 + nearest)
    assert found[2] == pytest.approx(lengths[nearest], rel=1e-12)
