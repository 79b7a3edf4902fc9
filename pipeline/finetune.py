"""Fine-tuning: a new head on the frozen backbone, then the whole network.

BatchNorm is what goes wrong here. Its moving averages belong to ImageNet, Keras's MobileNets follow
new images with a momentum of 0.999, and a short training ends with a network that is right in
training mode and wrong in inference mode. So the averages are not followed at all:
they are measured again, by a pass over training images, before the head is trained and before each
validation.
"""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pipeline.backbones import FEATURES
from pipeline.batches import AUGMENT, batches, validation_split
from pipeline.checkpoint import Checkpoint, fingerprint, say
from pipeline.errors import InputError
from pipeline.features import compiler_options, extract_features, has_gpu

if TYPE_CHECKING:
    import keras

HEAD = "head"  # name of the layer that gives the class probabilities
PRECISIONS = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}
_LOSS = "sparse_categorical_crossentropy"
_PROGRESS_SECONDS = 10.0
_ADAPT_BATCH = 128  # as large as the memory of a small card allows at 224 pixels
_SAMPLE = 10_000  # training images whose accuracy is measured at the end
_FAR_BELOW = 0.1  # a gap to the training accuracy that is no ordinary overfitting


@dataclass(frozen=True)
class Recipe:
    """Hyper-parameters of one fine-tuning.

    Attributes
    ----------
    head_epochs, head_learning_rate : int, float
        Phase 1: the head alone, on features extracted once. 0 epochs leave the phase out.
    head_images : int
        Training images used by phase 1 at most: it needs a start, not a result.
    epochs, learning_rate : int, float or None
        Phase 2: the whole network with Adam, the rate falling to zero along a cosine. None is 1e-3
        for a network with BatchNorm (measured) and 1e-4 for one without (customary for VGG).
    batch_size : int
        Images per step.
    validation : float
        Share of each class's training images that is kept for early stopping.
    patience : int
        Epochs without a lower validation loss after which a phase ends.
    batchnorm : "adapt" or "frozen"
        "adapt" trains BatchNorm and measures its averages again; "frozen" keeps those of the
        pre-training, which suits only images much like them.
    batchnorm_images : int
        Training images used to measure the averages.
    augment : tuple of "flip", "shift"
        Random mirroring, and random shifts by up to an eighth of the side. None by default: digits
        must not be mirrored.
    precision : "auto", "float32", "bfloat16" or "float16"
        "auto" is bfloat16 on a GPU that has it, float16 with loss scaling on another GPU, float32
        on a CPU. The softmax is float32 and the returned model computes in float32.
    """

    head_epochs: int = 5
    head_learning_rate: float = 1e-3
    head_images: int = 10_000
    epochs: int = 3
    learning_rate: float | None = None
    batch_size: int = 128
    validation: float = 0.1
    patience: int = 2
    batchnorm: str = "adapt"
    batchnorm_images: int = 4096
    augment: tuple[str, ...] = ()
    precision: str = "auto"

    def __post_init__(self) -> None:
        for name in ("head_epochs", "epochs"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        for name in ("head_learning_rate", "learning_rate"):
            value = getattr(self, name)
            _require(value is None or value > 0, name, value, "a number above 0")
        for name in ("head_images", "batch_size", "patience", "batchnorm_images"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        _require(
            0 < self.validation < 1,
            "validation",
            self.validation,
            "a share between 0 and 1",
        )
        _require(
            self.batchnorm in ("adapt", "frozen"),
            "batchnorm",
            self.batchnorm,
            "adapt|frozen",
        )
        unknown = set(self.augment) - set(AUGMENT)
        _require(not unknown, "augment", self.augment, f"any of {', '.join(AUGMENT)}")
        allowed = ("auto", *PRECISIONS)
        _require(self.precision in allowed, "precision", self.precision, "|".join(allowed))


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
    images_per_second : float
        Median over the epochs of phase 2, compilation left out; 0 where there was none.
    precision : str
        The precision that was used.
    warnings : list of str
        Sentences that belong beside every figure made from this model.
    """

    model: keras.Model
    history: list[dict[str, Any]]
    accuracy: dict[str, float | None]
    images_per_second: float
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
        Fewer than two classes, a class with fewer than two training images, or a loss that is no
        number.
    """
    import keras

    keras.utils.set_random_seed(seed)
    train, validation = validation_split(labels, split, n_classes, recipe.validation, seed)
    precision = _precision(recipe.precision)
    model = _with_head(backbone_model, n_classes)
    _set_precision(model, precision, recipe.batchnorm)
    weights = backbone_model.get_weights()
    key = fingerprint(asdict(recipe), seed, precision, images[train], labels[train], *weights)
    state = Checkpoint(checkpoint, key)
    rng = np.random.default_rng([seed, 1])
    adapt = _Adapt(model, images[_some(train, recipe.batchnorm_images, rng)], recipe)

    if recipe.head_epochs:
        adapt()
        few = _some(train, recipe.head_images, rng)
        x, held_out = (extract_features(model, images[rows])[0] for rows in (few, validation))
        head = _Phase("head", recipe.head_epochs, recipe.head_learning_rate, "float32")
        rows = batches(x, labels[few], np.arange(len(few)), batch_size=recipe.batch_size, seed=seed)
        _train(_head(model), head, rows, (held_out, labels[validation]), state, recipe.patience)
    if recipe.epochs:
        full = _Phase("full", recipe.epochs, _learning_rate(model, recipe), precision)
        size, augment = recipe.batch_size, recipe.augment
        rows = batches(images, labels, train, batch_size=size, seed=seed, augment=augment)
        held_out = images[validation]
        _train(model, full, rows, (held_out, labels[validation]), state, recipe.patience, adapt)

    _set_precision(model, "float32", recipe.batchnorm)
    accuracy = {
        "train": _accuracy(model, images, labels, _some(train, _SAMPLE, rng)),
        "validation": _accuracy(model, images, labels, validation),
        "test": _accuracy(model, images, labels, np.flatnonzero(split == "test")),
    }
    rates = [row["images_per_second"] for row in state.rows("full")]
    return FinetuneResult(
        model=keras.Model(model.input, model.output, name=model.name),  # without the optimiser
        history=state.history,
        accuracy=accuracy,
        images_per_second=float(np.median(rates)) if rates else 0.0,
        precision=precision,
        warnings=_warnings(accuracy, state.rows("full"), recipe),
    )


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
    return 1e-3 if _batchnorms(model) else 1e-4


def _batchnorms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    import keras

    kind = keras.layers.BatchNormalization
    return [layer for layer in model.layers if isinstance(layer, kind)]


def _precision(wanted: str) -> str:
    if wanted != "auto":
        return wanted
    if not has_gpu():
        return "float32"  # measured: bfloat16 is slower on a CPU, even on one with AMX
    return "bfloat16" if _compute_capability() >= 8.0 else "float16"


def _compute_capability() -> float:
    """Ask for the lowest of the machine's NVIDIA GPUs; 0 where the driver does not tell."""
    command = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return min(map(float, answer.stdout.split()))
    except (OSError, subprocess.SubprocessError, ValueError):
        return 0.0


def _set_precision(model: keras.Model, precision: str, batchnorm: str) -> None:
    """Set what each layer computes in (its variables stay float32) and what is trained."""
    for layer in model.layers:
        if layer.name not in (FEATURES, HEAD):
            layer.dtype_policy = PRECISIONS[precision]
    for layer in _batchnorms(model):
        layer.trainable = batchnorm == "adapt"


class _Adapt:
    """Measure BatchNorm's averages again: their plain mean over batches of training images."""

    def __init__(self, model: keras.Model, images: np.ndarray, recipe: Recipe) -> None:
        self.layers = _batchnorms(model) if recipe.batchnorm == "adapt" else []
        self.model = model
        size = min(_ADAPT_BATCH, len(images))
        self.batches = [images[i : i + size] for i in range(0, len(images) - size + 1, size)]

    def __call__(self) -> None:
        if not self.layers:
            return
        momenta = [layer.momentum for layer in self.layers]
        for i, batch in enumerate(self.batches):
            for layer in self.layers:
                layer.momentum = i / (i + 1)  # the running mean of i + 1 batches
            self.model(batch, training=True)
        for layer, momentum in zip(self.layers, momenta, strict=True):
            layer.momentum = momentum


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
    held_out: tuple[np.ndarray, np.ndarray],
    state: Checkpoint,
    patience: int,
    before_validation: Callable[[], None] = lambda: None,
) -> None:
    """Train for one phase from where the checkpoint stands, and leave the best weights in place."""
    _compile(model, phase, steps=phase.epochs * len(data))
    done = state.resume(model, phase.name)
    while not state.finished(phase.name, phase.epochs, patience):
        done += 1
        what = f"{phase.name} epoch {done}/{phase.epochs}"
        progress = _progress(what, data)
        data.begin(done)
        start = time.perf_counter()
        fit = model.fit(data, epochs=1, shuffle=False, verbose=0, callbacks=[progress])
        loss, accuracy = fit.history["loss"][0], fit.history["accuracy"][0]
        if not math.isfinite(loss):
            raise InputError(
                f"the loss is {loss} in {what}: lower the learning rate {phase.learning_rate} "
                "or set precision to float32"
            )
        before_validation()
        measured = model.evaluate(*held_out, batch_size=256, verbose=0, return_dict=True)
        row = {
            "epoch": done,
            "phase": phase.name,
            "loss": loss,
            "accuracy": accuracy,
            "val_loss": measured["loss"],
            "val_accuracy": measured["accuracy"],
            "seconds": time.perf_counter() - start,
            "images_per_second": progress.rate,
        }
        state.save(model, row)
        say(
            f"{what}: loss {loss:.4f}, accuracy {accuracy:.4f}, validation loss "
            f"{row['val_loss']:.4f}, accuracy {row['val_accuracy']:.4f}, {row['seconds']:.0f} s, "
            f"{progress.rate:,.0f} images/s"
        )
    model.load_weights(state.best(phase.name))


def _compile(model: keras.Model, phase: _Phase, *, steps: int) -> None:
    import keras

    schedule = keras.optimizers.schedules.CosineDecay(phase.learning_rate, decay_steps=steps)
    optimizer = keras.optimizers.Adam(schedule)
    if phase.precision == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer, _LOSS, metrics=["accuracy"], **compiler_options())
    optimizer.build(model.trainable_variables)  # so that a checkpoint can fill it


