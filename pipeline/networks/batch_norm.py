"""Precise BatchNorm: recompute the running statistics (Wu & Johnson 2021, section 3).

Means and variances of batches are combined by the law of total variance: the mean of their
variances alone would leave out what the batches' means differ by (Chan et al. 1983).

The moving averages of mean and variance are what goes wrong in fine-tuning: those of a pre-trained
network belong to its own images, Keras's MobileNets follow new ones with a momentum of 0.999, and a
short training ends with a network that is right in training mode and wrong in inference mode.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.runtime import keras_device

if TYPE_CHECKING:
    import keras

BATCH = 128  # images; as many as the memory of a small GPU allows at 224 pixels


def batch_norm_layers(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """The BatchNorm layers of a model, in the order of the model."""
    import keras

    kind = keras.layers.BatchNormalization
    return [layer for layer in model.layers if isinstance(layer, kind)]


class PreciseBatchNorm:
    """Precise BatchNorm: sets the running statistics of a network to those of some images together.

    Exactly so for the first BatchNorm layer; those above it see each batch normalised by its own
    statistics below, as in training.

    Parameters
    ----------
    model : keras.Model
    images : (n, h, w, c) uint8 array
        In random order, so that each batch is like the others. Cut into batches of 128 at most,
        which differ by one image at most.
    """

    def __init__(self, model: keras.Model, images: np.ndarray) -> None:
        self.model, self.images = model, images
        self.layers = batch_norm_layers(model)

    @cached_property
    def network(self) -> Any:
        """The model in training mode, compiled once: twice as fast as it is without."""
        import keras

        model = self.model

        class InTraining(keras.Model):
            def call(self, images: Any) -> Any:
                return model(images, training=True)

        network = InTraining()
        network.compile(**keras_device.compiler_options())
        return network

    def recompute(self) -> None:
        """Set the statistics for the weights that the model has now."""
        if not self.layers:
            return
        momenta = [layer.momentum for layer in self.layers]
        for layer in self.layers:
            layer.momentum = 0.0  # its averages are those of the last batch; compiled so, too
        pooled = [Pooled() for _ in self.layers]
        for batch in np.array_split(np.arange(len(self.images)), -(-len(self.images) // BATCH)):
            self.network.predict_on_batch(self.images[batch[0] : batch[-1] + 1])
            for layer, each in zip(self.layers, pooled, strict=True):
                each.add(len(batch), *_averages(layer))
        for layer, each, momentum in zip(self.layers, pooled, momenta, strict=True):
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
