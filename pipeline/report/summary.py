"""The numbers behind the figures: one row a layout."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def summarize(rows: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> "pd.DataFrame":
    """Tabulate measured layouts.

    Parameters
    ----------
    rows : sequence of (context, measures)
        A layout's context (study, backbone, stage, method, accuracy …) and its measures.

    Returns
    -------
    DataFrame
        Columns dataset, backbone, weights, stage, method, engine, points, total_points,
        test_accuracy, then one column a measure; before stands above after.
    """
    import pandas as pd

    return pd.DataFrame(
        {
            "dataset": context.get("dataset"),
            "backbone": context.get("backbone"),
            "weights": context.get("weights"),
            "stage": context.get("stage"),
            "method": context.get("method"),
            "engine": context.get("engine"),
            "points": context.get("points"),
            "total_points": context.get("total_points"),
            "test_accuracy": (context.get("accuracy") or {}).get("test"),
            **measures,
        }
        for context, measures in rows
    )
