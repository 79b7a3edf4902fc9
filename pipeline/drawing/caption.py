"""The words of a figure: heading, alert, notes under the panels, caption and how to read it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.drawing.palette import many_colors
from pipeline.measures.accuracy import below_probe
from pipeline.measures.table import METRICS, look_up

MEASURED = (
    "Under each panel, 2-D kNN: the share of test images whose class is the majority among their "
    "{k} nearest training images in the layout (without a test split, of all points among all "
    "others), with its 95 % interval; neighbours kept: the share of the {k} nearest neighbours in "
    "feature space, of all points, that are the nearest in the layout too."
)
MEASURED_WITHOUT_LABELS = (
    "Under each panel, neighbours kept: the share of the {k} nearest neighbours in feature space, "
    "of all points, that are the nearest in the layout too."
)
ALIGNED = (
    "After fine-tuning, each layout is rotated and reflected towards the one before; only "
    "reflected where its axes have an order, as in PCA, LLE and Isomap."
)
HOW_TO_READ = (
    "Axes are arbitrary: a layout has no unit, and rotating or reflecting it changes nothing; x "
    "and y share one scale."
)
MANY_POINTS = "Every point inside the frame is drawn, in random order; colours deepen with density."
FEW_POINTS = "Every point inside the frame is drawn, in random order, as a disc with a white rim."
RARE = (
    "Classes that hold less than a tenth of the average class's points are drawn last, as larger "
    "discs with a rim: {names}."
)
CROPPED = (
    "Where a few far points would squash the rest, the frame leaves them out, 2.5 % of the points "
    "at most on each of its four sides, and the panel says how many."
)
UNNAMED = "{names} found no free position in some panel, so that no panel shows {it}."
REPLACED = "\N{REPLACEMENT CHARACTER} stands for characters that the font lacks."
MARKED = {
    "test": (
        "Points of the test split ({count}) are drawn last, in full colours; all others are faded."
    ),
    "errors": (
        "Images that the fine-tuned classifier predicts wrongly ({count}) are drawn last, with a "
        "dark rim; all others are faded."
    ),
}
ACCURACY = {"test": "test 2-D kNN", "all": "2-D kNN of all points"}
TITLES = {
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "cifar10": "CIFAR-10",
    "digits": "Digits (scikit-learn)",
}
SENTENCES = 6  # warnings in a caption
LISTED = 5  # names in a sentence


def describe(
    contexts: Sequence[Mapping[str, Any]],
    *,
    measures: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, str]:
    """Heading, caption, warnings and alert of one backbone's figure.

    Parameters
    ----------
    contexts : sequence of mapping
        The context of each layout: dataset, backbone, weights, stage, accuracy, warnings …
    measures : mapping of stage to mapping, optional
        What `pipeline.measures.quality.measure_layouts` returns for the layouts of a stage.

    Returns
    -------
    dict
        ``heading`` (backbone and data set), ``warnings`` (of all layouts and measures,
        each once), ``caption``
        (weights, sizes, accuracy) and ``alert`` (random weights, that there are warnings); empty
        where there is nothing to say.
    """
    study: dict[str, Any] = {}
    measures = measures or {}
    n_neighbors = next((each["k"] for each in measures.values() if "k" in each), None)
    for context in contexts:
        study |= context
    found = {row["measure"] for each in measures.values() for row in each.get("measures", ())}
    unlabelled = found and "knn_accuracy" not in found
    measured = MEASURED_WITHOUT_LABELS if unlabelled else MEASURED
    shape = " x ".join(str(side) for side in study.get("image_shape", [])[:2])
    parts = [
        _sentence(study["weights"]) if study.get("weights") else "",
        f"{study.get('images', study['total_points']):,} images"
        + (f" of {shape} pixels" if shape else "")
        + (
            f", seen by the network at {study['image_size']} pixels."
            if "image_size" in study
            else "."
        ),
        METRICS[study.get("metric", "euclidean")],
        _accuracy(study.get("accuracy")),
        measured.format(k=n_neighbors) if n_neighbors else "",
        ALIGNED if {"before", "after"} <= {context.get("stage") for context in contexts} else "",
    ]
    warnings = collect_warnings([*contexts, *measures.values()])
    probe = measures.get("before", {}).get("probe") or {}
    accuracy = (study.get("accuracy") or {}).get("test")
    if below := below_probe(accuracy, probe.get("test_accuracy"), probe.get("n_test")):
        warnings.insert(0, f"Warning: {_sentence(below, capital=False)}")
    alert = ["random weights"] if "random" in (study.get("weights") or "") else []
    alert += ["warning, see the caption"] if warnings else []
    data = str(study.get("dataset", "unnamed data"))
    return {
        "heading": f"{study.get('backbone', 'Features')} on {TITLES.get(data, data)}",
        "warnings": " ".join(_limited(warnings)),
        "caption": " ".join(part for part in parts if part),
        "alert": "; ".join(alert),
    }


def collect_warnings(sources: Iterable[Mapping[str, Any]]) -> list[str]:
    """The warnings of all layouts and measures as sentences, each once, in their order."""
    said = (warning for source in sources for warning in source.get("warnings") or [])
    return list(dict.fromkeys(f"Warning: {_sentence(each, capital=False)}" for each in said))


def notes(
    context: Mapping[str, Any], n_points: int, measures: Sequence[Mapping[str, Any]], method: str
) -> list[str]:
    """Lines under a panel: measures, the part of the points it shows, what to know of the layout.

    Parameters
    ----------
    context : mapping
        Of the layout: total_points; components, where its neighbour graph has more than one,
        which lie where a convention puts them; converged, where an iteration was ended early;
        started_from, a stage or a file, where it did not start on its own.
    n_points : int
        Points of the layout.
    measures : sequence of mapping
        "measures" of `pipeline.measures.quality.measure_layouts`.
    method : str
        Of the layout.
    """
    total, components = context["total_points"], context.get("components") or 1
    return [
        *accuracy_note(measures, method),
        *kept_note(measures, method),
        *([f"{n_points:,} of {total:,} points (subset)"] if n_points < total else []),
        *([f"neighbour graph has {components} connected components"] if components > 1 else []),
        *(["not converged"] if context.get("converged") is False else []),
        *start_note(context),
    ]


def start_note(context: Mapping[str, Any]) -> list[str]:
    """What a layout was started from, or nothing where it was the method's own start."""
    start = context.get("started_from")
    return [f"started from the layout {start}"] if start else []


