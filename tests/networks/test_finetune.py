"""Does fine-tuning learn from the training split alone, and is its result what it reports?"""

import itertools
import math

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from pipeline.errors import InputError
from pipeline.networks import finetune as step
from pipeline.networks import training
from pipeline.networks.backbone import build_backbone
from pipeline.networks.batch_norm import PreciseBatchNorm, batch_norm_layers
from pipeline.networks.batches import AUGMENT, validation_split
from pipeline.networks.checkpoint import Checkpoint
from pipeline.networks.features import extract_features
from pipeline.networks.finetune import finetune
from pipeline.networks.precision import set_precision
from pipeline.networks.recipe import Recipe
from pipeline.networks.training import Phase

pytestmark = pytest.mark.slow

PHASES = ["head", "full"]
QUICK = Recipe(head_epochs=2, epochs=3, learning_rate=1e-2, batch_size=32, patience=5)


def small_network(momentum=0.99):
    """A backbone of three convolutions that compiles in a second."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 1), dtype="uint8")
    x = keras.ops.cast(images, "float32") / 127.5 - 1
    for filters in (8, 16, 32):
        x = layers.Conv2D(filters, 3, strides=2 if filters > 8 else 1, padding="same")(x)
        x = layers.BatchNormalization(momentum=momentum)(x)
        x = layers.ReLU()(x)
    return keras.Model(images, layers.GlobalAveragePooling2D(name="features")(x))


@pytest.fixture(scope="module")
def digits():
    """Images, labels and split of scikit-learn's digits, as a data set has them."""
    data = load_digits()
    images = (data.images * (255 / 16)).astype(np.uint8)[..., None]
    split = np.where(np.arange(len(images)) % 5 == 0, "test", "train")
    return images, data.target.astype(np.int64), split


@pytest.fixture(scope="module")
def tuned(digits):
    recipe = Recipe(epochs=6, learning_rate=1e-2, batch_size=32)
    return finetune(small_network(), *digits, n_classes=10, recipe=recipe)


def quick(digits, folder=None, recipe=QUICK, network=None, n_classes=10, seed=0):
    images, labels, split = (each[:300] for each in digits)
    return finetune(
        network or small_network(),
        images,
        labels,
        split,
        n_classes=n_classes,
        recipe=recipe,
        seed=seed,
        checkpoint=Checkpoint(folder) if folder else None,
    )


