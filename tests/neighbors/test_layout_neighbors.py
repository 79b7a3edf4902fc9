"""Are the neighbors in a layout the nearest points, and coincident ones in random order?"""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from sklearn.neighbors import NearestNeighbors

from pipeline.neighbors import layout_neighbors as layout_module
from pipeline.neighbors.layout_neighbors import layout_neighbors


def test_neighbours_of_distinct_points_are_exact():
    X = np.random.default_rng(2).normal(size=(300, 2))
    expected = NearestNeighbors(n_neighbors=7).fit(X).kneighbors(return_distance=False)
    assert np.array_equal(layout_neighbors(X, k=7), expected)


def test_coincident_points_draw_their_neighbours_fairly():
    """Two classes at one position, sorted by class: neither row order nor the tree may decide."""
    X = np.zeros((400, 2))
    labels = np.repeat([0, 1], 200)
    near = layout_neighbors(X, k=15)
    assert not (near == np.arange(400)[:, None]).any()
    assert labels[near].mean() == pytest.approx(0.5, abs=0.05)
    assert len(np.unique(near)) > 300
    assert np.array_equal(near, layout_neighbors(X, k=15))


def test_a_pile_of_points_keeps_its_distance_to_others():
    """The shift of coincident points never reorders distinct ones."""
    X = np.array([[0, 0]] * 5 + [[0.9, 0], [1.81, 0]])
    near = layout_neighbors(X, k=6)
    assert set(near[5, :5]) == {0, 1, 2, 3, 4}  # all five, 0.90 away, before the one 0.91 away
    assert near[5, 5] == 6
    assert set(near[0, :4]) == {1, 2, 3, 4}


@pytest.mark.parametrize("exponent", [-900, 900])
def test_the_unit_of_the_layout_does_not_matter(exponent):
    X = np.random.default_rng(2).normal(size=(300, 2))
    X[7] = X[8]
    expected = layout_neighbors(X, k=7)
    assert np.array_equal(layout_neighbors(np.ldexp(X, exponent), k=7), expected)


def test_the_tree_has_the_threads_of_the_process(monkeypatch):
    workers = []

    class Tree(cKDTree):
        def query(self, *arguments, **options):
            workers.append(options["workers"])
            return super().query(*arguments, **options)

    monkeypatch.setattr(layout_module, "cKDTree", Tree)
    monkeypatch.setattr(layout_module.numba, "get_num_threads", lambda: 3)
    layout_neighbors(np.zeros((9, 2)) + np.arange(9)[:, None] // 2, k=2)
    assert workers == [3, 3]  # to jitter duplicates, and for the neighbors
