"""Images from an `.npz` file: `x_train, y_train`, with other parts `x_test, y_test`."""

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.images.labels import class_problems, encode_labels
from pipeline.images.names import examples, printable
from pipeline.images.npz import Header, array_names, read_array, read_header
from pipeline.images.pixels import check_memory, select
from pipeline.images.source import Pixels, Source, refuse
from pipeline.images.splits import PARTS, assign_splits, sort_by_part
from pipeline.runtime.log import log

DIM = 2.0  # of 255, which no image is: floats between 1 and this are fractions
ROWS_AT_ONCE = 1024  # images whose pixels are scaled together, so that copies as floats stay small


def open_npz(path: Path) -> Source:
    """Read the labels of an `.npz` file and check its images by their headers.

    Images are (n, h, w), (n, h, w, 1) or (n, h, w, 3); an alpha channel is refused, since what lies
    behind it is not known. Integers are pixels 0..255 as they are, booleans become 0 and 255.
    Floats are fractions of 255 where all of them, in all parts, are within 0..1, else pixels
    0..255; either way they are rounded. Labels are (n,) or (n, 1), see `labels.encode_labels`. What
    the parts train or test is decided by `splits.assign_splits`. Other arrays are not read.

    Raises
    ------
    InputError
        The file is no whole `.npz`, holds pickles, lacks an array, or an array is not as above.
    """
    names = array_names(path)
    parts, problems = _parts(names, path)
    needed = [f"{letter}_{part}" for part in parts for letter in "xy"]
    ignored = sorted(set(names) - {"class_names", *needed})
    if ignored:
        log.info(f"{printable(path)}: ignoring the arrays {printable(examples(ignored))}")

    headers = {name: read_header(path, name) for name in needed}
    refuse(path, [*problems, *_header_problems(headers, parts)])
    labels, class_names = encode_labels(
        {f"y_{part}": read_array(path, f"y_{part}").reshape(-1) for part in parts},
        _class_names(path) if "class_names" in names else None,
        printable(path),
    )
    splits, warnings = assign_splits(PARTS[part] for part in parts)
    sizes = [headers[f"y_{part}"].shape[0] for part in parts]
    split = np.repeat([splits[PARTS[part]] for part in parts], sizes) if splits else None
    images = {f"x_{part}": headers[f"x_{part}"] for part in parts}
    return Source(
        labels,
        class_names,
        split,
        partial(_read, path, images, ignored),
        problems=tuple(class_problems(labels, class_names, split)),
        warnings=warnings,
    )


def array_source(
    images: np.ndarray,
    labels: np.ndarray,
    class_names: tuple[str, ...],
    split: np.ndarray | None,
    provenance: dict[str, Any],
) -> Source:
    """Return images (n, h, w, c) uint8 in memory, whose classes were checked, as a source."""

    def read(rows: np.ndarray, image_size: int | None, problems: Sequence[str]) -> Pixels:
        return Pixels(select(images, rows, image_size), provenance)

    return Source(labels, class_names, split, read)


