"""t-SNE by openTSNE on the shared exact neighbour graph."""

from __future__ import annotations

import numba
import numpy as np
from sklearn.utils import check_scalar

from pipeline.errors import InputError
from pipeline.methods.tsne.base import EARLY_ITERATIONS, BaseTSNE
from pipeline.neighbors.graph import Graph
from pipeline.runtime.log import Progress


class TSNE(BaseTSNE):
    """t-distributed stochastic neighbour embedding (van der Maaten & Hinton 2008).

    Parameters
    ----------
    n_components : int
        1 or 2.
    perplexity : float
        Each point's affinities reach over its 3 x perplexity nearest neighbours.
    early_exaggeration : float
        Attraction is multiplied by this for the first 250 iterations.
    learning_rate : float or "auto"
        "auto" is n / early_exaggeration at first (Belkina et al. 2019) and n after it, as in
        openTSNE.
    max_iter : int
        Iterations in all, early ones included.
    init : {"pca", "random"} or (n, n_components) array
        "pca" is scaled to a standard deviation of 1e-4 (Kobak & Berens 2019); an array is used as
        it is, so that two layouts can start alike.
    method : {"auto", "barnes_hut", "fft"}
        How repulsion is approximated; "auto" takes Barnes-Hut below 10,000 points, else
        interpolation by FFT (Linderman et al. 2019).
    angle : float
        Barnes-Hut's trade of accuracy for speed; 0 is exact.
    n_jobs : int, optional
        Threads; by default numba's (NUMBA_NUM_THREADS). The layout does not depend on their
        number.
    random_state : int, RandomState or None

    Attributes
    ----------
    embedding_ : (n, n_components) float64
    kl_divergence_ : float
        Of the final layout, repulsion approximated as during the descent.
    n_iter_ : int
    """

    def __init__(
        self,
        n_components=2,
        *,
        perplexity=30.0,
        early_exaggeration=12.0,
        learning_rate="auto",
        max_iter=750,
        init="pca",
        method="auto",
        angle=0.5,
        n_jobs=None,
        random_state=None,
    ):
        self.n_components = n_components
        self.perplexity = perplexity
        self.early_exaggeration = early_exaggeration
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.init = init
        self.method = method
        self.angle = angle
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _lay_out(self, X: np.ndarray, graph: Graph | None) -> np.ndarray:
        """See `LayoutEstimator.fit_transform`; the graph needs k >= 3 x perplexity."""
        from openTSNE import TSNEEmbedding, affinity, nearest_neighbors

        self._check_parameters(len(X))
        threads = self.n_jobs or numba.get_num_threads()
        near = self._neighbors(X, graph)
        affinities = affinity.PerplexityBasedNN(
            perplexity=self.perplexity,
            knn_index=nearest_neighbors.PrecomputedNeighbors(near.indices, near.distances),
            n_jobs=threads,
        )
        progress = Progress("t-SNE", self.max_iter)
        early_rate, late_rate = self._rates(len(X))
        embedding = TSNEEmbedding(
            self._start(X),
            affinities,
            negative_gradient_method={"barnes_hut": "bh"}.get(self.method, self.method),
            theta=self.angle,
            learning_rate=early_rate,
            n_jobs=threads,
            callbacks=[lambda iteration, error, embedding: progress.update(50)],
            callbacks_every_iters=50,
        )
        early = min(EARLY_ITERATIONS, self.max_iter)
        embedding.optimize(early, exaggeration=self.early_exaggeration, momentum=0.8, inplace=True)
        embedding.optimize(
            self.max_iter - early, learning_rate=late_rate, momentum=0.8, inplace=True
        )
        self.kl_divergence_ = float(embedding.kl_divergence)
        self.n_iter_ = self.max_iter
        self.diagnostics_ = {"kl_divergence": self.kl_divergence_, "n_iter": self.n_iter_}
        return np.asarray(embedding)

    def _check_parameters(self, n: int) -> None:
        super()._check_parameters(n)
        check_scalar(self.angle, "angle", (int, float), min_val=0, max_val=1)
        if self.method not in ("auto", "barnes_hut", "fft"):
            raise InputError(
                f"method is {self.method!r} but t-SNE knows 'auto', 'barnes_hut' and 'fft'"
            )
