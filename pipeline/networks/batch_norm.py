"""Precise BatchNorm: recompute the running statistics (Wu & Johnson 2021, section 3).

The moving averages of mean and variance are what goes wrong in fine-tuning: those of a pre-trained
network belong to its own images, Keras's MobileNets follow new ones with a momentum of 0.999, and a
short training ends with a network that is right in training mode and wrong in inference mode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

BATCH = 128  # images; as many as the memory of a small GPU allows at 224 pixels


def batch_norm_layers(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """The BatchNorm layers of a model, in the order of the model."""
    import keras

    kind = keras.layers.BatchNormalization
    return [layer for layer in model.layers if isinstance(layer, kind)]


def recompute_statistics(model: keras.Model, images: np.ndarray) -> None:
    """Precise BatchNorm: set the running statistics to their mean over batches of images.

    The batches are run in training mode and not compiled, which would take longer than to run them.

    Parameters
    ----------
    model : keras.Model
    images : (n, h, w, c) uint8 array
        Cut into batches of 128; the rest is not used.
    """
    layers = batch_norm_layers(model)
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    size = min(BATCH, len(images))
    for i in range(len(images) // size):
        for layer in layers:
            layer.momentum = i / (i + 1)  # the running mean of i + 1 batches
        model(images[i * size : (i + 1) * size], training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
