"""Groups that are no class, for the page: who is in them, and whether to be alarmed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

MEMBERS = 24  # of a group that are shown
ALARMS = 3  # groups that have a sentence of their own


def groups_section(
    change: Mapping[str, Any], images: pd.DataFrame, picture: Callable[[int], str] | None
) -> dict[str, Any] | None:
    """What the page shows of the groups that are no class.

    Parameters
    ----------
    change : mapping
        What `pipeline.store.describe_change` returned.
    images : DataFrame
        The table of `pipeline.store.save_change`.
    picture : callable, optional
        The thumbnail of the image in a row, as a data URL; without it there are none.

    Returns
    -------
    dict or None
        summary, a sentence; groups, as in `change` with members, up to 24 of them, the test errors
        first. None where no groups were looked for.
    """
    if not change.get("communities"):
        return None
    rows = dict(zip(images["id"].tolist(), range(len(images)), strict=True))
    missed = np.zeros(len(images), bool)
    if "prediction" in images:
        wrong = images["prediction"].astype(str) != images["label"].astype(str)
        missed = (wrong & (images["split"] == "test")).to_numpy()
    groups = []
    for group in change["groups"]:
        members = np.array([rows[number] for number in group["ids"]])
        first = np.argsort(~missed[members], kind="stable")[:MEMBERS]
        shown = [_member(images.iloc[row], missed[row], picture, row) for row in members[first]]
        groups.append({**group, "when": _when(group), "members": shown})
    return {"summary": _summary(change["communities"]), "groups": groups}


def group_rows(change: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a group, for a table: its stages and its classes each as one text, all else a number.

    Parameters
    ----------
    change : mapping
        What `pipeline.store.describe_change` returned.
    """
    numbers = (
        *("size", "majority_share", "own_class_elsewhere", "jaccard"),
        *("test_images", "test_errors", "test_accuracy", "all_test_errors"),
    )
    return [
        {
            "stages": " and ".join(group["stages"]),
            **{name: group[name] for name in numbers},
            "classes": "; ".join(f"{each['class']}: {each['images']}" for each in group["classes"]),
        }
        for group in change.get("groups", [])
    ]


def _member(
    known: pd.Series, missed: bool, picture: Callable[[int], str] | None, row: int
) -> dict[str, Any]:
    """One image of a group."""
    return {
        "picture": picture(row) if picture else None,
        "id": int(known["id"]),
        "file": known.get("file") or "",
        "label": str(known["label"]),
        "split": known["split"],
        "prediction": str(known["prediction"]) if missed else "",
    }


def _summary(communities: list[Mapping[str, Any]]) -> str:
    """How many communities there are, and how many of them are mixed."""
    found = {row["stage"]: f"{row['mixed']} of {row['communities']}" for row in communities}
    return (
        f"In {found['before']} communities of the nearest-neighbour graph before fine-tuning, and "
        f"in {found['after']} after it, no class has half of the images."
    )


def _when(group: Mapping[str, Any]) -> str:
    """At which stages a group is there."""
    return {
        "before": "before fine-tuning only",
        "after": "after fine-tuning only",
        "before after": "before and after fine-tuning",
    }[" ".join(group["stages"])]


def group_alarms(change: Mapping[str, Any]) -> list[str]:
    """Sentences on the groups that are there after fine-tuning, the largest first.

    Parameters
    ----------
    change : mapping
        What `pipeline.store.describe_change` returned.
    """
    left = [group for group in change.get("groups", []) if "after" in group["stages"]]
    sentences = [_alarm(group) for group in left[:ALARMS]]
    if others := left[ALARMS:]:
        size = sum(group["size"] for group in others)
        sentences.append(f"{size:,} images form {len(others)} smaller groups that are no class.")
    return sentences


def _alarm(group: Mapping[str, Any]) -> str:
    """The sentence on a group."""
    sentence = f"{group['size']:,} images form a group that is no class, {_when(group)}"
    if not group["test_images"]:
        return f"{sentence}."
    return (
        f"{sentence}: {100 * group['test_accuracy']:.0f} % of its {group['test_images']:,} test "
        f"images are right, {group['test_errors']:,} of {group['all_test_errors']:,} test errors "
        "are in it."
    )
