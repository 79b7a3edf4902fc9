"""Quality: measures of a feature set and of all its layouts, exact over all points."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pipeline.errors import InputError
from pipeline.measures import intervals
from pipeline.measures.classes import class_measures, majority_baseline, mixing_matrix, parts
from pipeline.measures.faithfulness import (
    distance_histogram,
    distance_measures,
    draw_sample,
    rank_measures,
)
from pipeline.measures.intervals import Estimate
from pipeline.measures.layout_seeds import by_space, rows_by_seed
from pipeline.measures.overlap import area, co_ranking, neighbors_kept, r_nx
from pipeline.measures.probe import linear_probe, probe_problem
from pipeline.measures.representation import (
    class_moments,
    compactness,
    dead_features,
    effective_rank,
    hubness,
    intrinsic_dimension,
    median_cdnv,
    nc1,
)
from pipeline.measures.table import COSINE, FEATURES, defined, row_of
from pipeline.neighbors.graph import Graph, knn_graph, wide_enough
from pipeline.neighbors.layout_neighbors import layout_neighbors
from pipeline.neighbors.nearest_among import nearest_among
from pipeline.neighbors.scale import normalize_rows, scale_features

if TYPE_CHECKING:
    from distributed import Client

WIDTH = 90  # of graphs that are computed here
MIXED = 100  # classes, at most, whose mixing matrices are written


class Laid(NamedTuple):
    """A layout, and what is known of its points.

    Attributes
    ----------
    rows : (m,) int array
        Rows of the features that were laid out.
    xy : (m, 2) array
    labels : (m,) int array, optional
        Classes.
    split : (m,) array of str, optional
        "train" or "test".
    """

    rows: np.ndarray
    xy: np.ndarray
    labels: np.ndarray | None = None
    split: np.ndarray | None = None


def measure_layouts(
    layouts: Mapping[str, Laid],
    *,
    layout_seeds: Mapping[int, Mapping[str, Laid]] | None = None,
    features: np.ndarray,
    graph: Graph | None = None,
    labels: np.ndarray | None = None,
    split: np.ndarray | None = None,
    k: int = 15,
    cosine: bool = True,
    seed: int = 0,
    device: str = "auto",
    client: Client | None = None,
) -> dict[str, Any]:
    """Measure a feature set and its layouts: the same class measures in each space, side by side.

    Class measures are those of the test images and those of the training images, apart; the
    neighbours of both are training images. Without a split they are of "all", whose neighbours are
    all others.

    Parameters
    ----------
    layouts : mapping of str to Laid
    layout_seeds : mapping of int to mapping of str to Laid, optional
        Layouts of the same points by other seeds, under the same names.
    features : (n, d) array
    graph : Graph, optional
        Exact neighbours of all features; computed if needed and missing or of less than k. A
        layout of other rows than all in their order is compared with the exact graph of its own,
        as wide.
    labels : (n,) int array, optional
        Classes of the features, which then count for the layouts, too. Without them there are no
        class measures of the features.
    split : (n,) array of str, optional
        "train" or "test".
    k : int
        Neighbours that count; fewer, in all spaces alike, where one of them has not k + 1 points
        to choose them from.
    cosine : bool
        Whether to take the class measures of the features by the cosine, too; of rows of unit
        length those would be the same.
    seed : int
        Of the probe, and of the resamples behind intervals.
    device : {"auto", "cpu", "gpu"}
        Of graphs and ranks.
    client : distributed.Client, optional
        Of Dask workers that compute parts of these.

    Returns
    -------
    dict
        "k"; "measures": a list of dicts with space ("features", "features, cosine" or the name of
        a layout), split ("test", "train" or "all"), measure (a key of `MEASURES` in
        `pipeline.measures.table`), value, low and high (the 95 % interval, None where there is
        none); "layout_seeds": by seed, as text, the same of layouts by other seeds, if there are
        any; "mixing": by space and split the matrix of `mixing_matrix`, up to 100 classes; "r_nx":
        the curve of each layout, from one neighbour to the width of the graph; "distances": of
        each layout what `distance_histogram` returns, features_to in the unit of the features;
        "probe": what `linear_probe` returns, where labels and split allow one; "warnings":
        sentences on the result.

    Raises
    ------
    InputError
        Shapes that do not belong together, rows that the features do not have or a layout has
        twice, features or coordinates that are not finite numbers, a graph that is none, a layout
        of one point.
    """
    X, exponent = scale_features(features)
    others = by_space(layouts, layout_seeds or {})
    layouts = {**layouts, **{space: other.laid for space, other in others.items()}}
    layouts = {name: _checked(name, laid, len(X)) for name, laid in layouts.items()}
    if labels is not None:
        labels = np.asarray(labels)
        layouts = {
            name: laid._replace(
                labels=labels[laid.rows], split=None if split is None else split[laid.rows]
            )
            for name, laid in layouts.items()
        }
    where: dict[str, Any] = {"device": device, "client": client}
    k, warnings = _fitting(layouts, split, len(X), k)
    all_rows = np.arange(len(X))
    graphs: dict[bytes, Graph] = {}

    def graph_of(rows: np.ndarray) -> Graph:
        key = rows.tobytes()
        if key not in graphs:
            whole = np.array_equal(rows, all_rows)
            wide = min(width, len(rows) - 1)
            graphs[key] = knn_graph(X if whole else X[rows], k=wide, **where)
        return graphs[key]

    width = max(k, WIDTH)
    if (given := wide_enough(graph, len(X), k)) is not None:
        graphs[all_rows.tobytes()] = given
        width = given.indices.shape[1]
    found = _Found(k, seed, where)
    found.measure_features(X, graph_of(all_rows), labels, split)
    if labels is not None:
        if cosine and not X.any(axis=1).all():
            warnings.append("no measures of the cosine: there are rows of zeros")
        elif cosine:
            unit = normalize_rows(X)
            near = knn_graph(unit, k=min(2 * k, len(X) - 1), **where)
            found.measure_neighbors(COSINE, labels, split, _among(unit, near, k))
    for same in _of_the_same_rows(layouts):
        rows = next(iter(same.values())).rows
        whole = np.array_equal(rows, all_rows)
        found.measure_layouts(X if whole else X[rows], graph_of(rows), same)
    probe = None
    if labels is not None and split is not None:
        probe = found.measure_probe(X, labels, np.asarray(split))
    return {
        "k": k,
        "measures": [row for row in found.rows if row["space"] not in others],
        **({"layout_seeds": rows_by_seed(found.rows, others)} if others else {}),
        "mixing": _without(found.mixing, others),
        "r_nx": _without(found.curves, others),
        "distances": {
            name: {**each, "features_to": _unscaled(each["features_to"], exponent)}
            for name, each in _without(found.histograms, others).items()
        },
        **({"probe": probe} if probe else {}),
        "warnings": [*warnings, *found.warnings],
    }


def _without(found: Mapping[str, Any], others: Collection[str]) -> dict[str, Any]:
    """What was found in all spaces but some."""
    return {space: each for space, each in found.items() if space not in others}


class _Found:
    """Collects rows of measures and mixing matrices."""

    def __init__(self, k: int, seed: int, where: Mapping[str, Any]) -> None:
        self.k, self.seed, self.where = k, seed, where
        self.curves: dict[str, list[float]] = {}
        self.warnings: list[str] = []
        self.histograms: dict[str, dict[str, Any]] = {}
        self.rows: list[dict[str, Any]] = []
        self.mixing: dict[str, dict[str, list[list[float | None]]]] = {}

    def add(self, space: str, split: str, measure: str, value: Estimate | float | None) -> None:
        """Append one row."""
        self.rows.append(row_of(space, split, measure, value))

    def measure_features(
        self, X: np.ndarray, graph: Graph, labels: np.ndarray | None, split: np.ndarray | None
    ) -> None:
        """Class measures of a feature set, collapse of its classes, and measures of itself."""
        if labels is not None:
            self.measure_neighbors(FEATURES, labels, split, _among(X, graph, self.k))
            self.measure_collapse(X, labels, split)
        hubs = hubness(graph.indices, k=self.k)
        self.add(FEATURES, "all", "hubness", hubs.skewness)
        self.add(FEATURES, "all", "largest_hub", hubs.largest)
        self.add(FEATURES, "all", "effective_rank", effective_rank(X))
        dimension = intrinsic_dimension(graph.distances)
        self.add(FEATURES, "all", "intrinsic_dimension", dimension.value)
        if dimension.duplicates:
            self.warnings.append(
                f"{dimension.duplicates:,} of {len(X):,} images have the same features as another: "
                "the intrinsic dimension leaves them out"
            )
        self.add(FEATURES, "all", "dead_features", dead_features(X))

    def measure_collapse(self, X: np.ndarray, labels: np.ndarray, split: np.ndarray | None) -> None:
        """How far the classes of each split have collapsed."""
        for name, part in parts(split, len(X)).items():
            moments = class_moments(X[part.judged], labels[part.judged])
            self.add(FEATURES, name, "nc1", nc1(X[part.judged], labels[part.judged], moments))
            self.add(FEATURES, name, "cdnv", median_cdnv(moments))

    def measure_neighbors(
        self, space: str, labels: np.ndarray, split: np.ndarray | None, neighbors: Any
    ) -> None:
        """Class measures of a space: `neighbors` finds those among chosen points."""
        n_classes = int(labels.max()) + 1
        for name, part in parts(split, len(labels)).items():
            near = neighbors(part.judges)
            found = class_measures(near, labels, part.judged, seed=self.seed)
            for measure, estimate in found.items():
                self.add(space, name, measure, estimate)
            self.add(space, name, "majority_baseline", majority_baseline(labels, part))
            if n_classes <= MIXED:
                matrix = mixing_matrix(near, labels, part.judged, n_classes)
                rows = [[defined(share) for share in row] for row in matrix]
                self.mixing.setdefault(space, {})[name] = rows

    def measure_probe(
        self, X: np.ndarray, labels: np.ndarray, split: np.ndarray
    ) -> dict[str, Any] | None:
        """What `linear_probe` returns of a feature set; None where there can be none."""
        if problem := probe_problem(labels, split):
            self.warnings.append(f"no linear probe: {problem}")
            return None
        probe = linear_probe(X, labels, split, seed=self.seed)
        for name in ("test", "train"):
            n = probe[f"n_{name}"]
            self.add(
                FEATURES,
                name,
                "linear_probe",
                intervals.share(round(probe[f"{name}_accuracy"] * n), n),
            )
        self.warnings += _remarks(probe, int((split == "train").sum()))
        return probe

    def measure_layouts(self, X: np.ndarray, graph: Graph, layouts: Mapping[str, Laid]) -> None:
        """Class measures of layouts of the same points, and how faithful they are to these.

        Parameters
        ----------
        X : (m, d) array
            Features of these points.
        graph : Graph
            Theirs, k or wider.
        layouts : mapping of str to Laid
        """
        labels = next(iter(layouts.values())).labels
        strata = np.zeros(len(X), np.int64) if labels is None else labels
        sample = draw_sample(X, strata, seed=self.seed)
        # Where every point is a neighbour of every other, nothing is better than chance.
        width = min(graph.indices.shape[1], len(X) - 2)
        near = {}
        for name, laid in layouts.items():
            if labels is not None:
                self.measure_neighbors(name, labels, laid.split, _among_laid(laid.xy, self.k))
                for split, (judged, _) in parts(laid.split, len(X)).items():
                    tightness = compactness(laid.xy[judged], labels[judged], seed=self.seed)
                    self.add(name, split, "cdnv", tightness)
            wide = layout_neighbors(laid.xy, k=max(width, self.k))
            near[name] = wide[:, : self.k].copy()  # all that ranks take, of many layouts
            kept = neighbors_kept(graph.indices, wide, k=self.k)
            estimate = intervals.mean(kept, strata, seed=self.seed)
            self.add(name, "all", "neighborhood_preservation", estimate)
            if width:
                curve = r_nx(co_ranking(graph.indices[:, :width], wide[:, :width]), len(X))
                self.curves[name] = [round(float(value), 5) for value in curve]
                self.add(name, "all", "r_nx_area", area(curve))
            for measure, value in distance_measures(laid.xy, sample).items():
                self.add(name, "all", measure, value)
            if histogram := distance_histogram(laid.xy, sample):
                self.histograms[name] = histogram
        if 2 * self.k < len(X):
            spaces = {name: (laid.xy, near[name]) for name, laid in layouts.items()}
            options: Any = {"k": self.k, "seed": self.seed, **self.where}
            found = rank_measures(X, graph, spaces, strata, sample, **options)
            for name, measures in found.items():
                for measure, estimate in measures.items():
                    self.add(name, "all", measure, estimate)


def _unscaled(distance: float, exponent: int) -> float | None:
    """A distance in the unit of the features; None beyond float64."""
    with np.errstate(over="ignore"):
        return defined(np.ldexp(distance, exponent))


def _of_the_same_rows(layouts: Mapping[str, Laid]) -> list[dict[str, Laid]]:
    """Layouts in groups of those of the same points."""
    groups: dict[tuple[bytes, bytes], dict[str, Laid]] = {}
    for name, laid in layouts.items():
        key = laid.rows.tobytes(), b"" if laid.labels is None else laid.labels.tobytes()
        groups.setdefault(key, {})[name] = laid
    return list(groups.values())


def _among(X: np.ndarray, graph: Graph, k: int) -> Any:
    """A function that finds the k nearest chosen points of each point."""
    return lambda chosen: nearest_among(X, graph, chosen, k=k)


def _among_laid(xy: np.ndarray, k: int) -> Any:
    """The same of a layout."""
    return lambda chosen: layout_neighbors(xy, k=k, chosen=chosen)


def _fitting(
    layouts: Mapping[str, Laid], split: np.ndarray | None, n: int, k: int
) -> tuple[int, list[str]]:
    """The neighbours that the smallest space has, k at most, and a sentence if they are fewer."""
    sizes = dict(_sizes(layouts, split, n))
    (name, what), points = min(sizes.items(), key=lambda item: item[1])
    if points < 2:
        raise InputError(f"{name} has {points} {what} but needs two to have neighbours")
    if k < points:
        return k, []
    return points - 1, [
        f"{k} neighbours need {k + 1} {what} but {name} has {points}: {points - 1} count"
    ]


def _sizes(
    layouts: Mapping[str, Laid], split: np.ndarray | None, n: int
) -> Iterator[tuple[tuple[str, str], int]]:
    """Of each space the number of points that neighbours are chosen from, and what they are."""
    spaces = {f"layout {name}": (laid.split, len(laid.rows)) for name, laid in layouts.items()}
    spaces["the feature set"] = split, n
    for name, (given, points) in spaces.items():
        found = parts(given, points)
        what = "points" if "all" in found else "training points"
        yield (name, what), int(next(iter(found.values())).judges.sum())


def _remarks(probe: Mapping[str, Any], n_train: int) -> list[str]:
    """What to know of a linear probe."""
    remarks = []
    if probe["n_train"] < n_train:
        remarks.append(
            f"the linear probe was trained on {probe['n_train']:,} of {n_train:,} training images"
        )
    if not probe["converged"]:
        remarks.append("the linear probe did not converge")
    return remarks


def _checked(name: str, laid: Laid, n: int) -> Laid:
    """A layout with its row numbers in int64, or an error that says why they cannot be."""
    rows = np.asarray(laid.rows)
    labels = None if laid.labels is None else np.asarray(laid.labels)
    for what, values in (("row numbers", rows), ("labels", labels)):
        if values is not None and values.shape != (len(laid.xy),):
            raise InputError(
                f"layout {name} has {len(laid.xy)} points but {what} of shape {values.shape}; give "
                "one a point"
            )
    for what, values, kinds in (("row numbers", rows, "iu"), ("coordinates", laid.xy, "iuf")):
        if np.asarray(values).dtype.kind not in kinds:
            raise InputError(
                f"layout {name} has {what} of type {np.asarray(values).dtype}; lay the features "
                "out again"
            )
    outside = rows[(rows < 0) | (rows >= n)]
    if len(outside):
        raise InputError(
            f"layout {name} has row {outside[0]} but the features have {n} rows; give the "
            "features that were laid out"
        )
    numbers, counts = np.unique(rows, return_counts=True)
    if len(numbers) < len(rows):
        raise InputError(
            f"layout {name} has row {numbers[counts > 1][0]} more than once; lay the features out "
            "again"
        )
    return laid._replace(rows=rows.astype(np.int64), labels=labels)
