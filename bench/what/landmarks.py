"""MDS and Isomap by landmarks beside all pairs of the same points: how far apart, in what time."""

from __future__ import annotations

import resource
import time
from typing import Any

import numpy as np
from scipy.spatial import procrustes

from bench.run.machine import describe
from pipeline.methods.base import LayoutEstimator
from pipeline.methods.isomap.exact import Isomap
from pipeline.methods.mds.exact import MDS
from pipeline.methods.registry import METHODS
from pipeline.neighbors.graph import Graph, knn_graph
from pipeline.runtime.log import log

PAIRS = 10**6  # of random points, over which the stress of both is summed


def measure(X: np.ndarray, sizes: list[int], *, seed: int = 0) -> dict[str, Any]:
    """Lay parts of the features out both ways.

    Parameters
    ----------
    X : (n, d) array
    sizes : list of int
        Points of each part, the first of a random order; larger ones than n are left out.
    seed : int

    Returns
    -------
    dict
        machine; rows: method, points, landmarks; seconds and cpu_seconds of both; stress_1 of both
        (MDS), over a million pairs; disparity: of all points, after Procrustes alignment; and what
        a layout by landmarks says of a sample.
    """
    order = np.random.default_rng(seed).permutation(len(X))
    rows = []
    for n in sizes:
        if n > len(X):
            continue
        part = np.ascontiguousarray(X[order[:n]], dtype=np.float32)
        graph = knn_graph(part, k=12, device="cpu")
        for name, estimator in (("mds", MDS), ("isomap", Isomap)):
            few = METHODS[name].engines["exact"].landmarks
            options: dict[str, Any] = {"device": "cpu", "random_state": seed}
            exact, spent = _timed(estimator(**options), part, graph)
            placed, spent_placed = _timed(estimator(landmarks=few, **options), part, graph)
            row = {
                "method": name,
                "points": n,
                "landmarks": few,
                **{f"{key}_exact": value for key, value in spent.items()},
                **spent_placed,
                "disparity": float(procrustes(exact.embedding_, placed.embedding_)[2]),
                **{k: v for k, v in placed.diagnostics_.items() if k.startswith("sample")},
            }
            if name == "mds":
                row |= {
                    "stress_1_exact": _stress_1(part, exact.embedding_, seed),
                    "stress_1": _stress_1(part, placed.embedding_, seed),
                }
            log.info(f"landmarks: {row}")
            rows.append(row)
    return {"machine": describe(), "rows": rows}


def _timed(
    estimator: LayoutEstimator, X: np.ndarray, graph: Graph
) -> tuple[LayoutEstimator, dict[str, float]]:
    before, cpu = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    estimator.fit(X, graph=graph)
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime
    seconds = time.perf_counter() - before
    return estimator, {"seconds": round(seconds, 2), "cpu_seconds": round(used, 2)}


def _stress_1(X: np.ndarray, layout: np.ndarray, seed: int) -> float:
    """Kruskal's stress-1 over random pairs of different points."""
    i, j = np.random.default_rng(seed).integers(0, len(X), (2, PAIRS))
    i, j = i[i != j], j[i != j]
    errors = squares = 0.0
    for first in range(0, len(i), 20_000):
        a, b = i[first : first + 20_000], j[first : first + 20_000]
        placed = np.linalg.norm(layout[a] - layout[b], axis=1)
        distances = np.linalg.norm(X[a] - X[b], axis=1)
        errors += float(np.square(distances - placed).sum())
        squares += float(placed @ placed)
    return (errors / squares) ** 0.5
