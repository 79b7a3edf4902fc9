"""Does extraction give each image its own features, whatever the batch, chunk and precision?"""

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

from bench.what import precision as bench_precision
from pipeline.errors import InputError
from pipeline.networks import features as step
from pipeline.networks import inference
from pipeline.networks.backbone import build_backbone
from pipeline.networks.features import Extraction, extract_features
from pipeline.networks.outputs import StoredOutputs
from pipeline.runtime import keras_device

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 8, 8, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def model():
    shape = {"input_shape": (8, 8, 1), "image_size": 32}
    return build_backbone("MobileNet", **shape, weights="random", alpha=0.25)[0]


@keras.saving.register_keras_serializable()
class Scale(keras.layers.Layer):
    """Multiply, and count how often the function around it is traced."""

    def __init__(self, factor=1.0, **options):
        super().__init__(**options)
        self.factor, self.traced = factor, 0

    def call(self, x):
        self.traced += 1
        return x * self.factor


def small_network(factor=1.0):
    """(n, 8, 8, 1) images -> (n, 4) features, fast to compile."""
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 1), dtype="uint8")
    x = keras.layers.Conv2D(4, 3)(keras.ops.cast(images, "float32"))
    x = Scale(factor, name="scale")(x)
    pool = keras.layers.GlobalAveragePooling2D(name="features", dtype="float32")
    return keras.Model(images, pool(x))


@pytest.mark.parametrize("batch_size", [3, None])
def test_batches_equal_one_by_one(model, batch_size):
    features, info, _ = extract_features(model, IMAGES, batch_size=batch_size)
    alone = [extract_features(model, image[None]).features[0] for image in IMAGES[-2:]]
    assert (features.dtype, features.shape) == (np.float32, (7, 256))
    assert info["images_per_second"] > 0
    assert info["batch_size"] == batch_size or len(IMAGES)
    np.testing.assert_allclose(features[-2:], alone, atol=1e-5)


def test_chunks_on_the_device_are_compiled_once_and_change_nothing(tmp_path, monkeypatch):
    network = small_network()
    images = np.random.default_rng(0).integers(0, 256, (101, 8, 8, 1), dtype=np.uint8)
    whole = extract_features(network, images, batch_size=8).features
    three_batches = 8 * (64 + 4 * 4) * 3
    monkeypatch.setattr(keras_device, "chunk_bytes", lambda: three_batches)
    predict = inference.BatchedInference(network, n_rows=len(images), batch_size=8)
    assert predict.chunk_rows == 24
    before = network.get_layer("scale").traced
    predict.warm_up()
    traced = network.get_layer("scale").traced
    assert traced > before
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    for rows in (mapped, images, images[:5]):
        np.testing.assert_array_equal(predict(rows)[0], whole[: len(rows)])
    assert network.get_layer("scale").traced == traced


class KilledError(Exception):
    """Stands for the end of a process."""


def killed_after(chunks, monkeypatch):
    """Let extraction end when it has stored so many chunks; returns the rows that it computed."""
    computed = []
    predict, save = inference.BatchedInference._predict, StoredOutputs.save

    def counted(self, batches, progress):
        computed.append(batches)
        return predict(self, batches, progress)

    def save_and_die(self, done):
        save(self, done)
        if len(computed) == chunks:
            raise KilledError

    monkeypatch.setattr(inference.BatchedInference, "_predict", counted)
    monkeypatch.setattr(inference.BatchedInference, "warm_up", lambda self: None)
    monkeypatch.setattr(StoredOutputs, "save", save_and_die)
    return computed


def test_a_killed_extraction_goes_on_where_it_was(tmp_path, monkeypatch, caplog):
    network = small_network()
    images = np.random.default_rng(0).integers(0, 256, (101, 8, 8, 1), dtype=np.uint8)
    monkeypatch.setattr(keras_device, "chunk_bytes", lambda: 8 * (64 + 4 * 4) * 3)
    whole = extract_features(network, images, batch_size=8).features
    computed = killed_after(3, monkeypatch)

    def extract(**inputs):
        outputs = StoredOutputs(tmp_path / "run", inputs)
        return extract_features(network, images, batch_size=8, outputs=outputs).features

    with pytest.raises(KilledError):
        extract(model=1)
    assert len(computed) == 3
    with caplog.at_level("INFO", "tunescope"):
        np.testing.assert_array_equal(extract(model=1), whole)
    assert "resumed after 72 of 101 images" in caplog.text
    assert "features: 29 images" in caplog.text  # whose rate it says
    assert len(computed) == 5
    np.testing.assert_array_equal(extract(model=2), whole)  # another model: none of it counts
    assert len(computed) == 10
    outputs = StoredOutputs(tmp_path / "run", {"model": 2})
    outputs.remove()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["state.json", "0.npy"])
