"""Change: what fine-tuning did to the features of each image, of each class, and as a whole.

Only feature space is compared: that a point moves in a layout is no evidence.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pipeline.errors import InputError
from pipeline.measures import intervals
from pipeline.measures.classes import Part, parts
from pipeline.measures.groups import Groups, find_groups
from pipeline.measures.intervals import Estimate
from pipeline.measures.overlap import neighbors_kept
from pipeline.measures.similarity import Similarity, similarity
from pipeline.measures.table import FEATURES, defined, row_of
from pipeline.measures.votes import majority_vote
from pipeline.neighbors.graph import Graph, knn_graph, wide_enough
from pipeline.neighbors.nearest_among import nearest_among
from pipeline.neighbors.scale import scale_features


class Change(NamedTuple):
    """Before against after.

    Attributes
    ----------
    images : dict of str to (n,) array
        A column each: overlap, the share of an image's k nearest neighbours before that are among
        those after; own_before and own_after, the share of its k nearest training images that are
        of its class; predicted_before and predicted_after, the class of the majority of these,
        as an int; lost and gained, arrays of int arrays, the rows of the neighbours among the k
        nearest before alone and after alone, the nearest first; group_before and group_after,
        numbers of communities of the exact graphs, -1 for none, see
        `pipeline.measures.groups.communities`.
    measures : list of dict
        Rows of space, split, measure, value, low and high, see `pipeline.measures.table`.
    classes : list of dict
        Of each class and split: class (int), split, images, and the means over its images of
        overlap, own_before, own_after, accuracy_before, accuracy_after, with the paired interval
        of the difference of the accuracies as accuracy_gain, accuracy_gain_low, accuracy_gain_high.
        Empty without labels.
    communities, groups : list of dict
        How many communities there are before and after, and those that are no class, see
        `pipeline.measures.groups.Groups`.
    k : int
        Neighbours that counted.
    outliers : (10,) int array
        Rows of largest squared length before times after, without which CKA is given, too.
    warnings : list of str
    """

    images: dict[str, np.ndarray]
    measures: list[dict[str, Any]]
    classes: list[dict[str, Any]]
    communities: list[dict[str, Any]]
    groups: list[dict[str, Any]]
    k: int
    outliers: np.ndarray
    warnings: list[str]


def measure_change(
    before: np.ndarray,
    after: np.ndarray,
    *,
    labels: np.ndarray | None,
    split: np.ndarray | None = None,
    graphs: tuple[Graph | None, Graph | None] = (None, None),
    wrong: np.ndarray | None = None,
    k: int = 15,
    seed: int = 0,
    device: str = "auto",
) -> Change:
    """Compare the features of the same images before and after fine-tuning.

    Parameters
    ----------
    before, after : (n, p) array, (n, q) array
        The same images in the same order.
    labels : (n,) int array or None
        Classes; None where they are not known.
    split : (n,) array of str, optional
        "train" or "test".
    graphs : (Graph, Graph), optional
        Exact neighbours before and after; computed where missing or of less than k.
    wrong : (n,) bool array, optional
        Whether the fine-tuned network misses an image's class, for the accuracy within groups.
    k : int
        Neighbours that count; fewer where there are not k + 1 training images.
    seed : int
        Of the resamples behind intervals.
    device : {"auto", "cpu", "gpu"}

    Returns
    -------
    Change

    Raises
    ------
    InputError
        Not the same number of rows, labels and parts of the split; fewer than two training images;
        features that are not finite; a graph that is none.
    """
    labels = None if labels is None else np.asarray(labels)
    n = len(before) if labels is None else len(labels)
    for name, given in (("before", before), ("after", after)):
        if len(given) != n:
            others = "rows before" if labels is None else "labels"
            raise InputError(
                f"the features {name} have {len(given)} rows but there are {n} {others}; give "
                "features of the same images in the same order"
            )
    of_splits = parts(split, n)
    judges = int(next(iter(of_splits.values())).judges.sum())
    if judges < 2:
        raise InputError(f"there are {judges} training images but neighbours need two")
    warnings = []
    if k >= judges:
        warnings = [
            f"{k} neighbours need {k + 1} images but there are {judges}: {judges - 1} count"
        ]
        k = judges - 1
    spaces = [scale_features(X).values for X in (before, after)]
    both = [_graph(X, graph, k, device) for X, graph in zip(spaces, graphs, strict=True)]
    images = _of_images(spaces, both, labels, of_splits, k)
    groups = Groups({}, [], [])
    if labels is not None:
        groups = find_groups(
            {stage: each.indices for stage, each in zip(("before", "after"), both, strict=True)},
            labels,
            k=k,
            tested=of_splits["test"].judged if "test" in of_splits else None,
            wrong=wrong,
        )
    images |= {f"group_{stage}": numbers for stage, numbers in groups.numbers.items()}
    alike = similarity(*spaces, seed=seed)
    return Change(
        images,
        [*_as_a_whole(images, labels, of_splits, k, seed), *_rows(alike)],
        [] if labels is None else _of_classes(images, labels, of_splits, seed),
        groups.communities,
        groups.listed,
        k,
        alike.largest,
        warnings,
    )


def _graph(X: np.ndarray, graph: Graph | None, k: int, device: str) -> Graph:
    """The exact graph that is given, if it is wide enough, or one that is."""
    given = wide_enough(graph, len(X), k)
    return knn_graph(X, k=k, device=device) if given is None else given


def _of_images(
    spaces: list[np.ndarray],
    graphs: list[Graph],
    labels: np.ndarray | None,
    of_splits: dict[str, Part],
    k: int,
) -> dict[str, np.ndarray]:
    """The columns of the images."""
    old, new = (graph.indices[:, :k] for graph in graphs)
    columns = {
        "overlap": neighbors_kept(old, new, k=k),
        "lost": _only_in_first(old, new),
        "gained": _only_in_first(new, old),
    }
    if labels is None:
        return columns
    judges = next(iter(of_splits.values())).judges
    for stage, X, graph in zip(("before", "after"), spaces, graphs, strict=True):
        classes = labels[nearest_among(X, graph, judges, k=k)]
        columns[f"own_{stage}"] = (classes == labels[:, None]).mean(axis=1)
        columns[f"predicted_{stage}"] = majority_vote(classes)
    return columns


def _only_in_first(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of each row the entries that the other array's row has not, as an array of arrays."""
    missing = np.ones(first.shape, bool)
    for column in range(second.shape[1]):
        missing &= first != second[:, column, None]
    found = np.empty(len(first), object)
    found[:] = np.split(first[missing], np.cumsum(missing.sum(axis=1))[:-1])
    return found


