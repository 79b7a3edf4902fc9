"""A dataset: images, labels, classes and a split, from a name, an `.npz` or an image folder."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.errors import InputError
from pipeline.images.arrays import ImageArrays, load_npz
from pipeline.images.folder import list_folder, read_images, resize
from pipeline.images.published import PUBLISHED, load_digits, load_published
from pipeline.images.subset import shuffled_ranks, stratified_subset

TEST_SHARE = 0.2  # of each class, where the source has no test part; the usual fifth


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
    split : ndarray, (n,) "<U5"
        "train" or "test". Each class has images of both.
    provenance : dict
        Where the images come from, with hashes and counts; fit for JSON.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    split: np.ndarray
    provenance: dict[str, Any]


@dataclass(frozen=True)
class _Source:
    """An opened source: all labels, and a way to read the images of some rows."""

    labels: np.ndarray
    class_names: tuple[str, ...]
    split: np.ndarray | None
    read: Callable[[np.ndarray, int | None], tuple[np.ndarray, dict[str, Any]]]


def load_dataset(
    source: str,
    *,
    resources: Path = Path("resources"),
    image_size: int | None = None,
    subset: int | None = None,
    seed: int = 0,
) -> Dataset:
    """Load the dataset that `source` names.

    Parameters
    ----------
    source : str
        A name (`mnist`, `fashion_mnist`, `cifar10`, `digits`), or the path of an `.npz` file
        (see `image_arrays.load_npz`) or of an image folder (see `image_folder.list_folder`).
        A name wins over a path; write `./mnist` for a folder so called.
    resources : Path
        Folder of downloads; a file already there is checked and used.
    image_size : int or None
        Side of the square that every image is stretched to, antialiased. Needed where the images of
        a folder have different sizes; the backbone resizes for itself.
    subset : int or None
        Keep so many images, see `stratified_subset`. Only these files of a folder are read.
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
        to train on or none to test on; the subset does not fit.
    """
    if image_size is not None and image_size < 1:
        raise InputError(f"dataset.image_size is {image_size}: give a side in pixels, 1 or more")
    opened = _open(source, resources)
    labels, names = opened.labels, opened.class_names
    _check_classes(labels, names, opened.split, source)
    split = _draw_split(labels, seed) if opened.split is None else opened.split
    rows = np.arange(len(labels))
    if subset is not None:
        rows = stratified_subset(labels, subset, seed=seed, split=split)
    images, found = opened.read(rows, image_size)
    labels, split = labels[rows], split[rows].astype("<U5")
    provenance = {
        "source": source,
        **found,
        "split": "drawn" if opened.split is None else "given",
        "seed": seed,
        "subset": subset and {"size": subset, "of": len(opened.labels)},
        "image_size": image_size,
        "image_shape": list(images.shape[1:]),
        "counts": {part: int((split == part).sum()) for part in ("train", "test")},
        "classes": {
            name: {part: int(((labels == i) & (split == part)).sum()) for part in ("train", "test")}
            for i, name in enumerate(names)
        },
    }
    return Dataset(images, labels, names, split, provenance)


def _draw_split(labels: np.ndarray, seed: int) -> np.ndarray:
    """Return a split (n,) with about a fifth, at least one, of each class to test."""
    order, rank, count = shuffled_ranks(labels, seed)
    split = np.full(len(labels), "train")
    split[order[rank < np.maximum(1, np.rint(TEST_SHARE * count))]] = "test"
    return split


def _open(source: str, resources: Path) -> _Source:
    path = Path(source).expanduser()
    if source in NAMED:
        return _from_arrays(NAMED[source](resources))
    if path.is_dir():
        return _from_folder(path)
    if path.is_file() and path.suffix.lower() == ".npz":
        return _from_arrays(load_npz(path))
    what = "is not an .npz file" if path.exists() else "does not exist"
    raise InputError(
        f"dataset.source {source!r} {what}: give {', '.join(NAMED)}, "
        "or the path of an .npz file or of an image folder"
    )


def _from_arrays(arrays: ImageArrays) -> _Source:
    def read(rows: np.ndarray, image_size: int | None) -> tuple[np.ndarray, dict[str, Any]]:
        images = arrays.images if len(rows) == len(arrays.images) else arrays.images[rows]
        return images if image_size is None else _resized(images, image_size), arrays.provenance

    return _Source(arrays.labels, arrays.class_names, arrays.split, read)


def _from_folder(root: Path) -> _Source:
    folder = list_folder(root)

    def read(rows: np.ndarray, image_size: int | None) -> tuple[np.ndarray, dict[str, Any]]:
        files = [folder.files[row] for row in rows]
        images, digest = read_images(files, root=root, image_size=image_size)
        return images, {
            "files": {str(root): digest},
            "n_files": len(files),
            "ignored": folder.ignored,
        }

    return _Source(folder.labels, folder.class_names, folder.split, read)


def _resized(images: np.ndarray, size: int) -> np.ndarray:
    resized = np.empty((len(images), size, size, images.shape[-1]), np.uint8)
    for image, out in zip(images, resized, strict=True):
        picture = Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image)
        out[:] = np.asarray(resize(picture, size)).reshape(out.shape)
    return resized


def _check_classes(
    labels: np.ndarray, names: tuple[str, ...], split: np.ndarray | None, source: str
) -> None:
    """Refuse what cannot be compared: one class, or a class absent from training or testing."""
    if len(names) < 2:
        raise InputError(
            f"{source} has one class only ({names[0]!r}): give images of two or more classes"
        )
    if split is None:
        parts, need = {"": np.ones(len(labels), bool)}, 2
        rule = "needs two or more, one of them to test on"
    else:
        parts, need = {"training ": split == "train", "test ": split == "test"}, 1
        rule = "needs one or more to train on and one or more to test on"
    for part, rows in parts.items():
        counts = np.bincount(labels[rows], minlength=len(names))
        if counts.min() < need:
            few = int(np.argmin(counts))
            raise InputError(
                f"class {names[few]!r} of {source} has {counts[few] or 'no'} {part}image: "
                f"each class {rule}; add images or remove it"
            )


NAMED: dict[str, Callable[[Path], ImageArrays]] = {
    **{name: partial(load_published, name) for name in PUBLISHED},
    "digits": lambda resources: load_digits(),
}
