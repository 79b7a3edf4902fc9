"""Does the verb compare two networks block by block, and refuse what does not belong together?"""

import shutil

import keras
import pandas as pd
import pytest
from command_line import tunescope
from test_cli import sentence

from pipeline import artefacts, store
from pipeline.results import _depth_profile


def network(seed, *, width=4):
    keras.utils.set_random_seed(seed)
    images = keras.Input((8, 8, 1), dtype="uint8")
    x = keras.layers.Rescaling(1 / 16)(images)
    x = keras.layers.Conv2D(width, 3, activation="relu", name="early")(x)
    x = keras.layers.Conv2D(6, 3, strides=2, activation="relu", name="late")(x)
    return keras.Model(images, keras.layers.GlobalAveragePooling2D(name="features")(x))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of digits, and two networks as their steps would have written them."""
    path = tmp_path_factory.mktemp("depth")
    tunescope("dataset", "--source", "digits", "--subset", 100, "--out", path / "images.npy")
    shared = {**artefacts.context(path / "images.npy"), "backbone": "mine", "weights": "random"}
    for stage, seed in (("before", 0), ("after", 1)):
        made = {"step": stage, "inputs": [], "context": {**shared, "stage": stage}}
        store.save_model(path / f"{stage}.keras", network(seed), made)
    store.save_model(path / "wide.keras", network(0, width=9), {"step": "other", "inputs": []})
    return path


def arguments(folder, **changes):
    given = {
        **{"before": folder / "before.keras", "after": folder / "after.keras"},
        **{"images": folder / "images.npy", "table": folder / "images.parquet"},
        **{"out": folder / "depth.json", **changes},
    }
    return ["depth", *(word for name, value in given.items() for word in (f"--{name}", value))]


def test_two_networks_are_compared_block_by_block(folder):
    tunescope(*arguments(folder))
    found = store.load_measures(folder / "depth.json")
    assert found["blocks"] == [
        {"layer": "early", "features": 4},
        {"layer": "late", "features": 6},
    ]
    assert found["sample"] == found["images"] == 100
    made = artefacts.read_sidecar(folder / "depth.json")
    assert made["context"]["backbone"] == "mine"
    assert len(made["inputs"]) == 4
    quality = folder / "quality.json"
    store.save_json(quality, {"k": 15, "measures": [], "warnings": []}, {"step": "quality"})
    tunescope(
        *("summary", "--quality", quality, "--depth", folder / "depth.json"),
        *("--measures", folder / "measures.csv", "--out", folder / "summary.csv"),
    )
    table = pd.read_csv(folder / "measures.csv")
    assert set(table["space"]) == {"features of early", "features of late"}
    probes = table[table["measure"] == "linear_probe"]
    assert set(probes["stage"]) == {"before", "after"}
    assert set(table[table["measure"] == "cka"]["stage"]) == {"change"}
    assert set(table["backbone"]) == {"mine"}


def test_a_profile_of_other_networks_is_left_out_of_the_page_and_said(folder, tmp_path, caplog):
    made = {"step": "depth", "inputs": [folder / "before.keras", folder / "after.keras"]}
    store.save_json(tmp_path / "depth.json", {"k": 15, "measures": [], "warnings": []}, made)
    (tmp_path / "after").mkdir()
    for name, found in (("after.keras", True), ("wide.keras", False)):
        for suffix in ("", ".json"):
            shutil.copy(folder / f"{name}{suffix}", tmp_path / f"after/model.keras{suffix}")
        assert (_depth_profile(tmp_path) is not None) == found
    assert "no depth profile" in caplog.text
    assert "was not made from" in caplog.text
    assert _depth_profile(folder / "nothing here") is None


def test_networks_of_another_width_are_refused(folder):
    error = tunescope(*arguments(folder, after=folder / "wide.keras"), status=2)
    assert "a depth profile compares two networks of one architecture" in sentence(error)


def test_a_table_of_other_images_is_refused(folder, tmp_path):
    other = tmp_path / "other.npy"
    tunescope("dataset", "--source", "digits", "--subset", 60, "--out", other)
    error = tunescope(*arguments(folder, table=tmp_path / "other.parquet"), status=2)
    assert "give the table of the same images" in sentence(error)
