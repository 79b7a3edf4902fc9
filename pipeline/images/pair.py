"""Pair: features of the same images before and after fine-tuning, computed by other programs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.images.feature_inspection import inspect_features, inspect_pair
from pipeline.images.inspection import inspect_classes
from pipeline.images.labels import encode_labels
from pipeline.images.names import counted, examples, printable, similar_names, without_folders
from pipeline.images.pictures import read_pictures
from pipeline.images.splits import PARTS, assign_splits, part_of
from pipeline.images.tables import (
    ROLES,
    Place,
    Rows,
    parse_place,
    read_features,
    read_role,
)

FEWEST = 4  # images: of fewer no method makes a layout whose neighbours say anything
ROUNDING = 0.01  # of the differences between rows: what may be lost in float32
STRIP = 1024  # rows checked at a time
ONE_SET = "all"  # the split of images that are not parted
NO_LABELS = (
    "there are no labels: class measures, class colours, the page of classes and claims about "
    "classes are left out"
)
NO_SPLIT = (
    "there is no split: measures of classes are of all images together, and may show what the "
    "network remembers of its training images"
)


@dataclass(frozen=True)
class Pair:
    """Two feature sets of the same images, in the order of the first, and what is known of these.

    Attributes
    ----------
    before, after : ndarray, (n, p) and (n, q) float32
    ids : ndarray, (n,) int64
        As given, else rows of the first file.
    files : ndarray of str, (n,), or None
        Names of the images, or ids that are texts; printable, and without the folders that absolute
        paths share.
    labels : ndarray, (n,) int64
        Positions in `class_names`; zeros where there are none.
    class_names : tuple of str
        Empty without labels.
    split : ndarray, (n,) of str
        "train" and "test", or "all" where the images are not parted.
    images : ndarray, (n, h, w, c) uint8, or None
    warnings : tuple of str
    """

    before: np.ndarray
    after: np.ndarray
    ids: np.ndarray
    files: np.ndarray | None
    labels: np.ndarray
    class_names: tuple[str, ...]
    split: np.ndarray
    images: np.ndarray | None
    warnings: tuple[str, ...]


def load_pair(
    before: str,
    after: str,
    *,
    labels: str | None = None,
    split: str | None = None,
    images: str | None = None,
) -> Pair:
    """Read two feature sets of the same images, and match their rows.

    Rows that have ids in both files are matched by these, else by names of images that both have,
    else by their order.

    Parameters
    ----------
    before, after : str
        Files of features, with a key where one file holds several arrays: see
        `pipeline.images.tables`.
    labels, split : str, optional
        Files; without them, what the files of features say of labels and split counts, if
        anything.
    images : str, optional
        A ``.npy`` or ``.npz`` (n, h, w) or (n, h, w, 1 or 3) uint8 in the order of `before`, or a
        folder below which the names or ids of the images are paths.

    Returns
    -------
    Pair

    Raises
    ------
    InputError
        A file that cannot be read; features that are not finite, all equal, or of other images;
        ids that are missing or repeated; one class; a split without training images.
    """
    places = {
        name: parse_place(text)
        for name, text in (
            ("before", before),
            ("after", after),
            ("label", labels),
            ("split", split),
        )
        if text is not None
    }
    rows = {
        name: read_role(place, name)
        if name in ("label", "split")
        else read_features(place, used=_used(places))
        for name, place in places.items()
    }
    first = rows["before"]
    warnings: list[str] = []
    orders = {name: _order(first, each, name, warnings) for name, each in rows.items()}
    old, new = (_finite(rows[name], orders[name], name) for name in ("before", "after"))
    if np.array_equal(old, new):
        warnings.append("the features before and after are equal in every number")
    said = {role: _said(role, rows, orders) for role in ROLES}
    codes, names = _classes(said["label"], len(first), warnings)
    parts = _split(said["split"], len(first), warnings)
    if names and parts[0] == ONE_SET:
        warnings.append(NO_SPLIT)
    warnings += [*inspect_features(old, "before"), *inspect_features(new, "after")]
    warnings += inspect_pair(old, new, codes if names else None)
    if names:
        warnings += inspect_classes(codes, names, parts)
    ids, files = _identify(said["id"], said["file"], len(first))
    return Pair(
        old,
        new,
        ids,
        None if files is None else np.array(without_folders(files), dtype=object),
        codes,
        names,
        parts,
        None if images is None else read_pictures(parse_place(images), files, len(ids), warnings),
        tuple(warnings),
    )


def _used(places: dict[str, Place]) -> list[str]:
    """Names of the labels and the split in the files of features: in neither they are features."""
    features = {os.path.realpath(places[name].path) for name in ("before", "after")}
    return [
        each.key
        for name, each in places.items()
        if name in ROLES and each.key and os.path.realpath(each.path) in features
    ]


# ---- which row is which


def _order(first: Rows, other: Rows, name: str, warnings: list[str]) -> np.ndarray | None:
    """The rows of another file in the order of the first; None where they have it."""
    if "id" in other.roles:
        _refuse_repeated(other)
    if other is first:
        return None
    common = [key for key in ("id", "file") if key in first.roles and key in other.roles]
    for key in common:
        if key == "id" or _is_unique(first.roles[key]):
            return _matched(first, other, key)
    if len(other) != len(first):
        many = "labels" if name == "label" else "rows"
        line = "; is its first line a header?" if len(other) == len(first) + 1 else ""
        raise InputError(
            f"{other.place} has {len(other):,} {many} but {first.place} has {len(first):,} rows: "
            f"give one for each image in the same order, or a column id in both{line}"
        )
    if {"id", "file"} & (set(first.roles) ^ set(other.roles)) and not common:
        warnings.append(
            f"the rows of {_short(first)} and {_short(other)} are matched by their order: ids are "
            "in one of them alone"
        )
    return None


def _short(rows: Rows) -> str:
    return printable(rows.place.path.name)


def _is_unique(array: np.ndarray) -> bool:
    return len(np.unique(array)) == len(array)


def _matched(first: Rows, other: Rows, key: str) -> np.ndarray | None:
    """The rows of another file in the order of the first, by ids that both have."""
    wanted, given = first.roles[key], other.roles[key]
    if (wanted.dtype.kind == "U") != (given.dtype.kind == "U"):
        raise InputError(
            f"{first.place} has ids such as {printable(wanted[0])} but {other.place} such as "
            f"{printable(given[0])}: "
            "write both as numbers or both as texts"
        )
    for rows in (first, other):
        _refuse_repeated(rows, key)
    lost, more = np.setdiff1d(wanted, given), np.setdiff1d(given, wanted)
    if len(lost) or len(more):
        found = [
            f"{verb} {counted(len(ids), key)} that {place} has{no} ({examples(_shown(ids))})"
            for verb, ids, place, no in (
                ("lacks", lost, first.place, ""),
                ("has", more, first.place, " not"),
            )
            if len(ids)
        ]
        raise InputError(f"{other.place} {' and '.join(found)}: give the same images in both")
    if np.array_equal(wanted, given):
        return None
    by_id = np.argsort(given, kind="stable")
    return by_id[np.searchsorted(given, wanted, sorter=by_id)]


def _shown(values: np.ndarray) -> list[str]:
    return [printable(each) for each in values.tolist()]


def _refuse_repeated(rows: Rows, key: str = "id") -> None:
    ids, counts = np.unique(rows.roles[key], return_counts=True)
    if (counts > 1).any():
        raise InputError(
            f"{rows.place} has {counted(int((counts > 1).sum()), key)} more than once "
            f"({examples(_shown(ids[counts > 1]))}): give each image once"
        )


def _said(
    role: str, rows: dict[str, Rows], orders: dict[str, np.ndarray | None]
) -> tuple[np.ndarray, Place] | None:
    """What the files say of a role, in the order of the first: a file of its own says it first."""
    found = []
    for name in (role, "label", "split", "before", "after"):
        if name in rows and role in rows[name].roles:
            values, order = rows[name].roles[role], orders[name]
            found.append((values if order is None else values[order], rows[name].place))
    if not found:
        return None
    values, place = found[0]
    if len(found) > 1 and role not in rows:  # no file of its own: the others must agree
        other, elsewhere = found[1]
        if differing := np.flatnonzero(_differ(values, other)).tolist():
            raise InputError(
                f"{place} and {elsewhere} have another {role} in row {differing[0]} "
                f"({printable(values[differing[0]])}, {printable(other[differing[0]])}): give the "
                "same images in both, or name one file"
            )
    return values, place


def _differ(values: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Which values are not those of another file; 1 and 1.0 are one number, 1 and "1" one text."""
    texts = "U" in (values.dtype.kind, other.dtype.kind)
    return values.astype(str) != other.astype(str) if texts else values != other


