"""Tables: every table of the page, as it is shown and as CSV beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.measures.evidence import Evidence
from pipeline.measures.table import MEASURES
from pipeline.report.controls import controls_table, layouts_table
from pipeline.report.diagnostics import diagnostics
from pipeline.report.findings import STAGES, Backbone, title_of
from pipeline.report.galleries import most_changed, test_errors
from pipeline.report.groups import group_rows
from pipeline.report.mixing import class_pairs, mixing_rows

if TYPE_CHECKING:
    import pandas as pd


def before_after(evidence: Evidence) -> list[dict[str, Any]]:
    """Every measure before and after, a row a space, split and measure.

    Returns
    -------
    list of dict
        space, split, measure, title, before, after (rows of measures), arrow ("better", "worse";
        "open" where the interval of the paired gain holds 0 or, of a measure without one, the two
        intervals overlap; "rises" or "falls" of a measure without interval; "").
    """
    gains = {(row["space"], row["split"], row["measure"]): row for row in evidence.change}
    after = {(row["space"], row["split"], row["measure"]): row for row in evidence.after}
    rows = []
    for old in evidence.before:
        key = old["space"], old["split"], old["measure"]
        if (new := after.get(key)) is None or old["measure"] == "majority_baseline":
            continue
        measure = MEASURES[old["measure"]]
        rows.append(
            {
                "space": title_of(key[0]),
                "split": key[1],
                "measure": key[2],
                "title": measure.title,
                "before": old,
                "after": new,
                "arrow": _arrow(old, new, gains.get((*key[:2], f"{key[2]}_gain")), measure.better),
            }
        )
    return rows


def _arrow(
    old: Mapping[str, Any], new: Mapping[str, Any], gain: Mapping[str, Any] | None, better: str
) -> str:
    """What may be said of a change: with intervals whether it is for the better, else its sign."""
    if old["value"] is None or new["value"] is None or old["value"] == new["value"]:
        return ""
    rises = new["value"] > old["value"]
    if None in (old["low"], new["low"]) or not better:
        return "rises" if rises else "falls"
    if gain is not None and gain["low"] is not None:  # narrower, being of the same images
        if gain["low"] <= 0 <= gain["high"]:
            return "open"
    elif old["low"] <= new["high"] and new["low"] <= old["high"]:
        return "open"
    return "better" if rises == (better == "higher") else "worse"


def _measures(found: Backbone) -> list[dict[str, Any]]:
    """`before_after` with a column a number."""
    return [
        {
            **{name: row[name] for name in ("space", "split", "measure", "title")},
            **{
                column: row[stage][key]
                for stage in STAGES
                for key, column in (
                    ("value", stage),
                    ("low", f"{stage}_low"),
                    ("high", f"{stage}_high"),
                )
            },
            "change": row["arrow"],
        }
        for row in before_after(found.evidence)
    ]


def _r_nx(found: Backbone) -> list[dict[str, Any]]:
    return [
        {"stage": stage, "method": title_of(method), "k": k, "r_nx": value}
        for stage, measured in found.measured.items()
        for method, curve in measured.get("r_nx", {}).items()
        for k, value in enumerate(curve, start=1)
    ]


def _claims(found: Backbone) -> list[dict[str, Any]]:
    return [verdict._asdict() for verdict in found.verdicts]


def controls(found: Backbone) -> dict[str, Any]:
    """What `controls_table` and `layouts_table` make of a backbone's controls."""
    evidence = found.evidence
    tables = {
        "networks": controls_table(
            evidence.before, evidence.after, evidence.change, found.controls
        ),
        "layouts": layouts_table(evidence),
    }
    return {name: table for name, table in tables.items() if table}


# Of each backbone; what is empty is left out. A section that shows a table adds it here.
TABLES: dict[str, Callable[[Backbone], Sequence[Mapping[str, Any]] | pd.DataFrame]] = {
    "claims": _claims,
    "measures": _measures,
    "classes": lambda found: found.change["classes"],
    "class_pairs": class_pairs,
    "mixing": mixing_rows,
    "errors": test_errors,
    "images": most_changed,
    "training": lambda found: [] if found.history is None else found.history,
    "depth": lambda found: (found.depth or {}).get("measures", []),
    "controls": lambda found: controls(found).get("networks", {}).get("rows", []),
    "layout_seeds": lambda found: controls(found).get("layouts", {}).get("rows", []),
    "groups": lambda found: group_rows(found.change),
    "r_nx": _r_nx,
    "diagnostics": diagnostics,
}


def tables_of(found: Backbone) -> dict[str, pd.DataFrame]:
    """Every table of a backbone that has a row."""
    import pandas as pd

    tables = {name: pd.DataFrame(make(found)) for name, make in TABLES.items()}
    return {name: table for name, table in tables.items() if len(table)}


def definitions() -> list[dict[str, str]]:
    """What each measure is and where it is from."""
    return [{"measure": name, **measure._asdict()} for name, measure in MEASURES.items()]
