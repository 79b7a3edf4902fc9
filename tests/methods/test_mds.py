"""Is our MDS the minimiser of raw stress that scikit-learn's is, on all pairs, at any size?"""

import numba
import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist, squareform
from sklearn import manifold
from threadpoolctl import threadpool_limits

from kernels import reference
from kernels.backend import get_backend
from kernels.pairs import TOP
from pipeline.errors import InputError
from pipeline.methods.mds.distances import (
    centred_points,
    euclidean_distances,
    precomputed_distances,
)
from pipeline.methods.mds.exact import MDS
from pipeline.methods.mds.initialization import classical_scaling
from pipeline.methods.mds.smacof import (
    guttman_transform,
    minimise_stress,
    quasi_newton,
    sum_of_squares,
)
from pipeline.methods.pca.exact import PCA

CPU = get_backend("cpu")


def stored_distances(X, storage):
    precision = np.float64 if storage == "exact" else np.float32
    return euclidean_distances(centred_points(X, precision, CPU), storage=storage)


STORAGE = ["exact", "memory"]
UNFINISHED = pytest.mark.filterwarnings("ignore:MDS stopped after max_iter")


def features(n=330, d=9, seed=0):
    """Two strips of points, of which the last lies in pairs at one place."""
    X = np.random.default_rng(seed).normal(size=(n, d)) * 1.5 ** -np.arange(d)
    X[-20::2] = X[-19::2]
    return X


@pytest.fixture(name="X")
def points():
    return features()


# ---- Distances


@pytest.mark.parametrize("n", [2, 256, 257, 600])
def test_distances_are_rounded_to_half_a_unit(n):
    X = features(n)
    X[0] = X[1] * (1 + 1e-6)  # nothing of this distance is left in |x|^2 + |y|^2 - 2 xy
    for storage, error in (("exact", 1e-9), ("memory", 0.53)):
        stored = stored_distances(X, storage)
        expected = reference.later_distances(X, stored.step)
        for s in range(len(stored.pairs.starts) - 1):
            first, strip = stored.pairs.strip(s)
            later = np.triu(np.ones(strip.shape, bool), 1)
            off = strip[later] - expected[first : first + len(strip), first:][later]
            assert np.abs(off).max(initial=0) <= error
        assert expected.max() <= TOP < 2.1 * expected.max()


def test_distances_far_from_the_origin(X):
    """Centring keeps the digits that inner products of these rows would lose."""
    near, far = (stored_distances(Z, "memory") for Z in (X, X + 1e7))
    off = near.pairs.strip(0)[1].astype(int) - far.pairs.strip(0)[1]
    assert np.abs(np.triu(off, 1)).max() <= 1


@pytest.mark.parametrize("storage", STORAGE)
def test_a_matrix_is_stored_as_it_is(X, storage):
    D = cdist(X, X)
    stored = precomputed_distances(D, storage=storage, backend=CPU)
    first, strip = stored.pairs.strip(1)
    error = 1e-12 if storage == "exact" else 0.51 * stored.step
    assert np.abs(strip * stored.step - D[first:, first:]).max() <= error


@pytest.mark.parametrize("p", [1, 2, 5])
def test_classical_scaling_is_pca(X, p):
    found = classical_scaling(cdist(X, X), p)
    expected = PCA(p).fit_transform(X)
    assert np.allclose(found * np.sign((found * expected).sum(axis=0)), expected)


# ---- A pass over all pairs


