"""Fine-tuning: a new head on the frozen backbone, then the whole network.

The running statistics of BatchNorm are not those of the training steps: they are recomputed from
training images, before the head is trained and before each validation
(`pipeline.networks.batch_norm`). Batches and epochs suit the number of images
(`pipeline.networks.schedule`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pipeline.networks.backbone import FEATURES, HEAD
from pipeline.networks.batch_norm import PreciseBatchNorm, batch_norm_layers
from pipeline.networks.batches import batches, validation_split
from pipeline.networks.checkpoint import Checkpoint, TrainingState, fingerprint
from pipeline.networks.features import default_batch_size, tap
from pipeline.networks.flops import TRAINING, describe, forward_flops, speed
from pipeline.networks.inference import BatchedInference
from pipeline.networks.precision import resolve_precision, set_precision
from pipeline.networks.recipe import Recipe
from pipeline.networks.schedule import Schedule, head_schedule, network_schedule
from pipeline.networks.training import Phase, Scores, evaluate, train
from pipeline.runtime.device import thread_count
from pipeline.runtime.log import log

if TYPE_CHECKING:
    import keras

SAMPLE = 10_000  # training images whose accuracy is measured at the end
FAR_BELOW = 0.1  # a gap to the accuracy of the training steps that is no ordinary overfitting
TITLES = {"train": "Training", "validation": "Validation", "test": "Test"}


@dataclass(frozen=True)
class FinetuneResult:
    """A fine-tuned model, and how it was trained.

    Attributes
    ----------
    model : keras.Model
        The backbone with the head: (n, h, w, c) uint8 -> (n, n_classes) float32 probabilities.
        Its layer "features" is still there.
    history : list of dict
        One row per epoch: epoch, phase, loss, accuracy, val_loss, val_accuracy, seconds,
        images_per_second.
    accuracy : dict
        Of the returned model in inference mode, 0 to 1: "train" (on 10,000 of the training images
        where there are more), "validation", "test" (None without a test split). The accuracy of the
        history is that of the steps of an epoch, while the network changes and its BatchNorm takes
        each batch's own statistics.
    training : dict of str to dict
        Of each phase, "head" and "full", that was trained: "images", "batch_size", "epochs" and
        "steps" of the optimiser, those of the epochs whose weights were not kept included.
    speed : dict
        The rates of `pipeline.networks.flops.speed` in the median epoch of phase 2, a training step
        being three times the arithmetic of the forward pass; empty where there was no phase 2.
    precision : str
        The precision that was used.
    threads : int
        CPU threads. TensorFlow splits its sums by their number: the same seed gives the same model
        for the same number of threads on the same type of processor.
    warnings : list of str
        Sentences that belong beside every figure made from this model.
    """

    model: keras.Model
    history: list[dict[str, Any]]
    accuracy: dict[str, float | None]
    training: dict[str, dict[str, int]]
    speed: dict[str, float]
    precision: str
    threads: int
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
    checkpoint: Checkpoint | None = None,
) -> FinetuneResult:
    """Train a classifier from a backbone; the test split is only used when all is done.

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
    checkpoint : Checkpoint, optional
        Stores the state after each epoch: a run that was killed goes on from there, a run with
        other data or settings starts afresh. None keeps the state in memory.

    Returns
    -------
    FinetuneResult

    Raises
    ------
    InputError
        Fewer than two classes, a class with fewer than two training images, a loss that is not
        finite, or too little memory for a batch.
    """
    import keras

    keras.utils.set_random_seed(seed)
    rows = _draw_rows(labels, split, n_classes, recipe, seed)
    precision = resolve_precision(recipe.precision, backbone_model, training=True)
    model = add_head(backbone_model, n_classes)
    set_precision(model, precision)
    for layer in batch_norm_layers(model):
        layer.trainable = recipe.batchnorm == "adapt"
    state = checkpoint or TrainingState()
    settings = recipe.model_dump(), seed, precision
    weights = backbone_model.get_weights()
    state.open(fingerprint(*settings, images[rows.train], labels[rows.train], *weights))

    run = _Run(model, images, labels, rows, recipe, seed, precision, state)
    if recipe.head_epochs:
        run.train_head()
    if recipe.epochs:
        run.train_network()

    set_precision(model, "float32")
    accuracy = _accuracy(model, images, labels, rows)
    return FinetuneResult(
        model=keras.Model(model.input, model.output, name=model.name),  # without the optimiser
        history=state.history,
        accuracy=accuracy,
        training={
            name: phase for name in ("head", "full") if (phase := run.taken(name)) is not None
        },
        speed=_speed(model, state.rows("full"), precision),
        precision=precision,
        threads=thread_count(),
        warnings=_warnings(accuracy, state.rows("full"), recipe),
    )


def add_head(backbone: keras.Model, n_classes: int) -> keras.Model:
    """A copy of a backbone with a dense softmax layer, "head", on its features."""
    import keras

    copy = keras.models.clone_model(backbone)
    copy.set_weights(backbone.get_weights())
    head = keras.layers.Dense(n_classes, activation="softmax", name=HEAD, dtype="float32")
    return keras.Model(copy.input, head(copy.get_layer(FEATURES).output), name=backbone.name)


class _Rows(NamedTuple):
    """Row numbers of the data set by their use."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    batch_norm: np.ndarray  # of train, for the running statistics; in random order, see there
    head: np.ndarray  # of train, for phase 1
    sample: np.ndarray  # of train, for the accuracy


