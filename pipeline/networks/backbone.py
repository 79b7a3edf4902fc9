"""Pre-trained CNNs without their tops: a table of them, and a function that builds one.

A backbone is one flat functional model that takes the stored uint8 images as they are and does the
rest on the device: grey to three channels, resize, the network's own `preprocess_input`, the
convolutions, a global average pool called "features". Whoever has the file needs nothing else.
"""

from __future__ import annotations

import importlib
import importlib.resources
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.runtime.downloads import RemoteFile, fetch
from pipeline.runtime.keras_import import import_keras

if TYPE_CHECKING:
    import keras

FEATURES = "features"  # name of the layer whose output is the representation
HEAD = "head"  # name of the layer that gives the class probabilities, after fine-tuning

_TENSORFLOW = "https://storage.googleapis.com/tensorflow/keras-applications"
_DEMO = "demo_backbone/mobilenet_025_32_cifar10.keras"  # in the package pipeline.workflow
NAMED_WEIGHTS = ("imagenet", "random", "demo")
_ANY_SIZE = ("random", "demo", ".keras")  # weights that were not trained on larger images

_TOO_SMALL = (
    "the last feature map of {name} at {size} pixels is 1 x 1, far from what its weights were "
    "trained on: use image_size 64 or more for a meaningful comparison"
)


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
        (alpha, image_size) -> the file without the top that Keras publishes for them. Its hash is
        None where Keras publishes none.
    alphas : tuple of float
        Width multipliers with published ImageNet weights; empty where there is no such choice.
    min_size : int
        Smallest image side in pixels that Keras accepts.
    wide_from : int
        Smallest image side in pixels whose last feature map is wider than one pixel: of odd sides
        some networks drop a row when they halve them.
    """

    module: str
    feature_layer: str
    imagenet: Callable[[float, int], RemoteFile]
    alphas: tuple[float, ...] = ()
    min_size: int = 32
    wide_from: int = 33


def _published(folder: str, name: str, md5: str) -> Callable[[float, int], RemoteFile]:
    file = RemoteFile(name, f"{_TENSORFLOW}/{folder}/{name}", f"md5:{md5}")
    return lambda alpha, size: file


def _mobilenet(alpha: float, size: int) -> RemoteFile:
    size = size if size in (128, 160, 192, 224) else 224  # Keras's own rule
    text = {1.0: "1_0", 0.75: "7_5", 0.5: "5_0", 0.25: "2_5"}[alpha]
    name = f"mobilenet_{text}_{size}_tf_no_top.h5"
    return RemoteFile(name, f"{_TENSORFLOW}/mobilenet/{name}")


def _mobilenet_v2(alpha: float, size: int) -> RemoteFile:
    size = size if size in (96, 128, 160, 192, 224) else 224  # Keras's own rule
    name = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{float(alpha)}_{size}_no_top.h5"
    return RemoteFile(name, f"{_TENSORFLOW}/mobilenet_v2/{name}")


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
        wide_from=64,
    ),
    "VGG19": Backbone(
        "vgg19",
        "block5_pool",
        _published(
            "vgg19",
            "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "253f8cb515780f3b799900260a226db6",
        ),
        wide_from=64,
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
    "MobileNet": Backbone(
        "mobilenet", "conv_pw_13_relu", _mobilenet, (0.25, 0.5, 0.75, 1.0), wide_from=63
    ),
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
    weights : "imagenet", "random", "demo" or a path
        "demo" is a file that comes with this package: MobileNet with alpha 0.25, trained on
        CIFAR-10. A path may be a file without the top (`.h5`, `.weights.h5`) or a `.keras` file
        that this pipeline wrote, whose head is left out.
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
        What the weights are: `weights`, `label` (for figures), `file`, `sha256`, `verified`
        (True where a published hash was compared), `feature_map` (its height and width),
        `warnings` (sentences that belong beside every figure), and what was built.

    Raises
    ------
    InputError
        Unknown name, a size or an alpha that does not fit, weights that are missing, damaged or of
        another architecture.
    """
    check_options(name, image_size, alpha, weights)
    if len(input_shape) != 3 or input_shape[-1] not in (1, 3):
        raise InputError(f"images of shape {input_shape} are neither grey nor RGB: use (h, w, 1|3)")
    keras = import_keras()
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
        origin: dict[str, Any] = {"label": f"random weights, seed {seed}", "verified": False}
    elif weights == "imagenet":
        file = BACKBONES[name].imagenet(alpha, image_size)
        origin = _load_imagenet(model, name, file, Path(resources))
    elif weights == "demo":
        demo = importlib.resources.files("pipeline.workflow") / _DEMO
        with importlib.resources.as_file(demo) as path:
            origin = _load_file(model, path, name, label="CIFAR-10 weights of the demo")
    else:
        path = Path(weights)
        origin = _load_file(model, path, name, label=f"weights from {path.name}")
    provenance["warnings"] += too_small(name, image_size, str(weights))
    return model, provenance | origin


