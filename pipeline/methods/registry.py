"""Which methods there are, who computes each, and what that takes."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

from pipeline.errors import InputError

Bytes = Callable[[int, int, Mapping[str, Any]], float]  # of n points, d features, parameters

# Set by the study, not by a method's parameters: the seed, the plane, the threads, the device.
RESERVED = {"random_state", "n_components", "n_jobs", "device"}


@dataclass(frozen=True)
class Engine:
    """Who computes a method.

    Attributes
    ----------
    estimator : str
        "module:Class"; imported only when used.
    library : str
        Named in messages and captions.
    memory : callable
        (n, d, parameters) -> bytes needed beyond the features, fitted to measured peaks.
    gpu_memory : callable, optional
        (n, d, parameters) -> bytes of a GPU, by counting arrays; for engines that run there.
    seconds : callable, optional
        (n, d, parameters) -> seconds on two cores, projected from measured runs; for engines
        that can take very long.
    devices : tuple of str
        Where it runs, of cpu and gpu.
    needs_graph : bool
        Whether the neighbour graph decides the layout.
    single_threaded : bool
        More than one CPU core would mostly idle.
    """

    estimator: str
    library: str
    memory: Bytes
    seconds: Callable[[int, int, Mapping[str, Any]], float] | None = None
    gpu_memory: Bytes | None = None
    devices: tuple[str, ...] = ("cpu",)
    needs_graph: bool = False
    single_threaded: bool = False

    @property
    def module(self) -> str:
        """The estimator's module."""
        return self.estimator.partition(":")[0]

    def load(self) -> type:
        """The estimator's class."""
        return getattr(importlib.import_module(self.module), self.estimator.partition(":")[2])

    def device(self, wanted: str) -> str:
        """The device that it runs on if the study's is `wanted`: the GPU, or the CPU beside it."""
        return wanted if wanted in self.devices else self.devices[0]

    def defaults(self) -> dict[str, Any]:
        """Parameters that a user may set, and their defaults."""
        signature = inspect.signature(self.load().__init__).parameters  # type: ignore[misc]
        return {k: p.default for k, p in signature.items() if k not in RESERVED | {"self"}}


@dataclass(frozen=True)
class Method:
    """A way to lay points out.

    Attributes
    ----------
    title : str
    engines : dict of str to Engine
        The preferred one first.
    ordered_axes : bool
        The axes are eigenvectors, the first one before the second.
    """

    title: str
    engines: dict[str, Engine]
    ordered_axes: bool = False

    def parameters(self) -> set[str]:
        """Names of the parameters that any engine of this method takes."""
        return {name for engine in self.engines.values() for name in engine.defaults()}


def _cuml_pca_memory(n: int, d: int, params: Mapping[str, Any]) -> float:
    """Features in float64 and cuML's copy; covariance and eigenvectors; workspace."""
    return 16 * n * d + 32 * d * d + 3e8


