"""Summary: the measures of all layouts of a study, one row a layout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def summarize(measured: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> pd.DataFrame:
    """Tabulate measured layouts.

    Parameters
    ----------
    measured : iterable of (context, measures)
        Of each feature set: its context, whose "layouts" holds what differs between its layouts by
        method (engine, points), and its measures as `pipeline.measures.quality` returns them.

    Returns
    -------
    DataFrame
        Columns dataset, backbone, weights, stage, method, engine, points, total_points,
        test_accuracy, then one column a measure and k, the number of neighbors that count.
    """
    import pandas as pd

    rows = []
    for context, measures in measured:
        shared = {key: context.get(key) for key in ("dataset", "backbone", "weights", "stage")}
        accuracy = (context.get("accuracy") or {}).get("test")
        for method, values in measures["layouts"].items():
            layout = context.get("layouts", {}).get(method, {})
            own = {key: layout.get(key) for key in ("engine", "points", "total_points")}
            row = {**shared, "method": method, **own, "test_accuracy": accuracy, **values}
            rows.append({**row, "k": measures["k"]})
    return pd.DataFrame(rows)
