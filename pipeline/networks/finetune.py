"""Fine-tuning: a new head on the frozen backbone, then the whole network.

BatchNorm's averages are not followed as training goes: they are measured again, by a pass over
training images, before the head is trained and before each validation (`pipeline.networks.batch_norm`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kernels.oom import is_out_of_memory
from pipeline.errors import InputError
from pipeline.networks.backbone import FEATURES, HEAD
from pipeline.networks.batch_norm import batch_norm_layers, recompute_statistics
from pipeline.networks.batches import batches, validation_split
from pipeline.networks.checkpoint import Checkpoint, fingerprint
from pipeline.networks.features import default_batch_size, tap
from pipeline.networks.flops import TRAINING, describe, forward_flops, speed
from pipeline.networks.inference import BatchedInference
from pipeline.networks.precision import compiler_options, resolve_precision, set_precision
from pipeline.networks.recipe import Recipe
from pipeline.runtime.log import log

if TYPE_CHECKING:
    import keras

_LOSS = "sparse_categorical_crossentropy"
_PROGRESS_SECONDS = 10.0
_SAMPLE = 10_000  # training images whose accuracy is measured at the end
_FAR_BELOW = 0.1  # a gap to the training accuracy that is no ordinary overfitting


@dataclass(frozen=True)
class FinetuneResult:
    """What one fine-tuning gave.

    Attributes
    ----------
    model : keras.Model
        The backbone with the head: (n, h, w, c) uint8 -> (n, n_classes) float32 probabilities.
        Its layer "features" is still there.
    history : list of dict
        One row per epoch: epoch, phase, loss, accuracy, val_loss, val_accuracy, seconds,
        images_per_second.
    accuracy : dict
        "train" (on at most 10,000 training images), "validation", "test" (None without a test
        split), each in inference mode, 0 to 1.
    speed : dict
        What `pipeline.networks.flops.speed` tells of phase 2, a step being three times the arithmetic of the
        forward pass; empty where there was no phase 2.
    precision : str
        The precision that was used.
    warnings : list of str
        Sentences that belong beside every figure made from this model.
    """

    model: keras.Model
    history: list[dict[str, Any]]
    accuracy: dict[str, float | None]
    speed: dict[str, float]
    precision: str
    warnings: list[str]


def finetune(
    backbone_model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    split: np.ndarray,
    *,
    n_classes: int,
    recipe: Recipe,
    seed: int = 0,
    checkpoint: Path,
) -> FinetuneResult:
    """Train a classifier from a backbone; the test split is only looked at when all is done.

    Parameters
    ----------
    backbone_model : keras.Model
        From `build_backbone`; it is left as it is.
    images, labels, split : (n, h, w, c) uint8, (n,) int, (n,) "train" or "test"
        The data set.
    n_classes : int
        Number of classes; labels run from 0 to n_classes - 1.
    recipe : Recipe
    seed : int
        Seed of the head, the validation part and the order of the images.
    checkpoint : Path
        Folder for the state after each epoch. A run that was killed goes on from there, a run with
        other data or settings starts afresh.

    Returns
    -------
    FinetuneResult

    Raises
    ------
    InputError
        Fewer than two classes, a class with fewer than two training images, a loss that is no
        number, or too little memory for a batch.
    """
    import keras

    keras.utils.set_random_seed(seed)
    train, validation = validation_split(labels, split, n_classes, recipe.validation, seed)
    precision = resolve_precision(recipe.precision, training=True)
    model = _with_head(backbone_model, n_classes)
    set_precision(model, precision)
    for layer in batch_norm_layers(model):
        layer.trainable = recipe.batchnorm == "adapt"
    weights = backbone_model.get_weights()
    key = fingerprint(asdict(recipe), seed, precision, images[train], labels[train], *weights)
    state = Checkpoint(checkpoint, key)
    rng = np.random.default_rng([seed, 1])
    some = images[_some(train, recipe.batchnorm_images, rng)]
    adapt = partial(recompute_statistics, model, some) if recipe.batchnorm == "adapt" else _nothing
    few = _some(train, recipe.head_images, rng) if recipe.head_epochs else train[:0]
    # One function gives phase 1 its features and phase 2 its validation: it is compiled once.
    look = _inference(model, FEATURES, HEAD, rows=len(few) + len(validation))

    if recipe.head_epochs:
        adapt()
        x = look(images[np.concatenate([few, validation])])[0]
        head = _Phase("head", recipe.head_epochs, recipe.head_learning_rate, "float32")
        x, held_out = x[: len(few)], (x[len(few) :], labels[validation])
        rows = batches(x, labels[few], np.arange(len(few)), batch_size=recipe.batch_size, seed=seed)
        network = _head(model)
        judge = BatchedInference(network, rows=len(validation), batch_size=len(validation))
        _train(network, head, rows, judge, held_out, state, recipe.patience, _nothing)
    if recipe.epochs:
        full = _Phase("full", recipe.epochs, _learning_rate(model, recipe), precision)
        size, augment = recipe.batch_size, recipe.augment
        rows = batches(images, labels, train, batch_size=size, seed=seed, augment=augment)
        held_out = images[validation], labels[validation]
        _train(model, full, rows, look, held_out, state, recipe.patience, adapt)

    set_precision(model, "float32")
    parts = {
        "train": _some(train, _SAMPLE, rng),
        "validation": validation,
        "test": np.flatnonzero(split == "test"),
    }
    look = _inference(model, HEAD, rows=max(map(len, parts.values())))
    accuracy = {
        name: _score(look, images[rows], labels[rows]).accuracy if len(rows) else None
        for name, rows in parts.items()
    }
    return FinetuneResult(
        model=keras.Model(model.input, model.output, name=model.name),  # without the optimiser
        history=state.history,
        accuracy=accuracy,
        speed=_speed(model, state.rows("full"), precision),
        precision=precision,
        warnings=_warnings(accuracy, state.rows("full"), recipe),
    )


def _nothing() -> None:
    """Frozen averages stay as they are, and the head alone has none."""


def _some(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.permutation(rows)[:count])


# --- the model ------------------------------------------------------------------------------------


def _with_head(backbone: keras.Model, n_classes: int) -> keras.Model:
    import keras

    copy = keras.models.clone_model(backbone)
    copy.set_weights(backbone.get_weights())
    head = keras.layers.Dense(n_classes, activation="softmax", name=HEAD, dtype="float32")
    return keras.Model(copy.input, head(copy.get_layer(FEATURES).output), name=backbone.name)


def _learning_rate(model: keras.Model, recipe: Recipe) -> float:
    if recipe.learning_rate is not None:
        return recipe.learning_rate
    return 1e-3 if batch_norm_layers(model) else 1e-4


# --- the training ---------------------------------------------------------------------------------


class _Phase(NamedTuple):
    name: str
    epochs: int
    learning_rate: float
    precision: str


def _head(model: keras.Model) -> keras.Model:
    """Only the head: (n, d) features -> probabilities. It shares its layer with the model."""
    import keras

    features = keras.Input(model.get_layer(FEATURES).output.shape[1:])
    return keras.Model(features, model.get_layer(HEAD)(features))


def _train(
    model: keras.Model,
    phase: _Phase,
    data: Any,
    judge: BatchedInference,
    held_out: tuple[np.ndarray, np.ndarray],
    state: Checkpoint,
    patience: int,
    before_validation: Callable[[], None],
) -> None:
    """Train for one phase from where the checkpoint stands, and leave the best weights in place."""
    _compile(model, phase, steps=phase.epochs * len(data))
    done = state.resume(model, phase.name)
    while not state.finished(phase.name, phase.epochs, patience):
        done += 1
        what = f"{phase.name} epoch {done}/{phase.epochs}"
        progress = _progress(what, data, model)
        data.begin(done)
        start = time.perf_counter()
        fit = _fit(model, data, progress, what)
        loss, accuracy = fit.history["loss"][0], fit.history["accuracy"][0]
        before_validation()
        validation = _score(judge, *held_out)
        if not math.isfinite(loss + validation.loss):  # XLA may clip the former to a number
            raise InputError(
                f"the loss is {loss + validation.loss} in {what}: lower the learning rate "
                f"{phase.learning_rate} or set precision to float32"
            )
        row = {
            "epoch": done,
            "phase": phase.name,
            "loss": loss,
            "accuracy": accuracy,
            "val_loss": validation.loss,
            "val_accuracy": validation.accuracy,
            "seconds": time.perf_counter() - start,
            "images_per_second": progress.rate,
        }
        state.save(model, row)
        log.info(
            f"finetune: {what}: loss {loss:.4f}, accuracy {accuracy:.4f}, validation loss "
            f"{row['val_loss']:.4f}, accuracy {row['val_accuracy']:.4f}, {row['seconds']:.0f} s, "
            f"{progress.rate:,.0f} images/s"
        )
    model.load_weights(state.best(phase.name))


def _fit(model: keras.Model, data: Any, progress: Any, what: str) -> Any:
    """One epoch. The recipe's batch size decides the result, so it is not changed unasked."""
    try:
        return model.fit(data, epochs=1, shuffle=False, verbose=0, callbacks=progress)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise InputError(
            f"memory ran out in {what} with batches of {data.size} images: lower batch_size of "
            "finetune, free some, or set device to cpu"
        ) from error


