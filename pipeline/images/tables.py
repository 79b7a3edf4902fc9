"""Files of other programs: features, labels and splits, row by row, in the usual formats.

Inside a file that holds several arrays or columns, one is named as ``file.npz::key``,
``file.h5::group/dataset`` or ``file.csv::column``. Arrays and columns with the names `ROLES` say
what they are called in every format. Nothing is ever unpickled.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.errors import InputError
from pipeline.images.columns import (
    numbers,
    parse_texts,
    read_parquet,
    read_separated,
    refuse_nameless,
    values,
)
from pipeline.images.labels import EXACT
from pipeline.images.names import counted, examples, printable

ROLES = ("id", "label", "split", "file")
PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".joblib")


class Place(NamedTuple):
    """A file, and what is meant in it.

    Attributes
    ----------
    path : Path
    key : str or None
        An array or a column.
    """

    path: Path
    key: str | None

    def __str__(self) -> str:
        return printable(self.path if self.key is None else f"{self.path}::{self.key}")


def parse_place(text: str) -> Place:
    """Part ``file::key`` at the last ``::``; a file of that whole name wins."""
    before, mark, after = text.rpartition("::")
    if not mark or Path(text).exists():
        return Place(Path(text), None)
    return Place(Path(before), after)


@dataclass(frozen=True)
class Rows:
    """What a file says of images, a row each.

    Attributes
    ----------
    place : Place
    matrix : (n, d) array or None
        Real numbers as they are stored; None where no features were asked for.
    columns : tuple of str or None
        Their names, where they have any.
    roles : dict of str to (n,) array
        Those of `ROLES` that are there: integers, floats or texts.
    """

    place: Place
    matrix: np.ndarray | None = None
    columns: tuple[str, ...] | None = None
    roles: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        first = self.matrix if self.matrix is not None else next(iter(self.roles.values()))
        return len(first) if first.ndim else 0


def read_features(place: Place, *, used: Collection[str] = ()) -> Rows:
    """Read a matrix of features, and what the file says of its rows.

    Parameters
    ----------
    place : Place
        Of a table the key is not needed: every column is a feature that has none of the `ROLES`.
    used : collection of str
        Arrays or columns of this file that are something else.

    Raises
    ------
    InputError
        The file cannot be read, has no such array, or does not hold real numbers (n, d).
    """
    rows = _reader(place)(place, "features", used)
    assert rows.matrix is not None
    _check_matrix(rows.matrix, rows.place)
    return _checked(rows)


def read_role(place: Place, role: str) -> Rows:
    """Read the labels or the split of images, and what else the file says of them.

    Parameters
    ----------
    place : Place
        Of a table with several columns, those of the name `role` count where there is no key. A
        ``.txt`` has one a line.
    role : str
        "label" or "split".

    Raises
    ------
    InputError
    """
    return _checked(_reader(place)(place, role, ()))


def read_array(place: Place) -> np.ndarray:
    """Read an array of any shape from a file of arrays, such as images.

    Raises
    ------
    InputError
    """
    arrays = [suffix for suffix in READERS if READERS[suffix] in (_npy, _npz, _hdf5, _safetensors)]
    if place.path.suffix.lower() not in arrays:
        raise InputError(f"{place} is no file of arrays: give one of {', '.join(arrays)}")
    matrix = _reader(place)(place, "features", ()).matrix
    assert matrix is not None
    return matrix


def _checked(rows: Rows) -> Rows:
    """The rows, refused where what is said of them is not one value a row."""
    n = len(rows)
    for role, each in rows.roles.items():
        if each.shape != (n,):
            raise InputError(
                f"{rows.place} has {role}s of shape {each.shape} for {n:,} rows: give one a row"
            )
    if "id" in rows.roles:
        rows.roles["id"] = _whole(rows.roles["id"])
    return rows


def _whole(ids: np.ndarray) -> np.ndarray:
    """Floats as integers where all are whole, as pandas makes floats of ids that it merges."""
    if ids.dtype.kind != "f" or not (ids == np.rint(ids)).all() or np.abs(ids).max() > EXACT:
        return ids
    return ids.astype(np.int64)


Reader = Callable[[Place, str, Collection[str]], Rows]


def _reader(place: Place) -> Reader:
    """The reader of a file's format, by its suffix."""
    path, suffix = place.path, place.path.suffix.lower()
    if suffix in PICKLES:
        raise InputError(
            f"{printable(path)} is a pickle, which can run code and is never read: write its "
            "array by np.save('features.npy', tensor.numpy()), or by safetensors"
        )
    if suffix not in READERS:
        raise InputError(
            f"{printable(path)} has the suffix {suffix!r} but must have one of "
            f"{', '.join(READERS)}: write the array in one of these formats"
        )
    if not path.is_file():
        what = "is no file" if path.exists() else "does not exist"
        raise InputError(f"{printable(path)} {what}: give one of {', '.join(READERS)}")
    return READERS[suffix]


