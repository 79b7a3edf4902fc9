"""A dataset: images, labels, classes and a split, from a name, an `.npz` or an image folder."""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.errors import InputError
from pipeline.images.inspection import inspect_classes, inspect_images
from pipeline.images.names import printable, similar_names
from pipeline.images.source import Pixels, Source, refuse
from pipeline.images.splits import draw_split
from pipeline.images.subset import Subset, subset_rows, subset_size
from pipeline.runtime.log import log

TIME_LIMIT = 20.0  # seconds that `look_at` may read a folder
PROBE = 256  # images of a folder whose reading is timed


@dataclass(frozen=True)
class Dataset:
    """Labelled images in two parts.

    Attributes
    ----------
    images : ndarray, (n, h, w, c) uint8
        c is 1 (grey) or 3 (RGB).
    labels : ndarray, (n,) int64
        Positions in `class_names`.
    class_names : tuple of str
        Printable, composed (Unicode NFC).
    split : ndarray, (n,) "<U5"
        "train" or "test". Each class has images of both.
    ids : ndarray, (n,) int64
        Rows in the source, ascending.
    files : tuple of str, (n,), or None
        Printable paths within the folder; None where the source is no folder.
    provenance : dict
        Where the images come from, with hashes and counts; fit for JSON.
    warnings : tuple of str
        What to know of the images, in sentences.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    split: np.ndarray
    ids: np.ndarray
    files: tuple[str, ...] | None
    provenance: dict[str, Any]
    warnings: tuple[str, ...]


def load_dataset(
    source: str,
    *,
    resources: Path = Path("resources"),
    image_size: int | None = None,
    subset: Subset = None,
    seed: int = 0,
) -> Dataset:
    """Load the dataset that `source` names.

    Parameters
    ----------
    source : str
        A name (`mnist`, `fashion_mnist`, `cifar10`, `digits`), or the path of an `.npz` file
        (see `arrays.open_npz`) or of an image folder (see `folder.open_folder`).
        A name wins over a path; write `./mnist` for a folder so called.
    resources : Path
        Folder of downloads; a file already there is checked and used.
    image_size : int or None
        Side in pixels of the square that images are stretched to, antialiased, where their sizes
        differ or all are larger; see `pixels.final_size`.
    subset : int, {"train": n} or None
        Keep so many images, or so many training images and all test images; see
        `subset.subset_rows`. Only these files of a folder are read.
    seed : int
        Of the subset, and of the test part where the source has none: then a fifth of each class is
        drawn.

    Returns
    -------
    Dataset
        Rows in the order of the source, training images first where it has a split.

    Raises
    ------
    InputError
        The source is not there or damaged; there are fewer than two classes; a class has no image
        to train on or none to test on; the subset does not fit. All problems are said together.
    """
    if image_size is not None and image_size < 1:
        raise InputError(f"image_size is {image_size}: give a side in pixels, 1 or more")
    data = _open(source, resources)
    parts, rows = _drawn(data, source, subset, seed)
    pixels = data.read(rows, image_size, data.problems)
    labels, split = data.labels[rows], parts[rows].astype("<U5")
    return Dataset(
        pixels.images,
        labels,
        data.class_names,
        split,
        ids=rows.astype(np.int64),
        files=None if data.files is None else tuple(data.files[row] for row in rows),
        provenance={
            "source": printable(source),
            **pixels.provenance,
            "split": "drawn" if data.split is None else "given",
            "seed": seed,
            "subset": _subset_provenance(subset, len(data.labels)),
            "image_size": image_size,
            "image_shape": list(pixels.images.shape[1:]),
            "counts": _counts(split),
            "classes": {
                name: _counts(split[labels == i]) for i, name in enumerate(data.class_names)
            },
        },
        warnings=_warnings(data, parts, rows, pixels, rows),
    )


class Look(NamedTuple):
    """What was seen of a dataset.

    Attributes
    ----------
    images, seen : int
        How many it has, and how many of these were read.
    size : (height, width)
    warnings : tuple of str
        As of a `Dataset`; what is about pixels is about the images that were read.
    """

    images: int
    seen: int
    size: tuple[int, int]
    warnings: tuple[str, ...]


def look_at(
    source: str,
    *,
    resources: Path = Path("resources"),
    image_size: int | None = None,
    subset: Subset = None,
    seed: int = 0,
) -> Look:
    """Look at the dataset that `load_dataset` would load.

    Of a folder that takes longer than `TIME_LIMIT` to read, as many images are read as that allows,
    drawn at random.

    Parameters
    ----------
    source, resources, image_size, subset, seed
        See `load_dataset`.

    Raises
    ------
    InputError
        See `load_dataset`; of the images that were read.
    """
    data = _open(source, resources)
    parts, rows = _drawn(data, source, subset, seed)
    seen = rows if data.files is None else _soon_read(data, rows, image_size)
    pixels = data.read(seen, image_size, data.problems)
    warnings = _warnings(data, parts, rows, pixels, seen)
    return Look(len(rows), len(seen), pixels.images.shape[1:3], warnings)


def count_images(source: str, *, subset: Subset = None) -> tuple[int, int]:
    """Return how many images of each part `load_dataset` will give, train and test.

    No pixel is read and nothing is downloaded.

    Parameters
    ----------
    source, subset
        See `load_dataset`.

    Raises
    ------
    InputError
        What `load_dataset` will refuse, as far as it is known without pixels.
    """
    from pipeline.images.published import PUBLISHED

    if published := PUBLISHED.get(source):
        classes, train, test = len(published.class_names), published.train, published.test
        size = subset_size(subset, train=train, test=test, classes=classes)
        tested = test if isinstance(subset, Mapping) else round(size * test / (train + test))
        return size - tested, tested
    data = _open(source, Path())
    refuse(source, data.problems)
    split = _split(data, 0)
    kept = split[_rows(data, split, source, subset, 0)]
    tested = int((kept == "test").sum())
    return len(kept) - tested, tested


def check_source(source: str) -> None:
    """Refuse what is no name of a data set, no `.npz` file and no folder, before anything is read.

    Raises
    ------
    InputError
    """
    resolve_source(source, Path())


def resolve_source(source: str, base: Path) -> str:
    """Return the source with its path: in the working directory, or else in a folder.

    Parameters
    ----------
    source : str
        See `load_dataset`.
    base : Path
        Where relative paths may start too, such as the folder of a configuration.

    Raises
    ------
    InputError
        There is no such data set; the sentence says which paths were tried.
    """
    from pipeline.images.published import NAMED

    if source in NAMED:
        return source
    path = os.path.expanduser(source)
    tried = [path, os.path.join(base, path)]
    for place in tried:
        if source.strip() and _is_source(place):
            return place
    exists = any(map(os.path.lexists, tried))
    what = "is neither an .npz file nor a folder" if exists else "does not exist"
    places = " and ".join(map(repr, dict.fromkeys(map(os.path.abspath, tried))))
    raise InputError(
        f"dataset.source {source!r} {what} (tried {places}): give {', '.join(NAMED)}, "
        "or the path of an .npz file or of an image folder"
    )


def _is_source(path: str) -> bool:
    is_npz = os.path.splitext(path)[1].lower() == ".npz"
    return os.path.isdir(path) or (is_npz and os.path.isfile(path))


def _open(source: str, resources: Path) -> Source:
    from pipeline.images.arrays import open_npz
    from pipeline.images.folder import open_folder
    from pipeline.images.published import NAMED

    if source in NAMED:
        return NAMED[source](resources)
    path = Path(resolve_source(source, Path()))
    return open_folder(path) if path.is_dir() else open_npz(path)


def _drawn(data: Source, source: str, subset: Subset, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The part of each image of a source (n,), and the rows (m,) of the subset."""
    if data.split is None:
        log.info(f"{printable(source)} has no test part: a fifth of each class is drawn")
    split = _split(data, seed)
    return split, _rows(data, split, source, subset, seed)


