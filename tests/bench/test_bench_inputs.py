"""Are inputs reproducible, and does the manifest name what exists?"""

import numpy as np
import pandas as pd
import pytest

from bench.run.manifest import MANIFEST, load_manifest
from bench.what import engines, peers
from bench.what.inputs import load_images, load_input, mixture
from pipeline.errors import InputError


def test_another_input_is_laid_out_but_gives_no_images():
    rows = load_manifest().select("gpu", input="mixture1280")
    inputs = {(row.step == "features", row.input) for row in rows}
    assert inputs == {(True, "mnist"), (False, "mixture1280")}
    with pytest.raises(InputError, match="no images to extract features from"):
        load_images(load_manifest().inputs["mixture"], 10)
    images, labels = load_images({"source": "digits"}, 100)
    assert images.shape == (100, 8, 8, 1)
    assert images.dtype == np.uint8
    assert (np.bincount(labels) >= 8).all()


def test_inputs_are_reproducible_and_say_what_is_missing(tmp_path):
    X, labels = mixture(500, 32, classes=5, seed=1)
    again, _ = mixture(500, 32, classes=5, seed=1)
    other, _ = mixture(500, 32, classes=5, seed=2)
    assert np.array_equal(X, again)
    assert not np.array_equal(X, other)
    assert np.bincount(labels).tolist() == [100] * 5
    np.save(tmp_path / "f.npy", X)
    table = pd.DataFrame({"id": np.arange(500), "split": "train", "label": labels})
    table.to_parquet(tmp_path / "t.parquet")
    spec = {"features": str(tmp_path / "f.npy"), "table": str(tmp_path / "t.parquet")}
    part, classes = load_input(spec, 50)
    assert part.shape == (50, 32)
    assert np.bincount(classes).tolist() == [10] * 5
    with pytest.raises(InputError, match="500 rows but n is 501"):
        load_input(spec, 501)
    with pytest.raises(InputError, match="does not exist"):
        load_input({**spec, "features": "nowhere.npy"}, 5)


def test_every_row_of_the_manifest_names_something_that_exists():
    for workloads in load_manifest().profiles.values():
        for row in workloads:
            if row.peer:
                assert callable(getattr(peers, row.peer))
            else:
                assert callable(engines.find(row.step, row.engine))
        keys = [row.key for row in workloads]
        assert len(keys) == len(set(keys))


def test_a_wrong_manifest_is_one_sentence(tmp_path):
    text = MANIFEST.read_text()
    for old, new, message in (
        ("repeats: 2", "repeat: 2", "unknown key 'repeat' in profile tiny"),
        ("peer: sklearn_pca}", "peer: sklearn_pca, engine: exact}", "engine or peer"),
        ("input: mixture\n", "input: mixtur\n", "unknown input 'mixtur'"),
    ):
        (tmp_path / "manifest.yaml").write_text(text.replace(old, new, 1))
        with pytest.raises(InputError, match=message):
            load_manifest(tmp_path / "manifest.yaml")
    with pytest.raises(InputError, match="matches 'nothing'"):
        load_manifest().select("tiny", only="nothing")
    with pytest.raises(InputError, match=r"matches 'mds' and \[7\]"):
        load_manifest().select("tiny", only="mds", n=[7])
    assert [row.n for row in load_manifest().select("tiny", only="mds", n=[150])] == [150]
    assert {row.step for row in load_manifest().select("peers", only="mds")} == {"mds"}
