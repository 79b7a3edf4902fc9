"""Lay features out in 2-D: whether it fits, and the result."""

from __future__ import annotations

import inspect
import time
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from kernels.backend import get_backend
from pipeline.errors import InputError
from pipeline.methods.registry import METHODS, RESERVED, Bytes, check_params, engine_name
from pipeline.neighbors.graph import Graph, check_features
from pipeline.runtime.device import backend_for
from pipeline.runtime.log import log
from pipeline.runtime.memory import available_memory


class Layout(NamedTuple):
    """A finished layout.

    Attributes
    ----------
    embedding : (n, 2) float32
    engine : str
    info : dict
        Plain values: library, device, parameters, seed, seconds, warnings, and the estimator's
        own figures such as kl_divergence or stress_1.
    """

    embedding: np.ndarray
    engine: str
    info: dict[str, Any]


def embed(
    features: np.ndarray,
    *,
    method: str,
    engine: str = "auto",
    params: Mapping[str, Any] | None = None,
    graph: Graph | None = None,
    seed: int = 0,
    device: str = "auto",
) -> Layout:
    """Lay features out in the plane.

    Parameters
    ----------
    features : (n, d) array
        Finite; at least two rows differ.
    method : str
        A key of `METHODS`.
    engine : str
        A key of the method's engines, or "auto" for the first that runs on the device.
    params : mapping, optional
        Parameters of the engine's estimator, under scikit-learn's names.
    graph : Graph, optional
        Exact neighbours of the features; computed where needed and not given.
    seed : int
        The same seed gives the same layout.
    device : {"auto", "cpu", "gpu"}

    Returns
    -------
    Layout

    Raises
    ------
    InputError
        Anything named or given that cannot be used, or more points than memory allows.
    """
    device = _resolved(device)
    name = engine_name(method, engine, device)
    row = METHODS[method].engines[name]
    given = check_params(method, params, engine=name)
    where = row.device(device)
    backend = backend_for(where)
    X = check_features(features)
    if np.array_equal(X, np.broadcast_to(X[0], X.shape)):
        raise InputError(f"all {len(X)} rows of the features are equal: nothing can be laid out")
    preflight(*X.shape, method=method, engine=engine, params=params, device=device)

    if "device" in inspect.signature(row.load()).parameters:
        given["device"] = where
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator = row.load()(random_state=seed, **given)
        try:
            embedding = backend.retry_on_oom(lambda: estimator.fit_transform(X, graph=graph))
        except InputError:
            raise
        except (ValueError, TypeError) as error:  # how scikit-learn's estimators refuse a value
            raise InputError(f"{method} with engine {name}: {_line(error)}") from error
    embedding = np.ascontiguousarray(embedding, dtype=np.float32)
    lost = len(embedding) - np.isfinite(embedding).all(axis=1).sum()
    if lost:
        raise InputError(
            f"{method} with engine {name} gave {lost} of {len(X)} points no finite place; try "
            "other parameters"
        )
    info = {
        "library": row.library,
        "device": where,
        "parameters": {
            k: _plain(v) for k, v in {**row.defaults(), **given}.items() if k not in RESERVED
        },
        "seed": seed,
        "seconds": round(time.perf_counter() - start, 3),
        **estimator.diagnostics_,
        "warnings": _worth_telling(caught),
    }
    return Layout(embedding, name, info)


def _resolved(device: str) -> str:
    """The device that "auto" stands for here; anything else as it is."""
    return get_backend("auto").name if device == "auto" else device


def preflight(
    n: int,
    d: int,
    *,
    method: str,
    engine: str = "auto",
    params: Mapping[str, Any] | None = None,
    device: str = "auto",
) -> None:
    """Say what a layout of n points in d dimensions will need, before anything is allocated.

    Raises
    ------
    InputError
        It needs more memory than is free; the sentence names the largest subset that fits.
    """
    name = engine_name(method, engine, device)
    row = METHODS[method].engines[name]
    values = {**row.defaults(), **check_params(method, params, engine=name)}
    on_gpu = row.device(device) == "gpu"
    rooms = [(row.memory, available_memory(), "")]
    if on_gpu and row.gpu_memory is not None:
        rooms.append((row.gpu_memory, available_memory("gpu"), " of the GPU"))
    message = f"{method}: {row.library}, {n:,} points"
    for memory, available, where in rooms:
        need, free = memory(n, d, values), 0.9 * available  # estimates are off by up to a tenth
        if need > free:
            most = _largest(memory, d, values, free, n)
            other = " or choose another engine" if len(METHODS[method].engines) > 1 else ""
            raise InputError(
                f"{method} with engine {name} needs about {need / 1e9:.3g} GB{where} for {n:,} "
                f"points but {free / 1e9:.3g} GB are free: set methods.{method}.subset to at most "
                f"{most:,}{other}"
            )
        message += f", about {need / 1e9:.1g} GB{where}"
    if row.seconds is not None and not on_gpu:
        minutes = row.seconds(n, d, values) / 60
        message += f", projected {minutes:.1f} minutes on two cores" if minutes >= 1 else ""
    log.info(message)


def _largest(memory: Bytes, d: int, values: Mapping[str, Any], free: float, n: int) -> int:
    """The largest number of points below n that fits, rounded down to two digits."""
    low, high = 0, n
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if memory(middle, d, values) <= free else (low, middle)
    unit = 10 ** max(len(str(low)) - 2, 0)
    return low // unit * unit


def _plain(value: Any) -> Any:
    """A value as JSON can hold it: arrays become a word, numpy's numbers Python's."""
    if isinstance(value, np.ndarray):
        return f"array {value.shape}"
    return value.item() if isinstance(value, np.generic) else value


def _worth_telling(caught: list[warnings.WarningMessage]) -> list[str]:
    """What concerns the result, each once; what concerns programmers is left out."""
    mine = [w.message for w in caught if issubclass(w.category, (UserWarning, RuntimeWarning))]
    return list(dict.fromkeys(_line(message) for message in mine))


def _line(message: object) -> str:
    return " ".join(str(message).split())
