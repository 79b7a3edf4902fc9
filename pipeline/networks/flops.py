"""How much arithmetic a network is, and how much of it a card could do."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from pipeline.networks.precision import has_gpu

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


def matrix_rate(dtype: str, *, size: int = 8192, products: int = 16) -> float:
    """Measure how fast Keras's device multiplies large matrices.

    Parameters
    ----------
    dtype : str
        Of the factors, such as "bfloat16".
    size : int
        Side of the square matrices.
    products : int
        Multiplications between two readings of the clock.

    Returns
    -------
    float
        Floating-point operations per second, the best of three after one that does not count.
    """
    import keras

    # A random matrix times 1 / sqrt(size) keeps the lengths of vectors about as they are.
    factor = keras.random.normal((size, size), stddev=size**-0.5, seed=0)
    factor = keras.ops.cast(factor, dtype)
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        power = factor
        for _ in range(products):
            power = keras.ops.matmul(factor, power)
        float(keras.ops.cast(power[0, 0], "float32"))  # waits for the device
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 * products / min(seconds[1:])


def speed(images_per_second: float, flops: int, precision: str) -> dict[str, float]:
    """Relate a pace to the arithmetic of an image and, on a GPU, to what the card can do.

    Parameters
    ----------
    images_per_second : float
    flops : int
        Floating-point operations an image.
    precision : key of `pipeline.networks.precision.PRECISIONS`

    Returns
    -------
    dict
        images_per_second, gflop_per_image, gflop_per_second, and on a GPU matrix_gflop_per_second
        (`matrix_rate`, measured now) and of_matrix_rate, a share.
    """
    found = {
        "images_per_second": images_per_second,
        "gflop_per_image": flops / 1e9,
        "gflop_per_second": images_per_second * flops / 1e9,
    }
    if has_gpu():
        found["matrix_gflop_per_second"] = matrix_rate(precision) / 1e9
        found["of_matrix_rate"] = found["gflop_per_second"] / found["matrix_gflop_per_second"]
    return {name: float(f"{value:.4g}") for name, value in found.items()}


def describe(found: dict[str, float]) -> str:
    """What `speed` found, in words."""
    words = f"{found['images_per_second']:,.0f} images/s, {found['gflop_per_second']:,.0f} GFLOP/s"
    if "of_matrix_rate" in found:
        words += f", {100 * found['of_matrix_rate']:.2g} % of the card's matrix products"
    return words
