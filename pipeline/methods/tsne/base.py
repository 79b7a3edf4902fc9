"""What the engines of t-SNE share."""

from __future__ import annotations

import math

import numpy as np
from sklearn.utils import check_random_state, check_scalar

from pipeline.methods.base import LayoutEstimator, check_init, nearest_neighbors
from pipeline.methods.pca.principal_coordinates import principal_coordinates
from pipeline.neighbors.graph import Graph
from pipeline.runtime.device import backend_for

EARLY_ITERATIONS = 250  # of early exaggeration, as in van der Maaten (2014) and everywhere since


class BaseTSNE(LayoutEstimator):
    """Parameters, neighbours, learning rates and start of all engines of t-SNE."""

    n_components: int
    perplexity: float
    early_exaggeration: float
    learning_rate: float | str
    max_iter: int
    init: str | np.ndarray
    random_state: int | np.random.RandomState | None

    def _check_parameters(self, n: int) -> None:
        """Name the parameter that n points cannot be laid out with."""
        check_scalar(self.n_components, "n_components", int, min_val=1, max_val=2)
        check_scalar(self.perplexity, "perplexity", (int, float), min_val=1)
        check_scalar(self.early_exaggeration, "early_exaggeration", (int, float), min_val=1)
        check_scalar(self.max_iter, "max_iter", int, min_val=1)
        if self.learning_rate != "auto":
            check_scalar(self.learning_rate, "learning_rate", (int, float), min_val=1e-3)
        check_init(self.init, (n, self.n_components), ("pca", "random"), "t-SNE")

    def _neighbors(self, X: np.ndarray, graph: Graph | None) -> Graph:
        """The neighbours that affinities reach over."""
        k = math.ceil(3 * self.perplexity)
        return nearest_neighbors(X, graph, k, f"perplexity {self.perplexity:g}", self.device)

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
        random = check_random_state(self.random_state)
        shape = (len(X), self.n_components)
        if self.init == "random":
            return random.normal(scale=1e-4, size=shape)
        start = principal_coordinates(X, self.n_components, backend_for(self.device))
        start *= 1e-4 / (start[:, 0].std() or 1.0)
        # Points that coincide in the start would feel the same force for ever.
        return start + random.normal(scale=1e-6, size=shape)
