"""Mixing: which classes parted in feature space, and which still touch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.measures.table import FEATURES
from pipeline.report.findings import Backbone

DRAWN = 20  # classes up to which a matrix is shown
LISTED = 12  # pairs of classes of a table on the page
TOUCHING = 0.01  # share of neighbours of the other class from which two classes are said to touch

Matrix = Sequence[Sequence[float | None]]


def mixing(found: Backbone) -> dict[str, Any] | None:
    """The neighbours' classes in feature space, of test images where there are any.

    Parameters
    ----------
    found : Backbone

    Returns
    -------
    dict or None
        "split"; "names" of the classes; "before" and "after", matrices as of `mixing_matrix`, and
        "change", their difference. None of one class, or where the matrices were not kept.
    """
    names = found.before.get("classes") or []
    kept = [each.get("mixing", {}).get(FEATURES, {}) for each in (found.before, found.after)]
    split = "test" if all("test" in each for each in kept) else "all"
    if len(names) < 2 or not all(split in each for each in kept):
        return None
    before, after = (each[split] for each in kept)
    return {
        # The last classes have no rows where none of their images is left.
        **{"names": names[: len(before)], "split": split, "before": before, "after": after},
        "change": [
            [
                None if old is None or new is None else new - old
                for old, new in zip(*rows, strict=True)
            ]
            for rows in zip(before, after, strict=True)
        ],
    }


def class_pairs(found: Backbone) -> list[dict[str, Any]]:
    """Every two classes that touch or touched, those that parted most first.

    Returns
    -------
    list of dict
        split; first and second, names of classes; before and after, the share of neighbours of the
        images of either that are of the other, the mean of both directions; change, after less
        before.
    """
    if (matrices := mixing(found)) is None:
        return []
    names = matrices["names"]
    pairs = [
        {
            **{"split": matrices["split"], "first": names[a], "second": names[b]},
            **{"before": old, "after": new, "change": new - old},
        }
        for a in range(len(names))
        for b in range(a)
        if (old := _contact(matrices["before"], a, b)) is not None
        and (new := _contact(matrices["after"], a, b)) is not None
        and (old or new)
    ]
    return sorted(pairs, key=lambda pair: pair["change"])


def _contact(matrix: Matrix, a: int, b: int) -> float | None:
    """The mean of both directions; of the one that is known where a class has no image."""
    shares = [share for share in (matrix[a][b], matrix[b][a]) if share is not None]
    return sum(shares) / len(shares) if shares else None


def mixing_rows(found: Backbone) -> list[dict[str, Any]]:
    """The matrices as rows: split, class, neighbours_of, before, after, change."""
    if (matrices := mixing(found)) is None:
        return []
    names = matrices["names"]
    return [
        {
            **{"split": matrices["split"], "class": names[a], "neighbours_of": names[b]},
            **{each: matrices[each][a][b] for each in ("before", "after", "change")},
        }
        for a in range(len(names))
        for b in range(len(names))
    ]


def classes_section(found: Backbone) -> dict[str, Any] | None:
    """What the page says of classes, if they are known: matrices of a few, pairs, a row a class."""
    if not found.labelled:
        return None
    matrices, pairs = mixing(found), class_pairs(found)
    return {
        "matrices": matrices if matrices and len(matrices["names"]) <= DRAWN else None,
        "split": matrices["split"] if matrices else None,
        "pairs": {
            "that parted most": [pair for pair in pairs if pair["change"] < 0][:LISTED],
            "that still touch": sorted(
                (pair for pair in pairs if pair["after"] >= TOUCHING),
                key=lambda pair: -pair["after"],
            )[:LISTED],
            "that came closer": [pair for pair in pairs[::-1] if pair["change"] > 0][:LISTED],
        },
        "by_class": found.change["classes"],
    }
