"""The pre-trained CNNs: one table, one function that builds any row of it.

A backbone is one flat functional model that takes the stored uint8 images as they are and does the
rest on the device: grey to three channels, resize, the network's own `preprocess_input`, the
convolutions, a global average pool called "features". Whoever has the file needs nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import sys
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError

if TYPE_CHECKING:
    import keras

FEATURES = "features"  # name of the layer whose output is the representation
HEAD = "head"  # name of the layer that gives the class probabilities, after fine-tuning

_TENSORFLOW = "https://storage.googleapis.com/tensorflow/keras-applications"


_TOO_SMALL = (
    "the last feature map of {name} at {size} pixels is 1 x 1, far from what its weights were "
    "trained on: use image_size 64 or more for a meaningful comparison"
)


@dataclass(frozen=True)
class WeightsFile:
    """A published ImageNet file without the top; `md5` is None where Keras publishes none."""

    name: str
    folder: str
    md5: str | None = None


@dataclass(frozen=True)
class Backbone:
    """One architecture of `keras.applications`.

    Attributes
    ----------
    module : str
        Module of `keras.applications` that holds `preprocess_input`.
    feature_layer : str
        Name of the last feature map, the layer that is pooled.
    imagenet : callable
        (alpha, image_size) -> the WeightsFile that Keras publishes for them.
    alphas : tuple of float
        Width multipliers with published ImageNet weights; empty where there is no such choice.
    min_size : int
        Smallest image side in pixels that Keras accepts.
    """

    module: str
    feature_layer: str
    imagenet: Callable[[float, int], WeightsFile]
    alphas: tuple[float, ...] = ()
    min_size: int = 32


def _published(folder: str, name: str, md5: str) -> Callable[[float, int], WeightsFile]:
    file = WeightsFile(name, f"{_TENSORFLOW}/{folder}", md5)
    return lambda alpha, size: file


def _mobilenet(alpha: float, size: int) -> WeightsFile:
    size = size if size in (128, 160, 192, 224) else 224  # Keras's own rule
    text = {1.0: "1_0", 0.75: "7_5", 0.5: "5_0", 0.25: "2_5"}[alpha]
    return WeightsFile(f"mobilenet_{text}_{size}_tf_no_top.h5", f"{_TENSORFLOW}/mobilenet")


def _mobilenet_v2(alpha: float, size: int) -> WeightsFile:
    size = size if size in (96, 128, 160, 192, 224) else 224  # Keras's own rule
    name = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{float(alpha)}_{size}_no_top.h5"
    return WeightsFile(name, f"{_TENSORFLOW}/mobilenet_v2")


# Names, addresses, hashes, sizes: the sources of keras.applications, version 3.15.
BACKBONES: dict[str, Backbone] = {
    "VGG16": Backbone(
        "vgg16",
        "block5_pool",
        _published(
            "vgg16",
            "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "6d6bbae143d832006294945121d1f1fc",
        ),
    ),
    "VGG19": Backbone(
        "vgg19",
        "block5_pool",
        _published(
            "vgg19",
            "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "253f8cb515780f3b799900260a226db6",
        ),
    ),
    "ResNet50V2": Backbone(
        "resnet_v2",
        "post_relu",
        _published(
            "resnet",
            "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "fac2f116257151a9d068a22e544a4917",
        ),
    ),
    "MobileNet": Backbone("mobilenet", "conv_pw_13_relu", _mobilenet, (0.25, 0.5, 0.75, 1.0)),
    "MobileNetV2": Backbone(
        "mobilenet_v2", "out_relu", _mobilenet_v2, (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
    ),
}


def build_backbone(
    name: str,
    *,
    input_shape: tuple[int, int, int],
    image_size: int,
    weights: str | Path = "imagenet",
    alpha: float = 1.0,
    seed: int = 0,
    resources: Path = Path("resources"),
) -> tuple[keras.Model, dict[str, Any]]:
    """Build one backbone with its weights.

    Parameters
    ----------
    name : str
        A key of `BACKBONES`.
    input_shape : (h, w, c)
        Shape of a stored image, c = 1 (grey) or 3 (RGB).
    image_size : int
        Side in pixels to which the model resizes the images.
    weights : "imagenet", "random" or a path
        A path may be a file without the top (`.h5`, `.weights.h5`) or a `.keras` file that this
        pipeline wrote, whose head is left out.
    alpha : float
        Width multiplier, for the MobileNets only.
    seed : int
        Seed of the initial weights.
    resources : Path
        Folder of the ImageNet files: one already there is used, else it is downloaded into it.

    Returns
    -------
    model : keras.Model
        (n, h, w, c) uint8 images, values 0 to 255 -> (n, d) float32, layer "features".
    provenance : dict
        What the weights are: `weights`, `label` (for pictures), `file`, `sha256`, `verified`
        (True where a published hash was compared), `feature_map` (its height and width),
        `warnings` (sentences that belong beside every figure), and what was built.

    Raises
    ------
    InputError
        Unknown name, a size or an alpha that does not fit, weights that are missing, damaged or of
        another architecture.
    """
    import keras

    _check(name, input_shape, image_size, alpha, weights)
    keras.utils.set_random_seed(seed)
    model = _architecture(name, input_shape, image_size, alpha)
    provenance: dict[str, Any] = {
        "backbone": name,
        "alpha": alpha,
        "image_size": image_size,
        "keras": keras.__version__,
        "weights": str(weights),
        "feature_map": list(model.get_layer(BACKBONES[name].feature_layer).output.shape[1:3]),
        "warnings": [],
    }
    if weights == "random":
        found = {"label": f"random weights, seed {seed}", "verified": False}
    elif weights == "imagenet":
        file = BACKBONES[name].imagenet(alpha, image_size)
        found = _imagenet(model, name, file, Path(resources))
    else:
        path = Path(weights)
        found = {
            "label": f"weights from {path.name}",
            "file": path.name,
            "sha256": _digest(path),
            "verified": False,
        }
        _load(model, path, name)
    if provenance["feature_map"] == [1, 1] and not str(weights).endswith(("random", ".keras")):
        provenance["warnings"].append(_TOO_SMALL.format(name=name, size=image_size))
    return model, provenance | found


def _check(
    name: str,
    input_shape: tuple[int, int, int],
    image_size: int,
    alpha: float,
    weights: str | Path,
) -> None:
    """Refuse what Keras would refuse later in many lines."""
    if name not in BACKBONES:
        raise InputError(f"backbone {name!r} is unknown: choose one of {', '.join(BACKBONES)}")
    row = BACKBONES[name]
    if len(input_shape) != 3 or input_shape[-1] not in (1, 3):
        raise InputError(f"images of shape {input_shape} are neither grey nor RGB: use (h, w, 1|3)")
    if image_size < row.min_size:
        raise InputError(
            f"image_size {image_size} is below the minimum of {name}: "
            f"use {row.min_size} pixels or more"
        )
    if alpha != 1.0 and not row.alphas:
        raise InputError(f"{name} has no width multiplier: remove alpha {alpha} or set it to 1.0")
    if alpha <= 0:
        raise InputError(f"alpha {alpha} of {name} is not a width: use a number above 0, e.g. 1.0")
    if weights == "imagenet" and row.alphas and alpha not in row.alphas:
        choices = ", ".join(map(str, row.alphas))
        raise InputError(f"alpha {alpha} of {name} has no ImageNet weights: use one of {choices}")


def _architecture(
    name: str, input_shape: tuple[int, int, int], image_size: int, alpha: float
) -> keras.Model:
    import keras

    row = BACKBONES[name]
    preprocess = importlib.import_module(f"keras.applications.{row.module}").preprocess_input
    images = keras.Input(input_shape, dtype="uint8", name="images")
    x = keras.ops.cast(images, "float32")
    if input_shape[-1] == 1:
        x = keras.ops.repeat(x, 3, axis=-1)
    if input_shape[:2] != (image_size, image_size):
        # Not the layer Resizing: its `training=True` by default would switch BatchNorm after it to
        # training mode in a plain call of the model.
        x = keras.ops.image.resize(x, (image_size, image_size), interpolation="bilinear")
    options = {"alpha": alpha} if row.alphas else {}
    network = getattr(keras.applications, name)(
        include_top=False, weights=None, input_tensor=preprocess(x), **options
    )
    x = network.get_layer(row.feature_layer).output  # (n, h', w', d)
    x = keras.layers.GlobalAveragePooling2D(name=FEATURES, dtype="float32")(x)
    return keras.Model(images, x, name=name)


def _imagenet(model: keras.Model, name: str, file: WeightsFile, resources: Path) -> dict[str, Any]:
    """Load Keras's published file, fetched once into `resources`."""
    path = resources / file.name
    if not path.exists():
        _download(f"{file.folder}/{file.name}", path, name)
    if file.md5 is not None and (found := _digest(path, "md5")) != file.md5:
        raise InputError(
            f"{path} has MD5 {found} where Keras publishes {file.md5} for {name}: "
            "remove the file so that it is fetched again, or name it as `weights` to use it anyway"
        )
    _load(model, path, name)
    return {
        "label": "ImageNet weights",
        "file": file.name,
        "sha256": _digest(path),
        "verified": file.md5 is not None,
    }