@pytest.mark.parametrize("p", [1, 2, 3, 5])
@pytest.mark.parametrize("n", [2, 257, 1300])
def test_pass_is_the_guttman_transform(n, p):
    """Sizes with one strip, with a fold of one strip, with two tiles; some points coincide."""
    D = cdist(features(n), features(n))
    X = features(n, p, seed=1)
    sums, squares = reference.guttman_sums(D, X)
    for storage, dtype, error in (
        ("exact", np.float64, 1e-12),
        ("memory", np.float64, 1e-4),
        ("memory", np.float32, 1e-4),
    ):
        stored = precomputed_distances(D, storage=storage, backend=CPU)
        G, stress = guttman_transform(stored, (X / stored.step).astype(dtype))
        assert np.abs(G * stored.step - sums / n).max() <= error * np.abs(sums / n).max()
        assert stress * stored.step**2 == pytest.approx(squares, rel=error)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_stress_is_what_the_transform_implies(X, dtype):
    """sigma(X) = sum delta^2 + n |X|^2 - 2n <X, G(X)>, to the rounding of the pass."""
    stored = stored_distances(X, "memory")
    M = (X[:, :2] / stored.step).astype(dtype)
    M -= M.mean(axis=0)
    G, stress = guttman_transform(stored, M)
    sum_sq_delta = guttman_transform(stored, np.zeros_like(M))[1]
    M = M.astype(np.float64)
    implied = sum_sq_delta + len(M) * (M**2).sum() - 2 * len(M) * (M * G).sum()
    assert abs(stress - implied) < (1e-7 if dtype == np.float32 else 1e-14) * sum_sq_delta


def test_gradient_by_finite_differences(X):
    stored = stored_distances(X, "exact")
    M = np.random.default_rng(2).normal(size=(330, 2)) / stored.step
    gradient = 2 * len(M) * (M - M.mean(axis=0) - guttman_transform(stored, M)[0])
    step = 1e-4 / stored.step
    for i, c in [(0, 0), (7, 1), (255, 0), (256, 1), (329, 0)]:
        shift = np.zeros_like(M)
        shift[i, c] = step
        rise = guttman_transform(stored, M + shift)[1] - guttman_transform(stored, M - shift)[1]
        drift = 2 * len(M) * (M.mean(axis=0)[c])  # the formula is that of a centred layout
        assert rise / (2 * step) == pytest.approx(gradient[i, c], rel=1e-6), drift


# ---- The minimiser


def test_borg_and_groenens_step():
    """Borg & Groenen 2005, section 8.6: one step from their start."""
    D = np.array([[0, 5, 3, 4], [5, 0, 2, 2], [3, 2, 0, 1], [4, 2, 1, 0]])
    start = np.array([[-0.266, -0.539], [0.451, 0.252], [0.016, -0.238], [-0.200, 0.524]])
    estimator = MDS(metric="precomputed", init=start, max_iter=1)
    with pytest.warns(UserWarning, match="max_iter = 1"):
        found = estimator.fit_transform(D)
    step = [[-1.415, -2.471], [1.633, 1.107], [0.249, -0.067], [-0.468, 1.431]]
    assert np.allclose(found, step, atol=1e-3)


@pytest.mark.parametrize(("storage", "error"), [("exact", 1e-10), ("memory", 5e-5)])
def test_plain_steps_are_scikit_learns(X, storage, error):
    D = cdist(X, X)
    start = np.random.default_rng(3).uniform(size=(330, 2))
    stored = stored_distances(X, storage)
    M = ((start - start.mean(axis=0)) / stored.step).astype(stored.precision)
    for steps in (1, 10):
        expected, stress = manifold.smacof(D, init=start, n_init=1, max_iter=steps, eps=0)
        ours = minimise_stress(stored, M, max_iter=steps, eps=0, memory=0)
        assert np.abs(ours.X * stored.step - expected).max() <= error * np.abs(expected).max()
        assert ours.stress * stored.step**2 == pytest.approx(stress, rel=error)


def test_plain_steps_stop_as_scikit_learn_stops(X):
    start = np.random.default_rng(3).uniform(size=(330, 2))
    *_, passes = manifold.smacof(cdist(X, X), init=start, n_init=1, eps=1e-4, return_n_iter=True)
    stored = stored_distances(X, "exact")
    ours = minimise_stress(stored, (start - start.mean(axis=0)) / stored.step, eps=1e-4, memory=0)
    assert ours.converged
    assert ours.n_iter == passes


