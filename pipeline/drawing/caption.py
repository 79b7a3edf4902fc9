"""The words around a figure: heading, caption, and a loud line for what must be seen."""

from collections.abc import Mapping, Sequence
from typing import Any

MEASURED = (
    "Under each panel: the share of points whose class is the majority among their {k} nearest in "
    "the layout, and the share of their {k} nearest in feature space that the layout keeps."
)
ALIGNED = (
    "After fine-tuning, each layout is turned and mirrored towards the one before; only mirrored "
    "where its axes have an order, as in PCA, LLE and Isomap."
)
MEASURES = {"knn_accuracy": "2-D kNN accuracy", "neighborhood_preservation": "neighbours kept"}


def describe(
    contexts: Sequence[Mapping[str, Any]], *, n_neighbors: int | None = None
) -> dict[str, str]:
    """Heading, caption and alert of one backbone's figure.

    Parameters
    ----------
    contexts : sequence of mapping
        The context of each layout: dataset, backbone, weights, stage, accuracy, warnings …
    n_neighbors : int, optional
        Neighbours that the measures under the panels count; None where there are no measures.

    Returns
    -------
    dict
        ``heading`` (backbone and data set), ``caption`` (warnings, weights, sizes, accuracy) and
        ``alert`` (random weights, that there are warnings; empty if there is nothing).
    """
    known: dict[str, Any] = {}
    for context in contexts:
        known |= context
    shape = " x ".join(str(side) for side in known.get("image_shape", [])[:2])
    parts = [
        _sentence(known["weights"]) if "weights" in known else "",
        f"{known.get('images', known['total_points']):,} images"
        + (f" of {shape} pixels" if shape else "")
        + (
            f", seen by the network at {known['image_size']} pixels."
            if "image_size" in known
            else "."
        ),
        _accuracy(known.get("accuracy")),
        MEASURED.format(k=n_neighbors) if n_neighbors else "",
        ALIGNED if {"before", "after"} <= {context.get("stage") for context in contexts} else "",
    ]
    warnings = [f"WARNING: {words}." for words in known.get("warnings", [])]
    alert = ["random weights"] if "random" in known.get("weights", "") else []
    alert += ["warning, see the caption"] if warnings else []
    return {
        "heading": f"{known.get('backbone', 'Features')} on {known.get('dataset', 'unnamed data')}",
        "caption": " ".join(part for part in [*warnings, *parts] if part),
        "alert": "; ".join(alert),
    }


def name_measures(measures: Mapping[str, float]) -> dict[str, str]:
    """The measures that a panel shows, under the names and in the digits that it shows."""
    return {name: f"{measures[key]:.3f}" for key, name in MEASURES.items() if key in measures}


def note(context: Mapping[str, Any]) -> str:
    """What a panel must say of its layout: pieces of the graph lie where they lie by convention."""
    pieces = context.get("components") or 1
    return f"neighbour graph in {pieces} pieces" if pieces > 1 else ""


def _accuracy(accuracy: Mapping[str, float | None] | None) -> str:
    if not accuracy:
        return ""
    shares = [f"{name} {share:.2%}" for name, share in accuracy.items() if share is not None]
    return f"Accuracy of the fine-tuned classifier: {', '.join(shares)}."


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
