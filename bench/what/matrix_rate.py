"""How fast the device of Keras multiplies matrices: the roof of a network's arithmetic."""

from __future__ import annotations

import time

from pipeline.runtime.keras_device import has_gpu


def compare_with_matrix_rate(gflop_per_second: float, precision: str) -> dict[str, float]:
    """Relate a network's arithmetic to that of large matrix products on the same GPU.

    Parameters
    ----------
    gflop_per_second : float
        Of the network, as `pipeline.networks.flops.speed` has it.
    precision : key of `pipeline.networks.precision.PRECISIONS`

    Returns
    -------
    dict
        matrix_gflop_per_second (`matrix_rate`, measured now) and of_matrix_rate, the network's
        share of it, to four digits; empty on a CPU.
    """
    if not has_gpu():
        return {}
    rate = matrix_rate(precision) / 1e9
    rates = {"matrix_gflop_per_second": rate, "of_matrix_rate": gflop_per_second / rate}
    return {name: float(f"{value:.4g}") for name, value in rates.items()}


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