def _soon_read(data: Source, rows: np.ndarray, image_size: int | None) -> np.ndarray:
    """As many of the rows as can be read in time."""
    if len(rows) <= PROBE:
        return rows
    start = time.monotonic()
    with suppress(InputError):  # said when the others are read
        data.read(_thinned(rows, PROBE), image_size, data.problems)
    most = int(PROBE * TIME_LIMIT / max(time.monotonic() - start, 1e-9))
    return rows if len(rows) <= most else _thinned(rows, max(PROBE, most))


def _thinned(rows: np.ndarray, size: int) -> np.ndarray:
    return np.sort(np.random.default_rng(0).choice(rows, size, replace=False))


def _warnings(
    data: Source, parts: np.ndarray, rows: np.ndarray, pixels: Pixels, seen: np.ndarray
) -> tuple[str, ...]:
    """What to know of the images of some rows, of which some were seen."""
    files = data.files
    names = [f"image {row}" if files is None else files[row] for row in seen]
    return (
        *data.warnings,
        *similar_names(data.class_names),
        *pixels.warnings,
        *inspect_images(pixels.images, data.labels[seen], parts[seen], names),
        *inspect_classes(data.labels[rows], data.class_names, parts[rows]),
    )


def _split(data: Source, seed: int) -> np.ndarray:
    return draw_split(data.labels, seed) if data.split is None else data.split


def _rows(data: Source, split: np.ndarray, source: str, subset: Subset, seed: int) -> np.ndarray:
    """Return the rows of a subset; where it does not fit, all problems of the source are said."""
    try:
        return subset_rows(data.labels, split, subset, seed=seed)
    except InputError as error:
        refuse(source, [*data.problems, str(error)])
        raise


def _subset_provenance(subset: Subset, images: int) -> dict[str, int] | None:
    if subset is None:
        return None
    size = {"size": subset} if isinstance(subset, int) else dict(subset)
    return {**size, "of": images}


def _counts(split: np.ndarray) -> dict[str, int]:
    return {part: int((split == part).sum()) for part in ("train", "test")}
