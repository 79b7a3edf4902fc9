"""t-SNE by openTSNE on the shared exact neighbour graph."""

from __future__ import annotations

from typing import ClassVar

import numba
import numpy as np
from scipy.sparse import csr_matrix

from kernels.backend import get_backend
from pipeline.methods.parameters import Choices, Number
from pipeline.methods.tsne.base import EARLY_ITERATIONS, BaseTSNE
from pipeline.methods.tsne.exact import Divergence
from pipeline.neighbors.graph import Graph
from pipeline.runtime.log import Progress

EXACT_DIVERGENCE = 100_000  # points up to which the divergence is summed over all pairs


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
        Of the final layout from the affinities, exactly up to 100,000 points.
    n_iter_ : int
    diagnostics_ : dict
        effective_perplexity
            Median, min and max of all points, of the affinities.
        kl_divergence
            Over all pairs up to 100,000 points, which takes seconds there; above, with repulsion
            approximated as during the descent.
        kl_divergence_is
            "exact" or "estimated", accordingly.
        n_iter

    Notes
    -----
    The affinities are those of the engine exact: openTSNE's own search for the widths loses its
    digits where neighbours are far and about equally so, and misses the perplexity.
    """

    choices: ClassVar[Choices] = {
        **BaseTSNE.choices,
        "method": ("auto", "barnes_hut", "fft"),
        "angle": (Number(0, 1),),
    }

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
        from openTSNE import TSNEEmbedding
        from openTSNE.affinity import PrecomputedAffinities

        self._check_parameters(len(X))
        backend = get_backend("cpu")
        threads = self.n_jobs or numba.get_num_threads()
        P, known = self._affinities(self._neighbors(X, graph), backend)
        progress = Progress("t-SNE", self.max_iter)

        def count(iteration: int, error: float, embedding: np.ndarray) -> None:
            progress.update(50)  # its answer is not handed on: a true one would end the descent

        early_rate, late_rate = self._rates(len(X))
        embedding = TSNEEmbedding(
            self._start(X),
            PrecomputedAffinities(csr_matrix(P), normalize=False),
            negative_gradient_method={"barnes_hut": "bh"}.get(self.method, self.method),
            theta=self.angle,
            learning_rate=early_rate,
            n_jobs=threads,
            callbacks=[count],
            callbacks_every_iters=50,
        )
        early = min(EARLY_ITERATIONS, self.max_iter)
        # Without `propagate_exception` a descent that a callback ends looks like one that is done.
        descent = {"momentum": 0.8, "inplace": True, "propagate_exception": True}
        embedding.optimize(early, exaggeration=self.early_exaggeration, **descent)
        embedding.optimize(self.max_iter - early, learning_rate=late_rate, **descent)
        layout = np.asarray(embedding)
        exact = len(X) <= EXACT_DIVERGENCE
        # A divergence is never negative, though its estimate may be.
        estimate = max(0.0, float(embedding.kl_divergence))
        self.kl_divergence_ = Divergence(P, backend).of_layout(layout) if exact else estimate
        self.n_iter_ = self.max_iter
        self.diagnostics_ = known | {
            "kl_divergence": self.kl_divergence_,
            "kl_divergence_is": "exact" if exact else "estimated",
            "n_iter": self.n_iter_,
        }
        return layout
