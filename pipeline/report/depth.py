"""Depth profile on the page: what fine-tuning changed, block by block, as a plot and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.measures.evidence import rough_percent
from pipeline.measures.table import space_of
from pipeline.report.plots import COLORS

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 280, 44, 632, 12, 246

Key = tuple[str, str]  # measure and stage
CURVES: list[tuple[str, Key, str]] = [  # name, values, dashes
    ("CKA", ("cka", ""), ""),
    ("neighbours in common", ("neighbors_overlap", ""), ""),
    ("linear probe before", ("linear_probe", "before"), "6 4"),
    ("linear probe after", ("linear_probe", "after"), ""),
]


def depth_section(profile: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What the template shows of a depth profile.

    Parameters
    ----------
    profile : mapping, optional
        What `measure_depth` returned.

    Returns
    -------
    dict or None
        k, images, sample, split ("test" or "all", of which neighbours and probes are); blocks, of
        each its number, layer, features and cells, rows of measures in the order of the curves;
        plot: width, height, edges, ticks, and curves with name, color, dash, points and bars (x,
        low, high).
    """
    if profile is None:
        return None
    measures = profile["measures"]
    split = "test" if any(row["split"] == "test" for row in measures) else "all"
    names = [name for name, _, _ in CURVES]
    blocks = []
    for number, block in enumerate(profile["blocks"], start=1):
        rows = {
            (row["measure"], row.get("stage", "")): row
            for row in measures
            if row["space"] == space_of(block["layer"]) and row["split"] in (split, "all")
        }
        cells = [rows.get(key) for _, key, _ in CURVES]
        blocks.append({"number": number, **block, "cells": cells})
    chance = next((r["value"] for r in measures if r["measure"] == "overlap_by_chance"), None)
    return {
        **{name: profile[name] for name in ("k", "images", "sample")},
        **{"split": split, "names": names, "blocks": blocks},
        "chance": None if chance is None else rough_percent(chance),
        "plot": _plot([block["cells"] for block in blocks]),
    }


def depth_text(profile: Mapping[str, Any] | None) -> list[str]:
    """Sentences of a paragraph on methods about a depth profile; none without one."""
    if profile is None:
        return []
    sample, n = profile["sample"], profile["images"]
    those = "all images" if sample == n else f"a stratified sample of {sample:,} images"
    return [
        f"The pooled output of the layer that ends each block was compared likewise on {those}."
    ]


def _plot(cells: Sequence[Sequence[Mapping[str, Any] | None]]) -> dict[str, Any]:
    """The curves over the blocks, each value with its interval."""

    def x(place: int) -> float:
        return round(LEFT + (RIGHT - LEFT) * (place + 0.5) / len(cells), 1)

    def y(value: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * min(max(value, 0.0), 1.0), 1)

    curves = []
    for i, (name, _, dash) in enumerate(CURVES):
        known = [
            (x(place), row)
            for place, row in enumerate(each[i] for each in cells)
            if row is not None and row["value"] is not None
        ]
        curves.append(
            {
                **{"name": name, "color": COLORS[i], "dash": dash},
                "points": " ".join(f"{at},{y(row['value'])}" for at, row in known),
                "bars": [
                    (at, y(row["low"]), y(row["high"]))
                    for at, row in known
                    if row["low"] is not None
                ],
            }
        )
    return {
        **{"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT, "bottom": BOTTOM},
        "curves": [curve for curve in curves if curve["points"]],
        "ticks_x": [(x(place), str(place + 1)) for place in range(len(cells))],
        "ticks_y": [(y(value), f"{value:g}") for value in (0, 0.25, 0.5, 0.75, 1)],
    }