def same_weights(first, second):
    pairs = zip(first.model.get_weights(), second.model.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def scores(history):
    names = ("epoch", "phase", "loss", "accuracy", "val_loss", "val_accuracy")
    return [{name: row[name] for name in names} for row in history]


# --- does it learn? -------------------------------------------------------------------------------


def test_features_after_separate_the_classes_better_than_before(digits, tuned):
    images, labels, split = digits

    def knn_accuracy(model):
        features = extract_features(model, images, precision="float32").features
        train, test = split == "train", split == "test"
        knn = KNeighborsClassifier(15).fit(features[train], labels[train])
        return knn.score(features[test], labels[test])

    before, after = knn_accuracy(small_network()), knn_accuracy(tuned.model)
    assert 1 - after < (1 - before) / 3
    assert after > 0.95
    assert tuned.accuracy["test"] > 0.95
    assert tuned.warnings == []


def test_head_on_extracted_features_gives_the_reported_accuracy(digits, tuned):
    images, labels, split = digits
    test = split == "test"
    features = extract_features(tuned.model, images[test], precision="float32").features
    kernel, bias = tuned.model.get_layer("head").get_weights()
    right = (features @ kernel + bias).argmax(axis=1) == labels[test]
    assert right.mean() == pytest.approx(tuned.accuracy["test"], abs=1e-9)


def test_history_has_a_row_per_epoch_and_the_result_survives_saving(digits, tuned, tmp_path):
    phases = [[row["epoch"] for row in tuned.history if row["phase"] == name] for name in PHASES]
    assert [row["phase"] for row in tuned.history] == sorted(
        (row["phase"] for row in tuned.history), key=PHASES.index
    )
    assert phases[0] == list(range(1, len(phases[0]) + 1))
    assert phases[1] == [1, 2, 3, 4, 5, 6]
    assert all(row["seconds"] > 0 and row["images_per_second"] > 0 for row in tuned.history)
    tuned.model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert not loaded.compiled  # no optimiser's state in the file
    batch = digits[0][:5]
    np.testing.assert_array_equal(
        *map(keras.ops.convert_to_numpy, (loaded(batch), tuned.model(batch)))
    )


# --- BatchNorm ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "alpha", "epochs", "train"),
    [("MobileNet", 0.25, 12, 256), ("MobileNetV2", 0.35, 8, 256)],
)
def test_inference_keeps_what_training_reached(name, alpha, epochs, train):
    """Two classes told apart in a few steps, far fewer than Keras's averages need to follow."""
    rng = np.random.default_rng(0)
    labels = np.arange(train + 64) % 2
    images = rng.integers(0, 60, (len(labels), 32, 32, 1), dtype=np.uint8)
    images[labels == 1, :, ::2] += 190  # stripes
    split = np.where(np.arange(len(labels)) < train, "train", "test")
    shape = {"input_shape": (32, 32, 1), "image_size": 32}
    backbone, _ = build_backbone(name, **shape, weights="random", alpha=alpha)
    recipe = Recipe(head_epochs=0, epochs=epochs, batch_size=32, patience=epochs)
    result = finetune(backbone, images, labels, split, n_classes=2, recipe=recipe)
    assert result.history[-1]["accuracy"] > 0.85
    # Chance is 0.5, which stale averages give; processors round differently.
    assert result.accuracy["test"] > 0.75

    # The averages that Keras's momentum would have left are close to those of the start.
    for old, new in zip(batch_norm_layers(backbone), batch_norm_layers(result.model), strict=True):
        gamma, beta = new.get_weights()[:2]
        new.set_weights([gamma, beta, *old.get_weights()[2:]])
    test = split == "test"
    predict = step.batched_inference(result.model, "head", n_rows=test.sum())
    assert training.evaluate(predict, images[test], labels[test]).accuracy < 0.75


def test_frozen_batchnorm_is_left_as_it_was(digits, tmp_path):
    backbone = small_network()
    result = quick(digits, tmp_path, Recipe(head_epochs=1, epochs=1, batchnorm="frozen"), backbone)
    pairs = zip(batch_norm_layers(backbone), batch_norm_layers(result.model), strict=True)
    for old, new in pairs:
        for before, after in zip(old.get_weights(), new.get_weights(), strict=True):
            np.testing.assert_array_equal(before, after)


def test_adapted_averages_are_those_of_the_images(digits):
    model = small_network()
    images = digits[0][:257]  # three batches
    precise = PreciseBatchNorm(model, images)
    first = batch_norm_layers(model)[0]
    below = keras.Model(model.input, first.input)
    for scale in (1, -2):  # of weights that change between two times
        kernel, bias = model.layers[1].get_weights()
        model.layers[1].set_weights([scale * kernel, bias])
        precise.recompute()
        values = np.asarray(below(images))
        for found, expected in (
            (first.moving_mean, values.mean(axis=(0, 1, 2))),
            (first.moving_variance, values.var(axis=(0, 1, 2))),
        ):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        assert first.momentum == 0.99


# --- what may not matter --------------------------------------------------------------------------


