"""Arrays of an `.npz` file: read one by one, by name, and never unpickled."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from pipeline.errors import InputError
from pipeline.images.names import printable

_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class Header(NamedTuple):
    """What is known of an array before it is read."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of the array."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize


def array_names(path: Path) -> list[str]:
    """Return the names of the arrays, in the order of the file.

    Raises
    ------
    InputError
        The file is not a whole `.npz`.
    """
    with _opened(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def read_header(path: Path, name: str) -> Header:
    """Return the shape and dtype of an array, reading no more than its header.

    Raises
    ------
    InputError
        The file is damaged, or the array holds pickled objects.
    """
    with _opened(path) as archive, archive.open(f"{name}.npy") as file:
        return _header(file, path)


def read_array(path: Path, name: str) -> np.ndarray:
    """Return an array; others are not read.

    Raises
    ------
    InputError
        The file is damaged, or the array holds pickled objects.
    """
    read_header(path, name)
    with _opened(path) as archive, archive.open(f"{name}.npy") as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _header(file: IO[bytes], path: Path) -> Header:
    version = np.lib.format.read_magic(file)
    if version not in _HEADER_READERS:  # 3.0 is for records with Unicode names
        raise ValueError(f"an array of format version {version}")
    shape, _, dtype = _HEADER_READERS[version](file)
    if dtype.hasobject:
        raise _pickled(path)
    return Header(shape, dtype)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open the archive; whatever zipfile, zlib or NumPy raise on a damaged one is one sentence."""
    try:
        with path.open("rb") as file:
            _check_start(file.read(6), path)
            with zipfile.ZipFile(file) as archive:
                yield archive
    except (InputError, MemoryError, PermissionError):
        raise
    except Exception as error:
        raise InputError(
            f"{printable(path)} is not a whole .npz file ({printable(error)}): "
            "copy or write it again"
        ) from error


def _check_start(start: bytes, path: Path) -> None:
    if start == np.lib.format.MAGIC_PREFIX:
        raise InputError(
            f"{printable(path)} holds one bare array (.npy): save images and labels by np.savez"
        )
    if start[:1] == b"\x80":  # how a pickle begins
        raise _pickled(path)


def _pickled(path: Path) -> InputError:
    return InputError(
        f"{printable(path)} holds pickled objects, which can run code and are refused: "
        "save plain arrays of numbers or strings by np.savez"
    )
