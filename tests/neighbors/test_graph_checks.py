"""Is a graph from outside refused where it cannot be used, and its width adapted to few points?"""

import numpy as np
import pytest
from point_sets import blobs

from pipeline.errors import InputError
from pipeline.neighbors.graph import Graph, check_graph, graph_width, knn_graph


@pytest.fixture(scope="module")
def graph():
    return knn_graph(blobs(60), k=6, device="cpu")


def changed(graph, **entries):
    """The graph with some entries replaced: name=(place, value)."""
    arrays = {name: array.copy() for name, array in graph._asdict().items()}
    for name, (place, value) in entries.items():
        arrays[name][place] = value
    return Graph(**arrays)


def test_a_computed_graph_passes_as_it_is(graph):
    found = check_graph(graph, 60)
    assert np.shares_memory(found.indices, graph.indices)
    assert np.shares_memory(found.distances, graph.distances)


@pytest.mark.parametrize("indices", [np.int64, np.uint16])
@pytest.mark.parametrize("distances", [np.float16, np.float32, np.float64])
def test_other_dtypes_and_orders_are_converted(graph, indices, distances):
    other = Graph(
        np.asfortranarray(graph.indices, indices), np.asfortranarray(graph.distances, distances)
    )
    found = check_graph(other, 60)
    assert np.array_equal(found.indices, graph.indices)
    assert found.indices.dtype == np.int32
    assert found.distances.dtype == max(np.dtype(distances), np.dtype(np.float32))
    assert all(part.flags.c_contiguous for part in found)


def test_equal_distances_and_copies_pass():
    check_graph(knn_graph(np.zeros((9, 2)), k=8, device="cpu"), 9)


@pytest.mark.parametrize(
    ("change", "row"),
    [
        ({"indices": ((5, 2), 10**6)}, 5),
        ({"indices": ((5, 2), 60)}, 5),
        ({"indices": ((5, 2), -1)}, 5),
        ({"indices": ((8, 0), 8)}, 8),
        ({"distances": ((3, 5), np.nan)}, 3),
        ({"distances": ((3, 5), np.inf)}, 3),
        ({"distances": ((3, 0), -1)}, 3),
        ({"distances": ((59, 0), 1e6)}, 59),
    ],
)
def test_a_bad_entry_is_named(graph, change, row):
    with pytest.raises(InputError, match=rf"near\.npz .* 1 of 60 rows, .* row {row};") as error:
        check_graph(changed(graph, **change), 60, source="near.npz")
    assert "\n" not in str(error.value)


def test_a_neighbour_twice_is_named(graph):
    twice = changed(graph, indices=((7, 5), graph.indices[7, 0]))
    with pytest.raises(InputError, match="twice in 1 of 60 rows, the first is row 7"):
        check_graph(twice, 60)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda i, d: (i.astype(float), d), "float64"),
        (lambda i, d: (i, d.astype(int)), "int64"),
        (lambda i, d: (i, d.astype(complex)), "complex128"),
        (lambda i, d: (i, d[:, :4]), "(60, 4)"),
        (lambda i, d: (i[0], d[0]), "(6,)"),
        (lambda i, d: (i[:, :0], d[:, :0]), "(60, 0)"),
        (lambda i, d: (i[:50], d[:50]), "50 points"),
    ],
)
def test_arrays_that_are_no_graph_are_refused(graph, change, words):
    with pytest.raises(InputError) as error:
        check_graph(Graph(*change(*graph)), 60)
    assert words in str(error.value)


# ---- width


@pytest.mark.parametrize(
    ("wanted", "n", "k"), [(90, 36, 35), (90, 90, 89), (1, 2, 1), (90, 91, 90)]
)
def test_width_is_what_the_points_allow(wanted, n, k):
    found, adapted = graph_width(wanted, n)
    assert found == k
    assert (adapted is None) == (k == wanted)
    if adapted:
        for number in (wanted, wanted + 1, n, k):
            assert str(number) in adapted
    knn_graph(np.arange(n)[:, None], k=found, device="cpu")


@pytest.mark.parametrize("n", [0, 1])
def test_one_point_has_no_neighbours(n):
    with pytest.raises(InputError, match=f"there are {n}"):
        graph_width(15, n)
