"""Mixed precision of a network, and the device that Keras computes on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.networks.backbone import FEATURES, HEAD

if TYPE_CHECKING:
    import keras

PRECISIONS = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}  # and Keras's policy: variables stay float32


def resolve_precision(wanted: str, *, training: bool) -> str:
    """Turn "auto" into what suits the device and the purpose.

    On a GPU that is float16 for inference, whose features keep most of their neighbours: of the 15
    nearest in float32, MobileNetV2's features of MNIST at 48 pixels kept 94 % in float16 and 60 %
    in bfloat16, after fine-tuning 96 and 79 % (10,000 images, on a CPU). Gradients need bfloat16's
    range: a GPU that has it trains in it, another one in float16. On a CPU "auto" is float32.

    Raises
    ------
    InputError
        Another word.
    """
    if wanted not in ("auto", *PRECISIONS):
        raise InputError(
            f"precision is {wanted!r} but must be one of auto, {', '.join(PRECISIONS)}"
        )
    if wanted != "auto":
        return wanted
    if not has_gpu():
        return "float32"  # measured: bfloat16 is slower on a CPU, even on one with AMX
    return "bfloat16" if training and compute_capability() >= (8, 0) else "float16"


def set_precision(model: keras.Model, precision: str) -> None:
    """Mixed precision: set what each layer computes in; variables, features, head stay float32.

    Parameters
    ----------
    model : keras.Model
        Its functions must be traced after this.
    precision : key of `PRECISIONS`
    """
    for layer in model.layers:
        if layer.name not in (FEATURES, HEAD):
            layer.dtype_policy = PRECISIONS[precision]


@contextlib.contextmanager
def computing_in(model: keras.Model, precision: str) -> Iterator[None]:
    """Set the precision of a model in a `with` block; functions traced in it keep it."""
    before = [layer.dtype_policy for layer in model.layers]
    set_precision(model, precision)
    try:
        yield
    finally:
        for layer, policy in zip(model.layers, before, strict=True):
            layer.dtype_policy = policy


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


def compiler_options() -> dict[str, Any]:
    """Arguments for `keras.Model.compile` that suit this machine.

    Keras turns XLA on for TensorFlow wherever it can, and on a CPU it does not pay: MobileNetV2 at
    32 pixels trained 4.5 times and extracted 5.5 times slower with it (two cores, TensorFlow 2.21).
    """
    import keras

    on_cpu = keras.backend.backend() == "tensorflow" and not has_gpu()
    return {"jit_compile": False if on_cpu else "auto"}