def _compile(model: keras.Model, phase: _Phase, *, steps: int) -> None:
    import keras

    schedule = keras.optimizers.schedules.CosineDecay(phase.learning_rate, decay_steps=steps)
    optimizer = keras.optimizers.Adam(schedule)
    if phase.precision == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    # Named by a text it would get its variables in the first step, which is then traced again.
    accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    model.compile(optimizer, _LOSS, metrics=[accuracy], **compiler_options())
    optimizer.build(model.trainable_variables)  # so that a checkpoint can fill it


def _progress(what: str, data: Any, model: keras.Model) -> Any:
    """Tell the pace now and then, and measure it without the first step, which compiles.

    Keras's own list of callbacks would wait for the device after each step, to read its logs.
    """
    import keras

    class Progress(keras.callbacks.CallbackList):
        rate = 0.0

        def on_train_begin(self, logs: Any = None) -> None:
            super().on_train_begin(logs)
            self.start = self.said = time.perf_counter()
            self.first = 0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 0 and len(data) > 1:
                float(logs["loss"])
                self.start, self.first = time.perf_counter(), 1
            elif time.perf_counter() - self.said > _PROGRESS_SECONDS:
                loss, accuracy = float(logs["loss"]), float(logs["accuracy"])
                self.said = time.perf_counter()
                rate = self.pace(batch + 1)
                log.info(
                    f"finetune: {what}: {(batch + 1) * data.size:,} of {len(data) * data.size:,} images, "
                    f"{rate:,.0f} images/s, {(len(data) - batch - 1) * data.size / rate:.0f} s "
                    f"left, loss {loss:.4f}, accuracy {accuracy:.4f}"
                )

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            super().on_epoch_end(epoch, logs)  # reads the logs: all steps are done
            self.rate = self.pace(len(data))

        def pace(self, steps: int) -> float:
            return (steps - self.first) * data.size / (time.perf_counter() - self.start)

    return Progress(add_history=True, model=model)


