"""Shepard diagrams: distances in feature space against those in each layout, as densities."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.measures.table import look_up
from pipeline.methods.registry import METHODS
from pipeline.report.findings import Backbone, title_of
from pipeline.report.galleries import data_url

COLOR = (45, 135, 205)  # legible on white and on near-black
FAINTEST = 0.12  # opacity of a single pair


def distance_plots(found: Backbone) -> list[dict[str, Any]] | None:
    """Small multiples, a method a row, before and after side by side.

    Returns
    -------
    list of dict or None
        Of each method its title and "panels", each with stage, picture (a data URL), label (what it
        shows, in words) and numbers. None where the measures hold no histograms.
    """
    kept = {stage: each.get("distances", {}) for stage, each in found.measured.items()}
    methods = [name for name in METHODS if any(name in each for each in kept.values())]
    return [
        {
            "method": title_of(name),
            "panels": [
                _panel(name, stage, each[name], found.measured[stage])
                for stage, each in kept.items()
                if name in each
            ],
        }
        for name in methods
    ] or None


def _panel(
    method: str, stage: str, histogram: Mapping[str, Any], measured: Mapping[str, Any]
) -> dict[str, Any]:
    numbers = []
    for measure, words in (
        ("distance_correlation", "rank correlation"),
        ("stress_1", "stress-1"),
    ):
        if row := look_up(measured["measures"], method, measure):
            numbers.append(f"{words} {row[1]['value']:.2f}")
    pairs = int(np.sum(histogram["counts"]))
    return {
        "stage": stage,
        "picture": density(histogram["counts"]),
        "numbers": ", ".join(numbers),
        "label": f"{title_of(method)} {stage} fine-tuning: distances of {pairs:,} pairs in feature "
        f"space, to {_length(histogram['features_to'])}, against the layout, to "
        f"{_length(histogram['layout_to'])}; {', '.join(numbers)}",
    }


def _length(end: float | None) -> str:
    return "beyond all numbers" if end is None else f"{end:.3g}"


def density(counts: Any) -> str:
    """A histogram as a data URL: a pixel a bin, the more opaque the more pairs, by the logarithm.

    Parameters
    ----------
    counts : (a, b) int array-like
        Rows from near to far in feature space, which run to the right; columns from near to far in
        the layout, which run upwards.

    Returns
    -------
    str
        A PNG of a x b pixels on a transparent ground.
    """
    from PIL import Image

    values = np.log1p(np.asarray(counts, dtype=float)).T[::-1]
    opacity = FAINTEST + (1 - FAINTEST) * values / max(values.max(), 1e-9)
    rgba = np.empty((*values.shape, 4), np.uint8)
    rgba[..., :3] = COLOR
    rgba[..., 3] = np.where(values > 0, np.rint(255 * opacity), 0)
    buffer = io.BytesIO()
    Image.fromarray(rgba).save(buffer, "png", optimize=True)
    return data_url(buffer.getvalue())
