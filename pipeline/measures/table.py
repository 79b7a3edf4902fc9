"""The table of measures: what each is, and how a result is looked up."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

from pipeline.errors import InputError
from pipeline.measures.intervals import Estimate

TIES = (
    "ties go to the class whose votes have the smaller sum of ranks, then to that of the nearest "
    "neighbour among them"
)

FEATURES, COSINE = "features", "features, cosine"  # spaces; that of a layout is its method
METRICS = {  # what to say of a study's metric
    "euclidean": "",
    "cosine": (
        "Distances of features are those of the cosine: all features were scaled to unit length."
    ),
}


def space_of(layer: str) -> str:
    """The space of the pooled output of a layer within the network."""
    return f"features of {layer}"


class Measure(NamedTuple):
    """How to read a measure."""

    title: str
    better: str  # "higher", "lower", or "" where neither is
    meaning: str


MEASURES_OF_A_SET: dict[str, Measure] = {
    "knn_accuracy": Measure(
        "k-NN accuracy",
        "higher",
        "share of images whose class is the majority among their k nearest training images, the "
        f"image itself left out; {TIES}; Wilson's 95 % interval",
    ),
    "knn_balanced_accuracy": Measure(
        "balanced k-NN accuracy",
        "higher",
        "mean over classes of the share of their images whose class is that majority",
    ),
    "majority_baseline": Measure(
        "majority class", "", "accuracy of always naming the commonest training class"
    ),
    "own_class_share": Measure(
        "own-class share",
        "higher",
        "mean share of an image's k nearest training images that are of its class",
    ),
    "neighborhood_preservation": Measure(
        "neighbours kept",
        "higher",
        "mean share of a point's k nearest in feature space that are among its k nearest in the "
        "layout; k / (n - 1) by chance (Q_NX of Lee & Verleysen, 2009)",
    ),
    "r_nx_area": Measure(
        "area under R_NX",
        "higher",
        "neighbours kept beyond chance, averaged over neighbourhoods of 1 to the width of the "
        "graph with the weight 1 / k (Lee, Peluffo-Ordonez & Verleysen, 2015)",
    ),
    "trustworthiness": Measure(
        "trustworthiness",
        "higher",
        "one minus how far, in ranks of feature space, the k nearest in the layout are from being "
        "the k nearest (Venna & Kaski, 2001); above 20,000 points of 5,000 drawn by class",
    ),
    "continuity": Measure(
        "continuity", "higher", "trustworthiness with features and layout exchanged"
    ),
    "distance_correlation": Measure(
        "correlation of distances",
        "higher",
        "Spearman's, of distances in feature space and in the layout, of a million random pairs or "
        "of all",
    ),
    "stress_1": Measure(
        "stress-1",
        "lower",
        "Kruskal's (1964), of the same pairs, the layout scaled as suits it best",
    ),
    "linear_probe": Measure(
        "linear probe",
        "higher",
        "accuracy of logistic regression on the standardised features, fitted to the training "
        "split (Alain & Bengio, 2016)",
    ),
    "nc1": Measure(
        "NC1",
        "lower",
        "within-class over between-class covariance, tr(S_W S_B^+) / C (Papyan, Han & Donoho, "
        "2020)",
    ),
    "cdnv": Measure(
        "class-distance normalised variance",
        "lower",
        "median over pairs of classes of their variances over twice the squared distance of their "
        "means, whose noise is taken off (Galanti, Gyorgy & Hutter, 2022); interval of a jackknife "
        "over 20 groups in layouts, where t-SNE and UMAP choose the sizes of clusters themselves",
    ),
    "effective_rank": Measure(
        "effective rank",
        "",
        "exponential of the entropy of the singular values of the centred features (Roy & "
        "Vetterli, 2007)",
    ),
    "intrinsic_dimension": Measure(
        "intrinsic dimension",
        "",
        "from the ratios of the distances to the two nearest neighbours, the tenth of largest "
        "ratios and images with the same features as another left out (TwoNN of Facco, d'Errico, "
        "Rodriguez & Laio, 2017)",
    ),
    "dead_features": Measure("dead features", "lower", "columns with one value in all rows"),
    "hubness": Measure(
        "hubness",
        "lower",
        "skewness of the number of points that have a point among their k nearest (Radovanovic, "
        "Nanopoulos & Ivanovic, 2010)",
    ),
    "largest_hub": Measure(
        "largest hub",
        "lower",
        "the most points that have one point among their k nearest; k on average",
    ),
}
MEASURES_OF_CHANGE: dict[str, Measure] = {
    "knn_accuracy_gain": Measure(
        "gain of k-NN accuracy", "higher", "after less before, of the same images"
    ),
    "own_class_share_gain": Measure(
        "gain of own-class share", "higher", "after less before, of the same images"
    ),
    "neighbors_overlap": Measure(
        "neighbours in common",
        "",
        "mean share of an image's k nearest before that are among its k nearest after",
    ),
    "overlap_by_chance": Measure("neighbours in common by chance", "", "k / (n - 1)"),
    "cka": Measure(
        "CKA",
        "",
        "debiased linear centred kernel alignment of before and after: 1 for a rotation and a "
        "scale, about 0 for independent features (Kornblith et al., 2019; Nguyen et al., 2021); "
        "interval of a jackknife over 20 groups",
    ),
    "cka_without_largest": Measure(
        "CKA without ten rows", "", "those of largest squared length before times after"
    ),
    "cka_above_halfway": Measure(
        "CKA above halfway",
        "",
        "CKA of a block less the mean of 1 and that of the last block: above 0 where less than "
        "half of what fine-tuning did to the last block has been done; paired jackknife",
    ),
    "procrustes": Measure(
        "Procrustes distance",
        "",
        "2 - 2 |X^T Y|_* of centred features of unit norm, 0 to 2 (Ding, Denain & Steinhardt, "
        "2021); interval of a jackknife over 20 groups",
    ),
    "procrustes_by_chance": Measure("Procrustes distance by chance", "", "of permuted rows"),
}
MEASURES = MEASURES_OF_A_SET | MEASURES_OF_CHANGE


def check_names(
    measure: str, space: str, stage: str, *, methods: Iterable[str], source: str
) -> None:
    """Refuse what no study with these methods measures.

    Parameters
    ----------
    measure, space : str
    stage : {"before", "after", "change"}
    methods : iterable of str
    source : str
        Before the name of the wrong key.

    Raises
    ------
    InputError
    """
    spaces = [FEATURES, COSINE, *methods]
    for key, value, allowed in (("measure", measure, list(MEASURES)), ("space", space, spaces)):
        if value not in allowed:
            near = difflib.get_close_matches(value, allowed, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            listed = ", ".join(map(repr, allowed))
            raise InputError(f"{source}{key} is {value!r}{hint} but must be one of {listed}")
    of_change = measure in MEASURES_OF_CHANGE
    if of_change != (stage == "change"):
        raise InputError(
            f"{source}stage is {stage!r} but {measure} is measured "
            + (
                "of what changed: write change"
                if of_change
                else "of a stage: write before or after"
            )
        )


def row_of(space: str, split: str, measure: str, value: Estimate | float | None) -> dict[str, Any]:
    """One row of a table of measures; None and NaN, undefined, are None: JSON has no NaN.

    Parameters
    ----------
    space : str
        `FEATURES`, `COSINE`, `space_of` a layer, or a method.
    split : str
        "test", "train" or "all".
    measure : str
        A key of `MEASURES`.
    value : Estimate, float or None
        Without an interval, low and high are None.

    Returns
    -------
    dict
        space, split, measure, value, low, high.
    """
    estimate = value if isinstance(value, Estimate) else (value, None, None)
    numbers = zip(("value", "low", "high"), map(defined, estimate), strict=True)
    return {"space": space, "split": split, "measure": measure, **dict(numbers)}


def defined(value: float | None) -> float | None:
    """None where a number is none."""
    return None if value is None or not isfinite(value) else float(value)


def look_up(
    measures: Sequence[Mapping[str, Any]], space: str, measure: str
) -> tuple[str, Mapping[str, Any]] | None:
    """The row of a measure in a space that is to be shown, and its split.

    Parameters
    ----------
    measures : sequence of mapping
        "measures" of `measure_layouts`.
    space, measure : str

    Returns
    -------
    (str, mapping) or None
        That of the test images, if there is one, else that of all; None where it was not measured
        or is undefined.
    """
    rows = {
        row["split"]: row
        for row in measures
        if (row["space"], row["measure"]) == (space, measure) and row["value"] is not None
    }
    return next(((split, rows[split]) for split in ("test", "all") if split in rows), None)