def _as_a_whole(
    images: dict[str, np.ndarray],
    labels: np.ndarray | None,
    of_splits: dict[str, Part],
    k: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Overlap, and gains of class measures with paired intervals, of each split."""
    n = len(images["overlap"])
    gains = {}
    if labels is not None:
        gains = {
            "knn_accuracy_gain": _right(images, labels, "after") - _right(images, labels, "before"),
            "own_class_share_gain": images["own_after"] - images["own_before"],
        }
    gains["neighbors_overlap"] = images["overlap"]
    strata = np.zeros(n, np.int64) if labels is None else labels
    rows = [
        row_of(FEATURES, name, measure, intervals.mean(score[judged], strata[judged], seed=seed))
        for name, (judged, _) in of_splits.items()
        for measure, score in gains.items()
    ]
    return [*rows, row_of(FEATURES, "all", "overlap_by_chance", k / (n - 1))]


def _right(images: dict[str, np.ndarray], labels: np.ndarray, stage: str) -> np.ndarray:
    """1 where the neighbours of an image name its class, else 0."""
    return (images[f"predicted_{stage}"] == labels).astype(float)


def _rows(alike: Similarity) -> list[dict[str, Any]]:
    """The similarities as rows."""
    return [
        row_of(FEATURES, "all", measure, value)
        for measure, value in (
            ("cka", alike.cka),
            ("cka_without_largest", alike.cka_without_largest),
            ("procrustes", alike.procrustes),
            ("procrustes_by_chance", alike.procrustes_of_permuted_rows),
        )
    ]


def _of_classes(
    images: dict[str, np.ndarray], labels: np.ndarray, of_splits: dict[str, Part], seed: int
) -> list[dict[str, Any]]:
    """The rows of the classes that have images, split by split."""
    right = {stage: _right(images, labels, stage) for stage in ("before", "after")}
    rows = []
    for name, (judged, _) in of_splits.items():
        for label in np.unique(labels[judged]):
            own = judged & (labels == label)
            gain: Estimate = intervals.mean(
                (right["after"] - right["before"])[own], labels[own], seed=seed
            )
            rows.append(
                {
                    **{"class": int(label), "split": name, "images": int(own.sum())},
                    **{
                        column: float(images[column][own].mean())
                        for column in ("overlap", "own_before", "own_after")
                    },
                    **{f"accuracy_{stage}": float(right[stage][own].mean()) for stage in right},
                    **{
                        f"accuracy_gain{end}": defined(value)
                        for end, value in zip(("", "_low", "_high"), gain, strict=True)
                    },
                }
            )
    return rows
