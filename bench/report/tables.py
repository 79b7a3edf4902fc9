"""Markdown tables of results, and how numbers are written in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bench.what.measures import MEANINGS
from pipeline.methods.registry import METHODS

TITLES = {
    "features": "Extracting features, random weights",
    "graph": "Exact 90-neighbour graph",
    **{name: method.title for name, method in METHODS.items()},
    "quality": "Measures: one layout, or all of a study",
}
# The measure that a step is about; the others stand beside it.
CHIEF = {
    "features": "kept_neighbors",
    "graph": "recall",
    "pca": "explained_variance",
    "tsne": "kl_divergence",
    "umap": "neighborhood_preservation",
    "mds": "stress_1",
    "lle": "reconstruction_error",
    "isomap": "residual_variance",
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table; the first column is text, the others are set to the right."""
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]


def seconds(value: float) -> str:
    """Seconds with three digits, without exponents."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def spread(row: dict[str, Any]) -> str:
    """Median and range, or the median alone of a single run."""
    time = row["seconds"]
    if time["runs"] == 1:
        return f"{seconds(time['median'])} (1 run)"
    return f"{seconds(time['median'])} ({seconds(time['min'])} to {seconds(time['max'])})"


def gigabytes(megabytes: float | None) -> str:
    """Gigabytes with two digits."""
    return "" if megabytes is None else f"{megabytes / 1e3:.2g}"


def whole(number: float | None) -> str:
    """A large number without decimals."""
    return "" if number is None else f"{number:,.0f}"


def percent(share: float | None) -> str:
    """A share as a percentage with two digits."""
    return "" if share is None else f"{100 * share:.2g} %"


def measures(row: dict[str, Any], names: Iterable[str]) -> list[str]:
    """Measures of quality, empty where they do not apply."""
    quality = row.get("quality", {})
    return [f"{quality[name]:.4g}" if name in quality else "" for name in names]


def measured_names(step: str, rows: Iterable[dict[str, Any]]) -> list[str]:
    """Measures that any row of a step has, the chief one first."""
    measured = {name for row in rows for name in row.get("quality", {})}
    return sorted(measured, key=lambda name: (name != CHIEF.get(step), list(MEANINGS).index(name)))


def title(name: str) -> str:
    """A measure's name in pages and plots."""
    return (
        name.replace("knn", "k-NN")
        .replace("kl_", "KL ")
        .replace("stress_1", "stress-1")
        .replace("_", " ")
    )