# ---- tables: columns side by side


def _separated(place: Place, role: str, used: Collection[str]) -> Rows:
    texts = [*ROLES, *([place.key] if place.key else [])]
    table = read_separated(place.path, texts=texts, headless=role != "features")
    return _of_table(place, table, role, used)


def _parquet(place: Place, role: str, used: Collection[str]) -> Rows:
    return _of_table(place, read_parquet(place.path), role, used)


def _lines(place: Place, role: str, used: Collection[str]) -> Rows:
    if role == "features":
        raise InputError(f"{place} is a text of lines: give features as .csv, .npy or the like")
    try:
        lines = place.path.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{place} is not UTF-8 at byte {error.start}: save it as UTF-8") from None
    if blank := next((i for i, line in enumerate(lines, start=1) if not line.strip()), None):
        raise InputError(f"{place}: line {blank:,} is blank: give one {role} a line")
    return Rows(place, roles={role: parse_texts(np.array(lines, "U"))})


def _of_table(place: Place, table: Any, role: str, used: Collection[str]) -> Rows:
    names = list(table.column_names)
    if place.key is not None and place.key not in names:
        raise _no_such(place, names, "column")
    roles = {name: values(table[name], place, name) for name in ROLES if name in names}
    if role != "features":
        chosen = place.key or (names[0] if len(names) == 1 else role)
        if chosen not in names:
            raise InputError(
                f"{place} has no column {role!r} but {examples(list(map(repr, names)))}: name the "
                f"one with the {role}s as {place.path.name}::column"
            )
        return Rows(
            place, roles={role: values(table[chosen], place, chosen), **_others(roles, role)}
        )
    if place.key is not None:
        raise InputError(
            f"{place} is one column: give the table alone, of which every column is a feature "
            f"that is not called {', '.join(ROLES)}"
        )
    features = [name for name in names if name not in roles and name not in used]
    refuse_nameless(features, place)
    if not features:
        raise InputError(f"{place} has no column of features, only {', '.join(names) or 'none'}")
    return Rows(place, numbers(table.select(features), place), tuple(features), roles)


def _others(roles: dict[str, np.ndarray], role: str) -> dict[str, np.ndarray]:
    return {name: each for name, each in roles.items() if name != role}


# ---- archives: arrays by name