def _draw_rows(
    labels: np.ndarray, split: np.ndarray, n_classes: int, recipe: Recipe, seed: int
) -> _Rows:
    train_rows, validation = validation_split(labels, split, n_classes, recipe.validation, seed)
    rng = np.random.default_rng([seed, 1])

    def draw(count: int) -> np.ndarray:
        return rng.permutation(train_rows)[:count]

    return _Rows(
        train_rows,
        validation,
        test=np.flatnonzero(split == "test"),
        batch_norm=draw(recipe.batchnorm_images),
        head=np.sort(draw(recipe.head_images)) if recipe.head_epochs else train_rows[:0],
        sample=np.sort(draw(SAMPLE)),
    )


@dataclass
class _Run:
    """The two phases of a fine-tuning."""

    model: keras.Model
    images: np.ndarray
    labels: np.ndarray
    rows: _Rows
    recipe: Recipe
    seed: int
    precision: str
    state: TrainingState

    def __post_init__(self) -> None:
        self.batch_norm = PreciseBatchNorm(self.model, self.images[self.rows.batch_norm])
        # One function gives phase 1 its features and phase 2 its validation: it is compiled once.
        n_rows = len(self.rows.head) + len(self.rows.validation)
        self.predict = batched_inference(self.model, FEATURES, HEAD, n_rows=n_rows)

    def train_head(self) -> None:
        """Phase 1: the head alone, on features that are extracted once."""
        recipe, rows = self.recipe, self.rows
        self.adapt_batch_norm()
        features = self.predict(self.images[np.concatenate([rows.head, rows.validation])])[0]
        head_features, held_out = np.split(features, [len(rows.head)])
        schedule = head_schedule(recipe, len(rows.head))
        self.announce("the head alone", len(rows.head), schedule)
        data = batches(
            head_features,
            self.labels[rows.head],
            np.arange(len(rows.head)),
            batch_size=schedule.batch_size,
            seed=self.seed,
        )
        head = _head_alone(self.model)
        evaluator = BatchedInference(head, n_rows=len(held_out), batch_size=len(held_out))
        labels = self.labels[rows.validation]
        rate = recipe.head_learning_rate
        phase = Phase("head", schedule.epochs, schedule.patience, rate, "float32")
        self.train(head, data, phase, lambda: evaluate(evaluator, held_out, labels))

    def train_network(self) -> None:
        """Phase 2: the whole network."""
        recipe = self.recipe
        schedule = network_schedule(recipe, len(self.rows.train))
        self.announce("the whole network", len(self.rows.train), schedule)
        data = batches(
            self.images,
            self.labels,
            self.rows.train,
            batch_size=schedule.batch_size,
            seed=self.seed,
            augment=recipe.augment,
        )
        held_out, labels = self.images[self.rows.validation], self.labels[self.rows.validation]

        def validate() -> Scores:
            self.adapt_batch_norm()
            return evaluate(self.predict, held_out, labels)

        rate = _learning_rate(self.model, recipe)
        phase = Phase("full", schedule.epochs, schedule.patience, rate, self.precision)
        self.train(self.model, data, phase, validate)

    def announce(self, what: str, images: int, schedule: Schedule) -> None:
        """Say how long a phase will be."""
        log.info(
            f"finetune: trains {what} on {images:,} images, {len(self.rows.validation):,} more "
            f"validate it, in {schedule.batches:,} steps of {schedule.batch_size} images an epoch, "
            f"{schedule.epochs} epochs at most"
        )

    def train(
        self, model: keras.Model, data: Any, phase: Phase, validate: Callable[[], Scores]
    ) -> None:
        train(model, data, phase, validate=validate, state=self.state)

    def taken(self, phase: str) -> dict[str, int] | None:
        """What a phase took: images, batch size, epochs and steps; None if it was left out."""
        of_phase = {
            "head": (head_schedule, self.rows.head),
            "full": (network_schedule, self.rows.train),
        }
        schedule_of, rows = of_phase[phase]
        if not (epochs := len(self.state.rows(phase))):
            return None
        schedule = schedule_of(self.recipe, len(rows))
        return {
            "images": len(rows),
            "batch_size": schedule.batch_size,
            "epochs": epochs,
            "steps": epochs * schedule.batches,
        }

    def adapt_batch_norm(self) -> None:
        """Recompute the running statistics, unless they are frozen."""
        if self.recipe.batchnorm == "adapt":
            self.batch_norm.recompute()


