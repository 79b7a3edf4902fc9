"""The methods, the engines of each, and which one computes a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import InputError
from pipeline.methods.engine import Engine
from pipeline.methods.isomap import resources as isomap
from pipeline.methods.lle import resources as lle
from pipeline.methods.mds import resources as mds
from pipeline.methods.parameters import check_values
from pipeline.methods.pca import resources as pca
from pipeline.methods.tsne import resources as tsne
from pipeline.methods.umap import resources as umap


@dataclass(frozen=True)
class Method:
    """A way to lay points out.

    Attributes
    ----------
    title : str
    engines : dict of str to Engine
        By the name that users give; the preferred one first.
    ordered_axes : bool
        The axes are eigenvectors, the first one before the second.
    """

    title: str
    engines: dict[str, Engine]
    ordered_axes: bool = False

    def parameters(self) -> set[str]:
        """Names of the parameters that any engine of this method takes."""
        return {name for engine in self.engines.values() for name in engine.defaults()}


METHODS: dict[str, Method] = {
    "pca": Method("PCA", {"exact": pca.Exact()}, ordered_axes=True),
    "tsne": Method(
        "t-SNE", {"opentsne": tsne.OpenTSNE(), "exact": tsne.Exact(), "cuml": tsne.CuML()}
    ),
    "umap": Method("UMAP", {"tunescope": umap.Tunescope(), "cuml": umap.CuML()}),
    "mds": Method("MDS", {"exact": mds.Exact(), "sklearn": mds.ScikitLearn()}),
    "lle": Method("LLE", {"exact": lle.Exact(), "sklearn": lle.ScikitLearn()}, ordered_axes=True),
    "isomap": Method(
        "Isomap", {"exact": isomap.Exact(), "sklearn": isomap.ScikitLearn()}, ordered_axes=True
    ),
}


def engine_name(method: str, engine: str = "auto", device: str = "auto") -> str:
    """Resolve "auto" to the engine that computes a method on a device: its first one there.

    "auto" takes no engine whose package is not installed, and where none is left on the device the
    first one of all, which computes on the CPU. So does an engine that is asked for and does not
    run on the GPU, beside the GPU's work; the layout's info says so.

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
        usable = (n for n in engines if device in engines[n].devices and engines[n].installed)
        return next(usable, next(iter(engines)))
    if engine not in engines:
        raise InputError(
            f"engine of {method} is {engine!r} but must be one of auto, {', '.join(engines)}"
        )
    return engine


def check_params(
    method: str, params: Mapping[str, Any] | None, *, engine: str = "auto"
) -> dict[str, Any]:
    """Return the parameters as a dict, or name the one that the engine's estimator cannot take.

    What depends on the number of points is left to the estimator.

    Raises
    ------
    InputError
    """
    name = engine_name(method, engine)
    row = METHODS[method].engines[name]
    params = dict(params or {})
    known = row.defaults()
    for key in params:
        if key not in known:
            raise InputError(
                f"{method} with engine {name} has no parameter {key!r}: it takes {', '.join(known)}"
            )
    check_values(row.load().choices, params, f"{method} with engine {name}")
    return params


def check_start(method: str, params: Mapping[str, Any], *, engine: str = "auto") -> None:
    """Refuse to start a layout from another where nothing descends, or `init` says otherwise.

    Raises
    ------
    InputError
    """
    name = engine_name(method, engine)
    engines = METHODS[method].engines
    if not engines[name].takes_start:
        able = [each for each in engines if engines[each].takes_start]
        reason = f"its engine {name} takes none" if able else "it is solved without one"
        remedy = f" or set engine to {' or '.join(able)}" if able else ""
        raise InputError(
            f"{method} cannot start from another layout, {reason}: leave start out{remedy}"
        )
    if "init" in params:
        raise InputError(
            f"{method} has both start and init {params['init']!r}, two ways to start: leave one out"
        )
    if params.get("landmarks"):
        raise InputError(
            f"{method} has both start and landmarks {params['landmarks']}, which place points from "
            "a start of their own: leave start out"
        )
