"""Is the order of elimination one, does it keep factors sparse, and is its work counted right?"""

import numpy as np
import pytest
from scipy.sparse import csr_array, eye_array, kron

from kernels.cpu import minimum_degree as kernel
from kernels.cpu.minimum_degree import minimum_degree


def ordered(A):
    """`minimum_degree` of the graph of a symmetric dense or sparse matrix."""
    graph = csr_array(A)
    graph.setdiag(0)
    graph.eliminate_zeros()
    return minimum_degree(graph.indptr.astype(np.int64), graph.indices.astype(np.int32))


def column_lengths(A, order):
    """Lengths of the factor's columns, by eliminating row after row of a dense pattern."""
    active = (csr_array(A).toarray() != 0)[np.ix_(order, order)]
    np.fill_diagonal(active, True)
    lengths = []
    for step in range(len(active)):
        rows = step + np.flatnonzero(active[step:, step])
        active[np.ix_(rows, rows)] = True
        lengths.append(len(rows))
    return np.array(lengths)


def random_graph(n, share, seed):
    A = np.random.default_rng(seed).random((n, n)) < share
    return (A | A.T).astype(float)


def grid(side):
    path = eye_array(side, k=1) + eye_array(side, k=-1)
    return kron(path, eye_array(side)) + kron(eye_array(side), path)


GRAPHS = {
    "nothing": np.zeros((5, 5)),
    "one": np.zeros((1, 1)),
    "path": np.diag(np.ones(30), 1) + np.diag(np.ones(30), -1),
    "all with all": np.ones((12, 12)),
    "two cliques": np.kron(np.eye(2), np.ones((7, 7))),
    "copies": np.kron(random_graph(12, 0.2, 0), np.ones((5, 5))),  # which become one node
    "grid": grid(9),
    **{f"random {share}": random_graph(80, share, 1) for share in (0.01, 0.03, 0.1, 0.5)},
}


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("shuffled", [False, True])
def test_work_is_that_of_the_order(name, shuffled):
    A = csr_array(GRAPHS[name])
    if shuffled:
        other = np.random.default_rng(2).permutation(A.shape[0])
        A = A[other][:, other]
    order, work, entries = ordered(A)
    assert sorted(order) == list(range(A.shape[0]))
    lengths = column_lengths(A, order)
    assert work == np.square(lengths).sum()
    assert entries == lengths.sum()


@pytest.mark.parametrize("seed", range(20))
def test_work_is_counted_whatever_the_graph(seed):
    """Sparse and dense ones, with groups of nodes that have the same neighbours."""
    random = np.random.default_rng(seed)
    groups = random.integers(0, 40, 150)
    A = random_graph(40, random.uniform(0.02, 0.2), seed)[np.ix_(groups, groups)]
    order, work, entries = ordered(A)
    lengths = column_lengths(A, order)
    assert sorted(order) == list(range(150))
    assert (work, entries) == (np.square(lengths).sum(), lengths.sum())


def test_a_path_has_no_fill():
    assert ordered(GRAPHS["path"])[1:] == (30 * 4 + 1, 30 * 2 + 1)


def test_a_grid_has_little_fill():
    """Row by row its factor has n^1.5 entries; by minimum degrees some 8 n log2(n) / 4 or fewer."""
    side = 40
    entries = ordered(grid(side))[2]
    by_rows = column_lengths(grid(side), np.arange(side * side)).sum()
    assert entries < by_rows / 2.5


def test_hubs_come_last_and_are_counted_from_above(monkeypatch):
    """A star: without its hub nothing is connected."""
    monkeypatch.setattr(kernel, "DENSE", 1.0)
    n = 400
    A = np.zeros((n, n))
    A[7], A[:, 7] = 1, 1
    order, work, entries = ordered(A)
    assert order[-1] == 7
    assert (work, entries) == ((n - 1) * 4 + 1, (n - 1) * 2 + 1)
