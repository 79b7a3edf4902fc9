"""Do the measures of a layout say what their definitions say?"""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from pipeline.errors import InputError
from pipeline.measures import probe, quality
from pipeline.measures.overlap import neighbors_kept
from pipeline.measures.probe import linear_probe
from pipeline.measures.quality import Laid, measure_layouts
from pipeline.measures.table import COSINE, FEATURES, MEASURES, MEASURES_OF_A_SET, TIES, look_up
from pipeline.measures.votes import knn_accuracy
from pipeline.neighbors.graph import knn_graph
from pipeline.neighbors.layout_neighbors import layout_neighbors


def test_majority_vote_by_hand():
    indices = np.array([[1, 2, 3], [0, 2, 3], [3, 1, 0], [2, 1, 0]])
    labels = np.array([0, 0, 1, 1])
    # Row 0 sees 0, 1, 1 and row 1 the same; row 2 sees 1, 0, 0; row 3 sees 1, 0, 0: all wrong.
    assert knn_accuracy(indices, labels, k=3) == 0
    # Two votes each are a tie: the nearest decides, and is right each time.
    assert knn_accuracy(indices, labels, k=2) == 1
    assert knn_accuracy(indices, labels, k=1) == 1


def test_accuracy_is_scikit_learns_without_ties():
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 200)
    X = random.normal(size=(200, 2)) + labels[:, None]
    found = knn_accuracy(layout_neighbors(X, k=15), labels, k=15)
    right = 0
    for i in range(200):
        rest = np.arange(200) != i
        classifier = KNeighborsClassifier(15).fit(X[rest], labels[rest])
        right += classifier.predict(X[[i]])[0] == labels[i]
    assert found == right / 200


def test_neighbors_kept_by_hand():
    features = np.array([[1, 2], [0, 2], [0, 1]])
    assert list(neighbors_kept(features, features, k=2)) == [1, 1, 1]
    assert list(neighbors_kept(features, features[:, ::-1], k=2)) == [1, 1, 1]
    assert list(neighbors_kept(features, features[:, ::-1], k=1)) == [0, 0, 0]
    assert neighbors_kept(np.array([[1, 2]]), np.array([[2, 3]]), k=2) == 0.5
    with pytest.raises(InputError, match="3 points but the layout has 2"):
        neighbors_kept(features, features[:2], k=1)
    with pytest.raises(InputError, match="k is 3 but the graph has 2"):
        neighbors_kept(features, features, k=3)


def test_the_rule_for_ties_is_part_of_the_meaning():
    assert TIES in MEASURES["knn_accuracy"].meaning


# ---- several layouts of one feature set


@pytest.fixture(name="features")
def random_features():
    return np.random.default_rng(5).normal(size=(120, 6)).astype(np.float32)


def layout_of(rows, seed):
    """Rows, random coordinates and three classes."""
    xy = np.random.default_rng(seed).normal(size=(len(rows), 2)).astype(np.float32)
    return Laid(rows, xy, rows % 3)


SPLIT = np.where(np.arange(120) % 5, "train", "test")


def value(found, space, measure, split="all"):
    """Of the one row with these keys."""
    (row,) = (
        row
        for row in found["measures"]
        if (row["space"], row["measure"], row["split"]) == (space, measure, split)
    )
    return row["value"]


def test_layouts_are_measured_as_each_alone(features):
    whole, subset = np.arange(120), np.arange(0, 120, 2)
    layouts = {"pca": layout_of(whole, 0), "umap": layout_of(subset, 1)}
    found = measure_layouts(layouts, features=features, k=7, device="cpu")
    assert found["warnings"] == []
    for name, (rows, xy, labels, _) in layouts.items():
        near = layout_neighbors(xy, k=7)
        kept = neighbors_kept(knn_graph(features[rows], k=7).indices, near, k=7).mean()
        assert value(found, name, "neighborhood_preservation") == pytest.approx(kept)
        assert value(found, name, "knn_accuracy") == knn_accuracy(near, labels, k=7)


def test_layouts_by_other_seeds_are_measured_as_each_alone_and_stand_apart(features):
    whole, subset = np.arange(120), np.arange(0, 120, 2)
    given = {"features": features, "labels": np.arange(120) % 3, "split": SPLIT}
    layouts = {"tsne": layout_of(whole, 0), "umap": layout_of(subset, 1)}
    others = {
        7: {"tsne": layout_of(whole, 2), "umap": layout_of(subset, 3)},
        8: {"umap": layout_of(subset, 4)},
    }
    found = measure_layouts(layouts, layout_seeds=others, **given)
    of_seeds = found.pop("layout_seeds")
    assert found == measure_layouts(layouts, **given)
    assert list(of_seeds) == ["7", "8"]
    for seed, laid_out in others.items():
        alone = measure_layouts(laid_out, **given)["measures"]
        assert of_seeds[str(seed)] == [row for row in alone if row["space"] in laid_out]


