"""Is each backbone the network its name says, with the weights its provenance says?"""

import importlib
import importlib.resources
import shutil

import numpy as np
import pytest
from pooch import file_hash

from pipeline.errors import InputError
from pipeline.networks import backbone as backbones
from pipeline.networks.backbone import BACKBONES, build_backbone
from pipeline.runtime.downloads import RemoteFile

RNG = np.random.default_rng(0)
TINY = {"name": "MobileNet", "input_shape": (8, 8, 1), "image_size": 32, "alpha": 0.25}


def images(n, h=8, w=8, c=1):
    return RNG.integers(0, 256, (n, h, w, c), dtype=np.uint8)


def tiny(weights="random", **changes):
    return build_backbone(**{**TINY, **changes}, weights=weights)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """One random MobileNet, as weights without the top and as a model with a head."""
    import keras

    folder = tmp_path_factory.mktemp("weights")
    model, _ = tiny(seed=7)
    model.save_weights(folder / "no_top.weights.h5")
    head = keras.layers.Dense(3, name="head")
    keras.Model(model.input, head(model.output)).save(folder / "model.keras")
    return folder, model


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", BACKBONES)
def test_takes_stored_images_and_gives_keras_own_features(name, channels):
    import keras

    model, provenance = build_backbone(
        name, input_shape=(20, 28, channels), image_size=32, weights="random"
    )
    batch = images(2, 20, 28, channels)
    features = np.asarray(model(batch))
    assert provenance["label"] == "random weights, seed 0"
    assert features.dtype == np.float32

    # The same by hand: Keras's network on the images that Keras resized and preprocessed.
    rgb = np.repeat(batch, 3 // channels, axis=-1).astype(np.float32)
    resized = keras.layers.Resizing(32, 32)(rgb)
    module = importlib.import_module(f"keras.applications.{BACKBONES[name].module}")
    prepared = module.preprocess_input(np.array(resized, np.float32))
    network = getattr(keras.applications, name)(
        include_top=False, weights=None, input_shape=(32, 32, 3), pooling="avg"
    )
    network.set_weights(model.get_weights())
    np.testing.assert_allclose(features, np.asarray(network(prepared)), rtol=1e-4, atol=1e-5)


def test_the_seed_decides_random_weights():
    first, again, other = (tiny(seed=seed)[0].get_weights()[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_saving_and_loading_changes_nothing(saved):
    import keras

    folder, _ = saved
    model = keras.models.load_model(folder / "model.keras")
    model.save(folder / "again.keras")
    again = keras.models.load_model(folder / "again.keras")
    batch = images(3)
    np.testing.assert_array_equal(np.asarray(model(batch)), np.asarray(again(batch)))


@pytest.mark.parametrize("file", ["no_top.weights.h5", "model.keras"])
def test_weights_come_from_a_file_also_for_other_image_sizes(saved, file):
    folder, model = saved
    loaded, provenance = tiny(folder / file, input_shape=(16, 16, 3), image_size=40)
    for ours, theirs in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert provenance["label"] == f"weights from {file}"
    assert len(provenance["sha256"]) == 64
    assert not provenance["verified"]


def test_imagenet_uses_the_file_that_is_there_and_checks_its_hash(saved, tmp_path, monkeypatch):
    _, model = saved
    name = "mobilenet_2_5_224_tf_no_top.h5"
    keras_file = tmp_path / name
    model.save_weights(tmp_path / "w.weights.h5")
    shutil.move(tmp_path / "w.weights.h5", keras_file)
    monkeypatch.setattr(backbones, "_load", lambda model, path, name: None)

    _, provenance = tiny("imagenet", resources=tmp_path)
    assert (provenance["file"], provenance["verified"]) == (name, False)
    assert len(provenance["warnings"]) == 1  # one feature per channel: 1 x 1

    md5 = file_hash(keras_file, "md5")
    row = BACKBONES["MobileNet"]
    for published in (md5, "0" * 32):
        file = RemoteFile(name, "https://example.invalid", f"md5:{published}")
        changed = backbones.Backbone(
            row.module, row.feature_layer, lambda alpha, size, file=file: file, row.alphas
        )
        monkeypatch.setitem(BACKBONES, "MobileNet", changed)
        if published == md5:
            assert tiny("imagenet", resources=tmp_path)[1]["verified"]
        else:
            with pytest.raises(InputError, match=f"{name} has MD5 {md5} where Keras publishes 000"):
                tiny("imagenet", resources=tmp_path)


def test_no_network_and_no_file_names_the_file_and_the_folder(tmp_path, monkeypatch):
    row, url = BACKBONES["VGG16"], "http://127.0.0.1:9/vgg16.h5"  # the discard port, closed
    file = row.imagenet(1.0, 32)._replace(url=url)
    offline = backbones.Backbone(row.module, row.feature_layer, lambda alpha, size: file)
    monkeypatch.setitem(BACKBONES, "VGG16", offline)
    folder = tmp_path / "resources"
    with pytest.raises(
        InputError,
        match=rf"{url} .*refused.*put by hand .*resources/vgg16_weights_tf_dim_ordering.*h5 \(md5:",
    ):
        build_backbone("VGG16", input_shape=(8, 8, 3), image_size=32, resources=folder)
    assert list(folder.iterdir()) == []


def test_demo_weights_are_those_of_the_file_in_the_package():
    shipped = importlib.resources.files("pipeline.workflow") / backbones._DEMO
    demo, provenance = tiny("demo")
    loaded, of_file = tiny(str(shipped))
    for ours, theirs in zip(demo.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert provenance.pop("label") == "CIFAR-10 weights of the demo"
    assert of_file.pop("label") == "weights from mobilenet_025_32_cifar10.keras"
    assert provenance == of_file | {"weights": "demo"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": "LeNet"}, "backbone 'LeNet' is unknown: choose one of VGG16"),
        ({"image_size": 31}, "image_size 31 is below the minimum of MobileNet: use 32"),
        ({"input_shape": (8, 8, 4)}, r"\(8, 8, 4\) are neither grey nor RGB"),
        ({"name": "VGG16", "alpha": 0.5}, "VGG16 has no width multiplier: remove alpha 0.5"),
        ({"alpha": 0.0}, "alpha 0.0 of MobileNet is not a width"),
        ({"alpha": 0.3, "weights": "imagenet"}, "alpha 0.3 .* use one of 0.25, 0.5, 0.75, 1.0"),
        ({"weights": "no/such.h5"}, "no/such.h5 do not exist"),
        (
            {"weights": "demo", "alpha": 0.5},
            "MobileNet with alpha 0.25, not of MobileNet with alpha 0.5",
        ),
        (
            {"weights": "demo", "name": "VGG16", "alpha": 1.0},
            "alpha 0.25, not of VGG16 with alpha 1.0",
        ),
    ],
)
def test_bad_input_is_one_sentence(changes, sentence):
    with pytest.raises(InputError, match=sentence):
        tiny(**changes)


@pytest.mark.parametrize("file", ["no_top.weights.h5", "model.keras"])
def test_damaged_or_foreign_weights_are_refused(saved, tmp_path, file):
    folder, _ = saved
    content = (folder / file).read_bytes()
    cut, text = tmp_path / f"cut_{file}", tmp_path / f"text_{file}"
    cut.write_bytes(content[: len(content) // 2])
    text.write_text("not weights")
    for damaged in (cut, text):
        with pytest.raises(InputError, match=rf"{damaged.name} cannot be read"):
            tiny(damaged)
    for changes in ({"alpha": 0.5}, {"name": "MobileNetV2", "alpha": 0.35}):
        with pytest.raises(
            InputError, match=rf"{file} do not fit {changes.get('name', 'MobileNet')}"
        ):
            tiny(folder / file, **changes)


def test_a_width_that_leaves_no_filter_is_refused():
    with pytest.raises(
        InputError, match=r"alpha 0\.001 of MobileNet leaves a layer without filters"
    ):
        build_backbone(
            "MobileNet", input_shape=(8, 8, 1), image_size=32, weights="random", alpha=0.001
        )
