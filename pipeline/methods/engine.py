"""An engine: the library that computes a method, and the resources that it takes."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from typing import Any, NamedTuple

from pipeline.methods.parameters import Matrix

# Set by the study, not by a method's parameters: the seed, the plane, the threads, the device.
RESERVED = {"random_state", "n_components", "n_jobs", "device"}

QUICK = 10.0  # seconds on two cores, below which a second thread does not pay its starting


class Limit(NamedTuple):
    """A parameter's value that needs more points than there are.

    Attributes
    ----------
    wanted : float
        The value.
    largest : float
        The largest value that the points allow.
    points : int
        The points that `wanted` needs.
    """

    wanted: float
    largest: float
    points: int


class Engine:
    """Describes an estimator without importing it, or any numerical library.

    The formulas take the estimator's parameters by keyword, with its defaults.

    Attributes
    ----------
    estimator : str
        "module:Class".
    library : str
        Named in messages and captions.
    devices : tuple of str
        Where it runs, of cpu and gpu.
    needs_graph : bool
        Whether the neighbour graph decides the layout.
    single_threaded : bool
        More than one CPU core would mostly idle.
    fewest_points : int
        That can be laid out, whatever the parameters.
    landmarks : int
        By which it places all points where pairs of them find no room and that is allowed; 0 if it
        keeps no pairs.
    package : str
        That not every installation has, and without which it does not compute; empty if none.
    """

    estimator: str
    library: str
    devices: tuple[str, ...] = ("cpu",)
    needs_graph = False
    single_threaded = False
    fewest_points = 2
    landmarks = 0
    package = ""

    @property
    def installed(self) -> bool:
        """Whether its package is there."""
        return not self.package or importlib.util.find_spec(self.package) is not None

    def memory(self, n: int, d: int, **params: Any) -> float:
        """Host memory beyond the features, which are float32, in bytes; fitted to measured peaks.

        Parameters
        ----------
        n, d : int
            Points and features.
        **params
            Of the estimator.
        """
        raise NotImplementedError

    def gpu_memory(self, n: int, d: int, **params: Any) -> float:
        """GPU memory in bytes, by counting arrays; parameters as of `memory`."""
        return 0.0

    def seconds(self, n: int, d: int, **params: Any) -> float:
        """Seconds on two CPU cores, projected from measured runs; 0 where it never takes long."""
        return 0.0

    def neighbors(self, **params: Any) -> int:
        """Neighbours of each point that it takes from the graph; parameters as of `memory`."""
        return 0

    def limits(self, n: int, **params: Any) -> dict[str, Limit]:
        """Parameters whose value n points do not allow; parameters as of `memory`."""
        return {}

    def stochastic(self, **params: Any) -> bool:
        """Whether another seed gives another layout; parameters as of `memory`.

        Not where it decides only the last digits, such as by the start of an eigensolver.
        """
        return False

    def useful_threads(self, n: int, d: int, cores: int, **params: Any) -> int:
        """CPU threads that shorten a run: all `cores`, or 1 for small or single-threaded work."""
        small = self.seconds(n, d, **params) < QUICK
        return 1 if self.single_threaded or small else cores

    @property
    def module(self) -> str:
        """The estimator's module."""
        return self.estimator.partition(":")[0]

    @property
    def method(self) -> str:
        """The method's key: the estimator's package."""
        return self.module.split(".")[-2]

    @property
    def takes_start(self) -> bool:
        """Whether it descends from a start that may be another layout."""
        return any(isinstance(choice, Matrix) for choice in self.load().choices.get("init", ()))

    def load(self) -> Any:
        """Import the estimator's class."""
        return getattr(importlib.import_module(self.module), self.estimator.partition(":")[2])

    def device(self, wanted: str) -> str:
        """Resolve the device: `wanted` where this engine runs on it, else its own."""
        return wanted if wanted in self.devices else self.devices[0]

    def defaults(self) -> dict[str, Any]:
        """Parameters that a user may set, and their defaults."""
        signature = inspect.signature(self.load().__init__).parameters
        return {k: p.default for k, p in signature.items() if k not in RESERVED | {"self"}}
