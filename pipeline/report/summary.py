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

    return pd.DataFrame(
        {
            "dataset": context.get("dataset"),
            "backbone": context.get("backbone"),
            "weights": context.get("weights"),
            "stage": context.get("stage"),
            "method": method,
            "engine": context["layouts"][method].get("engine"),
            "points": context["layouts"][method].get("points"),
            "total_points": context["layouts"][method].get("total_points"),
            "test_accuracy": (context.get("accuracy") or {}).get("test"),
            **layout,
            "k": measures["k"],
        }
        for context, measures in measured
        for method, layout in measures["layouts"].items()
    )
