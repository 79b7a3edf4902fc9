"""How faithful a layout is to its features: ranks of neighbours, and distances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.stats import spearmanr

from pipeline.images.subset import stratified_subset
from pipeline.measures import intervals
from pipeline.measures.intervals import Estimate
from pipeline.measures.ranks import ranks, trust_scores
from pipeline.neighbors.graph import Graph
from pipeline.neighbors.tiles import strips

if TYPE_CHECKING:
    from distributed import Client

EXACT = 20_000  # points up to which ranks are those of all
QUERIES = 5_000  # points, above, whose ranks are among all
PAIRS = 10**6  # of random points; all pairs where there are no more
BINS = 40  # of distances, a side
# Quantile of distances where the last bin ends. A point is in 2 / n of all pairs: one that is far
# from all others spoils no picture of 200 points or more.
FARTHEST = 0.99


class Sample(NamedTuple):
    """Points whose ranks, and pairs whose distances, are compared in every layout.

    Attributes
    ----------
    rows : (q,) int array or None
        None for all points.
    pairs : (2, m) int array
        Two different points each.
    distances : (m,) float64
        Of the pairs, in feature space.
    """

    rows: np.ndarray | None
    pairs: np.ndarray
    distances: np.ndarray


def draw_sample(X: np.ndarray, labels: np.ndarray, *, seed: int = 0) -> Sample:
    """Draw points, stratified by class, and pairs: all of them where they are few.

    Parameters
    ----------
    X : (n, d) array
        In the unit of `scale_features`.
    labels : (n,) int array
    seed : int
    """
    n = len(X)
    rows = None if n <= EXACT else stratified_subset(labels, QUERIES, seed=seed)
    if n * (n - 1) // 2 <= PAIRS:
        pairs = np.array(np.triu_indices(n, k=1))
    else:
        rng = np.random.default_rng(seed)
        first = rng.integers(0, n, PAIRS)
        pairs = np.array([first, (first + rng.integers(1, n, PAIRS)) % n])
    return Sample(rows, pairs, pair_distances(X, pairs))


def pair_distances(X: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Euclidean distances of pairs of rows.

    Parameters
    ----------
    X : (n, d) array
    pairs : (2, m) int array

    Returns
    -------
    (m,) float64
    """
    distances = np.empty(pairs.shape[1])
    for part in strips(len(distances), 8192):
        difference = X[pairs[0, part]].astype(np.float64) - X[pairs[1, part]]
        distances[part] = np.sqrt(np.einsum("ij,ij->i", difference, difference))
    return distances


def rank_measures(
    X: np.ndarray,
    graph: Graph,
    layouts: Mapping[str, tuple[np.ndarray, np.ndarray]],
    labels: np.ndarray,
    sample: Sample,
    *,
    k: int,
    seed: int = 0,
    device: str = "auto",
    client: Client | None = None,
) -> dict[str, dict[str, Estimate]]:
    """Trustworthiness and continuity of layouts of one set of points, all in one sweep.

    Parameters
    ----------
    X : (n, d) array
    graph : Graph
        Its exact neighbours, k or more.
    layouts : mapping of str to ((n, 2) array, (n, >= k) int array)
        Coordinates, and neighbours in them.
    labels : (n,) int array
        Classes, by which the bootstrap is stratified.
    sample : Sample
    k : int
        Less than n / 2.
    seed : int
    device : {"auto", "cpu", "gpu"}
    client : distributed.Client, optional
        See `pipeline.measures.ranks.ranks`.

    Returns
    -------
    dict of str to dict
        Of each layout "trustworthiness" and "continuity", see `trustworthiness`.
    """
    rows = np.arange(len(X)) if sample.rows is None else sample.rows

    def estimate(found: np.ndarray) -> Estimate:
        return intervals.mean(trust_scores(found, len(X), k), labels[rows], seed=seed)

    together = np.hstack([near[rows, :k] for _, near in layouts.values()])
    options: dict[str, Any] = {"rows": sample.rows, "device": device, "client": client}
    in_features = np.hsplit(ranks(X, together, **options), len(layouts))
    own = graph.indices[rows, :k]
    return {
        name: {
            "trustworthiness": estimate(found),
            "continuity": estimate(ranks(xy, own, **options)),
        }
        for (name, (xy, _)), found in zip(layouts.items(), in_features, strict=True)
    }


def distance_measures(xy: np.ndarray, sample: Sample) -> dict[str, float]:
    """How the distances of a layout follow those of the features.

    Parameters
    ----------
    xy : (n, 2) array
    sample : Sample

    Returns
    -------
    dict
        "distance_correlation", Spearman's of the pairs, and "stress_1", Kruskal's (1964,
        Psychometrika 29, 1-27) over them, the layout scaled as suits it best. NaN where all
        distances are equal.
    """
    placed = pair_distances(xy, sample.pairs)
    squares = np.square(placed).sum() * np.square(sample.distances).sum()
    cosine = (placed @ sample.distances) / np.sqrt(squares) if squares else np.nan
    flat = np.ptp(placed) == 0 or np.ptp(sample.distances) == 0
    return {
        "distance_correlation": np.nan
        if flat
        else float(spearmanr(placed, sample.distances).statistic),
        "stress_1": float(np.sqrt(max(1 - cosine**2, 0.0))) if squares else np.nan,
    }


def distance_histogram(xy: np.ndarray, sample: Sample) -> dict[str, Any] | None:
    """Shepard diagram as counts: distances of the pairs in feature space against the layout.

    Shepard (1962, Psychometrika 27, 219-246).

    Parameters
    ----------
    xy : (n, 2) array
    sample : Sample

    Returns
    -------
    dict or None
        "counts", 40 lists of 40 int, the first of the pairs that are nearest in feature space, each
        from near to far in the layout; "features_to" and "layout_to", where the last bins end,
        99 % quantiles; the last bins hold the longer distances, too. None where all points of one
        space coincide.
    """
    placed = pair_distances(xy, sample.pairs)
    ends = [_end(distances) for distances in (sample.distances, placed)]
    if not all(ends):
        return None
    columns = [
        np.minimum((distances / end * BINS).astype(np.int64), BINS - 1)
        for distances, end in zip((sample.distances, placed), ends, strict=True)
    ]
    counts = np.bincount(columns[0] * BINS + columns[1], minlength=BINS**2)
    return {
        "counts": counts.reshape(BINS, BINS).tolist(),
        "features_to": ends[0],
        "layout_to": ends[1],
    }


def _end(distances: np.ndarray) -> float:
    """The upper end of a histogram's axis; 0 where all distances are."""
    return float(np.quantile(distances, FARTHEST)) or float(distances.max())
