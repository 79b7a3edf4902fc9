"""The published datasets: three that are downloaded once, and one that scikit-learn brings.

The files are those of `keras.datasets`.
"""

import gzip
import io
import pickle
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.errors import InputError
from pipeline.images.arrays import array_sha256, array_source
from pipeline.images.names import printable
from pipeline.images.npz import array_names, read_array
from pipeline.images.source import Source
from pipeline.runtime.downloads import RemoteFile, fetch

KERAS_FILES = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"


class PublishedDataset(NamedTuple):
    """One published dataset: its files, how they are parsed, and how their content is checked.

    Attributes
    ----------
    files : tuple of RemoteFile
    parse : callable
        Paths of the files -> the arrays x_train, y_train, x_test, y_test.
    image_shape : (h, w, c)
    train, test : int
        How many images it has.
    class_names : tuple of str
    array_sha256 : dict, optional
        Hashes of arrays, for a dataset that is passed around in many containers: then the arrays
        are checked and not the file.
    """

    files: tuple[RemoteFile, ...]
    parse: Callable[[list[Path]], dict[str, np.ndarray]]
    image_shape: tuple[int, int, int]
    train: int
    test: int
    class_names: tuple[str, ...]
    array_sha256: dict[str, str] | None = None


def open_digits() -> Source:
    """Return scikit-learn's 1,797 handwritten digits of 8 x 8 pixels; needs no file.

    The pixels 0..16 become 0..255.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = digits.target.astype(np.int64)
    names = tuple(str(name) for name in digits.target_names)
    files = {"scikit-learn digits": array_sha256(digits.images)}
    return array_source(images, labels, names, None, {"files": files})


def open_published(name: str, resources: Path) -> Source:
    """Return a dataset of the table `PUBLISHED`, from `resources` or downloaded into it.

    Parameters
    ----------
    name : str
        A key of `PUBLISHED`.
    resources : Path
        Folder of the downloads. A file already there is checked and used; nothing is fetched twice.

    Raises
    ------
    InputError
        A file is neither there nor to be had, or its content is not the published one.
    """
    from pooch import file_hash

    published = PUBLISHED[name]
    paths = fetch(published.files, resources)
    files = {str(path): file_hash(path) for path in paths}
    if published.array_sha256:
        arrays = published.parse(paths)
        for key, expected in published.array_sha256.items():
            if array_sha256(arrays[key]) != expected:
                raise _wrong_content(paths[0], f"array {key}", f"sha256:{expected}")
    else:
        for path, file in zip(paths, published.files, strict=True):
            if f"sha256:{files[str(path)]}" != file.known_hash:
                raise _wrong_content(path, "file", file.known_hash)
        arrays = published.parse(paths)  # after the check: CIFAR-10's archive holds pickles
    images = np.concatenate([arrays["x_train"], arrays["x_test"]])
    labels = np.concatenate([arrays["y_train"], arrays["y_test"]])
    return array_source(
        images.reshape(-1, *published.image_shape),
        labels.reshape(-1).astype(np.int64),
        published.class_names,
        np.repeat(["train", "test"], [len(arrays["x_train"]), len(arrays["x_test"])]),
        {
            "files": files,
            "verified": "SHA-256 of " + ("arrays" if published.array_sha256 else "files"),
        },
    )


def _wrong_content(path: Path, part: str, expected: str | None) -> InputError:
    return InputError(
        f"{path}: the {part} is not the published one (its hash is not {expected}); "
        "remove the file, so that it is downloaded again, or put the right one in its place"
    )


def _parse_npz(paths: list[Path]) -> dict[str, np.ndarray]:
    (path,) = paths
    wanted = ("x_train", "y_train", "x_test", "y_test")
    if missing := sorted(set(wanted) - set(array_names(path))):
        raise InputError(
            f"{printable(path)} lacks {' and '.join(missing)}: remove the file, so that it is "
            "downloaded again"
        )
    return {name: read_array(path, name) for name in wanted}


def _parse_idx(paths: list[Path]) -> dict[str, np.ndarray]:
    """Read the four gzipped IDX files: 8 bytes of header before labels, 16 before images."""
    y_train, x_train, y_test, x_test = (gzip.decompress(path.read_bytes()) for path in paths)
    return {
        "x_train": np.frombuffer(x_train, np.uint8, offset=16).reshape(len(y_train) - 8, -1),
        "y_train": np.frombuffer(y_train, np.uint8, offset=8),
        "x_test": np.frombuffer(x_test, np.uint8, offset=16).reshape(len(y_test) - 8, -1),
        "y_test": np.frombuffer(y_test, np.uint8, offset=8),
    }


def _parse_cifar(paths: list[Path]) -> dict[str, np.ndarray]:
    """Read the batches of CIFAR-10's Python archive, which were pickled by Python 2."""

    def batches(archive: tarfile.TarFile, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
        read = [_unpickle(archive, f"cifar-10-batches-py/{name}") for name in names]
        planes = np.concatenate([batch[b"data"] for batch in read]).reshape(-1, 3, 32, 32)
        labels = np.concatenate([batch[b"labels"] for batch in read])
        return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels  # channels last

    # Opened as a plain tar in memory: seeking inside a gzip stream would unpack it once per batch.
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(paths[0].read_bytes()))) as archive:
        x_train, y_train = batches(archive, [f"data_batch_{i}" for i in range(1, 6)])
        x_test, y_test = batches(archive, ["test_batch"])
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


