"""Does exact t-SNE on a GPU compute what it does on the CPU, kernel by kernel and as a whole?"""

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.sparse import csr_array
from scipy.spatial.distance import squareform
from sklearn.datasets import load_digits
from sklearn.manifold import _t_sne as theirs

from kernels import reference
from kernels.backend import get_backend, to_host
from kernels.cpu import tsne as cpu
from kernels.gpu import tsne
from pipeline.methods.pca.principal_components import principal_components
from pipeline.methods.solvers.csr import csr_arrays
from pipeline.methods.tsne.affinities import joint_probabilities
from pipeline.methods.tsne.exact import TSNE, Divergence
from pipeline.neighbors.graph import knn_graph

CPU = get_backend("cpu")


# ---- kernels


def random_similarities(n, seed=0):
    """A symmetric matrix of sum 1 with an empty row, a full one and stored zeros."""
    random = np.random.default_rng(seed)
    P = random.random((n, n)) * (random.random((n, n)) < 0.1)
    P[n // 2] = random.random(n)
    P += P.T
    np.fill_diagonal(P, 0)
    P[0] = P[:, 0] = 0
    sparse = csr_array(P / max(P.sum(), 1))
    sparse.data[:3] = 0
    return sparse, sparse.toarray()


def layout_of(n, real, spread=10.0):
    Y = np.random.default_rng(n).normal(scale=spread, size=(2, n)).astype(real)
    Y[:, n // 3] = Y[:, 0]  # coincident
    return Y


@pytest.mark.parametrize(("real", "tolerance"), [("float32", 3e-6), ("float64", 1e-12)])
@pytest.mark.parametrize("n", [1, 2, 128, 700])
@pytest.mark.parametrize("spread", [1e-4, 10.0])
def test_repulsion_is_that_of_its_definition(gpu, real, tolerance, n, spread):
    Y = layout_of(n, real, spread)
    expected = reference.repulsive_sums(Y.astype(np.float64))
    on_gpu = map(to_host, tsne.repulsive_sums(gpu.xp.asarray(Y), 0, Y.shape[1]))
    for F, Q in (on_gpu, cpu.repulsive_sums(Y, 0, Y.shape[1])):
        assert F.dtype == Q.dtype == np.float64
        assert np.abs(F - expected[0]).max() <= tolerance * max(np.abs(expected[0]).max(), 1e-30)
        assert np.abs(Q - expected[1]).max() <= tolerance * (1 + expected[1].max())


@pytest.mark.parametrize(("real", "tolerance"), [("float32", 1e-6), ("float64", 1e-12)])
@pytest.mark.parametrize("n", [1, 5, 300])
def test_sums_over_entries_are_those_of_their_definition(gpu, real, tolerance, n):
    P, dense = random_similarities(n)
    Y = layout_of(n, real)
    given = (*csr_arrays(P, CPU), Y)
    on_gpu = (*csr_arrays(P, gpu), gpu.xp.asarray(Y))
    Y = Y.astype(np.float64)
    expected = reference.attractive_sums(dense, Y)
    for A in (cpu.attractive_sums(*given), to_host(tsne.attractive_sums(*on_gpu))):
        assert np.abs(A - expected).max() <= tolerance * max(np.abs(expected).max(), 1e-30)
    total = reference.repulsive_sums(Y)[1].sum()
    expected = reference.divergence_sums(dense, Y) if n > 1 else np.zeros(1)
    for found in (
        cpu.divergence_sums(*given, total),
        to_host(tsne.divergence_sums(*on_gpu, total)),
    ):
        assert np.abs(found - expected).max() <= tolerance * max(np.abs(expected).max(), 1e-30)


# ---- gradient and divergence


@pytest.fixture(scope="module", name="case")
def divergence_and_layout():
    X = np.random.default_rng(1).normal(size=(60, 5))
    P = joint_probabilities(knn_graph(X, k=15), 5, CPU)
    return P, np.random.default_rng(2).normal(size=(2, 60))


def test_gradient_is_that_of_the_divergence(case, gpu):
    """By differences, in every coordinate."""
    P, Y = case
    divergence = Divergence(P, gpu)

    def value(coordinates):
        on_device = gpu.xp.asarray(coordinates.reshape(2, 60))
        return divergence.value(on_device, divergence.gradient(on_device)[1])

    gradient = to_host(divergence.gradient(gpu.xp.asarray(Y))[0])
    differences = approx_fprime(Y.ravel(), value, 1e-6).reshape(2, 60)
    assert np.abs(gradient - differences).max() < 1e-4 * np.abs(gradient).max()


@pytest.mark.parametrize(("real", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
@pytest.mark.parametrize("q", [1, 2])
def test_gradient_and_divergence_are_scikit_learns(case, gpu, real, tolerance, q):
    P, Y = case
    Y = Y.astype(real)
    Y[q:] = 0
    coordinates = Y[:q].T.ravel().astype(np.float64)
    condensed = squareform(P.toarray(), checks=False)
    value, expected = theirs._kl_divergence(coordinates, condensed, 1, 60, q)
    divergence = Divergence(P, gpu)
    gradient, total = divergence.gradient(gpu.xp.asarray(Y))
    found, expected = to_host(gradient), expected.reshape(60, q).T
    assert np.abs(found[:q] - expected).max() < tolerance * np.abs(expected).max()
    assert (found[q:] == 0).all()
    assert divergence.value(gpu.xp.asarray(Y), total) == pytest.approx(value, rel=tolerance)


# ---- affinities and layouts


def test_affinities_are_the_cpus(gpu):
    graph = knn_graph(load_digits().data[:200], k=30)
    found, expected = (joint_probabilities(graph, 10, backend) for backend in (gpu, CPU))
    assert abs(found - expected).max() < 1e-12 * expected.max()


def test_the_start_is_computed_on_the_gpu_too(gpu, monkeypatch):
    X = load_digits().data[:150]
    expected = TSNE(perplexity=8, device="cpu", random_state=0)._start(X)
    backends = []

    def spy(X, n_components, backend):
        backends.append(backend)
        return principal_components(X, n_components, backend)

    monkeypatch.setattr("pipeline.methods.tsne.base.principal_components", spy)
    found = TSNE(perplexity=8, device="gpu", random_state=0)._start(X)
    assert backends == [gpu]
    assert isinstance(found, np.ndarray)
    assert np.abs(found - expected).max() < 1e-12


def test_layout_is_the_cpus(gpu):
    """Rounding grows fourfold in an iteration, so only the first ones are the same."""
    X = load_digits().data[:150].astype(np.float32)
    layouts = [
        TSNE(perplexity=8, max_iter=10, device=device, random_state=0).fit_transform(X)
        for device in ("cpu", "gpu", "gpu")
    ]
    assert isinstance(layouts[1], np.ndarray)
    assert np.array_equal(layouts[1], layouts[2])
    assert np.abs(layouts[1] - layouts[0]).max() < 1e-3 * np.abs(layouts[0]).max()
