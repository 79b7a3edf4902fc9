"""A dataset: images, labels, classes and a split, from a name, an `.npz` or an image folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import InputError
from pipeline.images.subset import shuffled_ranks, stratified_subset

if TYPE_CHECKING:
    from pipeline.images.arrays import ImageArrays

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
    """An opened source: all labels, and a function that reads the images of some rows.

    `read` takes rows (m,) and an image size or None, and returns images (m, h, w, c) and their
    provenance.
    """

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
        (see `arrays.load_npz`) or of an image folder (see `folder.list_folder`).
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
    data = _open(source, resources)
    labels, names = data.labels, data.class_names
    _check_classes(labels, names, data.split, source)
    split = _draw_split(labels, seed) if data.split is None else data.split
    rows = np.arange(len(labels))
    if subset is not None:
        rows = stratified_subset(labels, subset, seed=seed, split=split)
    images, provenance = data.read(rows, image_size)
    labels, split = labels[rows], split[rows].astype("<U5")
    provenance = {
        "source": source,
        **provenance,
        "split": "drawn" if data.split is None else "given",
        "seed": seed,
        "subset": subset and {"size": subset, "of": len(data.labels)},
        "image_size": image_size,
        "image_shape": list(images.shape[1:]),
        "counts": {part: int((split == part).sum()) for part in ("train", "test")},
        "classes": {
            name: {part: int(((labels == i) & (split == part)).sum()) for part in ("train", "test")}
            for i, name in enumerate(names)
        },
    }
    return Dataset(images, labels, names, split, provenance)


def check_source(source: str) -> None:
    """Refuse what is no name of a data set, no `.npz` file and no folder, before anything is read.

    Raises
    ------
    InputError
    """
    from pipeline.images.published import NAMED

    path = Path(source).expanduser()
    if source in NAMED or path.is_dir() or (path.is_file() and path.suffix.lower() == ".npz"):
        return
    what = "is not an .npz file" if path.exists() else "does not exist"
    raise InputError(
        f"dataset.source {source!r} {what}: give {', '.join(NAMED)}, "
        "or the path of an .npz file or of an image folder"
    )


def _draw_split(labels: np.ndarray, seed: int) -> np.ndarray:
    """Return a split (n,) with about a fifth, at least one, of each class to test."""
    order, rank, count = shuffled_ranks(labels, seed)
    split = np.full(len(labels), "train")
    split[order[rank < np.maximum(1, np.rint(TEST_SHARE * count))]] = "test"
    return split


def _open(source: str, resources: Path) -> _Source:
    from pipeline.images.arrays import load_npz
    from pipeline.images.published import NAMED

    check_source(source)
    path = Path(source).expanduser()
    if source in NAMED:
        return _from_arrays(NAMED[source](resources))
    return _from_folder(path) if path.is_dir() else _from_arrays(load_npz(path))


def _from_arrays(arrays: ImageArrays) -> _Source:
    def read(rows: np.ndarray, image_size: int | None) -> tuple[np.ndarray, dict[str, Any]]:
        images = arrays.images if len(rows) == len(arrays.images) else arrays.images[rows]
        return images if image_size is None else _resized(images, image_size), arrays.provenance

    return _Source(arrays.labels, arrays.class_names, arrays.split, read)


def _from_folder(root: Path) -> _Source:
    from pipeline.images.folder import list_folder, read_images

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
    from PIL import Image

    from pipeline.images.folder import resize

    resized = np.empty((len(images), size, size, images.shape[-1]), np.uint8)
    for pixels, out in zip(images, resized, strict=True):
        image = Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
        out[:] = np.asarray(resize(image, size)).reshape(out.shape)
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
            rarest = int(np.argmin(counts))
            raise InputError(
                f"class {names[rarest]!r} of {source} has {counts[rarest] or 'no'} {part}image: "
                f"each class {rule}; add images or remove it"
            )
