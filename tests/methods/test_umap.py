"""Is UMAP's descent that of umap-learn, and the same for any number of threads?"""

import numba
import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import load_digits
from sklearn.manifold import trustworthiness

from kernels import reference
from kernels.cpu.umap import descend_epoch
from pipeline.measures.votes import knn_accuracy
from pipeline.methods.umap.descent import descend, stratify, tournament
from pipeline.methods.umap.library import umap_learn
from pipeline.methods.umap.tunescope import UMAP
from pipeline.neighbors.graph import knn_graph
from pipeline.neighbors.layout_neighbors import layout_neighbors

A, B = 1.577, 0.895


def memberships(n, seed=0):
    """A symmetric matrix of about 12 entries a row, the largest of which is 1."""
    random = np.random.default_rng(seed)
    W = np.triu(random.random((n, n)) * (random.random((n, n)) < 12 / n), 1)
    W[0, 1] = 1
    return csr_matrix(W + W.T)


# ---- strata


@pytest.mark.parametrize("players", [2, 4, 8])
def test_in_a_tournament_all_meet_once_and_nobody_plays_twice_in_a_round(players):
    rounds = tournament(players)
    assert rounds.shape == (players - 1, players // 2, 2)
    assert all(len(np.unique(pairs)) == players for pairs in rounds)
    met = {frozenset(pair) for pair in rounds.reshape(-1, 2).tolist()}
    assert len(met) == players * (players - 1) // 2


@pytest.mark.parametrize(("n", "blocks"), [(2, 2), (30, 2), (90, 8), (400, 16)])
def test_tasks_have_all_edges_once_and_no_point_in_common(n, blocks):
    W = memberships(n)
    found = stratify(W, 10**6, np.random.default_rng(1).permutation(n), blocks)
    edges = np.zeros((n, n))
    np.add.at(edges, (found.order[found.heads], found.order[found.tails]), found.shares)
    assert np.allclose(edges, W.toarray() / W.max(), atol=1e-15)
    assert found.starts[0, 0] == 0
    assert found.starts[-1, -1] == W.nnz
    assert (found.starts[1:, 0] == found.starts[:-1, -1]).all()
    for s, stratum in enumerate(found.strata):
        owners = np.full(n, -1)
        for t, blocks in enumerate(stratum):
            for block in blocks:
                owners[found.bounds[block] : found.bounds[block + 1]] = t
            edges = slice(*found.starts[s, t : t + 2])
            assert (owners[found.heads[edges]] == t).all()
            assert (owners[found.tails[edges]] == t).all()
        assert (owners >= 0).all()


@pytest.mark.parametrize(("n", "blocks"), [(30, 2), (400, 16)])
def test_an_edge_and_its_reverse_are_half_the_strata_apart(n, blocks):
    found = stratify(memberships(n), 10**6, np.arange(n), blocks)
    half = len(found.strata) // 2
    stratum = np.searchsorted(found.starts[:, -1], np.arange(len(found.heads)), side="right")
    of = {(i, j): s for i, j, s in zip(found.heads, found.tails, stratum, strict=True)}
    assert all(abs(s - of[j, i]) == half for (i, j), s in of.items())


def test_edges_too_weak_to_be_drawn_are_left_out():
    W = memberships(40)
    found = stratify(W, 4, np.arange(40), 2)
    assert len(found.shares) == (W.data >= 0.25).sum() < W.nnz
    assert found.shares.min() >= 0.25


# ---- the kernel


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize(("n", "blocks"), [(40, 2), (400, 16)])
def test_an_epoch_is_that_of_the_reference(n, blocks, p):
    strata = stratify(memberships(n), 20, np.random.default_rng(1).permutation(n), blocks)[:-1]
    Y = np.random.default_rng(2).normal(size=(n, p))
    Y[:4] = Y[5]  # coincident points exert no force
    seed = np.uint64(2**32 - 5)
    for epoch in (1, 2, 5):
        found, expected = Y.copy(), Y.copy()
        given = (epoch, 0.3, A, B, 1.5, 3, seed)
        descend_epoch(*strata, found, *given)
        reference.descend_epoch(*strata, expected, *given)
        assert np.abs(found - Y).max() > 0.1
        assert np.abs(found - expected).max() < 1e-6


def test_an_edge_is_drawn_in_its_share_of_the_epochs():
    """Two points attract each other along one edge of half the largest membership."""
    W = csr_matrix(([1, 1, 0.5, 0.5], ([0, 1, 2, 3], [1, 0, 3, 2])), shape=(4, 4))
    strata = stratify(W, 10, np.arange(4), 2)[:-1]
    moved = []
    for epoch in range(1, 9):
        Y = np.array([[0.0, 0], [1, 0], [5, 0], [6, 0]])
        descend_epoch(*strata, Y, epoch, 0.01, A, B, 1.0, 0, np.uint64(0))
        assert Y[0, 0] > 0 > Y[1, 0] - 1
        moved.append(Y[2, 0] > 5)
    assert moved == [False, True] * 4


# ---- the layout


@pytest.fixture(scope="module")
def digits():
    images = load_digits()
    X = images.data.astype(np.float32)
    return X, images.target, knn_graph(X, k=15)


def with_threads(threads, compute):
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(min(threads, before))
        return compute()
    finally:
        numba.set_num_threads(before)


@pytest.mark.parametrize("few", [500, 5000])
def test_the_seed_alone_decides(digits, few, monkeypatch):
    """The number of threads changes no bit, another seed the layout; with many blocks and two."""
    monkeypatch.setattr("pipeline.methods.umap.descent.FEW", few)
    X, _, graph = digits

    def layout(seed):
        return UMAP(n_epochs=40, random_state=seed).fit_transform(X, graph=graph)

    one, two = (with_threads(threads, lambda: layout(0)) for threads in (1, 2))
    assert np.array_equal(one, two)
    assert np.abs(layout(1) - one).max() > 0.1
    assert np.abs(layout(None) - layout(None)).max() > 0.1


def fuzzy_cross_entropy(W, Y):
    """Of memberships and a layout, over all pairs, a pair (McInnes, Healy & Melville 2018)."""
    Y = Y.astype(np.float64)
    d2 = ((Y[:, None] - Y) ** 2).sum(axis=-1)
    q = np.clip(1 / (1 + A * d2**B), 1e-4, 1 - 1e-4)
    W = W.toarray()
    np.fill_diagonal(q, 1e-4)
    return -(W * np.log(q) + (1 - W) * np.log(1 - q)).mean()


def test_the_layout_is_as_good_as_umap_learns(digits):
    """From the same memberships and start; the mean of three seeds."""
    X, labels, graph = digits
    fitted = UMAP(n_epochs=1, random_state=0).fit(X, graph=graph)
    W, start = fitted.graph_, fitted.embedding_
    library = umap_learn()
    a, b = library.find_ab_params(1.0, 0.1)
    measured = {"ours": [], "theirs": []}
    for seed in range(3):
        random = np.random.RandomState(seed)
        ours = descend(
            W,
            start,
            a=a,
            b=b,
            n_epochs=200,
            learning_rate=1.0,
            repulsion_strength=1.0,
            negative_sample_rate=5,
            random=random,
        )
        theirs, _ = library.simplicial_set_embedding(
            X, W.copy(), 2, 1.0, a, b, 1.0, 5, 200, start, random, "euclidean", {}, False, {}, False
        )
        for name, Y in (("ours", ours), ("theirs", theirs)):
            measured[name].append(
                (
                    fuzzy_cross_entropy(W, Y),
                    knn_accuracy(layout_neighbors(Y), labels),
                    trustworthiness(X, Y, n_neighbors=15),
                )
            )
    ours, theirs = (np.mean(measured[name], axis=0) for name in ("ours", "theirs"))
    assert ours[0] < 1.03 * theirs[0]
    assert ours[1] > theirs[1] - 0.01
    assert ours[2] > theirs[2] - 0.005
