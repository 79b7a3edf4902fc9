"""t-SNE by RAPIDS cuML on the shared exact neighbour graph, on a GPU."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from pipeline.errors import InputError
from pipeline.methods import rapids
from pipeline.methods.base import with_self_neighbors
from pipeline.methods.parameters import Choices, Number
from pipeline.methods.tsne.base import EARLY_ITERATIONS, BaseTSNE
from pipeline.neighbors.graph import Graph

MAX_NEIGHBORS = 1023  # of a point in cuML's t-SNE, the point itself included
FAR = 1e4  # times the largest squared distance: there an affinity is zero in float32


class TSNE(BaseTSNE):
    """t-distributed stochastic neighbour embedding (van der Maaten & Hinton 2008).

    Parameters
    ----------
    n_components : int
        2, the only plane that cuML knows.
    perplexity : float
        Up to 340. Each point's affinities reach over its 3 x perplexity nearest neighbours.
    early_exaggeration : float
        Attraction is multiplied by this for the first 250 iterations.
    learning_rate : float or "auto"
        Of the first 250 iterations; cuML doubles it for the others. "auto" is
        n / early_exaggeration (Belkina et al. 2019).
    max_iter : int
        Iterations in all, early ones included.
    init : {"pca", "random"}
        Scaled to a standard deviation of 1e-4 (Kobak & Berens 2019).
    method : {"auto", "fft"}
        Interpolation by FFT (Linderman et al. 2019), on a grid of 150 x 150 nodes however wide the
        layout grows. cuML's two other methods are not offered: "barnes_hut" may never end
        (github.com/NVIDIA/cuml/issues/3360) and "exact" differs from run to run.
    random_state : int, RandomState or None
        With a seed the result is reproducible.

    Attributes
    ----------
    embedding_ : (n, 2) float32
    n_iter_ : int

    Notes
    -----
    cuML's own Kullback-Leibler divergence is not kept: it normalises the layout's affinities over
    neighbours only, not over all pairs, and cannot be compared with that of other libraries.
    """

    choices: ClassVar[Choices] = {
        **BaseTSNE.choices,
        "n_components": (Number(2, 2, integer=True),),
        "init": ("pca", "random"),
        "method": ("auto", "fft"),
    }
    device = "gpu"

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
        random_state=None,
    ):
        self.n_components = n_components
        self.perplexity = perplexity
        self.early_exaggeration = early_exaggeration
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.init = init
        self.method = method
        self.random_state = random_state

    def _lay_out(self, X: np.ndarray, graph: Graph | None) -> np.ndarray:
        """See `LayoutEstimator.fit_transform`; the graph needs k >= 3 x perplexity."""
        self._check_parameters(len(X))
        manifold = rapids.load("cuml.manifold")
        start = self._start(X)
        near = _far_from_itself(self._neighbors(X, graph))
        rate, _ = self._rates(len(X))  # cuML sets the second itself
        engine = manifold.TSNE(
            n_components=2,
            perplexity=self.perplexity,
            early_exaggeration=self.early_exaggeration,
            learning_rate=rate,
            learning_rate_method="none",  # its default overrides both, and n_neighbors
            max_iter=self.max_iter,
            exaggeration_iter=EARLY_ITERATIONS,
            pre_momentum=0.8,
            post_momentum=0.8,
            min_grad_norm=0.0,  # else it may stop before max_iter
            init="pca",
            method="fft",
            n_neighbors=near.indices.shape[1],
            precomputed_knn=tuple(near),
            square_distances=False,
            random_state=self.random_state,
            output_type="numpy",
        )
        with rapids.log_as_warnings():
            # The neighbours being given, the features would only serve for a start by PCA. That of
            # two columns is a rotation of them, and is scaled as ours.
            layout = engine.fit_transform((start / start[:, 0].std()).astype(np.float32))
        self.n_iter_ = int(engine.n_iter_)
        self.diagnostics_ = {"learning_rates": [rate, 2 * rate], "n_iter": self.n_iter_}
        return layout

    def _check_parameters(self, n: int) -> None:
        super()._check_parameters(n)
        if math.ceil(3 * self.perplexity) + 1 > MAX_NEIGHBORS:
            raise InputError(
                f"perplexity is {self.perplexity:g} but cuML keeps {MAX_NEIGHBORS} neighbours of "
                f"a point, enough for {MAX_NEIGHBORS // 3 - 1}: lower it or choose another engine"
            )


def _far_from_itself(near: Graph) -> Graph:
    """The graph with squared distances that give cuML's affinities the perplexity asked for.

    cuML wants every point as its own first neighbour, and then counts it like the others: at
    distance 0 it takes a large share of its own affinities. Here it is `FAR`, and has none.
    A constant less in all squared distances of a point changes none of its affinities,
    exp(-b d^2) / sum exp(-b d^2); with the nearest at 0 the sum is at least 1, and does not
    underflow where all neighbours are about equally far.
    """
    squared = near.distances.astype(np.float64) ** 2
    squared -= squared[:, :1]
    shifted = with_self_neighbors(Graph(near.indices, squared.astype(np.float32)))
    shifted.distances[:, 0] = FAR * (squared.max() or 1)
    return shifted