def _unpickle(archive: tarfile.TarFile, name: str) -> dict[bytes, Any]:
    member = archive.extractfile(name)
    assert member is not None  # the archive's hash was checked
    return pickle.load(member, encoding="bytes")


PUBLISHED: dict[str, PublishedDataset] = {
    "mnist": PublishedDataset(
        files=(
            RemoteFile(
                "mnist.npz",
                KERAS_FILES + "mnist.npz",
                "sha256:731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
            ),
        ),
        parse=_parse_npz,
        image_shape=(28, 28, 1),
        train=60_000,
        test=10_000,
        class_names=tuple("0123456789"),
        # of the arrays in LeCun's IDX files
        array_sha256={
            "x_train": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
            "y_train": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
            "x_test": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
            "y_test": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
        },
    ),
    # Keras checks no hash here; these are the SHA-256 that public copies of Zalando's files share.
    "fashion_mnist": PublishedDataset(
        files=(
            RemoteFile(
                "fashion_mnist/train-labels-idx1-ubyte.gz",
                KERAS_FILES + "train-labels-idx1-ubyte.gz",
                "sha256:a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            RemoteFile(
                "fashion_mnist/train-images-idx3-ubyte.gz",
                KERAS_FILES + "train-images-idx3-ubyte.gz",
                "sha256:3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            RemoteFile(
                "fashion_mnist/t10k-labels-idx1-ubyte.gz",
                KERAS_FILES + "t10k-labels-idx1-ubyte.gz",
                "sha256:67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
            RemoteFile(
                "fashion_mnist/t10k-images-idx3-ubyte.gz",
                KERAS_FILES + "t10k-images-idx3-ubyte.gz",
                "sha256:346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
        ),
        parse=_parse_idx,
        image_shape=(28, 28, 1),
        train=60_000,
        test=10_000,
        class_names=(
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
    ),
    "cifar10": PublishedDataset(
        files=(
            RemoteFile(
                "cifar-10-python.tar.gz",
                "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
                "sha256:6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
            ),
        ),
        parse=_parse_cifar,
        image_shape=(32, 32, 3),
        train=50_000,
        test=10_000,
        class_names=(
            *("airplane", "automobile", "bird", "cat", "deer"),
            *("dog", "frog", "horse", "ship", "truck"),
        ),
    ),
}

NAMED: dict[str, Callable[[Path], Source]] = {
    **{name: partial(open_published, name) for name in PUBLISHED},
    "digits": lambda resources: open_digits(),
}
