"""Peers: other libraries for the same task, called directly, each with its own best settings.

A peer is a function of a `Task` that imports its library inside and returns an `Outcome`; the
manifest names it. All compute their own neighbours.
"""

from __future__ import annotations

import sys
import time
from types import ModuleType
from typing import Any

import numpy as np

from bench.run.task import Outcome, Task
from pipeline.neighbors.graph import Graph

# --- neighbour graphs -----------------------------------------------------------------------------


def faiss_flat(task: Task, *, k: int) -> Outcome:
    """Exact search (Johnson et al. 2019), BLAS tiles and a heap."""
    import faiss

    faiss.omp_set_num_threads(task.threads)
    index = faiss.IndexFlatL2(task.X.shape[1])
    index.add(task.X)
    squared, near = index.search(task.X, k + 1)
    return Outcome(graph=without_self(near, np.sqrt(np.maximum(squared, 0)), k))


def pynndescent(task: Task, *, k: int) -> Outcome:
    """Approximate nearest-neighbour descent (Dong et al. 2011)."""
    from pynndescent import NNDescent

    # low_memory=False is its faster setting; the graph is then as its defaults make it.
    index = NNDescent(
        task.X, n_neighbors=k + 1, random_state=task.seed, n_jobs=task.threads, low_memory=False
    )
    near, distances = index.neighbor_graph
    return Outcome(graph=without_self(near, distances, k))


def without_self(near: np.ndarray, distances: np.ndarray, k: int) -> Graph:
    """Drop each row's own number from k + 1 neighbours, or the farthest where it is not there."""
    itself = near == np.arange(len(near))[:, None]
    itself[~itself.any(axis=1), -1] = True
    shape = (len(near), k)
    return Graph(
        near[~itself].reshape(shape).astype(np.int32),
        distances[~itself].reshape(shape).astype(np.float32),
    )


# --- scikit-learn ---------------------------------------------------------------------------------


def sklearn_pca(task: Task, **params: Any) -> Outcome:
    """With the solver that it chooses for the shape."""
    from sklearn.decomposition import PCA

    return Outcome(layout=PCA(2, random_state=task.seed, **params).fit_transform(task.X))


def sklearn_tsne(task: Task, **params: Any) -> Outcome:
    """Barnes-Hut on exact neighbours, PCA start, 1,000 iterations."""
    from sklearn.manifold import TSNE

    engine = TSNE(random_state=task.seed, n_jobs=task.threads, **params)
    layout = engine.fit_transform(task.X)
    info = {"kl_divergence": float(engine.kl_divergence_), "n_iter": int(engine.n_iter_)}
    return Outcome(layout=layout, info=info)


def sklearn_mds(task: Task, **params: Any) -> Outcome:
    """SMACOF from classical scaling, the start that it recommends."""
    from sklearn.manifold import MDS

    engine = MDS(init="classical_mds", n_init=1, random_state=task.seed, **params)
    layout = engine.fit_transform(task.X)
    return Outcome(layout=layout, info={"n_iter": int(engine.n_iter_)})


def sklearn_isomap(task: Task, **params: Any) -> Outcome:
    """With the path and eigenvalue solvers that it chooses."""
    from sklearn.manifold import Isomap

    return Outcome(layout=Isomap(n_jobs=task.threads, **params).fit_transform(task.X))


def sklearn_lle(task: Task, **params: Any) -> Outcome:
    """Standard LLE with the eigenvalue solver that it chooses."""
    from sklearn.manifold import LocallyLinearEmbedding

    engine = LocallyLinearEmbedding(random_state=task.seed, n_jobs=task.threads, **params)
    # float64, as its own documentation computes it: float32 cannot resolve the eigenvalues.
    return Outcome(layout=engine.fit_transform(task.X.astype(np.float64)))


def sklearn_trustworthiness(task: Task, *, k: int) -> Outcome:
    """Venna & Kaski's (2001) measure, by two full distance matrices."""
    from sklearn.manifold import trustworthiness

    return Outcome(values={"trustworthiness": trustworthiness(task.X, task.layout, n_neighbors=k)})


# --- openTSNE, umap-learn, pymde ------------------------------------------------------------------


def opentsne(task: Task, **params: Any) -> Outcome:
    """With the approximate neighbours that it chooses; as many iterations as ours, 250 + 500."""
    from openTSNE import TSNE

    embedding = TSNE(random_state=task.seed, n_jobs=task.threads, **params).fit(task.X)
    info = {"kl_divergence": float(embedding.kl_divergence)}
    return Outcome(layout=np.asarray(embedding), info=info)