def test_the_last_step_is_a_plain_one_that_gains_no_more_than_eps(X):
    stored = stored_distances(X, "exact")
    start = 1e4 * X[:, :2]
    end = minimise_stress(stored, start, eps=1e-5)
    before = minimise_stress(stored, start, eps=1e-5, max_iter=end.n_iter - 1)
    assert end.converged
    assert not before.converged
    assert np.array_equal(end.X, guttman_transform(stored, before.X)[0])
    assert before.stress - end.stress <= 1e-5 * sum_of_squares(end.X)


@pytest.mark.parametrize("storage", ["auto", "memory"])
def test_not_worse_than_scikit_learn_in_fewer_passes(X, storage):
    D = cdist(X, X)
    ours = MDS(storage=storage, eps=1e-7).fit(X)
    start = manifold.ClassicalMDS(metric="precomputed").fit_transform(D)
    _, stress, passes = manifold.smacof(D, init=start, n_init=1, eps=1e-7, return_n_iter=True)
    assert ours.stress_ <= stress * (1 + 1e-6)
    assert ours.n_iter_ < passes / 2


@pytest.mark.parametrize("p", [1, 2])
def test_stress_never_rises(X, p):
    """From a random start, which in one dimension makes quasi-Newton steps fail."""
    stored = stored_distances(X, "exact")
    start = 1e4 * np.random.default_rng(4).normal(size=(330, p))
    stress = [
        minimise_stress(stored, start, max_iter=steps, eps=0).stress for steps in range(1, 25)
    ]
    assert (np.diff(stress) <= 0).all()
    assert stress[-1] < 0.9 * stress[0]


def test_quasi_newton_meets_the_secant_equation():
    """The product with the last change of the gradient is the last step."""
    random = np.random.default_rng(5)
    H = np.diag(random.uniform(1, 9, size=12))
    steps = [random.normal(size=(6, 2)) for _ in range(4)]
    pairs = [(s, (H @ s.ravel()).reshape(6, 2)) for s in steps]
    assert np.allclose(quasi_newton(pairs[-1][1], pairs), steps[-1])


def test_quasi_newton_minimises_a_quadratic():
    """As many conjugate steps as dimensions give the inverse Hessian itself."""
    H = np.diag([1.0, 2, 3, 4])
    pairs = [(e.reshape(2, 2), (H @ e).reshape(2, 2)) for e in np.eye(4)]
    gradient = np.array([[4.0, 3], [2, 1]])
    expected = np.linalg.solve(H, gradient.ravel()).reshape(2, 2)
    assert np.allclose(quasi_newton(gradient, pairs), expected)


# ---- The estimator


@pytest.mark.parametrize("p", [1, 2, 3, 5])
@pytest.mark.parametrize("storage", ["auto", "memory"])
def test_points_of_as_many_dimensions_keep_their_distances(p, storage):
    random = np.random.default_rng(6)
    X = random.normal(size=(80, p)) @ random.normal(size=(p, 9))
    estimator = MDS(p, storage=storage)
    found, expected = pdist(estimator.fit_transform(X)), pdist(X)
    error = 1e-12 if storage == "auto" else 1e-5  # half a step is 2 / 131070
    assert np.abs(found - expected).max() <= error * expected.max()
    assert estimator.diagnostics_["stress_1"] <= 2 * error
    assert estimator.diagnostics_["converged"]


def test_more_coordinates_than_features(X):
    found = MDS(4).fit_transform(X[:, :2])
    assert np.allclose(pdist(found), pdist(X[:, :2]))


def test_starts_from_classical_scaling(X):
    """One pass from PCA is one pass from scikit-learn's classical start, up to signs."""
    ours = MDS(max_iter=1)
    with pytest.warns(UserWarning, match="max_iter = 1"):
        found = ours.fit_transform(X)
    theirs = manifold.MDS(2, init="classical_mds", n_init=1, max_iter=1)
    assert np.allclose(np.abs(found), np.abs(theirs.fit_transform(X)), atol=1e-9)
    assert ours.stress_ == pytest.approx(theirs.stress_, rel=1e-12)