@pytest.mark.parametrize(("name", "rows"), [("tsne", np.arange(119)), ("umap", np.arange(120))])
def test_a_layout_by_another_seed_of_other_points_or_alone_is_one_sentence(features, name, rows):
    layouts, others = {"tsne": layout_of(np.arange(120), 0)}, {3: {name: layout_of(rows, 1)}}
    with pytest.raises(InputError, match=f"layout {name} by seed 3 .* of the same points"):
        measure_layouts(layouts, layout_seeds=others, features=features)


def test_every_space_has_the_class_measures_of_both_splits(features):
    layouts = {"pca": layout_of(np.arange(120), 0), "mds": layout_of(np.arange(60), 0)}
    found = measure_layouts(layouts, features=features, labels=np.arange(120) % 3, split=SPLIT)
    rows = {(row["space"], row["measure"], row["split"]) for row in found["measures"]}
    for measure in ("knn_accuracy", "knn_balanced_accuracy", "own_class_share"):
        for space in (FEATURES, COSINE, "pca", "mds"):
            assert {(space, measure, "test"), (space, measure, "train")} <= rows
            assert (space, measure, "all") not in rows

    assert {measure for _, measure, _ in rows} == set(MEASURES_OF_A_SET)
    assert len(rows) == len(found["measures"])
    for row in found["measures"]:
        assert row["low"] is None or row["low"] <= row["value"] <= row["high"]
    for space in (FEATURES, COSINE, "pca", "mds"):
        for split in ("test", "train"):
            matrix = np.array(found["mixing"][space][split])
            np.testing.assert_allclose(matrix.sum(axis=1), 1)
            share = value(found, space, "own_class_share", split)
            if space != "mds":  # as many images of each class
                assert share == pytest.approx(matrix.diagonal().mean(), abs=0.02)


def test_random_labels_are_learned_by_nothing_and_memorised_features_by_training_images_alone():
    """Features that know the label of training images, as after overfitting."""
    rng = np.random.default_rng(0)
    labels, split = rng.integers(0, 2, 400), np.where(np.arange(400) < 300, "train", "test")
    X = rng.normal(size=(400, 4))
    X[:300, 0] += 20 * labels[:300]
    X[300:, 0] += 20 * rng.integers(0, 2, 100)
    layouts = {"pca": Laid(np.arange(400), X[:, :2], labels)}
    found = measure_layouts(layouts, features=X, labels=labels, split=split)
    for space in (FEATURES, "pca"):
        assert value(found, space, "knn_accuracy", "train") > 0.99
        assert value(found, space, "knn_accuracy", "test") < 0.65
        assert look_up(found["measures"], space, "knn_accuracy")[0] == "test"
    assert value(found, FEATURES, "nc1", "train") < value(found, FEATURES, "nc1", "test")


def test_the_cosine_sees_directions_and_not_lengths():
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    X = np.where(labels[:, None], [1.0, 0.8], [0.8, 1.0]) + rng.normal(scale=0.02, size=(200, 2))
    X *= rng.lognormal(sigma=3, size=(200, 1))
    layouts = {"pca": Laid(np.arange(200), X, labels)}
    found = measure_layouts(layouts, features=X, labels=labels, k=5)
    assert value(found, COSINE, "knn_accuracy") == 1
    assert value(found, FEATURES, "knn_accuracy") < 0.95
    X[3] = 0
    found = measure_layouts(layouts, features=X, labels=labels, k=5)
    assert "rows of zeros" in found["warnings"][0]