def _head_alone(model: keras.Model) -> keras.Model:
    """(n, d) features -> probabilities. It shares its layer with the model."""
    import keras

    features = keras.Input(model.get_layer(FEATURES).output.shape[1:])
    return keras.Model(features, model.get_layer(HEAD)(features))


def _learning_rate(model: keras.Model, recipe: Recipe) -> float:
    if recipe.learning_rate is not None:
        return recipe.learning_rate
    return 1e-3 if batch_norm_layers(model) else 1e-4


def batched_inference(model: keras.Model, *layers: str, n_rows: int) -> BatchedInference:
    """Inference of some layers of a model, in batches that suit the device."""
    network = tap(model, *layers)
    return BatchedInference(network, n_rows=n_rows, batch_size=default_batch_size(network))


def _accuracy(
    model: keras.Model, images: np.ndarray, labels: np.ndarray, rows: _Rows
) -> dict[str, float | None]:
    """Accuracy in inference mode of each part; None for one without images."""
    parts = {"train": rows.sample, "validation": rows.validation, "test": rows.test}
    predict = batched_inference(model, HEAD, n_rows=max(map(len, parts.values())))
    return {
        name: evaluate(predict, images[part], labels[part]).accuracy if len(part) else None
        for name, part in parts.items()
    }


def _speed(model: keras.Model, history: list[dict[str, Any]], precision: str) -> dict[str, float]:
    """Of the median epoch."""
    if not history:
        return {}
    rate = float(np.median([row["images_per_second"] for row in history]))
    rates = speed(rate, TRAINING * forward_flops(model))
    log.info(f"finetune: in {precision}, {describe(rates)}")
    return rates


def _warnings(
    accuracy: dict[str, float | None], history: list[dict[str, Any]], recipe: Recipe
) -> list[str]:
    """Sentences about an accuracy far below that of the training steps."""
    promised = max((row["accuracy"] for row in history), default=0.0)
    sentences = [
        f"{TITLES[name]} accuracy {value:.3f} is far below the {promised:.3f} of the training "
        f"steps: the network is not what its training promised (batchnorm {recipe.batchnorm!r}, "
        "few images, or classes that differ between the splits)"
        for name, value in accuracy.items()
        if value is not None and value < promised - FAR_BELOW
    ]
    for sentence in sentences:
        log.warning(f"finetune: {sentence}")
    return sentences
