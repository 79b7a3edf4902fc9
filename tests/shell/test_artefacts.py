"""Is every artefact written whole, described, and checked against what it was made from?"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from pipeline import artefacts, store
from pipeline.errors import InputError


def test_a_failed_write_leaves_the_old_artefact_and_nothing_else(tmp_path):
    path = tmp_path / "features.npy"
    store.save_features(path, np.ones((2, 2), np.float32), {})

    def half_written(temporary):
        temporary.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(temporary))

    with pytest.raises(OSError, match="No space left") as caught:
        artefacts.write(path, half_written, {})
    assert caught.value.filename == str(path)
    assert np.array_equal(store.load_features(path), np.ones((2, 2)))
    assert sorted(os.listdir(tmp_path)) == ["features.npy", "features.npy.json"]


def test_the_sidecar_says_how_and_from_what(tmp_path):
    first, second = tmp_path / "a.npy", tmp_path / "b.npy"
    store.save_features(first, np.zeros((3, 2), np.float32), {"context": {"stage": "before"}})
    store.save_features(
        second, np.zeros((3, 2), np.float32), {"inputs": [first], "seed": np.int64(7)}
    )
    made = json.loads(artefacts.sidecar(second).read_text())
    assert made["inputs"] == {str(first): artefacts.sha256(first)}
    assert made["seed"] == 7
    assert made["sha256"] == artefacts.sha256(second)
    assert made["versions"]["numpy"] == np.__version__
    assert artefacts.context(first) == {"stage": "before"}


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


def test_an_artefact_must_say_its_step_where_run_times_are_asked_for(tmp_path):
    (tmp_path / "mine.csv").write_text("x\n")
    with pytest.raises(InputError, match="does not say which step wrote"):
        artefacts.load_sidecar(tmp_path / "mine.csv")


def saved(path, value=0.0, **metadata):
    store.save_features(path, np.full((3, 2), value, np.float32), metadata)
    return path


def test_the_artefact_is_there_before_its_sidecar(tmp_path, monkeypatch):
    """Killed between the two renames, no sidecar describes what is not there."""
    renamed = []
    replace = type(tmp_path).replace

    def spy(source, target):
        renamed.append(target.name)
        return replace(source, target)

    monkeypatch.setattr(type(tmp_path), "replace", spy)
    saved(tmp_path / "f.npy")
    assert renamed == ["f.npy", "f.npy.json"]


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    code = f"""
import os, signal
from pathlib import Path
from pipeline.artefacts import atomic
with atomic(Path({str(tmp_path / "graph.npz")!r})) as path:
    path.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -9
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".writing-")
    with artefacts.atomic(tmp_path / "other.npy") as running:
        saved(tmp_path / "f.npy")
        assert not left.exists()
        assert running.exists()  # of a process that lives
    elsewhere = tmp_path / ".writing-another-machine-1-x.npy"
    elsewhere.touch()
    saved(tmp_path / "f.npy")
    assert elsewhere.exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("graph", "must end in .npz"),
        ("graph.npy", "must end in .npz"),
        ("folder.npz", "is a folder"),
        ("given.npz", "is an input too"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_anything_is_computed(tmp_path, name, words):
    (tmp_path / "folder.npz").mkdir()
    given = tmp_path / "given.npz"
    given.touch()
    with pytest.raises(InputError, match=words):
        artefacts.check_output(tmp_path / name, [".npz"], inputs=[tmp_path / "." / given.name])
    artefacts.check_output(tmp_path / "new" / "folder" / "graph.NPZ", [".npz"], inputs=[given])
    assert not (tmp_path / "new").exists()


def test_an_output_in_no_folder_is_named(tmp_path):
    (tmp_path / "results").touch()
    with pytest.raises(NotADirectoryError) as caught:
        artefacts.check_output(tmp_path / "results/a/b.npy", [".npy"])
    assert caught.value.filename == str(tmp_path / "results")


def test_an_artefact_of_another_source_is_refused(tmp_path):
    source, other = saved(tmp_path / "a.npy"), saved(tmp_path / "b.npy", 1.0)
    made = saved(tmp_path / "c.npy", inputs=[source])
    artefacts.check_made_from(made, source)
    with pytest.raises(InputError, match=r"c\.npy was not made from .*b\.npy but from .*a\.npy"):
        artefacts.check_made_from(made, other)
    own = tmp_path / "own.npy"
    np.save(own, np.zeros((3, 2)))
    artefacts.check_made_from(own, other)  # nobody knows


def test_features_and_a_table_of_other_images_are_refused(tmp_path):
    images, others = saved(tmp_path / "i.npy"), saved(tmp_path / "o.npy", 1.0)
    features = saved(tmp_path / "f.npy", 2.0, inputs=[saved(tmp_path / "model.npy", 3.0), images])
    table = saved(tmp_path / "t.npy", 4.0, inputs=[images])
    artefacts.check_same_images(features, table)
    with pytest.raises(InputError, match=r"which .* describes"):
        artefacts.check_same_images(features, saved(tmp_path / "u.npy", 5.0, inputs=[others]))


def test_images_and_a_table_of_others_are_refused(tmp_path):
    images, others = saved(tmp_path / "i.npy"), saved(tmp_path / "o.npy", 1.0)
    table = saved(tmp_path / "t.npy", 4.0, inputs=[images])
    artefacts.check_same_images(images, table)
    with pytest.raises(InputError, match=r"o\.npy is not .*i\.npy, which .* describes"):
        artefacts.check_same_images(others, table)


def test_the_sidecar_of_an_input_is_no_output(tmp_path):
    source = saved(tmp_path / "a.npy")
    with pytest.raises(InputError, match="is the sidecar of an input"):
        artefacts.check_output(tmp_path / "a.npy.json", [".json"], inputs=[source])


def test_an_output_whose_sidecar_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "a.npy.json").mkdir()
    with pytest.raises(InputError, match="for the sidecar of --out, is a folder"):
        artefacts.check_output(tmp_path / "a.npy", [".npy"])
    artefacts.check_output(tmp_path / f"{'n' * 246}.npy", [".npy"])
    with pytest.raises(InputError, match="a name of 251 bytes but at most 250"):
        artefacts.check_output(tmp_path / f"{'n' * 247}.npy", [".npy"])


def test_outputs_of_one_name_are_refused(tmp_path):
    given = {"--out": tmp_path / "a.png", "--preview": tmp_path / "b.png", "--classes": None}
    artefacts.check_outputs_differ(given)
    with pytest.raises(InputError, match="--out and --classes are both"):
        artefacts.check_outputs_differ({**given, "--classes": tmp_path / "x/../a.png"})


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    artefacts.check_folder(tmp_path / "panels", option="--panels")
    assert not (tmp_path / "panels").exists()
    (tmp_path / "panels").touch()
    with pytest.raises(InputError, match=r"--panels .* is a file"):
        artefacts.check_folder(tmp_path / "panels", option="--panels")


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"context": 3}', '{"inputs": []}', "[" * 100_000, '{"sha256": 1}']
)
def test_a_sidecar_that_is_none_is_one_sentence(tmp_path, text):
    path = saved(tmp_path / "f.npy")
    artefacts.sidecar(path).write_text(text)
    with pytest.raises(InputError, match=r"f\.npy\.json is not valid JSON of Tunescope"):
        store.load_features(path)
