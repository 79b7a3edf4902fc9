"""The training loop: epochs with early stopping, evaluated in inference mode."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kernels.oom import is_out_of_memory
from pipeline.errors import InputError
from pipeline.networks.checkpoint import TrainingState
from pipeline.networks.inference import BatchedInference
from pipeline.runtime import keras_device
from pipeline.runtime.log import Progress, log

if TYPE_CHECKING:
    import keras

LOSS = "sparse_categorical_crossentropy"
MOST_LINES = 12  # of a phase, in the log


class Phase(NamedTuple):
    """One training run of a fine-tuning, and what it computes in."""

    name: str
    epochs: int
    patience: int
    learning_rate: float
    precision: str


class Scores(NamedTuple):
    """Mean cross-entropy and accuracy."""

    loss: float
    accuracy: float


def train(
    model: keras.Model,
    data: Any,
    phase: Phase,
    *,
    validate: Callable[[], Scores],
    state: TrainingState,
) -> None:
    """Train a model with Adam and early stopping, from where `state` stands.

    Parameters
    ----------
    model : keras.Model
        It is left with the weights of its best epoch.
    data : Batches of `pipeline.networks.batches.batches`
    phase : Phase
        The learning rate falls to zero along a cosine over its epochs; it ends after `patience`
        epochs without a lower validation loss.
    validate : callable
        Returns the scores of the model as it is.
    state : TrainingState

    Raises
    ------
    InputError
        A loss that is not finite, or too little memory for a batch.
    """
    compile_for_training(model, phase, steps=phase.epochs * len(data))
    epoch = state.resume(model, phase.name)
    while not state.finished(phase.name, phase.epochs, phase.patience):
        epoch += 1
        row = _train_epoch(model, data, phase, epoch, validate)
        state.save(model, row)
        ended = state.finished(phase.name, phase.epochs, phase.patience)
        if ended or epoch % math.ceil(phase.epochs / MOST_LINES) == 0:
            log.info(
                f"finetune: {phase.name} epoch {epoch}/{phase.epochs}: in training loss "
                f"{row['loss']:.4f}, accuracy {row['accuracy']:.4f}, in validation loss "
                f"{row['val_loss']:.4f}, accuracy {row['val_accuracy']:.4f}, "
                f"{row['seconds']:.1f} s, {row['images_per_second']:,.0f} images/s"
            )
    state.load_best(model, phase.name)


def evaluate(predict: BatchedInference, inputs: np.ndarray, labels: np.ndarray) -> Scores:
    """Cross-entropy and accuracy of the last output of a network, in inference mode."""
    probabilities = predict(inputs)[-1]
    likelihood = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    loss = -np.log(np.maximum(likelihood, np.finfo(np.float32).tiny)).mean()
    return Scores(float(loss), float(np.mean(probabilities.argmax(axis=1) == labels)))


def compile_for_training(model: keras.Model, phase: Phase, *, steps: int) -> None:
    """Compile with Adam, whose learning rate falls along a cosine over `steps` batches."""
    import keras

    schedule = keras.optimizers.schedules.CosineDecay(phase.learning_rate, decay_steps=steps)
    optimizer = keras.optimizers.Adam(schedule)
    if phase.precision == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    # Named by a text it would get its variables in the first step, which is then traced again.
    accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    model.compile(optimizer, LOSS, metrics=[accuracy], **keras_device.compiler_options())
    optimizer.build(model.trainable_variables)  # so that a checkpoint can fill it


def _train_epoch(
    model: keras.Model, data: Any, phase: Phase, epoch: int, validate: Callable[[], Scores]
) -> dict[str, Any]:
    """Train for one epoch, validate, and return the row of the history."""
    name = f"{phase.name} epoch {epoch}/{phase.epochs}"
    callbacks = _pace_callbacks(f"finetune: {name}", data, model)
    data.begin(epoch)
    start = time.perf_counter()
    fit = _fit(model, data, callbacks, name)
    loss, accuracy = fit.history["loss"][0], fit.history["accuracy"][0]
    validation = validate()
    if not math.isfinite(loss + validation.loss):  # XLA may clip the former to a number
        raise InputError(
            f"the loss is {loss + validation.loss} in {name}: lower the learning rate "
            f"{phase.learning_rate} or set precision to float32"
        )
    return {
        "epoch": epoch,
        "phase": phase.name,
        "loss": loss,
        "accuracy": accuracy,
        "val_loss": validation.loss,
        "val_accuracy": validation.accuracy,
        "seconds": time.perf_counter() - start,
        "images_per_second": callbacks.rate,
    }


def _fit(model: keras.Model, data: Any, callbacks: Any, name: str) -> Any:
    """One epoch. The recipe's batch size decides the result, so it is not changed unasked."""
    try:
        return model.fit(data, epochs=1, shuffle=False, verbose=0, callbacks=callbacks)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise InputError(
            f"memory ran out in {name} with batches of {max(data.sizes)} images: lower batch_size "
            "of finetune, free some, or set device to cpu"
        ) from error


def _pace_callbacks(name: str, data: Any, model: keras.Model) -> Any:
    """Show progress, and measure images per second without the first batch, which compiles.

    Keras's own list of callbacks would wait for the device after each batch, to read its logs.
    """
    import keras

    class Pace(keras.callbacks.CallbackList):
        rate = 0.0

        def on_train_begin(self, logs: Any = None) -> None:
            super().on_train_begin(logs)
            self.start, self.timed = time.perf_counter(), sum(data.sizes)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            size = data.sizes[batch]
            if batch == 0:
                if len(data) > 1:
                    float(logs["loss"])  # waits for the device
                    self.start, self.timed = time.perf_counter(), sum(data.sizes[1:])
                self.progress = Progress(name, sum(data.sizes), initial=size, unit=" images")
            elif self.progress.update(size):  # shown just now, which is seldom
                self.progress.set_postfix_str(f"loss {float(logs['loss']):.4f}", refresh=False)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            super().on_epoch_end(epoch, logs)  # reads the logs: all batches are done
            self.rate = self.timed / (time.perf_counter() - self.start)
            self.progress.close()

    return Pace(add_history=True, model=model)
