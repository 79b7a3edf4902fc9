"""Summary: the measures of a study, one row a layout in short, one row a measure in full."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.measures.accuracy import below_probe
from pipeline.measures.table import COSINE, FEATURES, look_up

if TYPE_CHECKING:
    import pandas as pd

Measured = tuple[Mapping[str, Any], Mapping[str, Any]]
OF_A_LAYOUT = ("engine", "points", "total_points", "started_from")
OF_A_BACKBONE = ("dataset", "backbone", "weights")
SHARED = (*OF_A_BACKBONE, "seed", "stage", "metric")


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
        Columns dataset, backbone, weights, seed, stage, metric, method, engine, points,
        total_points; started_from, the stage whose layout it was started from, or a file, empty
        for the method's own start; train_accuracy and test_accuracy of the fine-tuned network;
        probe_train_accuracy and probe_test_accuracy of a linear probe of these features;
        knn_accuracy of the test images in the layout (of all, without a split), with its interval
        knn_accuracy_low and knn_accuracy_high, train_knn_accuracy of the training images, and
        features_knn_accuracy of the test images in feature space; neighborhood_preservation; k, the
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
    shared = {key: context.get(key) for key in SHARED}
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
    layouts = context.get("layouts", {})
    measured = (row["space"] for row in measures["measures"])
    for method in dict.fromkeys([*layouts, *measured]):
        if method in (FEATURES, COSINE):
            continue
        layout = layouts.get(method, {})
        own = {key: layout.get(key) for key in OF_A_LAYOUT}
        sentences = [*said, *(layout.get("warnings") or []), *(measures.get("warnings") or [])]
        rows.append(
            {
                **shared,
                "method": method,
                **own,
                **accuracies,
                **_in_short(measures["measures"], method),
                "k": measures["k"],
                "warnings": "; ".join(dict.fromkeys(sentences)),
            }
        )
    return rows


def _in_short(found: Sequence[Mapping[str, Any]], method: str) -> dict[str, float | None]:
    """What the row of a layout says of its measures."""

    def values(space: str, measure: str) -> Mapping[str, Any]:
        shown = look_up(found, space, measure)
        return {} if shown is None else shown[1]

    accuracy = values(method, "knn_accuracy")
    train = (
        row["value"]
        for row in found
        if (row["space"], row["split"], row["measure"]) == (method, "train", "knn_accuracy")
    )
    return {
        "knn_accuracy": accuracy.get("value"),
        "knn_accuracy_low": accuracy.get("low"),
        "knn_accuracy_high": accuracy.get("high"),
        "train_knn_accuracy": next(train, None),
        "features_knn_accuracy": values(FEATURES, "knn_accuracy").get("value"),
        "neighborhood_preservation": values(method, "neighborhood_preservation").get("value"),
    }


def tabulate_measures(measured: Iterable[Measured]) -> pd.DataFrame:
    """All measures of a study, one row a measure of a space and a split.

    Parameters
    ----------
    measured : iterable of (context, measures)
        As of `summarize`.

    Returns
    -------
    DataFrame
        Columns dataset, backbone, weights, seed (of fine-tuning), stage, metric; space
        ("features", "features, cosine", "features of" a layer, or a method), layout_seed (of a
        layout), split ("test", "train" or "all"), measure, value, low and high, the ends of the
        95 % interval, empty where there is none.
    """
    import pandas as pd

    columns = ("split", "measure", "value", "low", "high")
    table = pd.DataFrame(
        [
            {
                **{key: context.get(key) for key in SHARED},
                # Rows of `measure_depth` have a stage of their own.
                **({"stage": row["stage"]} if "stage" in row else {}),
                "space": row["space"],
                "layout_seed": seed,
                **{column: row.get(column) for column in columns},
            }
            for context, measures in measured
            for seed, row in _with_seeds(context, measures)
        ],
        columns=[*SHARED, "space", "layout_seed", *columns],
    )
    return table.astype({"layout_seed": "Int64"})


def _with_seeds(
    context: Mapping[str, Any], measures: Mapping[str, Any]
) -> Iterator[tuple[int | None, Mapping[str, Any]]]:
    """Every row of a feature set, with the seed of its layout."""
    layouts = context.get("layouts", {})
    for row in measures["measures"]:
        yield layouts.get(row["space"], {}).get("layout_seed"), row
    for seed, rows in measures.get("layout_seeds", {}).items():
        yield from ((int(seed), row) for row in rows)
