"""The device that Keras computes on, and the precision, sizes and compiler that suit it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

CPU_INFO = Path("/proc/cpuinfo")  # of Linux
BFLOAT16 = {"avx512_bf16", "amx_bf16"}  # CPUs that multiply in it, by their flags


def has_gpu() -> bool:
    """Whether Keras, whatever its backend, puts a new tensor on a GPU."""
    import keras

    device = str(keras.ops.zeros(1).device).lower()  # such as ".../device:GPU:0" or "cuda:0"
    return "gpu" in device or "cuda" in device


def compute_capability() -> tuple[int, int]:
    """NVIDIA's version number of the GPU that Keras computes on; (0, 0) for any other GPU."""
    import keras

    try:
        major, minor = _CAPABILITIES[keras.backend.backend()]()
    except (LookupError, AttributeError, RuntimeError, ValueError):
        return 0, 0
    return int(major), int(minor)


def _of_tensorflow() -> Any:
    import tensorflow as tf

    gpu = tf.config.get_visible_devices("GPU")[0]
    return tf.config.experimental.get_device_details(gpu)["compute_capability"]


def _of_jax() -> Any:
    import jax

    return jax.devices()[0].compute_capability.split(".")


def _of_torch() -> Any:
    import torch

    return torch.cuda.get_device_capability()


_CAPABILITIES = {"tensorflow": _of_tensorflow, "jax": _of_jax, "torch": _of_torch}


def cpu_multiplies_bfloat16() -> bool:
    """Whether the CPU has instructions for it; False where that is not known."""
    try:
        flags = CPU_INFO.read_text().partition("\nflags")[2].partition("\n")[0]
    except OSError:
        return False
    return bool(BFLOAT16 & set(flags.split()))


def suitable_precision(*, training: bool, depthwise: bool) -> str:
    """The precision that suits the device, for training or for inference.

    On a GPU that is float16 for inference, whose features keep most of their neighbours: of the 15
    nearest in float32, MobileNetV2's features of MNIST at 48 pixels kept 94 % in float16 and 60 %
    in bfloat16, after fine-tuning 96 and 79 % (10,000 images, on a CPU). Gradients need bfloat16's
    range: a GPU that has it trains in it, another one in float16.

    On a CPU it is float32, but for training where the CPU multiplies in bfloat16: at 64 pixels
    VGG16 trains 42 images a second instead of 26, VGG19 35 instead of 19, ResNet50V2 79 instead of
    57. Depthwise convolutions are bound by memory and lose (MobileNet 0.77, MobileNetV2 0.72 times
    as fast, beside other work; TensorFlow 2.21, two cores of an AMD EPYC).

    Parameters
    ----------
    training : bool
        Or inference.
    depthwise : bool
        Whether the network has depthwise convolutions.

    Returns
    -------
    "float32", "bfloat16" or "float16"
    """
    import keras

    if not has_gpu():
        fast = keras.backend.backend() == "tensorflow" and cpu_multiplies_bfloat16()
        return "bfloat16" if training and fast and not depthwise else "float32"
    return "bfloat16" if training and compute_capability() >= (8, 0) else "float16"


def batch_size(largest_feature_map: int) -> int:
    """Images per batch of inference: on two cores 256 is the fastest size within 5 %.

    A GPU has room for more; there the largest feature map, read and written in float32, may take
    4 GiB. Not measured.

    Parameters
    ----------
    largest_feature_map : int
        Numbers in a network's largest feature map of one image.
    """
    if not has_gpu():
        return 256
    return min(1024, 2 ** max(0, int(math.log2(2**32 / (8 * largest_feature_map)))))


def chunk_bytes() -> int:
    """Bytes that inference holds on the device at once, inputs and outputs together.

    On a GPU what even a small one has to spare; on a CPU, where nothing is transferred, what does
    not matter beside the features.
    """
    return 2**30 if has_gpu() else 2**27


def compiler_options() -> dict[str, Any]:
    """Arguments for `keras.Model.compile` that suit this machine.

    Keras turns XLA on for TensorFlow wherever it can, and on a CPU it does not pay: MobileNetV2 at
    32 pixels trained 4.5 times and extracted 5.5 times slower with it (two cores, TensorFlow 2.21).
    """
    import keras

    on_cpu = keras.backend.backend() == "tensorflow" and not has_gpu()
    return {"jit_compile": False if on_cpu else "auto"}