# --- the judgement --------------------------------------------------------------------------------


class _Score(NamedTuple):
    loss: float
    accuracy: float


def _inference(model: keras.Model, *layers: str, rows: int) -> BatchedInference:
    network = tap(model, *layers)
    return BatchedInference(network, rows=rows, batch_size=default_batch_size(network))


def _score(network: BatchedInference, inputs: np.ndarray, labels: np.ndarray) -> _Score:
    """Cross-entropy and accuracy of the network's last output, in inference mode."""
    probabilities = network(inputs)[-1]
    likelihood = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    loss = -np.log(np.maximum(likelihood, np.finfo(np.float32).tiny)).mean()
    return _Score(float(loss), float(np.mean(probabilities.argmax(axis=1) == labels)))


def _speed(model: keras.Model, history: list[dict[str, Any]], precision: str) -> dict[str, float]:
    """Of the median epoch."""
    if not history:
        return {}
    rate = float(np.median([row["images_per_second"] for row in history]))
    found = speed(rate, TRAINING * forward_flops(model), precision)
    log.info(f"finetune: in {precision}, {describe(found)}")
    return found


def _warnings(
    accuracy: dict[str, float | None], history: list[dict[str, Any]], recipe: Recipe
) -> list[str]:
    """Sentences about a result that falls short of what its training promised."""
    promised = max((row["accuracy"] for row in history), default=0.0)
    found = []
    for name, value in accuracy.items():
        if value is not None and value < promised - _FAR_BELOW:
            found.append(
                f"{name.upper()} ACCURACY {value:.3f} IS FAR BELOW the training accuracy "
                f"{promised:.3f}: the network is not what its training promised (batchnorm "
                f"{recipe.batchnorm!r}, few images, or classes that differ between the splits)"
            )
    for sentence in found:
        log.warning(f"finetune: {sentence}")
    return found
