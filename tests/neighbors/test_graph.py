"""Is the neighbour graph that of a float64 brute force, ties included?"""

import numpy as np
import pytest
from point_sets import CASES, blobs, duplicates, far_away, low_rank

from kernels import reference
from kernels.backend import get_backend
from kernels.cpu import knn
from pipeline.errors import InputError
from pipeline.neighbors import graph as graph_module
from pipeline.neighbors import lower_bound as bounds
from pipeline.neighbors.graph import memory_needed
from pipeline.neighbors.lower_bound import safe_limit
from pipeline.neighbors.spatial_order import spatial_order

CPU = get_backend("cpu")


def knn_graph(X, k):
    return graph_module.knn_graph(X, k=k, device="cpu")


def lower_bound_embedding(X, **options):
    return bounds.lower_bound_embedding(X, backend=CPU, **options)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("k", [1, 15, 90])
def test_graph_is_brute_force(case, k, monkeypatch):
    monkeypatch.setattr(knn, "MIN_ROWS_PER_FEATURE", 2)  # few coordinates, where they suffice
    X = CASES[case]
    found = knn_graph(X, k=k)
    indices, squared = reference.knn(X, k)
    assert np.array_equal(found.indices, indices)
    assert np.allclose(found.distances, np.sqrt(squared), rtol=1e-6, atol=0)


def test_every_point_is_a_neighbour_when_k_is_n_minus_1():
    X = blobs(40)
    assert np.array_equal(knn_graph(X, k=39).indices, reference.knn(X, 39)[0])


def test_tiles_serve_rows_and_columns(monkeypatch):
    """Blocks that do not divide n, several of them, each used for its rows and its columns."""
    X = blobs(500)
    monkeypatch.setattr(knn, "TILES", (64,))
    assert np.array_equal(knn_graph(X, k=20).indices, reference.knn(X, 20)[0])


def test_a_memory_mapped_file(tmp_path):
    np.save(tmp_path / "features.npy", blobs())
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    assert np.array_equal(knn_graph(mapped, k=9).indices, knn_graph(blobs(), k=9).indices)


@pytest.mark.parametrize("width", [40, 60, 200])
def test_few_coordinates_bound_distances_from_below(width, monkeypatch):
    monkeypatch.setattr(knn, "MIN_ROWS_PER_FEATURE", 1)
    X = low_rank()
    Z, norms, scale = lower_bound_embedding(X, k=15, width=width)
    assert Z.shape[1] <= 41
    true = scale * np.sqrt(((X[:, None].astype(np.float64) - X) ** 2).sum(axis=-1))
    bound = np.sqrt(((Z[:, None].astype(np.float64) - Z) ** 2).sum(axis=-1))
    # Each end of a pair moves by the rounding of its coordinates: 2^-24 of its norm.
    assert (bound <= true + 2.0**-24 * (norms[:, None] + norms)).all()
    # The rest's length is used: without it the bound would be no better than the projection.
    pairs = np.triu_indices(400, 1)
    projected = np.sqrt(((Z[:, None, :-1].astype(np.float64) - Z[:, :-1]) ** 2).sum(axis=-1))
    assert (bound[pairs] > projected[pairs] * (1 + 1e-9)).mean() > 0.9
    assert np.allclose(np.linalg.norm(Z, axis=1), norms, rtol=1e-6)
    # As many coordinates as it takes: for nearly all rows few points seem as near as the k-th.
    reach = np.sort(true, axis=1)[:, 15, None]
    assert np.mean((bound <= reach).sum(axis=1) <= width) > 0.9


def test_more_coordinates_for_fewer_candidates(monkeypatch):
    monkeypatch.setattr(knn, "MIN_ROWS_PER_FEATURE", 1)
    X = low_rank()
    few, more = (lower_bound_embedding(X, k=15, width=w)[0].shape[1] for w in (200, 40))
    assert few < more < 80
    noise = np.random.default_rng(7).normal(size=(400, 80))  # no direction is better than another
    assert lower_bound_embedding(noise, k=15, width=20)[0].shape[1] == 80


def test_a_weak_bound_costs_time_and_no_neighbour(monkeypatch, capfd):
    """Hardly any row is proved at once, all are found."""
    monkeypatch.setattr(knn, "MIN_ROWS_PER_FEATURE", 1)
    monkeypatch.setattr(bounds, "_axes_needed", lambda *_: 2)
    X = low_rank()
    assert np.array_equal(knn_graph(X, k=15).indices, reference.knn(X, 15)[0])
    again = int(capfd.readouterr().err.split("searched again: ")[1].split()[0])
    assert again > 200


