"""Feature extraction: the pooled output of one layer for every image, in inference mode."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pipeline.errors import InputError
from pipeline.networks.backbone import FEATURES, HEAD
from pipeline.networks.flops import describe, forward_flops, speed
from pipeline.networks.inference import BatchedInference
from pipeline.networks.outputs import Outputs
from pipeline.networks.precision import computing_in, resolve_precision
from pipeline.runtime import keras_device
from pipeline.runtime.log import Progress, log

if TYPE_CHECKING:
    import keras


class Extraction(NamedTuple):
    """The features of every image, how they were extracted, and what the head says of each.

    Attributes
    ----------
    features : (n, d) float32 array
    info : dict
        precision, batch_size, and the rates of `pipeline.networks.flops.speed`; compilation is not
        timed.
    predictions : (n, classes) float32 array or None
        Probabilities by the softmax of a fine-tuned model; None for a model without a head.
    """

    features: np.ndarray
    info: dict[str, Any]
    predictions: np.ndarray | None


def extract_features(
    model: keras.Model,
    images: np.ndarray,
    *,
    layer: str = FEATURES,
    batch_size: int | None = None,
    precision: str = "auto",
    outputs: Outputs | None = None,
) -> Extraction:
    """Run every image through the model and keep the output of one layer, and of the head.

    Parameters
    ----------
    model : keras.Model
        Takes uint8 images as they are stored.
    images : (n, h, w, c) uint8 array
        Memory-mapped arrays are read chunk by chunk.
    layer : str
        Name of any layer. A feature map (n, h', w', d) is averaged over its positions, in float32.
    batch_size : int, optional
        Images per batch; by default what suits the device.
    precision : "auto", "float32", "bfloat16" or "float16"
        What the layers compute in; "auto" is float32 on a CPU, and on a GPU float16, or float32
        where features are beyond its range.
    outputs : Outputs, optional
        Where features are gathered; `StoredOutputs` go on after a kill.

    Returns
    -------
    Extraction

    Raises
    ------
    InputError
        No such layer or precision, no image, too little memory, or features beyond the range of
        float16 where that was asked for.
    """
    if len(images) == 0:
        raise InputError("there is no image to extract features from: check split and subset")
    check_input(model, images)
    chosen = resolve_precision(precision, model, training=False)
    has_head = HEAD in [each.name for each in model.layers]
    network = tap(model, layer, *([HEAD] if has_head else []))
    batch_size = min(batch_size or default_batch_size(network), len(images))
    outputs = outputs or Outputs()
    extraction = _extract(network, images, batch_size, chosen, outputs)
    if chosen != "float16" or np.isfinite(extraction.features).all():
        return extraction
    problem = "features are infinite in float16, which ends at 65,504"
    if precision == "float16":
        raise InputError(f"{problem}: set their precision to float32")
    log.warning(f"{problem}: extracted again in float32")
    return _extract(network, images, batch_size, "float32", outputs)


def check_head(model: keras.Model, n_classes: int, *, source: str) -> None:
    """Refuse a model without a head, or with one for other classes, before it sees an image.

    Raises
    ------
    InputError
    """
    if HEAD not in [each.name for each in model.layers]:
        raise InputError(f"{source} has no head that predicts: leave --predictions out")
    known = model.get_layer(HEAD).output.shape[-1]
    if known != n_classes:
        raise InputError(
            f"the head of {source} knows {known} classes but the table has {n_classes}: give the "
            "table of the images that it was trained on"
        )


def check_input(model: keras.Model, images: np.ndarray) -> None:
    """Refuse images of another shape than the network's input.

    Raises
    ------
    InputError
    """
    wanted = getattr(model, "input_shape", None)
    if not isinstance(wanted, tuple) or len(wanted) != 4:
        raise InputError(
            f"the network's input has shape {wanted} but must be images, (n, h, w, c): build it by "
            "`tunescope backbone`, or give a model of images"
        )
    if None in wanted[1:]:
        raise InputError(
            f"the network's input has shape {wanted}: build it for images of one size, such as "
            f"{images.shape[1:]}"
        )
    if any(side not in (None, own) for side, own in zip(wanted[1:], images.shape[1:], strict=True)):
        raise InputError(
            f"the images have shape {images.shape[1:]} but the network was built for {wanted[1:]}: "
            "build it for these images by `tunescope backbone`, or give it images of its size"
        )


def _extract(
    network: keras.Model, images: np.ndarray, batch_size: int, precision: str, outputs: Outputs
) -> Extraction:
    with computing_in(network, precision):
        predict = BatchedInference(network, n_rows=len(images), batch_size=batch_size)
        predict.warm_up()
        start = time.perf_counter()
        progress = Progress("features", len(images))
        run = {"precision": precision}
        features, *predictions = predict(images, progress, outputs=outputs, run=run)
        seconds = time.perf_counter() - start
    now = len(images) - outputs.found
    rates = speed(now / seconds, forward_flops(network))
    log.info(f"features: {now:,} images in {precision}, {describe(rates)}")
    info = {"precision": precision, "batch_size": predict.batch_size, **rates}
    return Extraction(features, info, predictions[0] if predictions else None)


def default_batch_size(network: keras.Model) -> int:
    """Images per batch that suit the device, by the network's largest feature map."""
    return keras_device.batch_size(
        max(math.prod(layer.output.shape[1:]) for layer in network.layers)
    )


def tap(model: keras.Model, *layers: str) -> keras.Model:
    """Sub-model with the outputs of some layers, each averaged to one row per image."""
    import keras

    names = [each.name for each in model.layers]
    outputs = []
    for layer in layers:
        if layer == FEATURES and layer not in names and len(model.outputs) == 1:
            output = model.outputs[0]  # of a model that was not built here
        elif layer not in names:
            raise InputError(
                f"layer {layer!r} is not in the model: use {', '.join(names[-3:])}, ..."
            )
        else:
            output = model.get_layer(layer).output
        outputs.append(pool(output, name=FEATURES))
    return keras.Model(model.input, outputs)


def pool(output: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    """Average a feature map (n, h, w, d) over its positions, in float32; all else stays as it is.

    Parameters
    ----------
    output : KerasTensor
        Of a layer.
    name : str
        Of the layer that averages.
    """
    import keras

    if output.ndim != 4:
        return output
    return keras.layers.GlobalAveragePooling2D(dtype="float32", name=name)(output)
