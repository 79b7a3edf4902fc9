"""Images from an `.npz` file: `x_train, y_train[, x_test, y_test][, class_names]`."""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.errors import InputError
from pipeline.runtime.log import log


class ImageArrays(NamedTuple):
    """Labelled images as a source holds them.

    Attributes
    ----------
    images : ndarray, (n, h, w, c) uint8
    labels : ndarray, (n,) int64
    class_names : tuple of str
    split : ndarray, (n,) of "train" and "test", or None
        None where the source has no test part.
    provenance : dict
        Hashes of the files, and which arrays were ignored.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    split: np.ndarray | None
    provenance: dict[str, Any]


def load_npz(path: Path) -> ImageArrays:
    """Read and check the images and labels of an `.npz` file.

    Images are (n, h, w), (n, h, w, 1) or (n, h, w, 3); an alpha channel is refused, since what lies
    behind it is not known. Integers are pixels 0..255 as they are, booleans become 0 and 255.
    Floats are fractions of 255 where all of them, train and test, are within 0..1, else pixels
    0..255; either way they are rounded. Labels are integers or strings, (n,) or (n, 1); they become
    0, 1, ... in sorted order, or the positions in `class_names` where the file has that array.

    Raises
    ------
    InputError
        The file is no whole `.npz`, holds pickles, lacks an array, or an array is not as above.
    """
    from pooch import file_hash

    arrays = read_arrays(path, required=("x_train", "y_train"))
    if ("x_test" in arrays) != ("y_test" in arrays):
        raise InputError(f"{path} holds only one of x_test and y_test: add the other or drop it")
    parts = ("train", "test") if "x_test" in arrays else ("train",)
    used = {"class_names", *(f"{letter}_{part}" for letter in "xy" for part in parts)}
    ignored = sorted(set(arrays) - used)
    if ignored:
        log.info(f"{path}: ignoring the arrays {', '.join(ignored)}")

    images = {part: _channels_last(arrays[f"x_{part}"], f"{path}: x_{part}") for part in parts}
    labels = {part: _one_dimensional(arrays[f"y_{part}"], f"{path}: y_{part}") for part in parts}
    for part in parts:
        if len(labels[part]) != len(images[part]):
            raise InputError(
                f"{path}: y_{part} has {len(labels[part]):,} labels for the {len(images[part]):,} "
                f"images of x_{part}; there must be one for each"
            )
    if len({x.shape[1:] for x in images.values()}) > 1:
        raise InputError(
            f"{path}: the images of x_train are {images['train'].shape[1:]} and those of x_test "
            f"{images['test'].shape[1:]}; they must have one size"
        )
    pixels = to_uint8(images, str(path))
    indices, class_names = _encode(np.concatenate(list(labels.values())), arrays, path)
    split = np.repeat(parts, [len(x) for x in images.values()]) if "test" in parts else None
    provenance = {"files": {str(path): file_hash(path)}, "ignored": ignored}
    return ImageArrays(pixels, indices, class_names, split, provenance)


def read_arrays(path: Path, *, required: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return all arrays of an `.npz` file, without ever unpickling.

    Raises
    ------
    InputError
        The file is not a whole `.npz`, holds pickled objects, or lacks a `required` array.
    """
    try:
        with path.open("rb") as file:  # np.load, given a name, leaves a damaged file open
            loaded = np.load(file, allow_pickle=False)
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                raise InputError(
                    f"{path} holds one bare array (.npy): save {', '.join(required)} by np.savez"
                )
            arrays = {name: loaded[name] for name in loaded.files}
    except (InputError, MemoryError):
        raise
    except Exception as error:  # zipfile, zlib and numpy each have their own for a damaged file
        if "pickle" in str(error):
            raise InputError(
                f"{path} holds pickled objects, which can run code and are refused: "
                "save plain arrays of numbers or strings by np.savez"
            ) from error
        raise InputError(
            f"{path} is not a whole .npz file ({error}): copy or write it again"
        ) from error
    if missing := [name for name in required if name not in arrays]:
        raise InputError(
            f"{path} lacks {' and '.join(missing)} (it holds {', '.join(arrays) or 'nothing'}): "
            "the arrays must be named x_train, y_train and, with a test part, x_test, y_test"
        )
    return arrays