def test_a_damaged_extraction_starts_again(tmp_path, monkeypatch, name):
    network = small_network()
    outputs = StoredOutputs(tmp_path, {})
    whole = extract_features(network, IMAGES, outputs=outputs).features.copy()
    (tmp_path / name).write_bytes(b"{")
    again = StoredOutputs(tmp_path, {})
    np.testing.assert_array_equal(extract_features(network, IMAGES, outputs=again).features, whole)
    assert again.found == 0


def fails_beyond(limit, monkeypatch):
    """Let the device have room for batches of `limit` images only; returns the sizes tried."""
    tried = []
    predict = keras.Model.predict

    def greedy(self, numbers, batch_size, **options):
        tried.append(batch_size)
        if batch_size > limit:
            raise keras_error("OOM when allocating tensor with shape[1024,224,224,64]")
        return predict(self, numbers, batch_size, **options)

    monkeypatch.setattr(keras.Model, "predict", greedy)
    return tried


def keras_error(text):
    """What TensorFlow raises where the memory of a GPU ends."""
    if keras.backend.backend() != "tensorflow":
        return RuntimeError(f"RESOURCE_EXHAUSTED: Out of memory; {text}")
    import tensorflow as tf

    return tf.errors.ResourceExhaustedError(None, None, text)


def test_where_memory_runs_out_batches_become_smaller_once(monkeypatch, capsys):
    network = small_network()
    whole = extract_features(network, IMAGES).features
    tried = fails_beyond(2, monkeypatch)
    features, info, _ = extract_features(network, IMAGES, batch_size=7)
    np.testing.assert_allclose(features, whole, rtol=1e-6)
    assert tried == [7, 1, 1]  # the first two to compile
    assert info["batch_size"] == 1
    assert "memory ran out: once more with batches of 1" in capsys.readouterr().err
    tried = fails_beyond(0, monkeypatch)
    with pytest.raises(InputError, match="with batches of 1 images too: make image_size smaller"):
        extract_features(network, IMAGES, batch_size=7)
    assert tried == [7, 1]


def test_another_error_is_no_lack_of_memory(monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("cuDNN is broken")

    monkeypatch.setattr(keras.Model, "predict", broken)
    with pytest.raises(RuntimeError, match="broken"):
        extract_features(small_network(), IMAGES)


def test_extraction_is_inference_and_leaves_the_model_alone(model):
    before = [weight.copy() for weight in model.get_weights()]
    extract_features(model, IMAGES, precision="bfloat16")
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}


def test_a_feature_map_is_averaged_over_its_positions(model):
    layer = "conv_pw_1_relu"
    pooled, *_ = extract_features(model, IMAGES, layer=layer)
    whole = keras.Model(model.input, model.get_layer(layer).output)(IMAGES)
    whole = keras.ops.convert_to_numpy(whole)
    assert whole.shape == (7, 16, 16, 16)
    np.testing.assert_allclose(pooled, whole.mean(axis=(1, 2)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("name", "bits"), [("bfloat16", 8), ("float16", 11)])
def test_layers_compute_in_the_precision_and_the_pool_in_float32(name, bits):
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), dtype=np.uint8)
    network = small_network()
    exact = extract_features(network, images, precision="float32").features
    found, info, _ = extract_features(network, images, precision=name)
    assert info["precision"] == name
    assert found.dtype == np.float32
    error = np.abs(found - exact).max() / np.abs(exact).max()
    assert 2.0 ** -(bits + 7) < error < 2.0 ** -(bits - 1)
    # A mean that was taken in float32 has digits that the precision has not.
    assert (found != keras.ops.convert_to_numpy(keras.ops.cast(found, name))).any()


def test_features_beyond_float16_are_refused():
    network = small_network(factor=1e4)
    assert np.isfinite(extract_features(network, IMAGES, precision="bfloat16").features).all()
    with pytest.raises(InputError, match=r"infinite in float16, .* set their precision to float32"):
        extract_features(network, IMAGES, precision="float16")