METHODS: dict[str, Method] = {
    "pca": Method(
        "PCA",
        {
            "sklearn": Engine(
                "pipeline.methods.pca.scikit_learn:PCA",
                "scikit-learn",
                lambda n, d, p: 16 * n * d + 24 * d * d,
            ),
            "cuml": Engine(
                "pipeline.methods.pca.cuml:PCA",
                "cuML",
                lambda n, d, p: 8 * n * d + 1e9,
                gpu_memory=_cuml_pca_memory,
                devices=("gpu",),
            ),
        },
        ordered_axes=True,
    ),
    "tsne": Method(
        "t-SNE",
        {
            "opentsne": Engine(
                "pipeline.methods.tsne.opentsne:TSNE",
                "openTSNE",
                lambda n, d, p: n * (16 * d + 200 * p["perplexity"]),
                needs_graph=True,
            ),
            "exact": Engine(
                "pipeline.methods.tsne.exact:TSNE",
                "Tunescope",
                lambda n, d, p: n * (16 * d + 250 * p["perplexity"]),
                lambda n, d, p: 1.2e-10 * n * n * p["max_iter"],
                # Features in float64 and their covariance, for the start; then the descent.
                gpu_memory=lambda n, d, p: (
                    24 * d * d + n * max(8 * d, 200 * p["perplexity"] + 1000)
                ),
                devices=("cpu", "gpu"),
                needs_graph=True,
            ),
            "cuml": Engine(
                "pipeline.methods.tsne.cuml:TSNE",
                "cuML",
                lambda n, d, p: n * (8 * d + 200 * p["perplexity"]) + 1e9,
                # PCA's, for the start, and then 100 bytes a neighbour.
                gpu_memory=lambda n, d, p: max(
                    _cuml_pca_memory(n, d, p), 3e8 + n * (300 * p["perplexity"] + 500)
                ),
                devices=("gpu",),
                needs_graph=True,
            ),
        },
    ),
    "umap": Method(
        "UMAP",
        {
            "umap-learn": Engine(
                "pipeline.methods.umap.umap_learn:UMAP",
                "umap-learn",
                lambda n, d, p: n * (16 * d + 300 * p["n_neighbors"]),
                needs_graph=True,
            ),
            "cuml": Engine(
                "pipeline.methods.umap.cuml:UMAP",
                "cuML",
                lambda n, d, p: n * (8 * d + 100 * p["n_neighbors"]) + 1e9,
                gpu_memory=lambda n, d, p: max(
                    _cuml_pca_memory(n, d, p), 3e8 + n * (150 * p["n_neighbors"] + 200)
                ),
                devices=("gpu",),
                needs_graph=True,
            ),
        },
    ),
    "mds": Method(
        "MDS",
        {
            "exact": Engine(
                "pipeline.methods.mds.exact:MDS",
                "Tunescope",
                # Where the pairs find no room in memory they go to disk, or are computed again.
                lambda n, d, p: 8 * n * d + 1e8 + (n * n if p["storage"] == "memory" else 0),
                lambda n, d, p: n * n * (1e-11 * d + 2e-10 * min(p["max_iter"], 45) * p["n_init"]),
                # Likewise; features, a product of a strip, sums of a pass.
                gpu_memory=lambda n, d, p: (
                    8 * n * d + 2000 * n + (n * n if p["storage"] == "memory" else 0)
                ),
                devices=("cpu", "gpu"),
            ),
            "sklearn": Engine(
                "pipeline.methods.mds.scikit_learn:MDS",
                "scikit-learn",
                lambda n, d, p: 60 * n * n + 16 * n * d,
                lambda n, d, p: 4.6e-8 * n**2 * p["max_iter"] * p["n_init"],
                single_threaded=True,
            ),
        },
    ),
    "lle": Method(
        "LLE",
        {
            "exact": Engine(
                "pipeline.methods.lle.exact:LocallyLinearEmbedding",
                "Tunescope",
                lambda n, d, p: 2e8 + n * (4 * d + 100 * p["n_neighbors"] + 1200),
                lambda n, d, p: 5e-7 * n**1.5 * p["n_neighbors"],
                gpu_memory=lambda n, d, p: n * (8 * d + 24 * p["n_neighbors"] + 2000),
                devices=("cpu", "gpu"),
                needs_graph=True,
            ),
            "sklearn": Engine(
                "pipeline.methods.lle.scikit_learn:LocallyLinearEmbedding",
                "scikit-learn",
                lambda n, d, p: (30 if p["eigen_solver"] == "dense" else 6) * n * n + 16 * n * d,
                lambda n, d, p: 2.5e-8 * n**2.28,
                single_threaded=True,
            ),
        },
        ordered_axes=True,
    ),
    "isomap": Method(
        "Isomap",
        {
            "exact": Engine(
                "pipeline.methods.isomap.exact:Isomap",
                "Tunescope",
                # Without room in memory the pairs go to disk.
                lambda n, d, p: (
                    n * max(16 * d, 3900 + 150 * p["n_neighbors"] + 2 * (p["landmarks"] or 0))
                    + (n * n if p["storage"] == "memory" and p["landmarks"] is None else 0)
                ),
                lambda n, d, p: 0 if p["landmarks"] else 1.8e-8 * n**2,
                # Without room for the pairs Isomap says itself what to do.
                gpu_memory=lambda n, d, p: (
                    n * (2700 + 16 * p["n_neighbors"] + 2 * (p["landmarks"] or 0))
                    + 40 * (p["landmarks"] or 0) ** 2
                    + (n * n if p["storage"] == "memory" and p["landmarks"] is None else 0)
                ),
                devices=("cpu", "gpu"),
                needs_graph=True,
            ),
            "sklearn": Engine(
                "pipeline.methods.isomap.scikit_learn:Isomap",
                "scikit-learn",
                lambda n, d, p: 46 * n * n + 16 * n * d,
                lambda n, d, p: 1.1e-8 * n**2.4,
                single_threaded=True,
            ),
        },
        ordered_axes=True,
    ),
}


def engine_name(method: str, engine: str = "auto", device: str = "auto") -> str:
    """Resolve "auto" to the engine that will compute a method on a device: its first one there.

    An engine that is asked for and does not run on the GPU is computed on the CPU beside the GPU's
    work; the layout's info says so.

    Raises
    ------
    InputError
        Unknown method, engine or device.
    """
    if method not in METHODS:
        raise InputError(f"method is {method!r} but must be one of {', '.join(METHODS)}")
    if device not in ("auto", "cpu", "gpu"):
        raise InputError(f"device is {device!r} but must be one of auto, cpu, gpu")
    engines = METHODS[method].engines
    if engine == "auto":
        fitting = [key for key, row in engines.items() if device in row.devices]
        return (fitting or list(engines))[0]
    if engine not in engines:
        raise InputError(
            f"engine of {method} is {engine!r} but must be one of auto, {', '.join(engines)}"
        )
    return engine


def check_params(
    method: str, params: Mapping[str, Any] | None, *, engine: str = "auto"
) -> dict[str, Any]:
    """Return the parameters as a dict, or name the one that the engine's estimator cannot take.

    Raises
    ------
    InputError
    """
    name = engine_name(method, engine)
    allowed = METHODS[method].engines[name].defaults()
    for key, value in (params or {}).items():
        if key not in allowed:
            raise InputError(
                f"{method} with engine {name} has no parameter {key!r}: it takes "
                f"{', '.join(allowed)}"
            )
        if _is_number(allowed[key]) and not _is_number(value):
            raise InputError(f"{key} of {method} is {value!r} but must be a number")
    return dict(params or {})


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
