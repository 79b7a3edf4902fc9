"""Are layouts by landmarks near the exact ones, and is it said that they are not exact?"""

import numpy as np
import pytest
from command_line import tunescope
from point_sets import blobs
from scipy.optimize import minimize
from scipy.spatial import procrustes
from scipy.spatial.distance import cdist, pdist

from kernels.cpu.placement import place_points
from pipeline import artefacts
from pipeline.config import parse_config
from pipeline.errors import InputError
from pipeline.methods import embed as step
from pipeline.methods.embed import by_landmarks, embed
from pipeline.methods.isomap.exact import Isomap
from pipeline.methods.landmark_error import compare
from pipeline.methods.mds import exact, landmarks
from pipeline.methods.mds.exact import MDS
from pipeline.methods.registry import METHODS

random = np.random.default_rng(0)


@pytest.fixture
def small(monkeypatch):
    """Landmarks start layouts of few points already."""
    monkeypatch.setattr(exact, "EXACT", 100)
    monkeypatch.setattr(landmarks, "START", 80)


@pytest.fixture
def no_room(monkeypatch):
    monkeypatch.setattr(step, "choose_storage", lambda *given, **options: "none")


def plane(n, d=12):
    """Points of a plane in space: two dimensions lose nothing."""
    return (random.normal(size=(n, 2)) @ np.linalg.qr(random.normal(size=(d, 2)))[0].T) + 3


def test_points_are_placed_where_their_distances_say():
    fixed, points = random.normal(size=(40, 2)), random.normal(size=(25, 2))
    distances = cdist(points, fixed).astype(np.float32)
    found, stress = place_points(
        distances, fixed.T.astype(np.float32).copy(), np.zeros((25, 2), np.float32), 1e-6, 1000
    )
    np.testing.assert_allclose(found, points, atol=1e-4)
    assert stress.max() < 1e-6


def test_a_point_is_placed_at_a_minimum_of_its_stress():
    fixed = random.normal(size=(30, 2))
    distances = np.abs(random.normal(size=30)) + 0.5

    def stress_at(y):
        return np.square(distances - np.linalg.norm(y - fixed, axis=1)).sum()

    start = np.array([0.3, -0.2])
    given = distances[None].astype(np.float32), fixed.T.astype(np.float32).copy()
    one, _ = place_points(*given, start[None].astype(np.float32), 0.0, 1)
    assert stress_at(one[0]) < stress_at(start)
    found, stress = place_points(*given, start[None].astype(np.float32), 1e-7, 2000)
    assert stress[0] == pytest.approx(stress_at(found[0]), rel=1e-5)
    best = minimize(stress_at, found[0])
    assert stress_at(found[0]) == pytest.approx(best.fun, rel=1e-5)


def test_landmarks_lay_a_plane_out_exactly():
    X = plane(300)
    found = MDS(landmarks=20, device="cpu", random_state=0).fit(X)
    assert procrustes(MDS(device="cpu").fit_transform(X), found.embedding_)[2] < 1e-6
    assert found.diagnostics_["stress_1"] < 1e-3
    assert found.diagnostics_["sample_disparity"] < 1e-6


def test_stress_is_that_of_all_pairs_with_a_landmark():
    X = blobs(200, 6)
    found = MDS(landmarks=200, device="cpu", random_state=0).fit(X)
    placed, distances = pdist(found.embedding_), pdist(X)
    raw = np.square(distances - placed).sum()
    assert found.stress_ == pytest.approx(raw, rel=1e-4)
    assert found.diagnostics_["stress_1"] == pytest.approx((raw / (placed @ placed)) ** 0.5, 1e-4)
    some = MDS(landmarks=50, device="cpu", random_state=0).fit(X)
    few = np.sort(np.random.RandomState(0).choice(200, 50, replace=False))
    with_one = np.zeros((200, 200), bool)
    with_one[few] = with_one[:, few] = True
    pairs = with_one[np.triu_indices(200, 1)]
    placed = pdist(some.embedding_)
    assert some.stress_ == pytest.approx(np.square(distances - placed)[pairs].sum(), rel=1e-3)


def test_a_start_by_landmarks_saves_passes(small):
    X = blobs(900, 30)
    options = {"storage": "memory", "device": "cpu"}
    classical = MDS(init="classical_mds", **options).fit(X)
    found = MDS(**options, random_state=3).fit(X)
    assert found.n_iter_ < classical.n_iter_
    assert found.diagnostics_["stress_1"] < 1.01 * classical.diagnostics_["stress_1"]
    assert np.array_equal(MDS(**options, random_state=4).fit_transform(X), found.embedding_)
    for p in (1, 3):  # where other minima are near
        starts = [
            MDS(p, init=init, max_iter=3, **options) for init in ("landmarks", "classical_mds")
        ]
        with pytest.warns(UserWarning, match="max_iter"):
            assert np.array_equal(*(method.fit_transform(X) for method in starts))