def test_on_a_gpu_features_beyond_float16_are_extracted_again(monkeypatch, capsys):
    monkeypatch.setattr(keras_device, "has_gpu", lambda: True)
    network = small_network(factor=1e4)
    features, info, _ = extract_features(network, IMAGES)
    assert info["precision"] == "float32"
    assert "infinite in float16" in capsys.readouterr().err
    np.testing.assert_array_equal(
        features, extract_features(network, IMAGES, precision="float32").features
    )
    assert extract_features(small_network(), IMAGES).info["precision"] == "float16"


def test_a_gpu_gets_larger_batches_within_its_memory(model, monkeypatch):
    vgg, _ = build_backbone("VGG16", input_shape=(8, 8, 1), image_size=224, weights="random")
    assert step.default_batch_size(vgg) == 256
    monkeypatch.setattr(keras_device, "has_gpu", lambda: True)
    assert step.default_batch_size(model) == 1024
    assert step.default_batch_size(vgg) == 128  # its largest map has 224 x 224 x 64 numbers


def test_what_was_done_is_told(model, capsys):
    _, info, _ = extract_features(model, IMAGES)
    assert info["precision"] == "float32"  # of a CPU
    assert info["gflop_per_image"] == pytest.approx(0.00163, rel=0.05)  # 2 x 41 M x (32 / 224)^2
    assert info["gflop_per_second"] == pytest.approx(
        info["gflop_per_image"] * info["images_per_second"], rel=1e-3
    )
    assert "features: 7 images in float32, " in capsys.readouterr().err


def test_neighbours_that_a_precision_keeps_are_counted(monkeypatch):
    """Six points on a line; then the fourth is moved from beside the third to beside the first."""
    exact = np.array([[0.0], [1.0], [10.0], [11.0], [20.0], [21.0]], np.float32)
    moved = exact.copy()
    moved[3] = 0.4
    features = {"float32": exact, "bfloat16": moved}
    monkeypatch.setattr(
        bench_precision,
        "extract_features",
        lambda model, images, *, layer, precision: Extraction(features[precision], {"b": 1}, None),
    )
    labels = np.array([0, 0, 1, 1, 2, 2])
    rows = bench_precision.compare_precisions(None, exact, labels, precisions=("bfloat16",), k=1)
    # Nearest before 1 0 3 2 5 4, after 3 3 1 0 5 4 (1 is nearest to 0.4, at 0.6).
    assert rows["float32"] == {"recall": 1, "relative_error": 0, "knn_accuracy": 1, "b": 1}
    assert rows["bfloat16"]["recall"] == pytest.approx(2 / 6)
    assert rows["bfloat16"]["knn_accuracy"] == pytest.approx(2 / 6)
    assert rows["bfloat16"]["relative_error"] == pytest.approx(10.6 / np.sqrt(6) / exact.std())


def test_16_bits_keep_most_neighbours_of_digits():
    data = load_digits()
    images = (data.images[:200] * (255 / 16)).astype(np.uint8)[..., None]
    rows = bench_precision.compare_precisions(small_network(), images, data.target[:200])
    assert list(rows) == ["float32", "float16", "bfloat16"]
    assert 0.5 < rows["bfloat16"]["recall"] < rows["float16"]["recall"] <= 1
    assert 0 < rows["float16"]["relative_error"] < rows["bfloat16"]["relative_error"] < 0.1


def test_bad_input_is_one_sentence(model):
    with pytest.raises(InputError, match=r"layer .top. is not in the model: use .*features"):
        extract_features(model, IMAGES, layer="top")
    with pytest.raises(InputError, match="no image to extract features from"):
        extract_features(model, IMAGES[:0])
    with pytest.raises(InputError, match="precision is 'float8' but must be one of auto, float32"):
        extract_features(model, IMAGES, precision="float8")


def own_model(shape=(8, 8, 1)):
    """A network that was not built here, of floats, whose pooled output is its last."""
    keras.utils.set_random_seed(3)
    x = keras.Input(shape)
    maps = keras.layers.Conv2D(5, 3, name="maps")(keras.layers.Rescaling(1 / 255)(x))
    return keras.Model(x, keras.layers.GlobalAveragePooling2D()(maps))


def test_a_model_of_the_users_own_gives_its_output():
    model, images = own_model(), np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1), "u1")
    expected = model.predict(images.astype(np.float32), verbose=0)
    np.testing.assert_allclose(extract_features(model, images).features, expected, rtol=1e-5)
    np.testing.assert_allclose(
        extract_features(model, images, layer="maps").features, expected, rtol=1e-5
    )
    with pytest.raises(InputError, match="build it for images of one size"):
        extract_features(own_model((None, None, 1)), images)
