"""Blocks of a network: the layer that ends each, and their pooled outputs for two networks at once.

A block is a row of the table by which the architecture was published: Simonyan & Zisserman (2015,
table 1), He et al. (2016, CVPR, table 1), Howard et al. (2017, table 1), Sandler et al. (2018,
table 2). It ends with its last layer; ResNet's stem ends with the max-pooling after it, since the
spatial mean of a linear convolution says no more than the mean colour of an image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import InputError
from pipeline.networks.backbone import FEATURES
from pipeline.networks.features import check_input, default_batch_size, pool
from pipeline.networks.inference import BatchedInference
from pipeline.networks.precision import computing_in
from pipeline.runtime.log import Progress

if TYPE_CHECKING:
    import keras

CHUNK = 2048  # images whose outputs exist at a time

_VGG = {f"block{i}_pool": width for i, width in enumerate((64, 128, 256, 512, 512), start=1)}
# Of each architecture the layers that end its blocks, with their features at alpha 1.
BLOCKS: dict[str, Mapping[str, int]] = {
    "VGG16": _VGG,
    "VGG19": _VGG,
    "ResNet50V2": {
        "pool1_pool": 64,
        "conv2_block3_out": 256,
        "conv3_block4_out": 512,
        "conv4_block6_out": 1024,
        "post_relu": 2048,
    },
    "MobileNet": {
        "conv1_relu": 32,
        "conv_pw_1_relu": 64,
        "conv_pw_2_relu": 128,
        "conv_pw_3_relu": 128,
        "conv_pw_4_relu": 256,
        "conv_pw_5_relu": 256,
        "conv_pw_6_relu": 512,
        "conv_pw_11_relu": 512,
        "conv_pw_12_relu": 1024,
        "conv_pw_13_relu": 1024,
    },
    "MobileNetV2": {
        "Conv1_relu": 32,
        "expanded_conv_project_BN": 16,
        "block_2_add": 24,
        "block_5_add": 32,
        "block_9_add": 64,
        "block_12_add": 96,
        "block_15_add": 160,
        "block_16_project_BN": 320,
        "out_relu": 1280,
    },
}


def block_layers(model: keras.Model) -> list[str]:
    """The layers that end the blocks of a network, from the input to the output.

    Those of `BLOCKS` for its architectures. Of any other network, of the layers that every path
    from input to output crosses (which none within a residual block is), from the first with
    weights on, the last of each size of the feature map, padding left out; and the layer
    "features", if there is one that does more than pool the last of these.

    Parameters
    ----------
    model : keras.Model
        Functional.

    Returns
    -------
    list of str
        Of layers with an output (n, h, w, d), or (n, d) for "features".

    Raises
    ------
    InputError
        There is none.
    """
    import keras

    known = BLOCKS.get(model.name, {})
    if known and set(known) <= {layer.name for layer in model.layers}:
        return list(known)
    crossed = _crossed_by_every_path(model)
    weighted = next((i for i, layer in enumerate(crossed) if layer.weights), len(crossed))
    last = {
        tuple(layer.output.shape[1:3]): layer
        for layer in crossed[weighted:]
        if layer.output.ndim == 4 and not isinstance(layer, keras.layers.ZeroPadding2D)
    }
    found = sorted(last.values(), key=crossed.index)
    names = [layer.name for layer in found]
    features = next((layer for layer in model.layers if layer.name == FEATURES), None)
    if features is not None and not (found and features.input is found[-1].output):
        names.append(FEATURES)
    if not names:
        raise InputError(
            f"the network {model.name} has no feature map that every path crosses: a depth profile "
            "needs convolutions"
        )
    return names


def _crossed_by_every_path(model: keras.Model) -> list[keras.Layer]:
    """The layers beside which no path leads from the input to the output, in their order."""
    import keras

    operations = model.operations  # in topological order
    producer = {
        id(tensor): place
        for place, operation in enumerate(operations)
        for tensor in keras.tree.flatten(operation.output)
    }
    passed = np.zeros(len(operations) + 1, np.int64)  # edges that lead past an operation
    for place, operation in enumerate(operations):
        if isinstance(operation, keras.layers.InputLayer):
            continue
        for tensor in keras.tree.flatten(operation.input):
            passed[producer[id(tensor)] + 1] += 1
            passed[place] -= 1
    beside = np.cumsum(passed)
    return [
        operation
        for place, operation in enumerate(operations)
        if beside[place] == 0 and isinstance(operation, keras.Layer)
    ]


def shared_blocks(before: keras.Model, after: keras.Model) -> list[str]:
    """The layers that end the blocks of two networks of one architecture.

    Raises
    ------
    InputError
        Their blocks end with other layers or have other widths.
    """
    layers = block_layers(before)
    if layers != block_layers(after) or _widths(before, layers) != _widths(after, layers):
        raise InputError(
            f"the networks {before.name} and {after.name} have other blocks: a depth profile "
            "compares two networks of one architecture and width"
        )
    return layers


def _widths(model: keras.Model, layers: Sequence[str]) -> list[int]:
    return [model.get_layer(name).output.shape[-1] for name in layers]


def pooled_blocks(
    before: keras.Model,
    after: keras.Model,
    layers: Sequence[str],
    images: np.ndarray,
    *,
    batch_size: int | None = None,
) -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
    """Run every image through two networks, chunk by chunk, and pool the outputs of some layers.

    In float32 on every device: what float16 rounds off is as large as what fine-tuning changes in
    early blocks.

    Parameters
    ----------
    before, after : keras.Model
        Take uint8 images as they are stored.
    layers : sequence of str
        Of both, see `shared_blocks`.
    images : (n, h, w, c) uint8 array
        Memory-mapped arrays are read chunk by chunk.
    batch_size : int, optional
        Images per batch; by default what suits the device.

    Yields
    ------
    list of ((m, d) float32 array, (m, d) float32 array)
        Before and after, for each layer, of the next m images, `CHUNK` at most.

    Raises
    ------
    InputError
        Images of another shape than a network takes, or too little memory.
    """
    for model in (before, after):
        check_input(model, images)
    networks = [_pooled(model, layers) for model in (before, after)]
    size = batch_size or default_batch_size(networks[0])
    progress = Progress("depth", len(images))
    with ExitStack() as stack:
        for network in networks:
            stack.enter_context(computing_in(network, "float32"))
        predict = [
            BatchedInference(network, n_rows=min(CHUNK, len(images)), batch_size=size)
            for network in networks
        ]
        for first in range(0, len(images), CHUNK):
            rows = images[first : first + CHUNK]
            yield list(zip(*(each(rows) for each in predict), strict=True))
            progress.update(len(rows))


def _pooled(model: keras.Model, layers: Sequence[str]) -> keras.Model:
    """Sub-model with the pooled outputs of some layers."""
    import keras

    outputs = [
        pool(model.get_layer(layer).output, name=f"pooled_{place}")
        for place, layer in enumerate(layers)
    ]
    return keras.Model(model.input, outputs)
