"""Mixed precision of a network."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.errors import InputError
from pipeline.networks.backbone import FEATURES, HEAD
from pipeline.runtime import keras_device

if TYPE_CHECKING:
    import keras

PRECISIONS = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}  # and Keras's policy: variables stay float32


def resolve_precision(wanted: str, model: keras.Model, *, training: bool) -> str:
    """Turn "auto" into the precision that suits the device, the network and the purpose.

    Parameters
    ----------
    wanted : str
        A key of `PRECISIONS`, or "auto".
    model : keras.Model
    training : bool
        Or inference.

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
    import keras

    depthwise = any(isinstance(layer, keras.layers.DepthwiseConv2D) for layer in model.layers)
    return keras_device.suitable_precision(training=training, depthwise=depthwise)


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
