"""Is a precision the one that suits the device, and arithmetic that of published counts?"""

import keras
import pytest

from pipeline.networks import flops
from pipeline.networks.backbone import build_backbone
from pipeline.networks.precision import resolve_precision
from pipeline.runtime import keras_device


@pytest.mark.parametrize("name", ["VGG16", "ResNet50V2", "MobileNet", "MobileNetV2"])
def test_auto_is_what_suits_device_and_network(monkeypatch, name):
    model, _ = build_backbone(name, input_shape=(8, 8, 1), image_size=32, weights="random")
    dense = not name.startswith("Mobile")
    monkeypatch.setattr(keras_device, "has_gpu", lambda: True)
    monkeypatch.setattr(keras_device, "compute_capability", lambda: (8, 0))
    assert resolve_precision("auto", model, training=True) == "bfloat16"
    assert resolve_precision("auto", model, training=False) == "float16"
    monkeypatch.setattr(keras_device, "has_gpu", lambda: False)
    for fast in (True, False):
        monkeypatch.setattr(keras_device, "cpu_multiplies_bfloat16", lambda fast=fast: fast)
        expected = "bfloat16" if fast and dense else "float32"
        assert resolve_precision("auto", model, training=True) == expected
        assert resolve_precision("auto", model, training=False) == "float32"
        for word in ("bfloat16", "float32"):
            assert resolve_precision(word, model, training=True) == word


# --- arithmetic -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "alpha", "multiplications"),
    [
        # Simonyan & Zisserman 2015 as counted by He et al. 2016, with the classifier's three
        # layers, which are added here.
        ("VGG16", 1.0, 15.3e9 - 123.6e6),
        # Howard et al. 2017, table 4 to 6, and Sandler et al. 2018, table 4, with the classifier.
        ("MobileNet", 1.0, 569e6 - 1.0e6),
        ("MobileNet", 0.25, 41e6 - 0.26e6),
        ("MobileNetV2", 1.0, 300e6 - 1.3e6),
        ("MobileNetV2", 1.4, 585e6 - 1.8e6),
        # Keras strides at the end of a stack, so fewer than the 3.8e9 of He et al.'s ResNet-50.
        ("ResNet50V2", 1.0, 3.49e9),
    ],
)
def test_arithmetic_is_that_of_published_counts(name, alpha, multiplications):
    shape = {"input_shape": (224, 224, 3), "image_size": 224}
    network, _ = build_backbone(name, **shape, weights="random", alpha=alpha)
    assert flops.forward_flops(network) == pytest.approx(2 * multiplications, rel=0.02)


def test_each_kernel_counts_at_each_position_of_its_output():
    layers = keras.layers
    image = keras.Input((9, 9, 4))
    x = layers.Conv2D(6, 3, strides=2, padding="same")(image)  # 5 x 5 x (3 x 3 x 4) x 6
    x = layers.Conv2D(6, 1, groups=2)(x)  # 5 x 5 x 3 x 6
    x = layers.DepthwiseConv2D(3)(x)  # 3 x 3 x (3 x 3) x 6
    x = layers.SeparableConv2D(2, 3, padding="same")(layers.ReLU()(x))  # 3 x 3 x (9 x 6 + 6 x 2)
    x = layers.Dense(5)(layers.Flatten()(layers.BatchNormalization()(x)))  # 18 x 5
    expected = 25 * 36 * 6 + 25 * 18 + 9 * 54 + 9 * 66 + 90
    assert flops.forward_flops(keras.Model(image, x)) == 2 * expected


def test_speed_relates_images_to_arithmetic():
    rates = flops.speed(20_000.4, 2 * 10**9)
    assert rates == {
        "images_per_second": 20_000,
        "gflop_per_image": 2,
        "gflop_per_second": 40_000,
    }
    assert flops.describe(rates) == "20,000 images/s, 40,000 GFLOP/s"