def test_test_labels_train_nothing_and_a_bad_test_accuracy_is_loud(digits, tmp_path, capsys):
    images, labels, split = digits
    backbone = small_network()
    before = backbone.get_weights()
    shuffled = labels.copy()
    shuffled[split == "test"] = np.random.default_rng(0).permutation(labels[split == "test"])
    first = quick(digits, tmp_path / "1", network=backbone)
    second = quick((images, shuffled, split), tmp_path / "2", network=backbone)
    assert same_weights(first, second)
    assert second.accuracy["test"] < first.accuracy["test"] - 0.2
    assert any(line.startswith("Test accuracy 0.") for line in second.warnings)
    assert "warning: finetune: Test accuracy" in capsys.readouterr().err
    for old, new in zip(before, backbone.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_seed_gives_one_result(digits, tmp_path):
    first, again, other = (
        quick(digits, tmp_path / str(i), seed=seed) for i, seed in enumerate((3, 3, 4))
    )
    assert same_weights(first, again)
    assert scores(first.history) == scores(again.history)
    assert not same_weights(first, other)


SHIFTED = Recipe(head_epochs=2, epochs=3, batch_size=32, augment=("shift",))


@pytest.fixture(scope="module")
def whole(digits):
    """Whole runs in both kinds of precision, with the state in memory."""
    return {
        precision: quick(digits, recipe=SHIFTED.model_copy(update={"precision": precision}))
        for precision in ("auto", "float16")
    }


@pytest.mark.parametrize(("killed_after", "precision"), [(1, "auto"), (3, "auto"), (4, "float16")])
def test_a_killed_run_goes_on_to_the_same_result(
    digits, whole, tmp_path, monkeypatch, killed_after, precision
):
    """Killed in phase 1, and in phase 2, where the state of optimiser and loss scale matters."""
    recipe = SHIFTED.model_copy(update={"precision": precision})
    fit, calls = keras.Model.fit, []

    def killed(self, *args, **kwargs):
        if len(calls) == killed_after:
            raise KeyboardInterrupt
        calls.append(1)
        return fit(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "fit", killed)
        with pytest.raises(KeyboardInterrupt):
            quick(digits, tmp_path, recipe)
    resumed = quick(digits, tmp_path, recipe)
    assert scores(resumed.history) == scores(whole[precision].history)
    assert same_weights(resumed, whole[precision])


def test_other_settings_do_not_go_on_from_a_checkpoint(digits, tmp_path, capsys):
    quick(digits, tmp_path, Recipe(head_epochs=1, epochs=0))
    result = quick(digits, tmp_path, Recipe(head_epochs=2, epochs=0))
    assert "holds another run, started afresh" in capsys.readouterr().err
    assert len(result.history) == 2


@pytest.mark.parametrize("on_disk", [True, False])
def test_early_stopping_keeps_the_best_epoch(digits, tmp_path, monkeypatch, on_disk):
    losses = itertools.chain([0.5, 0.3, 0.4, 0.6, 0.1], itertools.repeat(0))
    kept = []
    evaluate = step.evaluate

    def scripted(predict, *held_out):
        kept.append(predict.network.get_weights())
        return evaluate(predict, *held_out)._replace(loss=next(losses))

    monkeypatch.setattr(step, "evaluate", scripted)
    recipe = Recipe(head_epochs=0, epochs=5, patience=2, batch_size=32)
    result = quick(digits, tmp_path if on_disk else None, recipe)
    assert len(result.history) == 4
    for best, weight in zip(kept[1], result.model.get_weights(), strict=True):
        np.testing.assert_array_equal(best, weight)
    assert list(result.training) == ["full"]
    taken = result.training["full"]
    assert (taken["batch_size"], taken["epochs"]) == (32, 4)
    assert taken["steps"] == 4 * math.ceil(taken["images"] / 32)
    _, labels, split = (each[:300] for each in digits)
    assert taken["images"] == len(validation_split(labels, split, 10, 0.1, 0)[0])


# --- precision, data ------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_trains_and_hands_back_float32(digits, tmp_path, precision):
    recipe = Recipe(head_epochs=1, epochs=2, learning_rate=1e-2, batch_size=32, precision=precision)
    result = quick(digits, tmp_path, recipe)
    assert result.precision == precision
    assert result.history[-1]["loss"] < result.history[1]["loss"]
    assert {layer.compute_dtype for layer in result.model.layers} == {"float32"}
    for layer in batch_norm_layers(result.model):
        averages = np.concatenate(layer.get_weights()[2:])
        rounded = keras.ops.convert_to_numpy(keras.ops.cast(averages, precision))
        assert (averages != rounded).any()  # they have digits that the precision has not


def test_loss_scaling_leaves_steps_as_they_are_and_skips_those_that_overflow(digits):
    images, labels = (each[:64] for each in digits[:2])

    def update(precision, scale=None):
        """What one step does to the kernel below the head, and the model."""
        keras.utils.set_random_seed(0)
        model = step.add_head(small_network(), 10)
        set_precision(model, precision)
        training.compile_for_training(model, Phase("full", 1, 1, 1e-3, precision), steps=100)
        if scale is not None:
            model.optimizer.dynamic_scale.assign(scale)
        kernel = next(layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D))
        before = kernel.get_weights()[0]
        model.train_on_batch(images, labels)
        return kernel.get_weights()[0] - before, model.optimizer

    exact, _ = update("float32")
    scaled, optimizer = update("float16")
    assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    assert isinstance(optimizer.inner_optimizer, keras.optimizers.Adam)
    assert np.corrcoef(exact.ravel(), scaled.ravel())[0, 1] > 0.9  # Adam's first step is a sign
    skipped, optimizer = update("float16", scale=2.0**40)
    assert not skipped.any()
    assert float(optimizer.dynamic_scale) == 2.0**39


