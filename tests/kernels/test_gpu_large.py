"""Do the kernels count beyond 2^31 pairs? On a GPU with 70,000 points, without one with few."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from kernels.backend import get_backend, to_host
from kernels.pairs import TOP
from pipeline.methods.isomap.classical_scaling import StoredPairs, kernel_of_pairs
from pipeline.methods.mds.distances import centred_points, euclidean_distances
from pipeline.methods.mds.smacof import guttman_transform
from pipeline.neighbors.graph import knn_graph

CPU = get_backend("cpu")


@pytest.fixture
def n(gpu):
    """Points: as many as have more than 2^31 pairs, or enough for several strips."""
    return 70_000 if gpu.xp.__name__ == "cupy" else 600


@pytest.fixture(name="X")
def features(n):
    return np.random.default_rng(0).normal(size=(n, 5)).astype(np.float32)


def on_both(gpu, X):
    for backend in (CPU, gpu):
        points = centred_points(X, np.float32, backend)
        yield backend, euclidean_distances(points, storage="memory")


def test_graph_of_many_points(gpu, X):
    graph = knn_graph(X, k=10, device="gpu")
    distances, _ = cKDTree(X).query(X, k=11)
    np.testing.assert_allclose(graph.distances, distances[:, 1:], rtol=1e-5)


def test_passes_over_many_pairs(gpu, X, n):
    start = np.random.default_rng(1).normal(scale=TOP / 8, size=(n, 2)).astype(np.float32)
    (here, stress), (there, stress_there) = (
        guttman_transform(stored, backend.to_device(start)) for backend, stored in on_both(gpu, X)
    )
    assert stress_there == pytest.approx(stress, rel=1e-5)
    assert np.abs(to_host(there) - here).max() < 1e-5 * np.abs(here).max()


def test_products_with_many_pairs(gpu, X, n):
    vectors = np.random.default_rng(2).normal(size=(3, n))
    vectors -= vectors.mean(axis=1, keepdims=True)
    here, there = (
        to_host(
            kernel_of_pairs(StoredPairs(stored.pairs, backend, name="large")).multiply(
                backend.to_device(vectors)
            )
        )
        for backend, stored in on_both(gpu, X)
    )
    # A distance in a hundred is rounded to the next 16-bit number.
    assert np.abs(there - here).max() < 1e-5 * np.abs(here).max()


def test_repulsion_between_many_points(gpu, X):
    Y = np.ascontiguousarray(X[:, :2].T)
    forces, sums = CPU.kernels("tsne").repulsive_sums(Y, 0, Y.shape[1])
    theirs, their_sums = gpu.kernels("tsne").repulsive_sums(gpu.to_device(Y), 0, Y.shape[1])
    np.testing.assert_allclose(to_host(their_sums), sums, rtol=1e-5)
    assert np.abs(to_host(theirs) - forces).max() < 1e-5 * np.abs(forces).max()
