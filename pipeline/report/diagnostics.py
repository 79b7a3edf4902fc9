"""Diagnostics: what each method says of its own layout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.report.findings import Backbone, title_of
from pipeline.report.relative import without_folders

# What columns or the provenance say, and times of parts.
ELSEWHERE = {"parameters", "seed", "device", "library", "warnings", "components", "converged"}
ELSEWHERE |= {"seconds", "exponent", "n_iter"}


def diagnostics(found: Backbone) -> list[dict[str, Any]]:
    """A row a layout: who computed it, whether it converged, its residuals, and its warnings.

    Returns
    -------
    list of dict
        stage, method, engine, points, start ("own", or of which stage or file the layout was),
        converged ("yes", "NO", or "no test" of methods that solve
        directly or run a fixed number of iterations), iterations,
        components (of the graph that it laid out), numbers (residuals and whatever else the method
        says of itself), warnings.
    """
    return [
        {
            "stage": stage,
            "method": title_of(method),
            "engine": layout.get("engine") or "",
            "points": layout.get("points"),
            "start": layout.get("started_from") or "own",
            "converged": {True: "yes", False: "NO"}.get(layout.get("converged"), "no test"),
            "iterations": layout.get("info", {}).get("n_iter", ""),
            "components": layout.get("components") or "",
            "numbers": "; ".join(_numbers(layout.get("info", {}))),
            "warnings": without_folders("; ".join(layout.get("info", {}).get("warnings", []))),
        }
        for stage, layouts in found.layouts.items()
        for method, layout in layouts.items()
    ]


def _numbers(info: Mapping[str, Any]) -> list[str]:
    """Scalars and short lists of what a method says, in its words."""
    return [
        f"{name.replace('_', ' ')} {text}"
        for name, value in info.items()
        if name not in ELSEWHERE
        and not name.startswith("seconds")
        and (text := _text(value)) is not None
    ]


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        parts = [f"{name} {text}" for name, each in value.items() if (text := _text(each))]
        return f"({', '.join(parts)})" if parts else None
    if isinstance(value, list) and 0 < len(value) <= 6:
        parts = [text for each in value if (text := _text(each)) is not None]
        return ", ".join(parts) if len(parts) == len(value) else None
    return None
