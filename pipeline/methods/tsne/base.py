"""What the engines of t-SNE share."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import csr_array
from sklearn.utils import check_random_state

from kernels.backend import Backend
from pipeline.methods.base import LayoutEstimator, check_init, nearest_neighbors
from pipeline.methods.parameters import Choices, Matrix, Number, integer
from pipeline.methods.pca.principal_components import principal_components
from pipeline.methods.tsne.affinities import (
    conditional_probabilities,
    perplexity_diagnostics,
    symmetrise,
)
from pipeline.neighbors.graph import Graph
from pipeline.runtime.device import backend_for
from pipeline.runtime.workers import Workers

EARLY_ITERATIONS = 250  # of early exaggeration, as in van der Maaten (2014) and everywhere since


class BaseTSNE(LayoutEstimator):
    """Parameters, affinities, learning rates and start of all engines of t-SNE."""

    objective = "kl_divergence"

    choices: ClassVar[Choices] = {
        "n_components": (Number(1, 2, integer=True),),
        "perplexity": (Number(1),),
        "early_exaggeration": (Number(1),),
        "learning_rate": (Number(1e-3), "auto"),
        "max_iter": (integer(1),),
        "init": ("pca", "random", Matrix()),
    }

    n_components: int
    perplexity: float
    early_exaggeration: float
    learning_rate: float | str
    max_iter: int
    init: str | np.ndarray
    random_state: int | np.random.RandomState | None

    def _check_parameters(self, n: int) -> None:
        """Name the parameter that n points cannot be laid out with."""
        check_init(self.init, (n, self.n_components), "t-SNE")

    def _neighbors(
        self, X: np.ndarray, graph: Graph | None, workers: Workers | None = None
    ) -> Graph:
        """The neighbours that affinities reach over."""
        k = math.ceil(3 * self.perplexity)
        why = f"perplexity {self.perplexity:g}"
        return nearest_neighbors(X, graph, k, why, self.device, workers)

    def _affinities(self, near: Graph, backend: Backend) -> tuple[csr_array, dict[str, Any]]:
        """Joint probabilities of neighbours, and the diagnostics of their perplexity."""
        conditional = conditional_probabilities(near, self.perplexity, backend)
        effective = perplexity_diagnostics(conditional.perplexities, self.perplexity)
        P = symmetrise(near.indices, conditional.probabilities)
        return P, {"effective_perplexity": effective}

    def _rates(self, n: int) -> tuple[float, float]:
        """Learning rates for n points of a quarter of the gradient: of the early phase, the late.

        What is stable at n / e while attraction is exaggerated e times is so at n when it is not.
        """
        if isinstance(self.learning_rate, str):
            return n / self.early_exaggeration, float(n)
        return self.learning_rate, self.learning_rate

    def _start(self, X: np.ndarray) -> np.ndarray:
        """The coordinates that the descent starts from, (n, n_components)."""
        if not isinstance(self.init, str):
            return self.init
        if self.init == "random":
            random = check_random_state(self.random_state)
            return random.normal(scale=1e-4, size=(len(X), self.n_components))
        found = principal_components(X, self.n_components, backend_for(self.device))
        return self.start_from(found.coordinates)

    def start_from(self, layout: np.ndarray) -> np.ndarray:
        """See `LayoutEstimator`: so small that early exaggeration can still rearrange it.

        A standard deviation of 1e-4 along the first axis (Kobak & Berens 2019).
        """
        start = layout * (1e-4 / (layout[:, 0].std(dtype=np.float64) or 1.0))
        # Points that coincide in the start would feel the same force for ever.
        random = check_random_state(self.random_state)
        return start + random.normal(scale=1e-6, size=start.shape)