def test_points_in_one_place_start_no_worse_than_without_landmarks(small):
    X = np.zeros((300, 4), np.float32)
    X[:3] = np.eye(3, 4)  # which are no landmarks, maybe
    assert np.isfinite(MDS(storage="memory", device="cpu").fit_transform(X)).all()


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"landmarks": 61}, "landmarks is 61 but there are only 60 points"),
        ({"landmarks": 20, "init": "random"}, "init of MDS is 'random' but with landmarks must"),
        ({"landmarks": 20, "n_components": 3}, "n_components of MDS is 3 but with landmarks must"),
        ({"landmarks": 20, "metric": "precomputed"}, "metric of MDS is 'precomputed' but with"),
    ],
)
def test_what_landmarks_cannot_do_is_refused(parameters, sentence):
    X = blobs(60, 5)
    X = cdist(X, X) if "metric" in parameters else X
    with pytest.raises(InputError, match=sentence):
        MDS(device="cpu", **parameters).fit(X)


def test_error_of_a_sample():
    X = random.normal(size=(100, 2))
    turned = X @ np.linalg.qr(random.normal(size=(2, 2)))[0]
    same = compare(turned, X, pdist(X))
    assert same["sample"] == 100
    for name in ("disparity", "stress_1", "stress_1_exact", "residual_variance"):
        assert same[f"sample_{name}"] == pytest.approx(0, abs=1e-7)
    other = compare(X + random.normal(size=X.shape), X, pdist(X))
    assert min(value for name, value in other.items() if "exact" not in name) > 0.1
    none = compare(np.zeros_like(X), X, pdist(X))
    assert none["sample_disparity"] == none["sample_residual_variance"] == 1


def test_isomap_by_landmarks_measures_its_error():
    angle = random.uniform(0, 5, 900)
    roll = np.stack([angle * np.cos(angle), angle * np.sin(angle), random.uniform(0, 8, 900)], 1)
    known = Isomap(landmarks=60, device="cpu", random_state=0).fit(roll).diagnostics_
    assert known["sample"] == 500
    assert known["sample_disparity"] < 0.01
    few = Isomap(landmarks=4, device="cpu", random_state=0).fit(roll).diagnostics_
    assert few["sample_residual_variance"] > known["sample_residual_variance"]


@pytest.mark.parametrize("method", ["mds", "isomap"])
def test_points_without_room_are_placed_by_landmarks_where_that_is_allowed(no_room, method):
    X = blobs(400, 8)
    params = {} if method == "mds" else {"n_neighbors": 60}
    found = embed(X, method=method, engine="exact", params=params, exact="preferred", device="cpu")
    assert found.info["landmarks"] == 400
    (said,) = found.info["warnings"]
    assert said.startswith("400 landmarks place all other points: of a sample of 400 the")
    assert f"{found.info['sample_disparity']:.3f}" in said


def test_what_goes_not_with_landmarks_or_has_no_meaning_is_refused(no_room):
    X, xy = blobs(200, 5), random.normal(size=(200, 2))
    given = {"method": "mds", "engine": "exact", "device": "cpu"}
    start = (np.arange(200), xy)
    with pytest.raises(InputError, match="mds has both start and landmarks 50, which place"):
        embed(X, **given, params={"landmarks": 50}, start=start)
    with pytest.raises(InputError, match="mds has both start and landmarks 200, which place"):
        embed(X, **given, exact="preferred", start=start)
    with pytest.raises(InputError, match="exact is 'prefered' but must be required or preferred"):
        embed(X, **given, exact="prefered")


@pytest.mark.parametrize("method", ["pca", "lle", "tsne"])
def test_who_keeps_no_pairs_needs_no_landmarks(no_room, method):
    engine = METHODS[method].engines["exact" if method != "tsne" else "opentsne"]
    assert by_landmarks(engine, 10**6, 10, {}) == {}


def test_with_room_nothing_changes():
    engine = METHODS["mds"].engines["exact"]
    assert by_landmarks(engine, 5000, 10, {"eps": 1e-3}) == {"eps": 1e-3}
    assert by_landmarks(engine, 10**9, 10, {"storage": "recompute"}) == {"storage": "recompute"}
    assert by_landmarks(engine, 10**9, 10, {"landmarks": 7}) == {"landmarks": 7}
    assert by_landmarks(engine, 10**9, 10, {}) == {"landmarks": 4000}


def test_the_command_line_says_what_it_did(no_room, tmp_path):
    features, out = tmp_path / "features.npy", tmp_path / "mds.parquet"
    np.save(features, blobs(200, 5))
    given = ("embed", "--features", features, "--method", "mds", "--out", out)
    said = tunescope("--device", "cpu", *given, "--exact", "preferred")
    assert "warning: mds: 200 landmarks place all other points" in said
    assert "200 landmarks" in artefacts.context(out)["warnings"][0]
    tunescope("--device", "cpu", *given, "--exact", "maybe", status=2)


def test_a_configuration_may_allow_it():
    config = {
        "study": "s",
        "dataset": {"source": "digits"},
        "backbones": {"MobileNet": {}},
        "methods": {"mds": {}},
    }
    assert parse_config(config).exact == "required"
    assert parse_config(config | {"exact": "preferred"}).exact == "preferred"