# ---- what the rows hold


def _finite(rows: Rows, order: np.ndarray | None, name: str) -> np.ndarray:
    """Features in float32, in order; refused where numbers are missing, or nothing differs."""
    matrix = rows.matrix
    assert matrix is not None
    if len(matrix) < FEWEST:
        raise InputError(
            f"{rows.place} has {counted(len(matrix), 'image')} but a comparison needs {FEWEST} at "
            "least: give more"
        )
    features = np.empty(matrix.shape, np.float32)
    first = matrix[0].astype(np.float64)
    spread = lost = 0.0  # sums of absolute numbers: squares of 1e-200 would be 0
    for start in range(0, len(matrix), STRIP):
        stop = min(start + STRIP, len(matrix))
        own = matrix[start:stop] if order is None else matrix[order[start:stop]]
        with np.errstate(over="ignore"):
            features[start:stop] = own
        if not (fine := np.isfinite(features[start:stop])).all():
            row, column = np.argwhere(~fine)[0]
            place = start + row if order is None else order[start + row]
            _refuse_number(rows, int(place), int(column), own[row, column])
        exact = own.astype(np.float64)
        spread += np.abs(exact - first).sum()
        lost += np.abs(exact - features[start:stop]).sum()
    if not spread:
        raise InputError(
            f"{rows.place}: all {len(features):,} rows are equal, so that there is nothing to "
            f"compare: was the right array written for {name}?"
        )
    if lost > ROUNDING * spread:
        raise InputError(
            f"{rows.place}: rounding to float32, in which features are kept, loses "
            f"{100 * min(lost / spread, 1):.0f} % of what differs between its rows (numbers "
            f"up to {np.abs(features).max():g}): subtract the mean of each column, or multiply all "
            "by a power of ten, before you save them"
        )
    return features