def too_small(name: str, image_size: int, weights: str) -> list[str]:
    """Say that a network's last feature map is a single pixel, far from what it was trained on.

    Parameters
    ----------
    name, image_size, weights
        See `build_backbone`. Weights that were not trained on larger images may see small ones.
    """
    if image_size >= BACKBONES[name].wide_from or weights.endswith(_ANY_SIZE):
        return []
    return [_TOO_SMALL.format(name=name, size=image_size)]


def check_options(name: str, image_size: int, alpha: float, weights: str | Path) -> None:
    """Refuse what Keras would refuse later in many lines.

    Parameters
    ----------
    name, image_size, alpha, weights
        See `build_backbone`.

    Raises
    ------
    InputError
    """
    if name not in BACKBONES:
        raise InputError(f"backbone {name!r} is unknown: choose one of {', '.join(BACKBONES)}")
    row = BACKBONES[name]
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
    if weights == "demo" and (name, alpha) != ("MobileNet", 0.25):
        raise InputError(
            f"weights 'demo' are those of MobileNet with alpha 0.25, not of {name} with alpha "
            f"{alpha}: use imagenet, random or a file"
        )


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
    build = getattr(keras.applications, name)
    try:
        network = build(include_top=False, weights=None, input_tensor=preprocess(x), **options)
    except ValueError as error:  # of layers without a filter
        raise InputError(
            f"alpha {alpha} of {name} leaves a layer without filters: use a larger one, e.g. 0.25"
        ) from error
    x = network.get_layer(row.feature_layer).output  # (n, h', w', d)
    x = keras.layers.GlobalAveragePooling2D(name=FEATURES, dtype="float32")(x)
    return keras.Model(images, x, name=name)


def _load_imagenet(
    model: keras.Model, name: str, file: RemoteFile, resources: Path
) -> dict[str, Any]:
    """Load Keras's published file, fetched once into `resources`; return its provenance."""
    from pooch import file_hash

    [path] = fetch([file], resources)
    algorithm, _, published = (file.known_hash or "").partition(":")
    if published and (actual := file_hash(path, algorithm)) != published:
        raise InputError(
            f"{path} has {algorithm.upper()} {actual} where Keras publishes {published} for "
            f"{name}: remove the file so that it is fetched again, or name it as `weights` to use "
            "it anyway"
        )
    origin = _load_file(model, path, name, label="ImageNet weights")
    return origin | {"verified": bool(published)}


def _load_file(model: keras.Model, path: Path, name: str, *, label: str) -> dict[str, Any]:
    """Load a weights file into `model`; return its provenance."""
    from pooch import file_hash

    if not path.is_file():
        raise InputError(f"weights {path} do not exist: name a .h5 or .keras file, or use imagenet")
    _load(model, path, name)
    return {"label": label, "file": path.name, "sha256": file_hash(path), "verified": False}


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