def to_uint8(images: dict[str, np.ndarray], place: str) -> np.ndarray:
    """Join the parts' images (n, h, w, c) into one uint8 array, by the rules of `load_npz`."""
    for part, x in images.items():
        if x.dtype.kind not in "buif":
            raise InputError(
                f"{place}: x_{part} holds {x.dtype}, not numbers: give pixels 0..255 as uint8"
            )
        if x.dtype.kind == "f" and (bad := np.flatnonzero(~np.isfinite(x))).size:
            first = tuple(int(i) for i in np.unravel_index(bad[0], x.shape))
            raise InputError(
                f"{place}: x_{part} holds {bad.size:,} NaN or infinite pixels, the first at "
                f"index {first}; remove these images or repair them"
            )
    low, high = min(x.min() for x in images.values()), max(x.max() for x in images.values())
    if low < 0 or high > 255:
        raise InputError(
            f"{place}: the pixels range over {low:g}..{high:g}; "
            "give 0..255, or fractions 0..1 as floats"
        )
    scale = 255 if high <= 1 and all(x.dtype.kind in "bf" for x in images.values()) else 1
    return np.concatenate([_scaled(x, scale) for x in images.values()])


def array_sha256(array: np.ndarray) -> str:
    """Return the SHA-256 of the bytes of `array` in C order."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def _scaled(x: np.ndarray, scale: int) -> np.ndarray:
    return x if x.dtype == np.uint8 else np.rint(x * np.float32(scale)).astype(np.uint8)


def _channels_last(x: np.ndarray, place: str) -> np.ndarray:
    """Return images as (n, h, w, c) with c 1 or 3."""
    images = x[..., None] if x.ndim == 3 else x
    if images.ndim == 4 and images.shape[-1] in (1, 3) and images.size:
        return images
    hint = "expected (images, height, width) or (images, height, width, 1 or 3)"
    if 0 in x.shape:
        hint = "there is no image in it"
    elif x.ndim == 4 and x.shape[1] in (1, 3):
        hint += "; the channels must come last, see np.moveaxis"
    elif x.ndim == 4 and x.shape[-1] in (2, 4):
        hint += "; remove the alpha channel"
    raise InputError(f"{place} has the shape {x.shape}: {hint}")


def _one_dimensional(y: np.ndarray, place: str) -> np.ndarray:
    """Return labels as (n,)."""
    if y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1):
        return y.reshape(-1)
    raise InputError(
        f"{place} has the shape {y.shape}: expected one integer or string for each image "
        "(of one-hot rows take the argmax)"
    )


def _encode(
    labels: np.ndarray, arrays: dict[str, np.ndarray], path: Path
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return labels as positions (n,) int64 in the class names, and these names."""
    if labels.dtype.kind == "S":
        labels = labels.astype(str)
    if labels.dtype.kind == "f":
        if not np.array_equal(labels, np.floor(labels)):  # NaN too: it equals nothing
            row = int(np.flatnonzero(labels != np.floor(labels))[0])
            raise InputError(
                f"{path}: label {labels[row]:g} (number {row:,}) is not an integer; "
                "labels are classes: give integers or strings"
            )
        labels = labels.astype(np.int64)
    if labels.dtype.kind not in "iubU":
        raise InputError(f"{path}: the labels are {labels.dtype}: give integers or strings")
    if "class_names" not in arrays:
        values, indices = np.unique(labels, return_inverse=True)
        return indices.astype(np.int64), tuple(str(value) for value in values)

    names = tuple(
        str(name) for name in _one_dimensional(arrays["class_names"], f"{path}: class_names")
    )
    if len(set(names)) < len(names):
        raise InputError(f"{path}: class_names holds the same name twice: {', '.join(names)}")
    positions: dict[Any, int] = {name: i for i, name in enumerate(names)}
    if labels.dtype.kind != "U":
        positions = {i: i for i in range(len(names))}
    values, indices = np.unique(labels, return_inverse=True)
    if unknown := [value for value in values.tolist() if value not in positions]:
        raise InputError(
            f"{path}: label {unknown[0]!r} is none of the {len(names)} class_names; "
            "integer labels count them from 0, string labels repeat them"
        )
    return np.array([positions[value] for value in values.tolist()])[indices], names
