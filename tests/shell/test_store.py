"""Does every file hold what was written, and is another one refused in one sentence?"""

import json

import numpy as np
import pandas as pd
import pytest

from pipeline import artefacts, store
from pipeline.errors import InputError
from pipeline.images.dataset import Dataset
from pipeline.neighbors.graph import Graph


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros(3), "two-dimensional"),
        (np.zeros((3, 2), complex), "complex128"),
        (np.array([[{}]]), "not a readable .npy"),
    ],
)
def test_features_of_another_kind_are_refused(tmp_path, array, words):
    path = tmp_path / "features.npy"
    np.save(path, array, allow_pickle=True)
    with pytest.raises(InputError, match=words):
        store.load_features(path)


@pytest.fixture
def dataset():
    return Dataset(
        images=np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3, 1),
        labels=np.array([0, 1]),
        class_names=("nought", "größer"),
        split=np.array(["train", "test"]),
        ids=np.array([4, 7]),
        files=("nought/a.png", "größer/b.png"),
        provenance={"source": "here"},
        warnings=(),
    )


@pytest.fixture
def table(dataset, tmp_path):
    store.save_dataset(tmp_path / "i.npy", tmp_path / "i.parquet", dataset, {})
    return store.load_table(tmp_path / "i.parquet", points=2)


def test_a_data_set_round_trips(dataset, table, tmp_path):
    assert np.array_equal(store.load_images(tmp_path / "i.npy"), dataset.images)
    assert table.ids.tolist() == [4, 7]
    assert table.files.tolist() == list(dataset.files)
    assert table.split.tolist() == ["train", "test"]
    assert table.labels.tolist() == [0, 1]
    assert table.class_names == dataset.class_names
    made = artefacts.read_sidecar(tmp_path / "i.parquet")
    assert made["provenance"] == {"source": "here"}
    assert list(made["inputs"].values()) == [artefacts.sha256(tmp_path / "i.npy")]


def test_a_graph_round_trips(tmp_path):
    graph = Graph(np.array([[1], [0]], np.int32), np.array([[2.0], [2.0]], np.float32))
    store.save_graph(tmp_path / "g.npz", graph, {})
    assert np.array_equal(store.load_graph(tmp_path / "g.npz").distances, graph.distances)


def test_a_layout_of_some_rows_says_which_images_they_are(table, tmp_path):
    xy = np.array([[1.0, 2.0]], np.float32)
    store.save_layout(tmp_path / "l.parquet", np.array([1]), xy, table, {})
    columns = store.load_layout(tmp_path / "l.parquet")
    assert list(columns.columns) == ["row", "id", "file", "split", "label", "x", "y"]
    assert columns.iloc[0].tolist() == [1, 7, "größer/b.png", "test", "größer", 1.0, 2.0]
    layout = store.load_labelled_layout(tmp_path / "l.parquet")
    assert (layout.rows, layout.ids, layout.labels, layout.split) == ([1], [7], [1], ["test"])
    assert np.array_equal(layout.xy, xy)
    # A class without a point keeps its place, so that colours stay the same from layout to layout.
    assert layout.class_names == ("nought", "größer")


def test_predictions_say_which_images_are_taken_for_another_class(table, tmp_path):
    probabilities = np.array([[0.75, 0.25], [0.625, 0.375]], np.float32)
    store.save_predictions(tmp_path / "p.parquet", probabilities, table, {})
    columns = pd.read_parquet(tmp_path / "p.parquet")
    assert list(columns["prediction"]) == ["nought", "nought"]
    assert list(columns["confidence"]) == [0.75, 0.625]
    assert store.load_errors(tmp_path / "p.parquet").to_dict() == {4: False, 7: True}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"split": ["train", "val"]}, "split 'val'"),
        ({"label": ["a", None]}, "no label in row 1"),
        ({"id": None}, "no column id"),
    ],
)
def test_a_table_of_another_kind_is_refused(tmp_path, change, words):
    columns = {"id": [0, 1], "split": ["train", "test"], "label": ["a", "b"], **change}
    known = {name: values for name, values in columns.items() if values is not None}
    pd.DataFrame(known).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match=words):
        store.load_table(tmp_path / "t.parquet")


def test_a_table_of_other_images_is_refused(table, tmp_path):
    with pytest.raises(InputError, match="has 2 images but the features have 3 rows"):
        store.load_table(tmp_path / "i.parquet", points=3)


def test_no_file_is_written_under_another_name(tmp_path):
    """NumPy appends its suffix to a name without one."""
    store.save_features(tmp_path / "F", np.ones((2, 2), np.float32), {})
    assert np.load(tmp_path / "F").sum() == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["F", "F.json"]


def test_truncated_files_are_named(tmp_path):
    graph = Graph(np.zeros((9, 2), np.int32), np.zeros((9, 2), np.float32))
    store.save_graph(tmp_path / "g.npz", graph, {})
    whole = (tmp_path / "g.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut\.npz is not a readable \.npz"):
        store.load_graph(tmp_path / "cut.npz")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"cut\.parquet is not a readable"):
        store.load_layout(tmp_path / "cut.parquet")
    (tmp_path / "cut.keras").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"cut\.keras is not a readable"):
        store.load_model(tmp_path / "cut.keras")


def test_pickles_are_refused(tmp_path):
    np.savez(
        tmp_path / "evil.npz",
        indices=np.array([[print]], dtype=object),
        distances=np.zeros((1, 1)),
    )
    with pytest.raises(InputError, match=r"evil\.npz is not a readable"):
        store.load_graph(tmp_path / "evil.npz")


@pytest.mark.parametrize("name", ["X.csv", "X.npz"])
def test_features_in_another_format_are_sent_to_the_verb_that_reads_them(tmp_path, name):
    path = tmp_path / name
    if name == "X.csv":
        path.write_text("f0,f1\n1,2\n")
    else:
        np.savez(path, X=np.ones((3, 2)))
    with pytest.raises(InputError, match=r"is not a .npy file.* `tunescope compare`, which reads"):
        store.load_features(path)


FORMULAS = ['=HYPERLINK("x")', "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\tx"]


def test_a_spreadsheet_computes_no_name(tmp_path):
    numbers = pd.Series([-1, None, 2.5, "-3", "+4"], dtype=object)
    plain = pd.DataFrame({"n": numbers, "x": [-0.5, np.nan, 1e-9, 3, -4], "name": list("abcde")})
    assert store.csv_text(plain) == plain.to_csv(index=False)
    named = plain.assign(name=FORMULAS, kind=pd.Categorical(FORMULAS))
    store.save_csv(tmp_path / "t.csv", named, {})
    read = store.load_csv(tmp_path / "t.csv")
    assert read["name"].tolist() == read["kind"].tolist() == [f"'{each}" for each in FORMULAS]
    assert named["name"].tolist() == FORMULAS


@pytest.mark.parametrize("wrong", [[], {"1": None}, {"1": [{"space": "tsne"}]}])
def test_measures_of_other_layout_seeds_are_checked_as_the_first(tmp_path, wrong):
    path = tmp_path / "quality.json"
    path.write_text(json.dumps({"k": 5, "measures": [], "layout_seeds": {}}))
    assert store.load_measures(path)["k"] == 5
    path.write_text(json.dumps({"k": 5, "measures": [], "layout_seeds": wrong}))
    with pytest.raises(InputError, match="does not hold measures"):
        store.load_measures(path)