def _refuse_number(rows: Rows, row: int, column: int, value: Any) -> None:
    what = repr(rows.columns[column]) if rows.columns else f"{column}"
    if np.isnan(value):
        why = "NaN or missing"
    elif np.isinf(value):
        why = "infinite"
    else:
        why = f"{value:g}, beyond the range of float32"
    raise InputError(
        f"{rows.place}: the number in row {row}, column {what} is {why} (rows and columns count "
        "from 0): give finite numbers"
    )


def _classes(
    said: tuple[np.ndarray, Place] | None, n: int, warnings: list[str]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes and names of the classes; zeros and no names where there are no labels."""
    if said is None:
        warnings.append(NO_LABELS)
        return np.zeros(n, np.int64), ()
    labels, place = said
    codes, names = encode_labels({"labels": labels}, None, str(place))
    if len(names) < 2:
        raise InputError(
            f"{place} has one class only ({names[0]!r}): give labels of two or more classes, or "
            "leave the labels out"
        )
    warnings += similar_names(names)
    return codes, names


def _split(said: tuple[np.ndarray, Place] | None, n: int, warnings: list[str]) -> np.ndarray:
    """The part of each image, "train" or "test", or "all"."""
    if said is None:
        return np.full(n, ONE_SET)
    given, place = said
    texts = given.astype(str)
    parts = {text: part_of(text) for text in np.unique(texts).tolist()}
    if strange := [repr(printable(text)) for text, part in parts.items() if part is None]:
        raise InputError(
            f"{place} has {examples(strange)} in its split: each is one of {', '.join(PARTS)}"
        )
    found = {part for part in parts.values() if part}
    if "train" not in found:
        raise InputError(
            f"{place} has no training image in its split: mark those that the network was trained "
            "on as train, or leave the split out"
        )
    splits, sentences = assign_splits(found)
    warnings += sentences
    if splits is None:
        return np.full(n, ONE_SET)
    return np.array([splits[str(parts[text])] for text in texts.tolist()])


def _identify(
    ids: tuple[np.ndarray, Place] | None, files: tuple[np.ndarray, Place] | None, n: int
) -> tuple[np.ndarray, list[str] | None]:
    """Whole numbers as ids, and names of the images: ids that are texts are names."""
    names = None if files is None else _texts(files[0])
    if ids is None:
        return np.arange(n), names
    if ids[0].dtype.kind in "iu" and ids[0].max() < 2**63:
        return ids[0].astype(np.int64), names
    return np.arange(n), names if names is not None else _texts(ids[0])


def _texts(values: np.ndarray) -> list[str]:
    return [str(each) for each in values.tolist()]