def test_validation_part_has_each_class_and_no_test_image():
    labels = np.array([0] * 50 + [1] * 2 + [2] * 30)
    split = np.where(np.arange(82) >= 72, "test", "train")
    train, validation = validation_split(labels, split, 3, 0.1, seed=0)
    assert sorted([*train, *validation]) == list(range(72))
    assert list(np.bincount(labels[validation])) == [5, 1, 2]


def test_two_images_of_a_class_are_enough_and_no_test_split_is_no_test_accuracy(digits, tmp_path):
    images, labels, _ = digits
    rows = np.concatenate([np.flatnonzero(labels == digit)[:2] for digit in range(10)])
    smallest = (images[rows], labels[rows], np.full(20, "train"))
    result = quick(smallest, tmp_path, Recipe(head_epochs=1, epochs=1))
    assert result.accuracy["test"] is None
    assert 0 <= result.accuracy["validation"] <= 1


def test_augmentation_moves_and_mirrors_whole_images():
    rng = np.random.default_rng(0)
    batch = rng.integers(0, 256, (20, 16, 16, 1), dtype=np.uint8)
    flipped = AUGMENT["flip"](batch, rng)
    mirrored = [np.array_equal(a, b[:, ::-1]) for a, b in zip(flipped, batch, strict=True)]
    same = [np.array_equal(a, b) for a, b in zip(flipped, batch, strict=True)]
    assert 0 < sum(mirrored) < 20
    assert all(m != s for m, s in zip(mirrored, same, strict=True))
    shifted = AUGMENT["shift"](batch, rng)
    inner = shifted[0, 2:-2, 2:-2]
    found = [
        np.array_equal(inner, batch[0, 2 + y : 14 + y, 2 + x : 14 + x])
        for y in range(-2, 3)
        for x in range(-2, 3)
    ]
    assert sum(found) == 1


@pytest.mark.parametrize(
    ("labels", "n_classes", "sentence"),
    [
        ([0] * 20, 1, "one class only"),
        ([0] * 19 + [1], 2, r"class 1 has 1 training image"),
        ([0] * 10 + [2] * 10, 3, r"class 1 has 0 training image"),
        ([0] * 10 + [5] * 10, 2, "label 5 is above the last of 2 classes"),
    ],
)
def test_classes_that_cannot_be_learnt_are_refused(digits, tmp_path, labels, n_classes, sentence):
    data = (digits[0][:20], np.array(labels), np.full(20, "train"))
    with pytest.raises(InputError, match=sentence):
        quick(data, tmp_path, n_classes=n_classes)


def test_too_little_memory_for_a_batch_is_one_sentence(digits, tmp_path, monkeypatch):
    def fit(self, data, **options):
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes")

    monkeypatch.setattr(keras.Model, "fit", fit)
    with pytest.raises(
        InputError, match=r"memory ran out in head epoch 1/\d+ with batches of \d+ .* batch_size"
    ):
        quick(digits, tmp_path)


def test_a_loss_that_is_no_number_is_one_sentence(digits, tmp_path):
    recipe = Recipe(head_epochs=0, epochs=3, learning_rate=1e30, batch_size=32)
    with pytest.raises(
        InputError, match=r"the loss is nan in full epoch .* lower the learning rate"
    ):
        quick(digits, tmp_path, recipe)