def array_sha256(array: np.ndarray) -> str:
    """Return the SHA-256 of the bytes of `array` in C order."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def _parts(names: list[str], path: Path) -> tuple[list[str], list[str]]:
    """Return the parts, such as "train", that have images and labels, and the problem of others."""
    has = {letter: {part for part in PARTS if f"{letter}_{part}" in names} for letter in "xy"}
    parts = sort_by_part(has["x"] & has["y"])
    if not any(PARTS[part] == "train" for part in parts):
        missing = [name for name in ("x_train", "y_train") if name not in names]
        raise InputError(
            f"{printable(path)} lacks {' and '.join(missing)} (it holds "
            f"{printable(examples(names)) or 'nothing'}): the arrays must be named x_train, "
            "y_train and, with a test part, x_test, y_test"
        )
    return parts, [
        f"it holds only one of x_{part} and y_{part}: add the other or drop it"
        for part in sort_by_part(has["x"] ^ has["y"])
    ]


def _header_problems(headers: dict[str, Header], parts: list[str]) -> list[str]:
    """Say which arrays cannot be images or their labels."""
    problems = []
    for part in parts:
        x, y = headers[f"x_{part}"], headers[f"y_{part}"]
        problems += _image_problems(x, f"x_{part}")
        if len(y.shape) != 1 and (len(y.shape) != 2 or y.shape[1] != 1):
            problems.append(
                f"y_{part} has the shape {y.shape}: expected one integer or string for each image "
                "(of one-hot rows take the argmax)"
            )
        elif x.shape and y.shape[0] != x.shape[0]:
            problems.append(
                f"y_{part} has {y.shape[0]:,} labels for the {x.shape[0]:,} images of x_{part}; "
                "there must be one for each"
            )
    shapes = {f"x_{part}": _image_shape(headers[f"x_{part}"]) for part in parts}
    if not problems and len(set(shapes.values())) > 1:
        listed = " and ".join(f"{shape} in {name}" for name, shape in shapes.items())
        problems.append(f"the images are {listed}; they must have one size")
    return problems


def _image_problems(x: Header, name: str) -> list[str]:
    if x.dtype.kind not in "buif":
        return [f"{name} holds {x.dtype}, not numbers: give pixels 0..255 as uint8"]
    shape = x.shape
    if 0 in shape:
        hint = "there is no image in it"
    elif len(shape) in (3, 4) and _image_shape(x)[-1] in (1, 3):
        return []
    else:
        hint = "expected (images, height, width) or (images, height, width, 1 or 3)"
        if len(shape) == 4 and shape[1] in (1, 3):
            hint += "; the channels must come last, see np.moveaxis"
        elif len(shape) == 4 and shape[-1] in (2, 4):
            hint += "; remove the alpha channel"
    return [f"{name} has the shape {shape}: {hint}"]


def _image_shape(x: Header) -> tuple[int, ...]:
    """Return height, width and channels."""
    return (*x.shape[1:], 1) if len(x.shape) == 3 else x.shape[1:]


def _class_names(path: Path) -> np.ndarray:
    shape = read_header(path, "class_names").shape
    if len(shape) != 1 and (len(shape) != 2 or shape[1] != 1):
        refuse(path, [f"class_names has the shape {shape}: expected one name for each class"])
    return read_array(path, "class_names").reshape(-1)


def _read(
    path: Path,
    headers: dict[str, Header],
    ignored: list[str],
    rows: np.ndarray,
    image_size: int | None,
    problems: Sequence[str],
) -> Pixels:
    pixels = sum(int(np.prod(header.shape, dtype=object)) for header in headers.values())
    stored = sum(header.nbytes for header in headers.values())
    as_stored = len(headers) == 1 and stored == pixels  # no copy is made
    check_memory(
        stored + (0 if as_stored else pixels), path, "save fewer or smaller ones, as uint8"
    )
    arrays = {
        name: read_array(path, name).reshape(-1, *_image_shape(header))
        for name, header in headers.items()
    }
    refuse(path, [*problems, *_pixel_problems(arrays)])
    provenance = {
        "arrays": {name: array_sha256(x) for name, x in arrays.items()},
        "ignored": ignored,
    }
    return Pixels(select(_to_uint8(list(arrays.values())), rows, image_size), provenance)


def _pixel_problems(arrays: dict[str, np.ndarray]) -> list[str]:
    """Say which pixels are no finite numbers of one range."""
    low, high = min(x.min() for x in arrays.values()), max(x.max() for x in arrays.values())
    problems = []
    for name, x in arrays.items():
        if x.dtype.kind == "f" and not (np.isfinite(x.min()) and np.isfinite(x.max())):
            bad = np.flatnonzero(~np.isfinite(x))
            first = tuple(int(i) for i in np.unravel_index(bad[0], x.shape))
            problems.append(
                f"{name} holds {bad.size:,} NaN or infinite pixels, the first at index {first}; "
                "remove these images or repair them"
            )
    if not problems and (low < 0 or high > 255):
        problems.append(
            f"the pixels range over {low:g}..{high:g}; give 0..255, or fractions 0..1 as floats"
        )
    floats = {name: float(x.max()) for name, x in arrays.items() if x.dtype.kind == "f"}
    if not problems and floats and 1 < high < DIM:
        problems.append(
            f"the pixels range over {low:g}..{high:.9g}, as fractions do that overshoot: clip them "
            "to 0..1, or give 0..255"
        )
    elif not problems and floats and high > 1 and min(floats.values()) <= 1:
        dim = min(floats, key=lambda name: floats[name])
        problems.append(
            f"{dim} ranges up to {floats[dim]:g} but others up to {high:g}: give all in one scale"
        )
    return problems


def _to_uint8(parts: list[np.ndarray]) -> np.ndarray:
    """Join images (n_i, h, w, c) into one uint8 array, by the rules of `open_npz`."""
    if len(parts) == 1 and parts[0].dtype == np.uint8:
        return parts[0]
    fractions = all(x.dtype.kind in "bf" and x.max() <= 1 for x in parts)
    joined = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), np.uint8)
    done = 0
    for x in parts:
        for start in range(0, len(x), ROWS_AT_ONCE):
            rows = x[start : start + ROWS_AT_ONCE]
            scaled = np.rint(rows * np.float32(255)) if fractions else np.rint(rows)
            joined[done : done + len(rows)] = scaled
            done += len(rows)
    return joined
