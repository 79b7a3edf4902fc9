"""What the engines of UMAP share."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.sparse import csr_array
from sklearn.utils import check_random_state

from pipeline.errors import InputError
from pipeline.methods.base import (
    LayoutEstimator,
    check_init,
    nearest_neighbors,
    with_self_neighbors,
)
from pipeline.methods.parameters import Choices, Matrix, Number, integer
from pipeline.methods.pca.principal_components import principal_components
from pipeline.methods.umap.library import umap_learn
from pipeline.methods.umap.loss import sampled_loss
from pipeline.neighbors.graph import Graph
from pipeline.runtime.device import backend_for


class BaseUMAP(LayoutEstimator):
    """Parameters, neighbours and start of all engines of UMAP."""

    objective = "loss"
    graph_: csr_array

    choices: ClassVar[Choices] = {
        "n_components": (integer(1),),
        "n_neighbors": (integer(2),),
        "min_dist": (Number(0),),
        "spread": (Number(1e-6),),
        "n_epochs": (integer(1), None),
        "init": ("pca", "spectral", "random", Matrix()),
        "learning_rate": (Number(0),),
        "repulsion_strength": (Number(0),),
        "negative_sample_rate": (integer(0),),
    }

    def __init__(
        self,
        n_components=2,
        *,
        n_neighbors=15,
        min_dist=0.1,
        spread=1.0,
        n_epochs=None,
        init="pca",
        learning_rate=1.0,
        repulsion_strength=1.0,
        negative_sample_rate=5,
        random_state=None,
    ):
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.min_dist = min_dist
        self.spread = spread
        self.n_epochs = n_epochs
        self.init = init
        self.learning_rate = learning_rate
        self.repulsion_strength = repulsion_strength
        self.negative_sample_rate = negative_sample_rate
        self.random_state = random_state

    def _check_parameters(self, n: int) -> None:
        """Name the parameter that n points cannot be laid out with."""
        if self.min_dist > self.spread:
            raise InputError(
                f"min_dist of UMAP is {self.min_dist:g} but must be at most spread, {self.spread:g}"
            )
        check_init(self.init, (n, self.n_components), "UMAP")

    def _epochs(self, n: int) -> int:
        return self.n_epochs or (500 if n <= 10_000 else 200)

    def _neighbors(self, X: np.ndarray, graph: Graph | None) -> Graph:
        k, reason = self.n_neighbors - 1, f"n_neighbors {self.n_neighbors}"
        return with_self_neighbors(nearest_neighbors(X, graph, k, reason, self.device))

    def _start(self, X: np.ndarray, random: np.random.RandomState) -> str | np.ndarray:
        """What umap-learn calls `init`: a name, or (n, n_components) coordinates."""
        if not isinstance(self.init, str) or self.init != "pca":
            return self.init
        found = principal_components(X, self.n_components, backend_for(self.device))
        return _sized(found.coordinates, random)

    def start_from(self, layout: np.ndarray) -> np.ndarray:
        """See `LayoutEstimator`: reaching from -10 to 10, as a start by PCA."""
        return _sized(layout, check_random_state(self.random_state))

    def _diagnose(self, layout: np.ndarray) -> dict[str, float | int]:
        """What is said of a finished layout, whose memberships are `graph_`."""
        a, b = umap_learn().find_ab_params(self.spread, self.min_dist)
        loss = sampled_loss(
            self.graph_,
            layout,
            a=a,
            b=b,
            negative_sample_rate=self.negative_sample_rate,
            repulsion_strength=self.repulsion_strength,
        )
        return {"loss": loss, "n_iter": self.n_iter_}


def _sized(start: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    start = start * (10 / (np.abs(start).max() or 1.0))
    # As in umap-learn: a little noise separates coincident points and widens flat axes.
    return start + random.normal(scale=1e-4, size=start.shape)