def test_random_starts_are_scikit_learns_and_the_lowest_stress_wins(X):
    alone = [MDS(1, init="random", random_state=seed).fit(X).stress_ for seed in range(2)]
    assert alone[0] != alone[1]
    random = np.random.RandomState(0)
    starts = [random.uniform(size=(330, 1)) for _ in range(3)]
    each = [MDS(1, init=start).fit(X).stress_ for start in starts]
    best = MDS(1, init="random", n_init=3, random_state=0).fit(X)
    assert each[0] == alone[0]
    assert best.stress_ == min(each) < max(each)


@pytest.mark.parametrize("storage", ["auto", "memory"])
def test_diagnostics(X, storage):
    estimator = MDS(storage=storage)
    found, expected = pdist(estimator.fit_transform(X)), pdist(X)
    stress = ((found - expected) ** 2).sum()
    stress_1 = np.sqrt(stress / (found**2).sum())
    exactly = 1e-12 if storage == "auto" else 1e-6
    diagnostics = estimator.diagnostics_
    assert estimator.stress_ == pytest.approx(stress, rel=exactly)
    assert diagnostics["stress_1"] == pytest.approx(stress_1, rel=exactly)
    assert diagnostics["identity"] < 1e-13
    assert diagnostics["rounding"] < (1e-13 if storage == "auto" else 1e-8)
    assert diagnostics["gradient"] < 1e-2
    assert diagnostics["converged"]
    assert diagnostics["n_iter"] == estimator.n_iter_
    normalised = MDS(normalized_stress=True, storage=storage).fit(X)
    assert normalised.stress_ == pytest.approx(stress_1, rel=exactly)


@UNFINISHED
def test_wherever_pairs_are_stored_the_layout_is_the_same(X):
    layouts = [
        MDS(max_iter=20, storage=storage).fit(X).embedding_
        for storage in ("memory", "disk", "recompute")
    ]
    assert np.array_equal(layouts[0], layouts[1])
    assert np.array_equal(layouts[0], layouts[2])


@UNFINISHED
@pytest.mark.parametrize(("n", "p", "storage"), [(3500, 3, "auto"), (1100, 2, "memory")])
def test_the_number_of_threads_changes_no_bit(n, p, storage):
    """Enough points for several folds, and for BLAS to share even an inner product."""
    X = features(n)
    layouts = []
    before = numba.get_num_threads()
    for threads in (1, min(2, before)):
        numba.set_num_threads(threads)
        with threadpool_limits(threads):
            layouts.append(MDS(p, max_iter=8, storage=storage).fit(X).embedding_)
    numba.set_num_threads(before)
    assert np.array_equal(*layouts)


def test_precomputed_distances_give_the_layout_of_the_features(X):
    D = squareform(pdist(X))
    found = MDS(metric="precomputed").fit(D)
    expected = MDS().fit(X)
    assert found.stress_ == pytest.approx(expected.stress_, rel=1e-6)
    assert found.__sklearn_tags__().input_tags.pairwise


def test_precomputed_points_on_a_line():
    """Classical scaling finds one positive eigenvalue for two coordinates."""
    D = np.abs(np.subtract.outer(np.arange(4.0), np.arange(4.0)))
    assert np.allclose(pdist(MDS(metric="precomputed").fit_transform(D)), squareform(D))


def test_precomputed_without_a_triangle_inequality():
    """Classical scaling has a negative eigenvalue; the best layout balances three pulls."""
    D = np.array([[0.0, 1, 5], [1, 0, 1], [5, 1, 0]])
    found = MDS(3, metric="precomputed", eps=1e-12).fit(D)
    assert found.stress_ == pytest.approx(3.0)  # distances 2, 2 and 4, by hand