def accuracy_note(measures: Sequence[Mapping[str, Any]], method: str) -> list[str]:
    """The accuracy in a layout with its interval, or nothing where it was not measured."""
    if (found := look_up(measures, method, "knn_accuracy")) is None:
        return []
    split, row = found
    interval = "" if row.get("low") is None else f" [{row['low']:.3f}, {row['high']:.3f}]"
    return [f"{ACCURACY[split]} {row['value']:.3f}{interval}"]


def kept_note(measures: Sequence[Mapping[str, Any]], method: str) -> list[str]:
    """The share of neighbours that a layout keeps, or nothing where it was not measured."""
    found = look_up(measures, method, "neighborhood_preservation")
    return [] if found is None else [f"neighbours kept {found[1]['value']:.3f}"]


def explain_colors(n_classes: int) -> str:
    """What the colours of many classes can no longer tell, empty up to twelve."""
    if n_classes <= 12:
        return ""
    distinct = len(many_colors())
    repeated = f", and they repeat after {distinct} classes" if n_classes > distinct else ""
    return f"No palette keeps {n_classes:,} colours apart: some look alike{repeated}."


def list_names(names: Sequence[str]) -> str:
    """Names in a sentence: the first few, and how many more there are."""
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more:,} more" if more > 0 else "")


def _limited(sentences: Sequence[str]) -> list[str]:
    more = len(sentences) - SENTENCES
    return [*sentences[:SENTENCES], *([f"And {more} more in the sidecars."] if more > 0 else [])]


def _accuracy(accuracy: Mapping[str, float | None] | None) -> str:
    shares = [
        f"{name} {share:.2%}" for name, share in (accuracy or {}).items() if share is not None
    ]
    return f"Accuracy of the fine-tuned classifier: {', '.join(shares)}." if shares else ""


def _sentence(words: str, *, capital: bool = True) -> str:
    words = words.rstrip(". ")
    return f"{words[:1].upper() if capital else words[:1]}{words[1:]}."