def test_each_set_of_rows_has_its_own_graph_once(features, monkeypatch):
    """That of all points is the graph handed in, or computed where it is missing."""
    computed = []

    def counted(X, **options):
        computed.append(len(X))
        return knn_graph(X, **options)

    monkeypatch.setattr(quality, "knn_graph", counted)
    whole, subset, reverse = np.arange(120), np.arange(60), np.arange(120)[::-1]
    layouts = {
        "pca": layout_of(whole, 0),
        "tsne": layout_of(whole, 1),
        "umap": layout_of(subset, 2),
        "mds": layout_of(subset, 3),
    }
    missing = measure_layouts(layouts, features=features)
    assert computed == [120, 60]
    graph = knn_graph(features, k=90)
    assert measure_layouts(layouts, features=features, graph=graph) == missing
    assert computed == [120, 60, 60]
    turned = {"pca": Laid(*(part[::-1] for part in layouts["pca"][:3]))}
    found = measure_layouts(turned, features=features, graph=graph)
    for measure in ("knn_accuracy", "neighborhood_preservation"):
        assert value(found, "pca", measure) == pytest.approx(value(missing, "pca", measure))
    assert np.array_equal(turned["pca"].rows, reverse)
    assert computed == [120, 60, 60, 120]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (np.arange(1, 121), ["pca", "row 120", "120 rows"]),
        (np.arange(-1, 119), ["pca", "row -1"]),
        (np.arange(119), ["pca", "120 points", "(119,)"]),
        (np.arange(120) + 0.5, ["pca", "row numbers", "float64"]),
        (np.arange(120) // 2, ["pca", "row 0 more than once"]),
    ],
)
def test_rows_that_the_features_do_not_have_are_one_sentence(features, rows, words):
    _, xy, labels, _ = layout_of(np.arange(120), 0)
    with pytest.raises(InputError) as error:
        measure_layouts({"pca": Laid(rows, xy, labels)}, features=features)
    for word in words:
        assert word in str(error.value)


def test_coordinates_that_are_texts_are_one_sentence(features):
    rows, xy, labels, _ = layout_of(np.arange(120), 0)
    with pytest.raises(InputError, match="pca has coordinates"):
        measure_layouts({"pca": Laid(rows, xy.astype(str), labels)}, features=features)
    with pytest.raises(InputError, match=r"labels of shape \(119,\)"):
        measure_layouts({"pca": Laid(rows, xy, labels[1:])}, features=features)


# ---- few points


def test_few_points_have_fewer_neighbours_and_a_sentence():
    X = np.random.default_rng(0).normal(size=(9, 3))
    whole = Laid(np.arange(9), X[:, :2], np.arange(9) % 2)
    small = Laid(np.arange(6), X[:6, :2], np.arange(6) % 2)
    found = measure_layouts({"pca": whole}, features=X)
    assert found["k"] == 8
    assert value(found, "pca", "neighborhood_preservation") == 1
    (sentence,) = found["warnings"]
    for word in ("15 neighbours", "16 points", "pca has 9", "8 count"):
        assert word in sentence
    both = measure_layouts({"pca": whole, "lle": small}, features=X)  # comparable: one k for both
    assert both["k"] == 5
    alone = measure_layouts({"pca": whole}, features=X, k=5)
    of_pca = [[row for row in each["measures"] if row["space"] == "pca"] for each in (both, alone)]
    assert of_pca[0] == of_pca[1]
    assert alone["warnings"] == []
    pair = Laid(np.arange(2), X[:2, :2], np.arange(2))
    assert measure_layouts({"pca": pair}, features=X)["k"] == 1


def test_few_training_images_have_fewer_neighbours_too():
    X = np.random.default_rng(0).normal(size=(40, 3))
    split = np.where(np.arange(40) < 6, "train", "test")
    layouts = {"pca": Laid(np.arange(40), X[:, :2], np.arange(40) % 2)}
    found = measure_layouts(layouts, features=X, labels=np.arange(40) % 2, split=split)
    assert found["k"] == 5
    assert "16 training points but layout pca has 6: 5 count" in found["warnings"][0]


def test_one_point_has_no_neighbours():
    one = Laid(np.arange(1), np.zeros((1, 2)), np.zeros(1, int))
    with pytest.raises(InputError, match="pca has 1 point"):
        measure_layouts({"pca": one}, features=np.ones((3, 2)))


# ---- graphs and features from outside


def test_a_graph_that_is_too_narrow_is_not_used(features):
    layouts = {"pca": layout_of(np.arange(120), 0)}
    narrow = measure_layouts(layouts, features=features, graph=knn_graph(features, k=4))
    assert narrow == measure_layouts(layouts, features=features)


@pytest.mark.parametrize("fault", [10**6, -1, 3])
def test_a_graph_that_is_none_is_one_sentence(features, fault):
    graph = knn_graph(features, k=15)
    graph.indices[3, 0] = fault
    with pytest.raises(InputError, match="graph"):
        measure_layouts({"pca": layout_of(np.arange(120), 0)}, features=features, graph=graph)


def test_nor_is_one_of_other_points(features):
    graph = knn_graph(features[:60], k=15)
    with pytest.raises(InputError, match="60 points"):
        measure_layouts({"pca": layout_of(np.arange(120), 0)}, features=features, graph=graph)


