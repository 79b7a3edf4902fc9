"""The words of a figure: heading, alert, notes under the panels, caption and how to read it."""

from collections.abc import Mapping, Sequence
from typing import Any

MEASURED = (
    "Under each panel: the share of points whose class is the majority among their {k} nearest "
    "neighbours in the layout, and the share of their {k} nearest neighbours in feature space that "
    "the layout keeps."
)
ALIGNED = (
    "After fine-tuning, each layout is rotated and reflected towards the one before; only "
    "reflected where its axes have an order, as in PCA, LLE and Isomap."
)
HOW_TO_READ = (
    "Axes are arbitrary: a layout has no unit, and rotating or reflecting it changes nothing; x "
    "and y share one scale. Every point inside the frame is drawn, in random order; colours deepen "
    "with density."
)
UNNAMED = "Class names without a free position in a panel stand in the legend only."
REPLACED = "\N{REPLACEMENT CHARACTER} stands for characters that the font lacks."
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
    study: dict[str, Any] = {}
    for context in contexts:
        study |= context
    shape = " x ".join(str(side) for side in study.get("image_shape", [])[:2])
    parts = [
        _sentence(study["weights"]) if "weights" in study else "",
        f"{study.get('images', study['total_points']):,} images"
        + (f" of {shape} pixels" if shape else "")
        + (
            f", seen by the network at {study['image_size']} pixels."
            if "image_size" in study
            else "."
        ),
        _accuracy(study.get("accuracy")),
        MEASURED.format(k=n_neighbors) if n_neighbors else "",
        ALIGNED if {"before", "after"} <= {context.get("stage") for context in contexts} else "",
    ]
    warnings = [f"WARNING: {warning}." for warning in study.get("warnings", [])]
    alert = ["random weights"] if "random" in study.get("weights", "") else []
    alert += ["warning, see the caption"] if warnings else []
    return {
        "heading": f"{study.get('backbone', 'Features')} on {study.get('dataset', 'unnamed data')}",
        "caption": " ".join(part for part in [*warnings, *parts] if part),
        "alert": "; ".join(alert),
    }


def notes(context: Mapping[str, Any], n_points: int, measures: Mapping[str, float]) -> list[str]:
    """Lines under a panel: measures, the part of the points it shows, what to know of the layout.

    Parameters
    ----------
    context : mapping
        Of the layout: total_points; components, where its neighbour graph has more than one,
        which lie where a convention puts them; converged, where an iteration was ended early.
    n_points : int
        Points of the layout.
    measures : mapping of str to float
        Those in `MEASURES` are shown.
    """
    total, components = context["total_points"], context.get("components") or 1
    unconverged = context.get("converged") is False
    return [
        *(f"{name} {measures[key]:.3f}" for key, name in MEASURES.items() if key in measures),
        *([f"{n_points:,} of {total:,} points (subset)"] if n_points < total else []),
        *([f"neighbour graph has {components} connected components"] if components > 1 else []),
        *(["NOT CONVERGED: not yet what the method asks for"] if unconverged else []),
    ]


def _accuracy(accuracy: Mapping[str, float | None] | None) -> str:
    if not accuracy:
        return ""
    shares = [f"{name} {share:.2%}" for name, share in accuracy.items() if share is not None]
    return f"Accuracy of the fine-tuned classifier: {', '.join(shares)}."


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
