"""Small line plots as SVG, for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.methods.registry import METHODS

if TYPE_CHECKING:
    import pandas as pd

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 420, 260, 44, 34, 12
# Okabe & Ito (2008), told apart by most colour-blind readers, and dashes where colours run out.
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]


def training_curves(history: pd.DataFrame) -> dict[str, Any]:
    """Accuracy of each epoch, head and whole network one after the other."""
    columns = {"training": "accuracy", "validation": "val_accuracy"}
    known = {name: history[column] for name, column in columns.items() if column in history}
    return _plot(
        {name: np.asarray(values, dtype=float) for name, values in known.items()},
        title="Accuracy while training, an epoch a point",
        first=1,
    )


def r_nx_curves(curves: Mapping[str, Sequence[float]], *, title: str) -> dict[str, Any]:
    """R_NX of each layout against the number of neighbours, on a logarithmic axis."""
    named = {
        METHODS[name].title if name in METHODS else name: np.asarray(values, dtype=float)
        for name, values in curves.items()
    }
    return _plot(named, title=title, first=1, logarithmic=True)


def _plot(
    series: Mapping[str, np.ndarray], *, title: str, first: int, logarithmic: bool = False
) -> dict[str, Any]:
    """Lines in a frame from 0 to 1 in height: what the template draws.

    Returns
    -------
    dict
        title, width, height; lines, with name, color, dash and points; ticks of both axes, with
        position and text.
    """
    longest = max((len(values) for values in series.values()), default=0)
    if longest == 0:
        return {}
    right, bottom = WIDTH - 8, HEIGHT - BOTTOM
    last = first + longest - 1

    def x(position: float) -> float:
        low, high, at = (
            (np.log(first), np.log(max(last, first + 1)), np.log(position))
            if logarithmic
            else (first, max(last, first + 1), position)
        )
        return round(float(LEFT + (right - LEFT) * (at - low) / (high - low)), 1)

    def y(value: float) -> float:
        return round(float(bottom - (bottom - TOP) * min(max(value, 0), 1)), 1)

    marks = [k for k in (1, 2, 5, 10, 20, 50, 100) if first <= k <= last]
    if not logarithmic:
        marks = sorted({first, (first + last) // 2, last})
    lines = [
        {
            "name": name,
            "color": COLORS[i % len(COLORS)],
            "dash": "" if i < len(COLORS) else "5 3",
            "points": " ".join(f"{x(first + j)},{y(v)}" for j, v in enumerate(values)),
        }
        for i, (name, values) in enumerate(series.items())
    ]
    return {
        **{"title": title, "width": WIDTH, "height": HEIGHT, "left": LEFT, "right": right},
        **{"top": TOP, "bottom": bottom, "lines": lines},
        "ticks_x": [(x(mark), str(mark)) for mark in marks],
        "ticks_y": [(y(value), f"{value:g}") for value in (0, 0.25, 0.5, 0.75, 1)],
    }