@pytest.mark.parametrize("exponent", [-600, 0, 600])
def test_the_unit_of_the_features_does_not_matter(features, exponent):
    X = features.astype(np.float64)
    given = {"labels": np.arange(120) % 3, "split": SPLIT}
    layouts = {"pca": layout_of(np.arange(120), 0), "mds": layout_of(np.arange(60), 0)}
    expected = measure_layouts(layouts, features=X, **given)
    for histogram in expected["distances"].values():  # but for its axis, which has the unit
        histogram["features_to"] = np.ldexp(histogram["features_to"], exponent)
    assert measure_layouts(layouts, features=np.ldexp(X, exponent), **given) == expected


def test_distances_beyond_all_numbers_have_no_end_that_json_could_not_hold(features):
    X = features.astype(np.float64)
    X *= np.finfo(np.float64).max / abs(X).max()
    found = measure_layouts({"pca": layout_of(np.arange(120), 0)}, features=X)["distances"]["pca"]
    assert found["features_to"] is None
    assert np.sum(found["counts"]) == 120 * 119 / 2


# ---- the intrinsic dimension of the features


def test_images_left_out_of_the_intrinsic_dimension_are_counted(features):
    layouts = {"pca": layout_of(np.arange(120), 0)}
    features[[7, 8]] = features[3]
    found = measure_layouts(layouts, features=features, labels=np.arange(120) % 3)
    assert found["warnings"] == [
        "3 of 120 images have the same features as another: the intrinsic dimension leaves them out"
    ]
    assert 3 < value(found, FEATURES, "intrinsic_dimension") < 8
    same = measure_layouts(layouts, features=np.ones((120, 6)), labels=np.arange(120) % 3)
    assert value(same, FEATURES, "intrinsic_dimension") is None


# ---- the linear probe of the features


def test_the_probe_comes_with_labels_and_a_split(features):
    layouts = {"pca": layout_of(np.arange(120), 0)}
    labels, split = np.arange(120) % 3, np.where(np.arange(120) < 90, "train", "test")
    found = measure_layouts(layouts, features=features, labels=labels, split=split)
    assert found["probe"] == linear_probe(features, labels, split)
    assert value(found, FEATURES, "linear_probe", "test") == found["probe"]["test_accuracy"]
    assert found["warnings"] == []
    assert "probe" not in measure_layouts(layouts, features=features, labels=labels)


@pytest.mark.parametrize(
    ("labels", "split", "words"),
    [
        (np.arange(120) % 3, np.full(120, "train"), "no test image"),
        (np.arange(120) % 3, np.full(120, "test"), "no train image"),
        (np.zeros(120, int), np.where(np.arange(120) < 90, "train", "test"), "two classes"),
    ],
)
def test_a_split_that_allows_no_probe_is_a_sentence(features, labels, split, words):
    layouts = {"pca": layout_of(np.arange(120), 0)}
    found = measure_layouts(layouts, features=features, labels=labels, split=split)
    assert "probe" not in found
    assert words in found["warnings"][0]


def test_what_is_to_know_of_a_probe_is_said(features, monkeypatch):
    monkeypatch.setattr(probe, "WORK", 6 * 3 * 30)
    monkeypatch.setattr(probe, "MAX_ITER", 1)
    labels, split = np.arange(120) % 3, np.where(np.arange(120) < 90, "train", "test")
    layouts = {"pca": layout_of(np.arange(120), 0)}
    drawn, unfinished = measure_layouts(layouts, features=features, labels=labels, split=split)[
        "warnings"
    ]
    assert "30 of 90" in drawn
    assert "not converge" in unfinished


def test_without_labels_all_is_measured_but_classes(features):
    rows, xy, *_ = layout_of(np.arange(120), 0)
    with_labels = measure_layouts(
        {"pca": Laid(rows, xy, np.zeros(120, int), SPLIT)}, features=features
    )
    found = measure_layouts({"pca": Laid(rows, xy, None, SPLIT)}, features=features)
    of_classes = {
        *("knn_accuracy", "knn_balanced_accuracy", "own_class_share", "majority_baseline"),
        "cdnv",
    }
    rest = [row for row in with_labels["measures"] if row["measure"] not in of_classes]
    assert found["measures"] == rest  # one class is one stratum, as none is
    assert {row["measure"] for row in rest} >= {"hubness", "trustworthiness", "r_nx_area"}
    assert found["mixing"] == {}
    assert "probe" not in found
