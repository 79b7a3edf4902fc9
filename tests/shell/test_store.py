"""Is every artefact whole, described, and checked when it is read?"""

import json
import os

import numpy as np
import pytest

from pipeline import store
from pipeline.errors import InputError
from pipeline.images.dataset import Dataset
from pipeline.neighbors.graph import Graph


def test_a_failed_write_leaves_the_old_artefact_and_nothing_else(tmp_path):
    path = tmp_path / "features.npy"
    store.save_features(path, np.ones((2, 2), np.float32), {})

    def half_written(temporary):
        temporary.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(temporary))

    with pytest.raises(OSError, match="No space left") as caught:
        store.write(path, half_written, {})
    assert caught.value.filename == str(path)
    assert np.array_equal(store.load_features(path), np.ones((2, 2)))
    assert sorted(os.listdir(tmp_path)) == ["features.npy", "features.npy.json"]


def test_the_sidecar_says_how_and_from_what(tmp_path):
    first, second = tmp_path / "a.npy", tmp_path / "b.npy"
    store.save_features(first, np.zeros((3, 2), np.float32), {"context": {"stage": "before"}})
    store.save_features(
        second, np.zeros((3, 2), np.float32), {"inputs": [first], "seed": np.int64(7)}
    )
    made = json.loads(store.sidecar(second).read_text())
    assert made["inputs"] == {str(first): store.sha256(first)}
    assert made["seed"] == 7
    assert made["sha256"] == store.sha256(second)
    assert made["versions"]["numpy"] == np.__version__
    assert store.context(first) == {"stage": "before"}


def test_a_damaged_artefact_is_refused(tmp_path):
    path = tmp_path / "features.npy"
    store.save_features(path, np.zeros((3, 2), np.float32), {})
    np.save(path, np.ones((3, 2), np.float32))
    with pytest.raises(InputError, match=r"features\.npy is damaged"):
        store.load_features(path)


def test_a_users_own_file_needs_no_sidecar(tmp_path):
    path = tmp_path / "mine.npy"
    np.save(path, np.arange(6.0).reshape(3, 2))
    assert store.load_features(path)[2, 1] == 5.0


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


def test_round_trips(tmp_path):
    data = Dataset(
        images=np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3, 1),
        labels=np.array([0, 1]),
        class_names=("nought", "größer"),
        split=np.array(["train", "test"]),
        provenance={"source": "here"},
    )
    store.save_dataset(tmp_path / "d.npz", data, {})
    again = store.load_dataset(tmp_path / "d.npz")
    assert np.array_equal(again.images, data.images)
    assert again.class_names == data.class_names
    assert again.provenance == data.provenance

    graph = Graph(np.array([[1], [0]], np.int32), np.array([[2.0], [2.0]], np.float32))
    store.save_graph(tmp_path / "g.npz", graph, {})
    assert np.array_equal(store.load_graph(tmp_path / "g.npz").distances, graph.distances)

    labels = store.load_labels(tmp_path / "d.npz", points=2)
    assert np.array_equal(labels.labels, data.labels)
    assert np.array_equal(labels.split, data.split)
    assert store.load_image_shape(tmp_path / "d.npz") == (3, 3, 1)
    xy = np.array([[1.0, 2.0]], np.float32)
    store.save_layout(tmp_path / "l.parquet", np.array([1]), xy, labels, {})
    table = store.load_layout(tmp_path / "l.parquet")
    assert list(table.columns) == ["id", "split", "label", "x", "y"]
    assert list(table["split"]) == ["test"]
    rows, again, codes, names = store.load_labelled_layout(tmp_path / "l.parquet")
    assert (rows, codes) == ([1], [1])
    assert np.array_equal(again, xy)
    # A class without a point keeps its place, so that colours stay the same from layout to layout.
    assert names == ("nought", "größer")


def test_a_sidecar_of_an_earlier_version_is_read(tmp_path):
    """Where a step was called a stage."""
    path = tmp_path / "pca.parquet"
    store.save_layout(path, np.arange(2), np.zeros((2, 2)), None, {"context": {"stage": "after"}})
    old = {**store.read_sidecar(path), "stage": "embed"}
    store.sidecar(path).write_text(json.dumps(old))
    assert store.load_sidecar(path)["step"] == "embed"
    assert store.context(path) == {"stage": "after"}
    assert len(store.load_layout(path)) == 2


def test_an_artefact_must_say_its_step_where_run_times_are_asked_for(tmp_path):
    (tmp_path / "mine.csv").write_text("x\n")
    with pytest.raises(InputError, match="does not say which step wrote"):
        store.load_sidecar(tmp_path / "mine.csv")


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
