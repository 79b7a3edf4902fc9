"""Columns of ``.csv``, ``.tsv`` and ``.parquet`` tables: numbers, texts, and what is neither."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import InputError
from pipeline.images.names import printable

if TYPE_CHECKING:
    import pyarrow

SEPARATORS = {".csv": ",", ".tsv": "\t"}
OTHER_SEPARATORS = ";\t|, "
INDEX = ("", "__index_level_0__", "Unnamed: 0")  # how pandas writes an index without a name


def read_separated(path: Path, *, texts: Collection[str], headless: bool = False) -> pyarrow.Table:
    """Read a ``.csv`` or ``.tsv``; a first row of numbers is data, else it names the columns.

    Parameters
    ----------
    path : Path
    texts : collection of str
        Columns that stay texts, whatever they look like.
    headless : bool
        A single column begins with data, unless its first cell is one of these names.

    Raises
    ------
    InputError
        Not UTF-8, rows of different lengths, a first row that may be both header and data, columns
        of one name, another separator.
    """
    import pyarrow
    from pyarrow import csv as arrow

    separator = SEPARATORS[path.suffix.lower()]
    first = _first_row(path, separator)
    header: list[str] | None = first
    if headless and len(first) == 1 and first[0] not in texts:
        header = None
    elif all(map(_is_number, first)):
        _refuse_column_numbers(path, first, separator)
        header = None
    string = pyarrow.string()
    try:
        table = arrow.read_csv(
            path,
            read_options=arrow.ReadOptions(autogenerate_column_names=header is None),
            parse_options=arrow.ParseOptions(delimiter=separator, newlines_in_values=True),
            convert_options=arrow.ConvertOptions(column_types=dict.fromkeys(texts, string)),
        )
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        why = printable(" ".join(str(error).split()))[:300]
        raise InputError(
            f"{printable(path)} is no table ({why}): give every row the same columns, in UTF-8"
        ) from None
    if header is None:
        return table.rename_columns([str(i) for i in range(table.num_columns)])
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise InputError(
            f"{printable(path)} has several columns called {twice[0]!r}: give each its own name"
        )
    return table


def _first_row(path: Path, separator: str) -> list[str]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            first = next(csv.reader(file, delimiter=separator), None)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{printable(path)} is not UTF-8 at byte {error.start}: save it as UTF-8"
        ) from None
    except csv.Error as error:
        raise InputError(f"{printable(path)} is no table ({error}): write it again") from None
    if not first:
        raise InputError(f"{printable(path)} begins with an empty line: give a table of numbers")
    if found := _other_separator(first, separator):
        raise InputError(
            f"{printable(path)} has the separator {found!r} but its suffix says {separator!r}: "
            "write .csv with commas, .tsv with tabs"
        )
    return first


def _other_separator(first: list[str], separator: str) -> str | None:
    """What separates the cells of a first row, where it is not the separator.

    Semicolons often come with decimal commas; blanks count between numbers alone.
    """
    line = separator.join(first)
    for other in OTHER_SEPARATORS:
        cells = line.split() if other == " " else line.split(other)
        if other == separator or len(cells) < 2:
            continue
        if all(_is_number(cell.replace(",", ".")) for cell in cells):
            return other
        if len(first) == 1 and other != " ":
            return other
    return None


def _refuse_column_numbers(path: Path, first: list[str], separator: str) -> None:
    """Refuse a first row that counts the columns, as pandas writes it where they have no names."""
    counting = [[str(i + start) for i in range(len(first))] for start in (0, 1)]
    if len(first) > 1 and first in counting:
        raise InputError(
            f"{printable(path)} begins with the row {separator.join(first[:3])}{separator}..., "
            "which counts its columns and is no image: remove that row, or give the columns names "
            "that are no numbers, such as f0"
        )


def read_parquet(path: Path) -> pyarrow.Table:
    """Read a ``.parquet``.

    Raises
    ------
    InputError
    """
    import pyarrow
    from pyarrow import parquet

    try:
        return parquet.read_table(path)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        why = printable(" ".join(str(error).split()))[:300]
        raise InputError(f"{printable(path)} is no readable .parquet ({why})") from None


def refuse_nameless(names: Sequence[str], place: object) -> None:
    """Refuse an index of pandas as a feature.

    Raises
    ------
    InputError
    """
    if index := [name for name in names if name in INDEX]:
        raise InputError(
            f"{place} has a column {index[0]!r}, as pandas writes its index: call it id, or leave "
            "it out (index=False)"
        )


def numbers(table: pyarrow.Table, place: Any) -> np.ndarray:
    """The columns as one array (n, d) of floats; where a cell is missing, NaN.

    Raises
    ------
    InputError
        A column or a cell that holds no numbers, by name.
    """
    import pyarrow.types as kinds

    if not table.num_rows:
        raise InputError(f"{place} has no row below the names of its columns: give a row an image")
    for name in table.column_names:
        kind = table[name].type
        if not (kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_null(kind)):
            raise InputError(_no_number(table[name], name, place))
    narrow = all(kinds.is_floating(each) and each.bit_width <= 32 for each in table.schema.types)
    out = np.empty(
        (table.num_rows, table.num_columns), np.float32 if narrow else np.float64, order="F"
    )
    for column, name in enumerate(table.column_names):
        cells = table[name]
        if kinds.is_null(cells.type):
            out[:, column] = np.nan
        else:
            out[:, column] = cells.to_numpy()
    return out


def _no_number(column: Any, name: str, place: Any) -> str:
    """What is wrong with a column that is not all numbers, and what to do."""
    shown = repr(name)
    cells = [None if each is None else str(each) for each in column.to_pylist()]
    bad = [(row, each) for row, each in enumerate(cells) if each and not _is_number(each)]
    row, cell = bad[0] if bad else (0, cells[0] if cells else "")
    where = f"{place}: row {row}, column {shown} holds {printable(repr(cell))[:80]}"
    if str(cell).lstrip().startswith(("[", "(", "{")):
        return f"{where}, several numbers in one cell: write each number in a column of its own"
    if _is_number(str(cell).replace(",", ".", 1)) and not _is_number(str(cell)):
        return f"{where}, a number with a comma: write it with a point, or without"
    if len(bad) < sum(each is not None for each in cells):
        return f"{where}, which is no number, among numbers: correct the cell (rows count from 0)"
    return (
        f"{place} has a column {shown} of {column.type} values ({printable(repr(cell))[:80]}) "
        "among the features: remove it, call it id, label, split or file, or name it as labels, "
        f"{place.path.name}::{name}"
    )


def values(column: Any, place: object, name: str) -> np.ndarray:
    """A column of ids, labels, parts or files: integers, floats or texts, none missing.

    Raises
    ------
    InputError
        A missing value, or values of another type.
    """
    import pyarrow.types as kinds

    if column.null_count:
        row = column.is_null().to_pylist().index(True)
        raise InputError(
            f"{place}: column {name!r} has nothing in row {row} (rows count from 0): give one a row"
        )
    kind = column.type.value_type if kinds.is_dictionary(column.type) else column.type
    if kinds.is_string(kind) or kinds.is_large_string(kind):
        texts = np.array(column.to_pylist(), "U")
        return parse_texts(texts) if _is_separated(place) else texts
    if kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_boolean(kind):
        return np.array(column.to_pylist())
    raise InputError(f"{place}: column {name!r} holds {column.type} values: give numbers or texts")


def _is_separated(place: Any) -> bool:
    return place.path.suffix.lower() in SEPARATORS


def parse_texts(texts: np.ndarray) -> np.ndarray:
    """Texts as integers where all are written as such, "7" and not "007"; else as they are."""
    try:
        found = texts.astype(np.int64)
    except (ValueError, OverflowError):
        return texts
    return found if np.array_equal(found.astype(texts.dtype), texts) else texts


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