def test_the_bound_covers_what_float32_does():
    """No computed score of a point within the radius exceeds the limit; few others are below it."""
    X = far_away()
    Z, norms, scale = lower_bound_embedding(X, k=5, width=20)
    scores = (norms**2 / 2).astype(np.float32) - Z @ Z.T
    true = np.sqrt(((X[:, None].astype(np.float64) - X) ** 2).sum(axis=-1)) * scale
    for rank in (5, 50, 399):
        radius = np.sort(true, axis=1)[:, rank]
        limit = safe_limit(norms, radius, Z.shape[1])
        within = true <= radius[:, None]
        assert (scores <= limit[:, None])[within].all()
        assert (scores <= limit[:, None]).sum() < 1.01 * within.sum()


def test_sorted_by_distance_and_without_itself():
    found = knn_graph(duplicates(), k=30)
    assert (np.diff(found.distances, axis=1) >= 0).all()
    assert not (found.indices == np.arange(500)[:, None]).any()
    assert found.indices.dtype == np.int32
    assert found.distances.dtype == np.float32


def test_kernel_keeps_what_sorting_keeps():
    random = np.random.default_rng(4)
    half_norms = random.random(300, dtype=np.float32)
    kept = [np.full((9, 12), np.inf, np.float32), np.full((9, 12), -1, np.int32)]
    expected = [a.copy() for a in kept]
    for first in (0, 150):  # more than a chunk, and not a multiple of one
        products = random.normal(size=(9, 150)).astype(np.float32)
        part = half_norms[first : first + 150]
        knn.keep_nearest(products, part, first, *kept)
        reference.keep_nearest(products, part, first, *expected)
    order = np.argsort(kept[0], axis=1)
    assert np.array_equal(np.take_along_axis(kept[0], order, 1), expected[0])
    assert np.array_equal(np.take_along_axis(kept[1], order, 1), expected[1])
    assert (kept[0][:, 0] == expected[0][:, -1]).all()  # the root is the largest kept


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("columns", [1, 63, 64, 300, 1000])  # of chunks, strips and their ends
def test_kernel_keeps_the_same_of_columns(columns, ties):
    random = np.random.default_rng(columns)
    kept = [np.full((columns, 12), np.inf, np.float32), np.full((columns, 12), -1, np.int32)]
    expected = [a.copy() for a in kept]
    for first in (0, 90):
        products = random.normal(size=(90, columns)).astype(np.float32)
        if ties:
            products = np.round(products)
        products[first % 7] = -np.inf  # left out
        half_norms = random.integers(0, 3, 90).astype(np.float32)
        knn.keep_nearest_of_columns(products, half_norms, first, *kept)
        reference.keep_nearest_of_columns(products, half_norms, first, *expected)
    assert np.array_equal(np.sort(kept[0], axis=1), expected[0])
    assert (kept[0][:, 0] == expected[0][:, -1]).all()
    if not ties:
        assert np.array_equal(np.sort(kept[1], axis=1), np.sort(expected[1], axis=1))


def test_near_points_follow_each_other():
    random = np.random.default_rng(1)
    centres = 100 * random.normal(size=(8, 50))
    labels = random.permutation(np.arange(8 * 512) % 8)
    order = spatial_order((centres[labels] + random.normal(size=(4096, 50))).astype(np.float32))
    assert np.array_equal(np.sort(order), np.arange(4096))
    assert (labels[order].reshape(8, 512) == labels[order][::512, None]).all()
    for few in (np.zeros((3, 1), np.float32), np.ones((2000, 3), np.float32)):
        assert np.array_equal(np.sort(spatial_order(few)), np.arange(len(few)))


def test_progress_says_beforehand_what_is_needed(capfd):
    knn_graph(blobs(), k=5)
    out, err = capfd.readouterr()
    assert out == ""
    assert "400 points x 20 features, k = 5" in err
    assert "GB" in err


ROW = np.arange(50)[:, None]


@pytest.mark.parametrize(
    ("X", "k", "words"),
    [
        (np.where(ROW % 20 == 7, np.nan, np.ones((50, 3))), 5, ["3 of 50", "row 7"]),
        (np.where(ROW == 49, np.inf, np.ones((50, 3))), 5, ["1 of 50", "row 49"]),
        (np.ones((90, 3)), 90, ["k = 90", "91 rows", "have 90"]),
        (np.ones((9, 3)), 0, ["k = 0"]),
        (np.ones(9), 2, ["(9,)"]),
        (np.ones((3, 4, 5)), 2, ["(3, 4, 5)"]),
        (np.ones((9, 0)), 2, ["(9, 0)"]),
        (np.full((9, 2), "a"), 2, ["<U1"]),
    ],
)
def test_bad_features_are_one_sentence(X, k, words):
    with pytest.raises(InputError) as error:
        knn_graph(X, k=k)
    for word in words:
        assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_memory_of_few_points_with_many_features_is_small():
    assert memory_needed(120, 30_000, k=30, itemsize=4, tile=4096) < 0.5e9