def _progress(what: str, data: Any) -> Any:
    """Make a callback that tells the pace now and then and measures it without the first step."""
    import keras

    class Progress(keras.callbacks.Callback):
        rate = 0.0

        def on_train_begin(self, logs: Any = None) -> None:
            self.start = self.said = time.perf_counter()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            now = time.perf_counter()
            if batch == 0 and len(data) > 1:
                self.start = now  # the first step compiles
                return
            steps = batch if len(data) > 1 else 1
            self.rate = steps * data.size / (now - self.start)
            if now - self.said > _PROGRESS_SECONDS:
                self.said = now
                left = (len(data) - batch - 1) * data.size / self.rate
                say(
                    f"{what}: {(batch + 1) * data.size:,} of {len(data) * data.size:,} "
                    f"images, {self.rate:,.0f} images/s, {left:.0f} s left, "
                    f"loss {logs['loss']:.4f}, accuracy {logs['accuracy']:.4f}"
                )

    return Progress()


# --- the judgement --------------------------------------------------------------------------------


def _accuracy(
    model: keras.Model, images: np.ndarray, labels: np.ndarray, rows: np.ndarray
) -> float | None:
    if len(rows) == 0:
        return None
    probabilities, _ = extract_features(model, images[rows], layer=HEAD)
    return float(np.mean(probabilities.argmax(axis=1) == labels[rows]))


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
        say(f"WARNING: {sentence}")
    return found


def _require(holds: bool, name: str, value: object, allowed: str) -> None:
    if not holds:
        raise InputError(f"{name} {value!r} is not usable in a fine-tuning recipe: use {allowed}")
