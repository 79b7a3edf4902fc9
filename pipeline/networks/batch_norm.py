"""Precise BatchNorm: recompute the running statistics (Wu & Johnson 2021, section 3).

Means and variances of batches are combined by the law of total variance: the mean of their
variances alone would leave out what the batches' means differ by (Chan et al. 1983).

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
    """Precise BatchNorm: set the running statistics to those of all images together.

    Exactly so for the first BatchNorm layer; those above it see each batch normalised by its own
    statistics below, as in training. The batches are run in training mode and not compiled, which
    would take longer than to run them.

    Parameters
    ----------
    model : keras.Model
    images : (n, h, w, c) uint8 array
        In random order, so that each batch is like the others. Cut into batches of 128 at most,
        which differ by one image at most.
    """
    layers = batch_norm_layers(model)
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0  # its averages are those of the last batch
    pooled = [Pooled() for _ in layers]
    for batch in np.array_split(np.arange(len(images)), -(-len(images) // BATCH)):
        model(images[batch[0] : batch[-1] + 1], training=True)
        for layer, each in zip(layers, pooled, strict=True):
            each.add(len(batch), *_averages(layer))
    for layer, each, momentum in zip(layers, pooled, momenta, strict=True):
        layer.momentum = momentum
        layer.moving_mean.assign(each.mean)
        layer.moving_variance.assign(each.variance)


class Pooled:
    """Mean and variance of values that come in batches, in float64 (Chan et al. 1983, eq. 2.1)."""

    def __init__(self) -> None:
        self._n = 0
        self.mean = self._squares = np.zeros(())

    def add(self, n: int, mean: np.ndarray, variance: np.ndarray) -> None:
        """Add a batch of n values, given its mean and its variance (n in the denominator)."""
        total, difference = self._n + n, mean - self.mean
        self._squares = self._squares + n * variance + difference**2 * (self._n * n / total)
        self.mean = self.mean + difference * (n / total)
        self._n = total

    @property
    def variance(self) -> np.ndarray:
        """Of all values, with their number in the denominator."""
        return self._squares / self._n


def _averages(layer: keras.layers.BatchNormalization) -> list[np.ndarray]:
    import keras

    both = (layer.moving_mean, layer.moving_variance)
    return [keras.ops.convert_to_numpy(each).astype(np.float64) for each in both]