def _download(url: str, path: Path, name: str) -> None:
    """Fetch under a temporary name, so that an interrupted download is never taken for the file."""
    import keras

    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with contextlib.redirect_stdout(sys.stderr):  # where the progress bar belongs
            # An absolute cache_subdir stops Keras from quietly using /tmp for a read-only folder.
            keras.utils.get_file(part.name, url, cache_subdir=str(path.parent.resolve()))
        os.replace(part, path)
    except Exception as error:  # get_file raises bare Exception
        part.unlink(missing_ok=True)
        reason = " ".join(str(error).split())
        raise InputError(
            f"the ImageNet weights of {name} are not here and could not be downloaded ({reason}): "
            f"put {path.name} into {path.parent}/"
        ) from error


def _load(model: keras.Model, path: Path, name: str) -> None:
    """Load a weights file into `model`, or say in one sentence why it does not fit."""
    import h5py

    if path.suffix not in (".h5", ".keras"):
        raise InputError(f"weights {path} have an unknown format: name a .h5 or .keras file")
    saved = path.suffix == ".keras"
    damaged = InputError(f"weights {path} cannot be read, the file is damaged: fetch it again")
    if not (zipfile.is_zipfile(path) if saved else h5py.is_hdf5(path)):
        raise damaged
    try:
        with warnings.catch_warnings():
            # Keras only warns where it leaves layers of a `.weights.h5` file as they were.
            warnings.simplefilter("error", UserWarning)
            if saved:
                _copy_backbone(path, model)
            else:
                model.load_weights(path)
    except (OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise damaged from error
    except (ValueError, TypeError, AttributeError, UserWarning) as error:
        raise InputError(
            f"weights {path} do not fit {name}: use a file of this architecture, "
            "with the same alpha and without the top"
        ) from error


def _copy_backbone(path: Path, model: keras.Model) -> None:
    """Copy the layers below "features" of a saved model; its image size may be another."""
    import keras

    saved = keras.models.load_model(path, compile=False)  # safe mode: no code in the file is run
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(saved.get_layer(layer.name).get_weights())


def _digest(path: Path, algorithm: str = "sha256") -> str:
    if not path.is_file():
        raise InputError(f"weights {path} do not exist: name a .h5 or .keras file, or use imagenet")
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
