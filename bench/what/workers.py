"""The graph, MDS and Isomap on Dask's workers beside one process: seconds, and the same bits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.run.machine import describe
from pipeline.methods.isomap.exact import Isomap
from pipeline.methods.mds.exact import MDS
from pipeline.neighbors.graph import knn_graph
from pipeline.runtime.cluster import open_client
from pipeline.runtime.log import log

if TYPE_CHECKING:
    from distributed import Client


def measure(X: np.ndarray, *, workers: int, k: int = 90) -> dict[str, Any]:
    """Compute each once in this process, after a small run that compiles, and once on workers.

    Parameters
    ----------
    X : (n, d) array
    workers : int
        Of one thread each, on this machine.
    k : int
        Neighbours of the graph.

    Returns
    -------
    dict
        machine; points, features, workers; rows: what, seconds alone and on workers, overhead, and
        whether the results have the same bits.
    """
    graph = knn_graph(X, k=k, device="cpu")
    jobs: dict[str, Callable[[Client | None], tuple[np.ndarray, ...]]] = {
        "graph": lambda client: knn_graph(X, k=k, device="cpu", client=client),
        "mds": lambda client: (MDS(device="cpu").fit_transform(X, client=client),),
        "isomap": lambda client: (
            Isomap(device="cpu", random_state=0).fit_transform(X, graph=graph, client=client),
        ),
    }
    rows = []
    with open_client("local", workers=workers) as client:
        few = np.ascontiguousarray(X[:: len(X) // 500][:500])
        for method in (MDS(device="cpu"), Isomap(device="cpu", random_state=0)):
            for who in (None, client):
                method.fit(few, client=who)
        for what, compute in jobs.items():
            seconds, results = [], []
            for who in (None, client):
                began = time.perf_counter()
                results.append(compute(who))
                seconds.append(round(time.perf_counter() - began, 2))
            same = all(np.array_equal(a, b) for a, b in zip(*results, strict=True))
            overhead = seconds[1] / seconds[0] - 1
            rows.append(
                {
                    "what": what,
                    "seconds_alone": seconds[0],
                    "seconds_on_workers": seconds[1],
                    "overhead": round(overhead, 3),
                    "same_bits": same,
                }
            )
            log.info(f"workers: {rows[-1]}")
    n, d = X.shape
    known = {"machine": describe(), "points": n, "features": d, "workers": workers}
    return {**known, "rows": rows}
