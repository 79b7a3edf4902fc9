"""Does extraction give each image its own features, whatever the batch?"""

import keras
import numpy as np
import pytest

from pipeline.backbones import build_backbone
from pipeline.errors import InputError
from pipeline.features import extract_features

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 8, 8, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def model():
    shape = {"input_shape": (8, 8, 1), "image_size": 32}
    return build_backbone("MobileNet", **shape, weights="random", alpha=0.25)[0]


@pytest.mark.parametrize("batch_size", [3, 256])
def test_batches_equal_one_by_one(model, batch_size):
    features, images_per_second = extract_features(model, IMAGES, batch_size=batch_size)
    alone = [extract_features(model, image[None])[0][0] for image in IMAGES[-2:]]
    assert (features.dtype, features.shape) == (np.float32, (7, 256))
    assert images_per_second > 0
    np.testing.assert_allclose(features[-2:], alone, atol=1e-5)


def test_extraction_is_inference_and_leaves_the_model_alone(model):
    before = [weight.copy() for weight in model.get_weights()]
    extract_features(model, IMAGES)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_feature_map_is_averaged_over_its_positions(model):
    layer = "conv_pw_1_relu"
    pooled, _ = extract_features(model, IMAGES, layer=layer)
    whole = np.asarray(keras.Model(model.input, model.get_layer(layer).output)(IMAGES))
    assert whole.shape == (7, 16, 16, 16)
    np.testing.assert_allclose(pooled, whole.mean(axis=(1, 2)), rtol=1e-4, atol=1e-6)


def test_reads_a_memory_mapped_array(model, tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    mapped, _ = extract_features(model, np.load(tmp_path / "images.npy", mmap_mode="r"))
    np.testing.assert_array_equal(mapped, extract_features(model, IMAGES)[0])


def test_bad_input_is_one_sentence(model):
    with pytest.raises(InputError, match=r"layer .top. is not in the model: use .*features"):
        extract_features(model, IMAGES, layer="top")
    with pytest.raises(InputError, match="no image to extract features from"):
        extract_features(model, IMAGES[:0])
