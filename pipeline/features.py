"""Features: the output of one layer for every image, in inference mode."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import InputError

if TYPE_CHECKING:
    import keras

_PROGRESS_SECONDS = 10.0


def extract_features(
    model: keras.Model,
    images: np.ndarray,
    *,
    layer: str = "features",
    batch_size: int = 256,
) -> tuple[np.ndarray, float]:
    """Run every image through the model and keep the output of one layer.

    Parameters
    ----------
    model : keras.Model
        Takes uint8 images as they are stored.
    images : (n, h, w, c) uint8 array
        Memory-mapped arrays are read batch by batch.
    layer : str
        Name of any layer. A feature map (n, h', w', d) is averaged over its positions.
    batch_size : int
        Images per step; 256 is the fastest size on two cores within 5 %.

    Returns
    -------
    features : (n, d) float32 array
    images_per_second : float
        Without the compilation, which a first batch, run twice, pays for.

    Raises
    ------
    InputError
        No such layer, or no image.
    """
    if len(images) == 0:
        raise InputError("there is no image to extract features from: check split and subset")
    tap = _tap(model, layer)
    batch_size = min(batch_size, len(images))
    features = np.empty((len(images), tap.output_shape[-1]), np.float32)
    tap.predict_on_batch(images[:batch_size])
    start = said = time.perf_counter()
    for row in range(0, len(images), batch_size):
        batch = images[row : row + batch_size]
        # A last, shorter batch is filled up, since another shape would compile the model again.
        padded = np.resize(batch, (batch_size, *batch.shape[1:]))
        features[row : row + batch_size] = tap.predict_on_batch(padded)[: len(batch)]
        if time.perf_counter() - said > _PROGRESS_SECONDS:
            said = time.perf_counter()
            print(
                f"features: {row + len(batch):,} of {len(images):,} images",
                file=sys.stderr,
            )
    return features, len(images) / (time.perf_counter() - start)


def compiler_options() -> dict[str, Any]:
    """Arguments for `keras.Model.compile` that suit this machine.

    Keras turns XLA on for TensorFlow wherever it can, and on a CPU it does not pay: MobileNetV2 at
    32 pixels trained 4.5 times and extracted 5.5 times slower with it (two cores, TensorFlow 2.21).
    """
    import keras

    on_cpu = keras.backend.backend() == "tensorflow" and not has_gpu()
    return {"jit_compile": False if on_cpu else "auto"}


def has_gpu() -> bool:
    """Whether Keras sees a GPU."""
    import keras

    return any("gpu" in device or "cuda" in device for device in keras.distribution.list_devices())


def _tap(model: keras.Model, layer: str) -> keras.Model:
    """Cut the model after a layer, pooled to one row per image."""
    import keras

    names = [each.name for each in model.layers]
    if layer not in names:
        raise InputError(f"layer {layer!r} is not in the model: use {', '.join(names[-3:])}, ...")
    output = model.get_layer(layer).output
    if output.ndim == 4:
        output = keras.layers.GlobalAveragePooling2D(dtype="float32")(output)
    tap = keras.Model(model.input, output)
    tap.compile(**compiler_options())
    return tap
