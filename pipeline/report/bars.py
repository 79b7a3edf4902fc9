"""Class gains as horizontal bars with intervals, as SVG, for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.report.findings import Backbone

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 400, 112, 20, 8, 26
BAR, GAP = 9, 8  # heights
SHOWN = 20  # classes; of more the first and last half of these, by their gain
LETTERS = 16  # of a name, at most


def class_gains(found: Backbone) -> dict[str, Any] | None:
    """Gains of k-NN accuracy in feature space, a class a group of bars, one a split.

    Returns
    -------
    dict or None
        What the template draws: title, width, height; groups with name, short name, y and bars
        (split, x, width, y, low, high, text); ticks (x, text), zero. None without classes.
    """
    rows = found.change["classes"]
    splits = [split for split in ("test", "train", "all") if any(r["split"] == split for r in rows)]
    if not splits:
        return None
    by_class: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        by_class.setdefault(str(row["class"]), {})[row["split"]] = row
    order = sorted(by_class, key=lambda name: _gain(by_class[name], splits), reverse=True)
    shown = order if len(order) <= SHOWN else [*order[: SHOWN // 2], *order[-SHOWN // 2 :]]
    title = "Gain of k-NN accuracy in feature space, in points, with 95 % intervals"
    if len(shown) < len(order):
        title += (
            f"; the {SHOWN // 2} largest and the {SHOWN // 2} smallest of {len(order):,} classes"
        )
    return _drawn({name: by_class[name] for name in shown}, splits, title)


def _gain(of_splits: Mapping[str, Mapping[str, Any]], splits: Sequence[str]) -> float:
    """What a class is sorted by: its gain of the first split that it has."""
    return next(of_splits[split]["accuracy_gain"] for split in splits if split in of_splits)


def _drawn(
    rows: Mapping[str, Mapping[str, Mapping[str, Any]]], splits: Sequence[str], title: str
) -> dict[str, Any]:
    """Places of all bars on an axis that holds zero and every interval."""
    ends = [
        row[f"accuracy_gain{end}"]
        for of_splits in rows.values()
        for row in of_splits.values()
        for end in ("", "_low", "_high")
        if row[f"accuracy_gain{end}"] is not None
    ]
    low, high = min(0.0, *ends), max(0.0, *ends)
    if low == high:
        low, high = -0.1, 0.1

    def x(value: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / (high - low), 1)

    groups, y = [], float(TOP)
    for name, of_splits in rows.items():
        bars = []
        for place, split in enumerate(splits):
            if (row := of_splits.get(split)) is None:
                continue
            gain, below, above = (row[f"accuracy_gain{end}"] for end in ("", "_low", "_high"))
            start, end = sorted((x(0), x(gain)))
            known = below is not None  # of too few images there is no interval
            interval = f" [{100 * below:+.1f}, {100 * above:+.1f}]" if known else ""
            bars.append(
                {
                    **{"split": split, "x": start, "width": round(end - start, 1)},
                    **{"y": y + place * BAR, "low": x(below if known else gain)},
                    "high": x(above if known else gain),
                    "text": f"{name}, {split}: {100 * gain:+.1f}{interval} points, "
                    f"{row['images']:,} images",
                }
            )
        short = name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"
        groups.append({"name": name, "short": short, "bars": bars, "y": y + len(splits) * BAR / 2})
        y += len(splits) * BAR + GAP
    return {
        **{"title": title, "width": WIDTH, "height": y + BOTTOM, "left": LEFT - 8},
        **{"top": TOP - 4, "bottom": y - GAP / 2, "bar": BAR, "zero": x(0)},
        **{
            "groups": groups,
            "splits": splits,
            "ticks": [(x(at), _points(at)) for at in _ticks(low, high)],
        },
    }


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers on an axis, about five."""
    step = next(
        (each for each in (0.01, 0.02, 0.05, 0.1, 0.2, 0.25) if (high - low) / each <= 5), 0.5
    )
    first, last = int(low / step), int(high / step)
    return [at * step for at in range(first, last + 1)]


def _points(share: float) -> str:
    return f"{100 * share:+.0f}" if share else "0"
