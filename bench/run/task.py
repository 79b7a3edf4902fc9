"""Arguments and results of engines and peers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from pipeline.neighbors.graph import Graph

RATES = ("images_per_second", "of_matrix_rate")  # an engine's own figures of its speed


class Task(NamedTuple):
    """The same for everybody who is measured on one input.

    Attributes
    ----------
    step : str
    X : (n, d) float32, or (n, h, w, c) uint8
        Points; at the step features the images that these would come from.
    labels : (n,) int64
    graph : Graph or None
        The exact 90-neighbour graph of X, for engines that take one; None at the steps before it.
    layout : (n, 2) float32
        What is measured at the step quality: the first two principal components.
    seed, threads, device
    """

    step: str
    X: np.ndarray
    labels: np.ndarray
    graph: Graph | None
    layout: np.ndarray
    seed: int
    threads: int
    device: str


@dataclass(frozen=True)
class Outcome:
    """A result; which of the first three are set depends on the step.

    Attributes
    ----------
    layout : (n, 2) array
    graph : Graph
    values : dict
        Measures that the engine takes itself, at the steps features and quality.
    seconds : float, optional
        Of the computation alone, from an engine that also prepares in a call what a study prepares
        once; by default all of the call counts.
    transfer_seconds : float
        Between host and device, within the call.
    info : dict
        The engine's own diagnostics, plain values such as kl_divergence or n_iter; "flops" and
        "bytes", if it counts its work, are compared with the machine's limits; `RATES` are recorded
        beside these.
    """

    layout: np.ndarray | None = None
    graph: Graph | None = None
    values: dict[str, float] = field(default_factory=dict)
    seconds: float | None = None
    transfer_seconds: float = 0.0
    info: dict[str, Any] = field(default_factory=dict)


Call = Callable[..., Outcome]
