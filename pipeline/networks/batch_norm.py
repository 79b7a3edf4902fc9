"""BatchNorm's moving averages, measured again.

They are what goes wrong in fine-tuning: those of a pre-trained network belong to its own images,
Keras's MobileNets follow new ones with a momentum of 0.999, and a short training ends with a
network that is right in training mode and wrong in inference mode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

BATCH = 128  # as large as the memory of a small card allows at 224 pixels


def batch_norm_layers(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """The BatchNorm layers of a model, in the order of the model."""
    import keras

    kind = keras.layers.BatchNormalization
    return [layer for layer in model.layers if isinstance(layer, kind)]


def recompute_statistics(model: keras.Model, images: np.ndarray) -> None:
    """Set the averages to their plain mean over batches of images.

    Layer by layer, not compiled: to compile these few batches takes longer than to run them.

    Parameters
    ----------
    model : keras.Model
    images : (n, h, w, c) uint8 array
        What is left over by the last full batch of 128 is not used.
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