def umap_learn(task: Task, **params: Any) -> Outcome:
    """Unseeded, which lets it use all threads, with the approximate neighbours that it chooses."""
    hide(sys.modules, "tensorflow")  # it would load it for a variant that is not used here
    from umap import UMAP

    return Outcome(layout=UMAP(n_jobs=task.threads, **params).fit_transform(task.X))


def pymde_distances(task: Task, *, max_distances: float = 5e7, **params: Any) -> Outcome:
    """Minimum-distortion embedding (Agrawal et al. 2021) of pairwise distances, squared loss.

    What `pymde.preserve_distances` builds, with its number of sampled pairs, from its random
    start; but the distances are computed in strips: the recipe itself gathers both ends of every
    pair at once, 8 d bytes a pair, which ends at some 1,500 points of 1,280 features in 24 GB.
    """
    # For its data sets it imports torchvision, which fails where it was built for another torch.
    hide(sys.modules, "torchvision", ModuleType("torchvision"))
    import pymde
    import torch
    from pymde.preprocess.preprocess import sample_edges

    torch.set_num_threads(task.threads)
    pymde.seed(task.seed)
    n = len(task.X)
    pairs = n * (n - 1) // 2
    edges = pymde.all_edges(n) if pairs <= max_distances else sample_edges(n, int(max_distances))
    X = torch.from_numpy(task.X)
    deviations = torch.cat(
        [(X[strip[:, 0]] - X[strip[:, 1]]).norm(dim=1) for strip in edges.split(2**15)]
    )
    problem = pymde.MDE(n, 2, edges, pymde.losses.Quadratic(deviations))
    layout = problem.embed(**params).numpy()
    iterations = len(problem.solve_stats.average_distortions)
    return Outcome(layout=layout, info={"pairs": len(edges), "n_iter": iterations})


def hide(modules: dict[str, Any], name: str, instead: ModuleType | None = None) -> None:
    """Make `import name` find `instead`, or fail, unless it is loaded already."""
    modules.setdefault(name, instead)


# --- cuML, on a GPU -------------------------------------------------------------------------------


def cuml_neighbors(task: Task, *, k: int) -> Outcome:
    """Exact search by brute force."""
    from cuml.neighbors import NearestNeighbors

    X, sent = to_device(task.X)
    engine = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(X)
    distances, near = engine.kneighbors(X)
    (near, distances), fetched = to_host(near, distances)
    return Outcome(graph=without_self(near, distances, k), transfer_seconds=sent + fetched)


def cuml_pca(task: Task, **params: Any) -> Outcome:
    """Eigenvectors of the covariance, in float32."""
    from cuml.decomposition import PCA

    return _cuml(PCA(n_components=2, **params), task)


def cuml_tsne(task: Task, **params: Any) -> Outcome:
    """FFT, with the settings of the pipeline: its adaptive learning rate would override them.

    Unseeded, which lets it add in any order, on exact neighbours. Its divergence is left out: it
    is normalised over neighbours only, and cannot be compared with the others'.
    """
    from cuml.manifold import TSNE

    settings = {
        "method": "fft",
        "perplexity": 30,
        "n_neighbors": 91,  # itself included
        "early_exaggeration": 12,
        "learning_rate_method": "none",
        "learning_rate": len(task.X) / 12,
        "init": "pca",
        "max_iter": 750,
        **params,
    }
    return _cuml(TSNE(n_components=2, **settings), task)


def cuml_umap(task: Task, **params: Any) -> Outcome:
    """Unseeded, which lets it add in any order, on exact neighbours."""
    from cuml.manifold import UMAP

    return _cuml(UMAP(n_components=2, build_algo="brute_force_knn", **params), task)


def _cuml(engine: Any, task: Task) -> Outcome:
    X, sent = to_device(task.X)
    (layout,), fetched = to_host(engine.fit_transform(X))
    n_iter = getattr(engine, "n_iter_", None)
    info = {} if n_iter is None else {"n_iter": int(n_iter)}
    return Outcome(layout=layout, transfer_seconds=sent + fetched, info=info)


def to_device(array: np.ndarray) -> tuple[Any, float]:
    """An array on the GPU, and the seconds that it took to get there."""
    import cupy

    start = time.perf_counter()
    there = cupy.asarray(array)
    cupy.cuda.Device().synchronize()
    return there, time.perf_counter() - start


def to_host(*arrays: Any) -> tuple[list[np.ndarray], float]:
    """Arrays of the GPU as NumPy's, and the seconds that it took, after waiting for their work."""
    import cupy

    cupy.cuda.Device().synchronize()
    start = time.perf_counter()
    here = [cupy.asnumpy(cupy.asarray(array)) for array in arrays]
    return here, time.perf_counter() - start
