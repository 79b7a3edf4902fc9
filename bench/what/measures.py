"""Quality of a result, measured in the same way whoever computed it.

Each measure is computed from the input and the result alone, so that engines that report other
figures, or none, can be compared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numba
import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from bench.run.task import Outcome, Task
from kernels.backend import get_backend
from pipeline.measures.overlap import neighbors_kept
from pipeline.measures.ranks import trustworthiness
from pipeline.measures.votes import knn_accuracy
from pipeline.methods.tsne.affinities import joint_probabilities
from pipeline.neighbors.graph import Graph
from pipeline.neighbors.layout_neighbors import layout_neighbors
from pipeline.neighbors.tiles import strips, upper_tiles

BLOCK = 2048
PERPLEXITY = 30  # the default of every engine measured here
NEIGHBORS = 12  # of LLE and Isomap, likewise
REG = 1e-3
TRUST_LIMIT = 20_000  # points whose n^2 d products in double precision take a few seconds


class Meaning(NamedTuple):
    """How to read a measure."""

    better: str  # "higher" or "lower"
    text: str


MEANINGS: dict[str, Meaning] = {
    "recall": Meaning(
        "higher",
        "share of true nearest neighbours found, of 1,000 rows drawn at random, against float64 "
        "brute force (a neighbour as near as the k-th counts)",
    ),
    "kept_neighbors": Meaning(
        "higher",
        "share of the 15 nearest neighbours in float32 that features in the precision of this "
        "device keep, on 2,000 images",
    ),
    "explained_variance": Meaning("higher", "variance of the layout as a share of the input's"),
    "stress_1": Meaning(
        "lower",
        "Kruskal's stress-1 over all pairs, exact, the layout scaled as suits it best",
    ),
    "kl_divergence": Meaning(
        "lower",
        "t-SNE's objective, exact over all pairs, for affinities of perplexity 30 on the exact "
        "graph",
    ),
    "reconstruction_error": Meaning(
        "lower",
        "LLE's objective: what the weights of 12 exact neighbours fail to rebuild of the layout, "
        "as a share of its squared size, summed over both axes",
    ),
    "residual_variance": Meaning(
        "lower",
        "1 - r^2 between graph distances and layout distances, from 256 points to all others "
        "(Tenenbaum et al. 2000)",
    ),
    "neighborhood_preservation": Meaning(
        "higher", "share of 15 nearest neighbours that input and layout have in common"
    ),
    "knn_accuracy": Meaning("higher", "accuracy of the 15-nearest-neighbour classifier in 2-D"),
    "features_knn_accuracy": Meaning(
        "higher", "the same in feature space, of the seventh of the points that is the test split"
    ),
    "cka": Meaning(
        "higher", "debiased CKA of the features and a reflection of them, which is exactly 1"
    ),
    "trustworthiness": Meaning(
        "higher", f"Venna & Kaski's, 15 neighbours; up to {TRUST_LIMIT:,} points"
    ),
}


def quality(task: Task, outcome: Outcome) -> dict[str, float]:
    """Measure a result by everything that applies to its step.

    Returns
    -------
    dict
        Keys of `MEANINGS`; at the steps features and quality what the engine itself measured.
    """
    if outcome.graph is not None:
        return {"recall": recall(task.X, outcome.graph)}
    if outcome.layout is None:
        return {key: value for key, value in outcome.values.items() if key in MEANINGS}
    assert task.graph is not None
    layout = np.asarray(outcome.layout, dtype=np.float64)
    measured = {
        name: function(task.X, task.graph, layout)
        for name, function in OBJECTIVES.get(task.step, {}).items()
    }
    k = min(15, task.graph.indices.shape[1])
    measured |= measure_layout(layout, task.labels, task.graph, k=k)
    if len(layout) <= TRUST_LIMIT:
        near = layout_neighbors(layout, k=k)
        measured["trustworthiness"] = trustworthiness(task.X, near, k=k, device=task.device)
    return {name: float(value) for name, value in measured.items() if name in MEANINGS}


def measure_layout(
    layout: np.ndarray, labels: np.ndarray, graph: Graph, *, k: int
) -> dict[str, float]:
    """Accuracy in a layout and neighbours that it keeps, over all points."""
    near = layout_neighbors(layout, k=k)
    return {
        "knn_accuracy": knn_accuracy(near, labels, k=k),
        "neighborhood_preservation": float(neighbors_kept(graph.indices, near, k=k).mean()),
    }


def recall(X: np.ndarray, graph: Graph, *, rows: int = 1000, seed: int = 0) -> float:
    """Recall: share of the k true neighbours that a graph has, over a random sample of rows.

    A listed neighbour is true if it is no farther, in float64, than the k-th nearest: among
    equally distant points any will do. A neighbour listed twice counts once.
    """
    n, k = graph.indices.shape
    sample = np.sort(np.random.default_rng(seed).permutation(n)[:rows])
    Z = X - X.mean(axis=0, dtype=np.float64)  # (n, d) float64
    norms = np.einsum("ij,ij->i", Z, Z)
    hits = 0
    for block in np.array_split(sample, -(-len(sample) // 100)):
        squared = norms - 2 * Z[block] @ Z.T + norms[block, None]
        squared[np.arange(len(block)), block] = np.inf
        limit = np.partition(squared, k - 1, axis=1)[:, k - 1]
        near = np.sort(graph.indices[block], axis=1)
        distinct = np.diff(near, axis=1, prepend=-1) != 0
        close = np.take_along_axis(squared, near, axis=1) <= limit[:, None] * (1 + 1e-9)
        hits += int((close & distinct).sum())
    return hits / (len(sample) * k)


def explained_variance(X: np.ndarray, graph: Graph, layout: np.ndarray) -> float:
    """Explained variance: that of a layout as a share of the variance of X."""
    return layout.var(axis=0).sum() / X.var(axis=0, dtype=np.float64).sum()


def stress_1(X: np.ndarray, graph: Graph | None, layout: np.ndarray) -> float:
    """Kruskal's (1964) stress-1 over all pairs, minimal over the scale of the layout.

    With distances delta of X and d of the layout, the least sum of (delta - a d)^2 over a is
    (1 - c^2) sum delta^2, where c^2 = (sum delta d)^2 / (sum delta^2 sum d^2).
    """
    Z = (X - X.mean(axis=0, dtype=np.float64)).astype(np.float32)
    norms = np.einsum("ij,ij->i", Z, Z, dtype=np.float64).astype(np.float32)
    Y = np.ascontiguousarray(layout, np.float32)
    sums = np.zeros(3)
    for a, b in upper_tiles(len(Z), BLOCK):
        squared = norms[a, None] + norms[b] - 2 * (Z[a] @ Z[b].T)
        # A tile beside the diagonal holds each pair once, one on it twice.
        sums += _products(squared, Y[a], Y[b]) * (1 if a == b else 2)
    cross, squared_input, squared_layout = sums
    return float(np.sqrt(max(0.0, 1 - cross**2 / (squared_input * squared_layout))))


@numba.njit(parallel=True, cache=True)
def _products(squared, A, B):
    """Sums of delta d, delta^2 and d^2 over a tile, in float64."""
    rows = np.zeros((len(A), 3))
    for i in numba.prange(len(A)):
        for j in range(len(B)):
            delta2 = max(squared[i, j], 0.0)
            d2 = (A[i, 0] - B[j, 0]) ** 2 + (A[i, 1] - B[j, 1]) ** 2
            rows[i, 0] += np.sqrt(delta2 * d2)
            rows[i, 1] += delta2
            rows[i, 2] += d2
    return rows.sum(axis=0)


def kl_divergence(X: np.ndarray, graph: Graph, layout: np.ndarray) -> float:
    """t-SNE's objective sum p log(p / q) (van der Maaten & Hinton 2008), nothing approximated in q.

    The affinities p reach over the 3 x 30 exact nearest neighbours, as in every implementation
    measured here.
    """
    k = min(3 * PERPLEXITY, graph.indices.shape[1])
    near = Graph(graph.indices[:, :k], graph.distances[:, :k])
    P = joint_probabilities(near, k / 3, get_backend("cpu")).tocoo()
    offset = layout[P.row] - layout[P.col]
    log_w = -np.log1p(np.einsum("ij,ij->i", offset, offset))  # log of 1 / (1 + d^2)
    log_z = np.log(_student_sum(np.ascontiguousarray(layout)))
    p = P.data
    positive = p > 0
    return float(np.sum(p[positive] * (np.log(p[positive]) - log_w[positive] + log_z)))


@numba.njit(parallel=True, cache=True)
def _student_sum(Y):
    """Sum of 1 / (1 + |y_i - y_j|^2) over all ordered pairs."""
    rows = np.zeros(len(Y))
    for i in numba.prange(len(Y)):
        for j in range(len(Y)):
            if j != i:
                rows[i] += 1 / (1 + (Y[i, 0] - Y[j, 0]) ** 2 + (Y[i, 1] - Y[j, 1]) ** 2)
    return rows.sum()


def reconstruction_error(X: np.ndarray, graph: Graph, layout: np.ndarray) -> float:
    """LLE's objective (Roweis & Saul 2000, eq. 2) for a layout, over its squared size, by axis.

    Equal to the sum of the eigenvalues if the axes are eigenvectors of (I - W)'(I - W).
    """
    near = graph.indices[:, :NEIGHBORS]
    Y = layout - layout.mean(axis=0)
    missed = np.zeros(Y.shape[1])
    for rows in strips(len(X), BLOCK):
        offsets = X[near[rows]].astype(np.float64) - X[rows, None]  # (b, k, d)
        G = offsets @ offsets.transpose(0, 2, 1)
        trace = np.trace(G, axis1=1, axis2=2)
        G += np.where(trace > 0, REG * trace, REG)[:, None, None] * np.eye(near.shape[1])
        W = np.linalg.solve(G, np.ones((*G.shape[:2], 1)))[..., 0]
        W /= W.sum(axis=1, keepdims=True)
        missed += np.square(Y[rows] - np.einsum("bk,bkc->bc", W, Y[near[rows]])).sum(axis=0)
    return float((missed / np.square(Y).sum(axis=0)).sum())


def residual_variance(
    X: np.ndarray, graph: Graph, layout: np.ndarray, *, sources: int = 256, seed: int = 0
) -> float:
    """One minus the squared correlation of graph distances and layout distances.

    Pairs that no path connects are left out.
    """
    n = len(X)
    near, distances = graph.indices[:, :NEIGHBORS], graph.distances[:, :NEIGHBORS]
    # An explicit tiny length keeps an edge between duplicates: a stored zero would be no edge.
    edges = np.maximum(distances.astype(np.float64), 1e-12)
    starts = np.arange(n + 1) * near.shape[1]
    paths = csr_array((edges.ravel(), near.ravel(), starts), shape=(n, n))
    paths = paths.maximum(paths.T)  # an edge either way counts; where both are, they are equal
    sample = np.random.default_rng(seed).permutation(n)[:sources]
    geodesic = dijkstra(paths, directed=False, indices=sample)
    direct = np.linalg.norm(layout[sample, None] - layout, axis=2)
    connected = np.isfinite(geodesic)
    return float(1 - np.corrcoef(geodesic[connected], direct[connected])[0, 1] ** 2)


OBJECTIVES: dict[str, dict[str, Callable[..., float]]] = {
    "pca": {"explained_variance": explained_variance},
    "tsne": {"kl_divergence": kl_divergence},
    "mds": {"stress_1": stress_1},
    "lle": {"reconstruction_error": reconstruction_error},
    "isomap": {"residual_variance": residual_variance},
}

# Arithmetic that a task needs, whoever does it: (n, d) -> floating-point operations. Distances of
# all pairs, each once, are n^2 d; the covariance of features likewise n d^2.
FLOPS = {
    "graph": lambda n, d: n * n * d,
    "pca": lambda n, d: n * d * d,
}