def _npy(place: Place, role: str, used: Collection[str]) -> Rows:
    if place.key is not None:
        raise InputError(f"{place}: a .npy holds one array, leave out ::{place.key}")
    try:
        array = np.load(place.path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header raises whatever Python says of it
        reason = printable(" ".join(str(error).split()))
        objects = "ickle" in reason or "Python objects" in reason
        why = "pickled objects, which can run code" if objects else f"no whole array ({reason})"
        raise InputError(f"{place} holds {why}: write plain numbers by np.save") from None
    if not isinstance(array, np.ndarray):
        raise InputError(f"{place} is an archive of several arrays: call it .npz")
    if role == "features":
        return Rows(place, array)
    return Rows(place, roles={role: _as_values(np.asarray(array), place)})


def _npz(place: Place, role: str, used: Collection[str]) -> Rows:
    from pipeline.images.npz import array_names, read_array

    names = array_names(place.path)
    return _of_arrays(place, names, lambda name: read_array(place.path, name), role, used)


def _hdf5(place: Place, role: str, used: Collection[str]) -> Rows:
    import h5py

    try:
        with h5py.File(place.path, "r") as file:
            names: list[str] = []
            file.visititems(
                lambda name, each: names.append(name) if isinstance(each, h5py.Dataset) else None
            )

            def read(name: str) -> np.ndarray:
                data = file[name]
                if data.shape is None:
                    raise InputError(f"{printable(place.path)}::{name} holds nothing: write it")
                return data.asstr()[()] if h5py.check_string_dtype(data.dtype) else data[()]

            key = None if place.key is None else place.key.strip("/")
            return _of_arrays(place._replace(key=key), names, read, role, used)
    except (OSError, KeyError, RuntimeError) as error:
        why = printable(" ".join(str(error).split()))
        raise InputError(f"{place} is no readable HDF5 file ({why}): write it again") from None


def _safetensors(place: Place, role: str, used: Collection[str]) -> Rows:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(place.path, framework="np") as file:
            return _of_arrays(place, list(file.keys()), file.get_tensor, role, used)
    except SafetensorError as error:
        why = printable(" ".join(str(error).split()))
        raise InputError(f"{place} is no readable .safetensors file ({why}): write it") from None
    except (TypeError, AttributeError) as error:  # of a dtype that NumPy does not have
        why = printable(" ".join(str(error).split()))
        raise InputError(
            f"{place} has numbers of a type that NumPy lacks ({why}): write it as float16 or "
            "float32"
        ) from None


def _of_arrays(
    place: Place,
    names: list[str],
    read: Callable[[str], np.ndarray],
    role: str,
    used: Collection[str],
) -> Rows:
    """The array that is meant, and those beside it with the names of roles."""
    if place.key is not None and place.key not in names:
        raise _no_such(place, names, "array")
    named = [name for name in names if name.rpartition("/")[2] in ROLES]
    own = [name for name in names if name not in named and name not in used]
    mine = [name for name in named if name.rpartition("/")[2] == role]
    chosen = place.key or _only(place, mine or own)
    folder = chosen.rpartition("/")[0]
    roles = {
        name.rpartition("/")[2]: _as_values(read(name), place._replace(key=name))
        for name in named
        if name != chosen and name.rpartition("/")[0] == folder
    }
    place = place._replace(key=chosen)
    if role == "features":
        return Rows(place, read(chosen), None, roles)
    return Rows(place, roles={role: _as_values(read(chosen), place), **_others(roles, role)})


def _only(place: Place, names: list[str]) -> str:
    if len(names) != 1:
        shown = examples(names) or "none"
        raise InputError(
            f"{place} holds {counted(len(names), 'array')} ({shown}): name one as "
            f"{place.path.name}::{names[0] if names else 'key'}"
        )
    return names[0]


def _no_such(place: Place, names: list[str], what: str) -> InputError:
    return InputError(
        f"{printable(place.path)} has no {what} {place.key!r}: it holds {examples(names) or 'none'}"
    )


def _as_values(array: np.ndarray, place: Place) -> np.ndarray:
    """Ids, labels or parts of a split: numbers or texts; objects only where all are texts."""
    if array.dtype.kind == "O" and all(isinstance(each, str) for each in array.ravel()):
        return array.astype("U")
    if array.dtype.kind == "S":
        try:
            return np.char.decode(array, "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{place} holds texts that are not UTF-8: {error.reason}") from None
    if array.dtype.kind not in "biufU":
        raise InputError(f"{place} holds {array.dtype} values: give numbers or texts")
    return array


def _check_matrix(matrix: np.ndarray, place: Place) -> None:
    """Refuse what is no matrix of real numbers."""
    if matrix.dtype.kind not in "iuf":
        raise InputError(
            f"{place} holds {matrix.dtype} values but features are real numbers: write float16, "
            "float32, float64 or integers"
        )
    if matrix.ndim != 2:
        remedy = (
            "average feature maps over their positions first"
            if matrix.ndim > 2
            else "give a row an image and a column a feature"
        )
        raise InputError(
            f"{place} has shape {matrix.shape} but features are two-dimensional, (images, "
            f"features): {remedy}"
        )
    if 0 in matrix.shape:
        raise InputError(f"{place} has shape {matrix.shape}: there is nothing to compare")


READERS: dict[str, Reader] = {
    ".npy": _npy,
    ".npz": _npz,
    ".csv": _separated,
    ".tsv": _separated,
    ".parquet": _parquet,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
    ".safetensors": _safetensors,
    ".txt": _lines,
}
