"""What an engine or a peer gets and gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from pipeline.graph import Graph


class Task(NamedTuple):
    """The same for everybody who is measured on one input.

    Attributes
    ----------
    stage : str
    X : (n, d) float32
    labels : (n,) int64
    graph : Graph or None
        The exact 90-neighbour graph of X, for those who take one; None at the stage graph.
    layout : (n, 2) float32
        Something to measure at the stage quality: the first two principal components.
    seed, threads, device
    """

    stage: str
    X: np.ndarray
    labels: np.ndarray
    graph: Graph | None
    layout: np.ndarray
    seed: int
    threads: int
    device: str


@dataclass(frozen=True)
class Outcome:
    """A result; which of the first three is set depends on the stage.

    Attributes
    ----------
    layout : (n, 2) array
    graph : Graph
    values : dict
        Measures, at the stage quality.
    transfer_seconds : float
        Between host and device, within the call.
    info : dict
        What the engine says itself, in plain values, such as kl_divergence or n_iter; "flops" and
        "bytes", if it counts its work, are compared with the machine's limits.
    """

    layout: np.ndarray | None = None
    graph: Graph | None = None
    values: dict[str, float] = field(default_factory=dict)
    transfer_seconds: float = 0.0
    info: dict[str, Any] = field(default_factory=dict)


Call = Callable[..., Outcome]