def test_precomputed_zeros_pull_points_together():
    """scikit-learn's metric MDS: 0 is a distance, not a missing value."""
    D = np.array([[0.0, 0, 1], [0, 0, 1], [1, 1, 0]])
    found = MDS(metric="precomputed", init="random", random_state=0, eps=1e-12).fit(D)
    assert np.allclose(pdist(found.embedding_), [0, 1, 1], atol=1e-3)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({(1, 2): -1.0, (2, 1): -1.0}, r"non-negative but \[1, 2\] is -1"),
        ({(1, 2): 7.0}, r"symmetric but \[1, 2\] is 7 and \[2, 1\] is 1"),
        ({(3, 3): 2.0}, r"zeros but \[3, 3\] is 2; correct"),
    ],
)
def test_what_is_no_matrix_of_dissimilarities_is_refused(entries, words):
    D = np.ones((5, 5)) - np.eye(5)
    for place, value in entries.items():
        D[place] = value
    with pytest.raises(InputError, match=words):
        MDS(metric="precomputed").fit(D)
    with pytest.raises(InputError, match=r"square but have shape \(5, 4\)"):
        MDS(metric="precomputed").fit(np.ones((5, 4)))


@pytest.mark.parametrize("scale", [1e-30, 1e30])
@pytest.mark.parametrize("storage", ["auto", "memory"])
def test_the_unit_of_the_features_does_not_matter(X, scale, storage):
    ours, scaled = (MDS(storage=storage).fit(Z).embedding_ for Z in (X, X * scale))
    assert np.allclose(scaled / scale, ours, rtol=0, atol=1e-3)


@UNFINISHED
@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_size_of_the_start_does_not_matter(X, scale):
    ours, scaled = (
        MDS(init=start, max_iter=10, storage="memory").fit(X).embedding_
        for start in (X[:, 3:5], X[:, 3:5] * scale)
    )
    assert np.allclose(ours, scaled, rtol=0, atol=1e-3)


@UNFINISHED
def test_any_kind_of_array(X, tmp_path):
    whole = np.round(16 * X)
    expected = MDS(max_iter=5).fit_transform(whole)
    np.save(tmp_path / "features.npy", whole)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    for given in (
        whole.astype(np.float16),
        whole.astype(np.float32),
        whole.astype(np.int64),
        np.repeat(whole, 2, axis=0)[::2],
        np.asfortranarray(whole),
        mapped,
    ):
        assert np.allclose(MDS(max_iter=5).fit_transform(given), expected, atol=1e-4)


@pytest.mark.parametrize("storage", ["auto", "memory"])
def test_equal_rows_meet_in_one_place(X, storage):
    found = MDS(storage=storage).fit_transform(X)
    assert np.allclose(found[-20::2], found[-19::2], rtol=0, atol=1e-5)
    alike = MDS(storage=storage).fit(np.full((9, 4), 3.0))
    assert (alike.embedding_ == 0).all()
    assert alike.stress_ == pytest.approx(0, abs=1e-9)
    assert alike.diagnostics_["stress_1"] == 0


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"n_components": 0}, "n_components of MDS is 0"),
        ({"max_iter": 0}, "max_iter of MDS is 0"),
        ({"eps": float("nan")}, "eps of MDS is nan"),
        ({"metric": "cosine"}, "metric of MDS is 'cosine'"),
        ({"storage": "tape"}, "storage of MDS is 'tape'"),
        ({"normalized_stress": "no"}, "normalized_stress of MDS is 'no'"),
        ({"init": "spectral"}, "init of MDS is 'spectral'"),
        ({"n_init": 2}, "n_init is 2"),
        ({"init": np.ones((330, 3))}, r"shape \(330, 3\)"),
        ({"init": np.ones((330, 2))}, "different places"),
    ],
)
def test_parameters_that_cannot_be_used_are_named(X, parameters, words):
    with pytest.raises(InputError, match=words):
        MDS(**parameters).fit(X)
