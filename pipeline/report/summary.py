"""Summary: the measures of all layouts of a study, one row a layout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.measures.accuracy import below_probe

if TYPE_CHECKING:
    import pandas as pd

Measured = tuple[Mapping[str, Any], Mapping[str, Any]]
OF_A_BACKBONE = ("dataset", "backbone", "weights")


def summarize(measured: Iterable[Measured]) -> pd.DataFrame:
    """Tabulate measured layouts.

    Parameters
    ----------
    measured : iterable of (context, measures)
        Of each feature set: its context, whose "layouts" holds what differs between its layouts by
        method (engine, points, warnings), and its measures as `pipeline.measures.quality` returns
        them.

    Returns
    -------
    DataFrame
        Columns dataset, backbone, weights, stage, method, engine, points, total_points;
        train_accuracy and test_accuracy of the fine-tuned network; probe_train_accuracy and
        probe_test_accuracy of a linear probe of these features; one column a measure; k, the
        number of neighbours that count; warnings, all sentences on the layout and its features,
        joined by semicolons.
    """
    import pandas as pd

    measured = list(measured)
    before = {
        _backbone(context): measures.get("probe") or {}
        for context, measures in measured
        if context.get("stage") == "before"
    }
    return pd.DataFrame(
        [
            row
            for context, measures in measured
            for row in _rows(context, measures, before.get(_backbone(context), {}))
        ]
    )


def _backbone(context: Mapping[str, Any]) -> tuple[Any, ...]:
    """What both stages of a backbone have in common."""
    return tuple(context.get(key) for key in OF_A_BACKBONE)


def _rows(
    context: Mapping[str, Any], measures: Mapping[str, Any], probe_before: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """A row a layout of one feature set, given the linear probe before fine-tuning."""
    accuracy, probe = context.get("accuracy") or {}, measures.get("probe") or {}
    shared = {key: context.get(key) for key in (*OF_A_BACKBONE, "stage")}
    accuracies = {
        "train_accuracy": accuracy.get("train"),
        "test_accuracy": accuracy.get("test"),
        "probe_train_accuracy": probe.get("train_accuracy"),
        "probe_test_accuracy": probe.get("test_accuracy"),
    }
    below = below_probe(
        accuracy.get("test"), probe_before.get("test_accuracy"), probe_before.get("n_test")
    )
    said = [*(context.get("warnings") or []), *([below] if below else [])]
    rows = []
    for method, values in measures["layouts"].items():
        layout = context.get("layouts", {}).get(method, {})
        own = {key: layout.get(key) for key in ("engine", "points", "total_points")}
        sentences = [*said, *(layout.get("warnings") or []), *(measures.get("warnings") or [])]
        rows.append(
            {
                **shared,
                "method": method,
                **own,
                **accuracies,
                **values,
                "k": measures["k"],
                "warnings": "; ".join(dict.fromkeys(sentences)),
            }
        )
    return rows
