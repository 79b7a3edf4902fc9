"""Are the blocks of a network found, and their pooled outputs those of the network itself?"""

import keras
import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.networks import blocks as module
from pipeline.networks.backbone import BACKBONES, FEATURES, build_backbone
from pipeline.networks.blocks import BLOCKS, block_layers, pooled_blocks, shared_blocks
from pipeline.networks.features import extract_features

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 8, 8, 1), dtype=np.uint8)


def built(name, *, image_size=32, alpha=1.0, seed=0):
    options = {"input_shape": (8, 8, 1), "image_size": image_size, "weights": "random"}
    return build_backbone(name, alpha=alpha, seed=seed, **options)[0]


@pytest.mark.parametrize("name", BACKBONES)
def test_the_table_is_that_of_the_networks(name):
    """At 32 pixels, where the last maps are 1 x 1."""
    model = built(name)
    assert block_layers(model) == list(BLOCKS[name])
    order = [layer.name for layer in model.layers]
    assert sorted(BLOCKS[name], key=order.index) == list(BLOCKS[name])
    for layer, width in BLOCKS[name].items():
        assert model.get_layer(layer).output.shape[-1] == width
    assert list(BLOCKS[name])[-1] == BACKBONES[name].feature_layer


@pytest.mark.parametrize(("name", "alpha"), [("MobileNet", 0.25), ("MobileNetV2", 1.3)])
def test_another_width_and_size_have_the_same_blocks(name, alpha):
    model = built(name, image_size=40, alpha=alpha)
    assert block_layers(model) == list(BLOCKS[name])


def test_of_another_network_the_last_layer_of_each_size_that_every_path_crosses(monkeypatch):
    network = built("ResNet50V2")
    monkeypatch.setattr(module, "BLOCKS", {})
    assert block_layers(network) == [
        "conv1_conv",
        "conv2_block2_out",  # the third block halves the map within
        "conv3_block3_out",
        "conv4_block5_out",
        "post_relu",
    ]


def small(factor=1.0, *, name="mine", flat=False):
    """A user's network: a stem, a residual block, a pooled or a flattened output."""
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 1), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255, name="rescaled")(images)
    x = keras.layers.Conv2D(4, 3, activation="relu", name="stem")(x)
    y = keras.layers.Conv2D(4, 3, padding="same", name="within")(x)
    x = keras.layers.Add(name="sum")([x, y * factor])
    x = keras.layers.ZeroPadding2D(2, name="padded")(x)
    x = keras.layers.Conv2D(6, 3, strides=2, activation="relu", name="last")(x)
    if flat:
        x = keras.layers.Flatten()(x)
        x = keras.layers.Dense(5, name=FEATURES)(x)
    else:
        x = keras.layers.GlobalAveragePooling2D(name=FEATURES)(x)
    return keras.Model(images, x, name=name)


def test_a_users_network_needs_no_table_and_its_output_counts_where_it_is_more_than_a_pool():
    assert block_layers(small()) == ["sum", "last"]
    assert block_layers(small(name="VGG16")) == ["sum", "last"]
    assert block_layers(small(flat=True)) == ["sum", "last", FEATURES]
    vectors = keras.Input((4,))
    with pytest.raises(InputError, match="a depth profile needs convolutions"):
        block_layers(keras.Model(vectors, keras.layers.Dense(2)(vectors)))


def test_blocks_are_those_that_extraction_gives_layer_by_layer(monkeypatch):
    before, after = small(), small(factor=0.5)
    layers = shared_blocks(before, after)
    monkeypatch.setattr(module, "CHUNK", 3)
    chunks = list(pooled_blocks(before, after, layers, IMAGES, batch_size=2))
    assert [len(chunk[0][0]) for chunk in chunks] == [3, 3, 1]
    for place, layer in enumerate(layers):
        for which, model in enumerate((before, after)):
            found = np.concatenate([chunk[place][which] for chunk in chunks])
            assert found.dtype == np.float32
            expected = extract_features(model, IMAGES, layer=layer).features
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_model_with_a_head_has_the_blocks_of_the_one_without():
    backbone = built("MobileNet", alpha=0.25)
    head = keras.layers.Dense(3, activation="softmax", name="head")(backbone.output)
    tuned = keras.Model(backbone.input, head, name=backbone.name)
    assert shared_blocks(backbone, tuned) == list(BLOCKS["MobileNet"])


def test_networks_of_two_kinds_and_other_images_are_refused():
    narrow = built("MobileNet", alpha=0.25)
    with pytest.raises(InputError, match="one architecture and width"):
        shared_blocks(narrow, small())
    with pytest.raises(InputError, match="one architecture and width"):
        shared_blocks(narrow, built("MobileNet", alpha=0.5))
    with pytest.raises(InputError, match="the images have shape"):
        next(pooled_blocks(narrow, narrow, ["conv1_relu"], IMAGES[:, :4]))
