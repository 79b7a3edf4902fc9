"""How much arithmetic a network is, and how fast it was done."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

TRAINING = 3  # times the forward pass: gradients by the inputs and by the weights cost as much each


def forward_flops(network: keras.Model) -> int:
    """Count the floating-point operations for one image.

    Two for each multiplication of a convolution or a dense layer, which apply each of their kernels
    once at every position of their output. BatchNorm, activations, pooling and resizing are left
    out, as in published counts.
    """
    return 2 * sum(map(_multiplications, network.layers))


def _multiplications(layer: keras.Layer) -> int:
    kernels = [weight.shape for weight in layer.weights if weight.name.endswith("kernel")]
    return math.prod(layer.output.shape[1:-1]) * sum(map(math.prod, kernels)) if kernels else 0


def speed(images_per_second: float, flops: int) -> dict[str, float]:
    """Relate images per second to the arithmetic of an image.

    Parameters
    ----------
    images_per_second : float
    flops : int
        Floating-point operations an image.

    Returns
    -------
    dict
        images_per_second, gflop_per_image, gflop_per_second, to four digits.
    """
    rates = {
        "images_per_second": images_per_second,
        "gflop_per_image": flops / 1e9,
        "gflop_per_second": images_per_second * flops / 1e9,
    }
    return {name: float(f"{value:.4g}") for name, value in rates.items()}


def describe(rates: dict[str, float]) -> str:
    """What `speed` returns, in words."""
    return f"{rates['images_per_second']:,.0f} images/s, {rates['gflop_per_second']:,.0f} GFLOP/s"
