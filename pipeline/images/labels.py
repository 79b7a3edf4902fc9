"""Labels of arrays as classes: what counts as a label, and what is wrong with classes."""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.images.names import class_name, counted, examples, printable, similar_names

EXACT = 2.0**53  # above it a float64 stands for several integers


def encode_labels(
    labels: Mapping[str, np.ndarray], class_names: np.ndarray | None, place: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Turn labels into positions in a list of class names.

    Labels are integers from 0, floats without a fraction, booleans, or strings (bytes are UTF-8).
    Their values in sorted order are the classes, unless `class_names` lists these: then integers
    count its entries from 0 and strings repeat them. Strings are compared as Unicode NFC.

    Parameters
    ----------
    labels : mapping, name of an array -> ndarray (n_i,)
    class_names : ndarray, (classes,), optional
    place : str
        Where the arrays are, for errors.

    Returns
    -------
    indices : ndarray, (sum of n_i,) int64
    class_names : tuple of str

    Raises
    ------
    InputError
        The first label that is none, with its array and index; names that are no list of names.
    """
    parts = {name: _check(y, f"{place}: {name}") for name, y in labels.items()}
    if len({y.dtype.kind == "U" for y in parts.values()}) > 1:
        kinds = " and ".join(f"{name} {labels[name].dtype}" for name in parts)
        raise InputError(f"{place}: {kinds} cannot be compared: give both as numbers or as strings")
    values, indices = np.unique(np.concatenate(list(parts.values())), return_inverse=True)
    if class_names is None:
        return indices.astype(np.int64), tuple(str(value) for value in values)

    names = _check_names(class_names, f"{place}: class_names")
    keys = names if values.dtype.kind == "U" else range(len(names))
    positions = {key: i for i, key in enumerate(keys)}
    for name, y in parts.items():
        unique = np.unique(y)
        known = [value in positions for value in unique.tolist()]
        _refuse_first(
            y,
            unique[~np.array(known, bool)],
            f"{place}: {name}",
            f"is none of the {len(names):,} class_names: integer labels count them from 0, "
            "string labels repeat them",
        )
    return np.array([positions[value] for value in values.tolist()], np.int64)[indices], names


def class_problems(
    labels: np.ndarray, names: tuple[str, ...], split: np.ndarray | None
) -> list[str]:
    """Say what cannot be compared: one class, or classes absent from training or testing.

    Parameters
    ----------
    labels : ndarray, (n,) int
    names : tuple of str
    split : ndarray, (n,) of "train" and "test", or None
        None where a test part is to be drawn.
    """
    if len(names) < 2:
        only = f"one class only ({names[0]!r})" if names else "no class"
        return [f"there is {only}: give images of two or more classes"]
    if split is None:
        parts, need = {"two": np.ones(len(labels), bool)}, 2
        rule = "each class needs two or more, one of them to test on"
    else:
        parts, need = {"training": split == "train", "test": split == "test"}, 1
        rule = "each class needs one or more to train on and one or more to test on"
    problems = []
    for part, rows in parts.items():
        counts = np.bincount(labels[rows], minlength=len(names))
        if few := [repr(names[i]) for i in np.flatnonzero(counts < need)]:
            lack = "fewer than two images" if split is None else f"no {part} image"
            have = counted(len(few), "class has", "classes have")
            problems.append(f"{have} {lack} ({examples(few)}): {rule}; add images or remove it")
    return [*problems, *similar_names(names)] if problems else []


def _check(y: np.ndarray, place: str) -> np.ndarray:
    """Return labels (n,) as integers, booleans or NFC strings."""
    kind = y.dtype.kind
    if kind not in "iubfSU":
        raise InputError(f"{place} holds {y.dtype}: labels are integers or strings")
    if kind == "U" and not _is_unicode(y):
        raise InputError(f"{place} holds codes that are no Unicode: write the labels again")
    values, inverse = np.unique(y, return_inverse=True)
    if kind in "SU":
        texts = [_text(value) for value in values]
        nameless = np.array([text is None for text in texts], bool)
        wanted = "is no name of a class: give each image a name in UTF-8 that is not blank"
        _refuse_first(y, values[nameless], place, wanted)
        return np.array(texts, "U")[inverse]
    if kind == "f":
        with np.errstate(invalid="ignore", over="ignore"):
            numbers = values.astype(np.float64)
            whole = (np.abs(numbers) <= EXACT) & (numbers == np.rint(numbers))
        _refuse_first(y, values[~whole], place, "is no class: give integers or strings")
    if kind in "if":
        _refuse_first(
            y,
            values[values < 0],
            place,
            "is negative: classes count from 0; leave out the images without a class, or name "
            "the classes by strings",
        )
    return y if kind == "b" else y.astype(np.uint64)  # one dtype, in which all compare exactly


def _check_names(class_names: np.ndarray, place: str) -> tuple[str, ...]:
    if class_names.dtype.kind not in "iuSU":
        raise InputError(f"{place} holds {class_names.dtype}: give the names as strings")
    names = tuple(_check(class_names, place).astype(str).tolist())
    unique, counts = np.unique(np.array(names), return_counts=True)
    if len(unique) < len(names):
        twice = unique[counts > 1].tolist()
        raise InputError(
            f"{place} holds the same name twice: {examples(twice)}; each class has its own"
        )
    return names


def _is_unicode(y: np.ndarray) -> bool:
    codes = np.ascontiguousarray(y, y.dtype.newbyteorder("=")).view(np.uint32)
    return codes.max(initial=0) <= sys.maxunicode


def _text(value: Any) -> str | None:
    """Return a class name as NFC text, None where it is blank, or bytes that are not UTF-8."""
    try:
        text = value.decode() if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError:
        return None
    return class_name(text) if text.strip() else None


def _refuse_first(y: np.ndarray, bad: np.ndarray, place: str, why: str) -> None:
    """Refuse labels of which some values are bad, naming the first in the order of the array."""
    if not len(bad):
        return
    wrong = np.isin(y, bad) | (y != y if y.dtype.kind == "f" else False)  # NaN is not in anything
    index = int(np.argmax(wrong))
    value = y[index].item()
    shown = f"{value:g}" if isinstance(value, float) else printable(repr(value))
    raise InputError(f"{place}: label {shown} (index {index:,}) {why}")
