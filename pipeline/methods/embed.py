"""Embed: lay features out in 2-D by one method."""

from __future__ import annotations

import inspect
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kernels.backend import Backend, get_backend
from pipeline.errors import InputError
from pipeline.images.subset import stratified_subset
from pipeline.methods.engine import Engine
from pipeline.methods.registry import METHODS, check_params, check_start, engine_name
from pipeline.neighbors.graph import Graph, check_graph
from pipeline.neighbors.scale import scale_features
from pipeline.neighbors.tiles import strips
from pipeline.runtime.device import backend_for
from pipeline.runtime.log import log
from pipeline.runtime.memory import available_memory
from pipeline.runtime.pair_storage import CPU, choose_storage

if TYPE_CHECKING:  # the second imports scikit-learn, which a plan of a study has no use for
    from distributed import Client

    from pipeline.methods.base import LayoutEstimator

SHARE = 0.9  # of the available memory, what a layout may need: estimates are off by up to a tenth
OWNED_BY = {"cpu": "", "gpu": " of the GPU"}  # whose memory, in messages


class Layout(NamedTuple):
    """A finished layout.

    Attributes
    ----------
    rows : (m,) int64
        The rows of the features that were laid out, ascending.
    embedding : (m, 2) float32
    engine : str
    info : dict
        Plain values: library, device, parameters, seed, exponent (the embedding of a method that
        keeps distances is in units of 2^exponent of the features), seconds, the estimator's
        diagnostics such as kl_divergence or stress_1, of a layout that was started from another
        objective_from_own_start, and warnings: sentences on the result.
    """

    rows: np.ndarray
    embedding: np.ndarray
    engine: str
    info: dict[str, Any]


def embed(
    features: np.ndarray,
    *,
    method: str,
    engine: str = "auto",
    params: Mapping[str, Any] | None = None,
    labels: np.ndarray | None = None,
    subset: int | None = None,
    graph: Graph | None = None,
    start: tuple[np.ndarray, np.ndarray] | None = None,
    strict: bool = False,
    exact: str = "required",
    seed: int = 0,
    subset_seed: int | None = None,
    device: str = "auto",
    client: Client | None = None,
) -> Layout:
    """Lay features out in the plane.

    They are scaled by a power of two first: see `pipeline.neighbors.scale`.

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
    labels : (n,) int array, optional
        Classes that keep their shares in a subset.
    subset : int, optional
        Rows to lay out at most, drawn in random order; None is all.
    graph : Graph, optional
        Exact neighbours of all n rows, scaled, used where all are laid out; computed where needed
        and missing.
    start : (rows, xy), optional
        (m,) int and (m, 2): another layout, of the rows that are laid out, from which to start.
        Then they are laid out from the method's own start, too, to tell its objective there.
    strict : bool
        Refuse parameters that so few points do not allow, instead of adapting them: see `adapt`.
    exact : {"required", "preferred"}
        What to do where pairs of so many points find no room: refuse them (Isomap), or compute them
        again in every pass (MDS); or place the points by landmarks, see `by_landmarks`. Dask's
        workers, who have room of their own, refuse in either case.
    seed : int
        From 0 to 4294967295. The same seed gives the same layout, for any number of threads.
    subset_seed : int, optional
        Draws the subset, so that layouts by several seeds have the same points; None is `seed`.
    device : {"auto", "cpu", "gpu"}
    client : distributed.Client, optional
        Of Dask workers that compute parts, where `spreads`.

    Returns
    -------
    Layout

    Raises
    ------
    InputError
        Anything that cannot be used, or more points than memory allows.
    """
    if not isinstance(seed, Integral) or not 0 <= seed < 2**32:
        raise InputError(f"seed is {seed!r} but must be an integer from 0 to {2**32 - 1}")
    if exact not in ("required", "preferred"):
        raise InputError(f"exact is {exact!r} but must be required or preferred")
    device = get_backend("auto").name if device == "auto" else device
    name = engine_name(method, engine, device)
    row = METHODS[method].engines[name]
    params = check_params(method, params, engine=name)
    device = row.device(device)
    backend = backend_for(device)
    rows = _choose_rows(features, labels, subset, seed if subset_seed is None else subset_seed)
    whole = len(rows) == len(features)
    X, exponent = scale_features(features if whole else np.asarray(features)[rows])
    begin = None if start is None else _check_start(*start, rows)
    params, adapted = adapt(row, len(X), params, strict=strict)
    if exact == "preferred" and client is None:
        params = by_landmarks(row, *X.shape, params, backend)
    if start is not None:
        check_start(method, params, engine=name)
    if all((X[part] == X[0]).all() for part in strips(len(X))):
        raise InputError(f"all {len(X)} rows of the features are equal: nothing can be laid out")
    layouts = 1 if begin is None else 2
    preflight(*X.shape, method=method, engine=name, params=params, device=device, layouts=layouts)

    estimator = _estimator(row, params, seed=seed, device=device)
    shared = check_graph(graph, len(X)) if whole and graph is not None else None
    own: dict[str, Any] = {}

    def fit() -> np.ndarray:
        return estimator.fit_transform(X, graph=shared, client=client)

    began = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught, _refusals(f"{method} with engine {name}"):
        warnings.simplefilter("always")
        if begin is not None:
            log.info(f"{method}: from its own start, for comparison")
            backend.retry_on_oom(fit)
            own["objective_from_own_start"] = estimator.diagnostics_[estimator.objective]
            estimator.set_params(init=estimator.start_from(begin))
            log.info(f"{method}: from the given layout")
            caught.clear()  # of the layout that is kept
        embedding = _check_finite(backend.retry_on_oom(fit))
    if (landmarks := estimator.diagnostics_.get("landmarks")) is not None:
        adapted.append(_about_landmarks(landmarks, estimator))
    info = {
        "library": row.library,
        "device": device,
        "parameters": {k: _plain(v) for k, v in {**row.defaults(), **params}.items()},
        "seed": int(seed),
        "exponent": exponent,
        "seconds": round(time.perf_counter() - began, 3),
        **estimator.diagnostics_,
        **own,
        "warnings": [*adapted, *_sentences(caught)],
    }
    for sentence in info["warnings"]:
        log.warning(f"{method}: {sentence}")
    return Layout(rows, embedding, name, info)


def spreads(method: str, engine: str = "auto", device: str = "auto") -> bool:
    """Whether Dask's workers can compute parts of a layout; parameters as of `embed`.

    Raises
    ------
    InputError
        There is no such engine.
    """
    name = engine_name(method, engine, device)
    return METHODS[method].engines[name].load().spreads


def adapt(
    engine: Engine, n: int, params: Mapping[str, Any], *, strict: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """Lower the parameters that n points do not allow to the largest values that they do.

    Parameters
    ----------
    engine : Engine
    n : int
    params : mapping
        As of `embed`.
    strict : bool
        Refuse instead.

    Returns
    -------
    dict
        The parameters.
    list of str
        A sentence for each that was lowered.

    Raises
    ------
    InputError
        Too few points for any parameters; with `strict`, for these.
    """
    if n < engine.fewest_points:
        raise InputError(
            f"{engine.method} needs at least {engine.fewest_points} points but there {_are(n)}: "
            "give more points or another method"
        )
    limits = engine.limits(n, **params)
    needs = {
        name: f"{name} {limit.wanted:g} needs {limit.points:,} points but there {_are(n)}"
        for name, limit in limits.items()
    }
    if strict and limits:
        name, limit = next(iter(limits.items()))
        raise InputError(
            f"{needs[name]}: lower it to at most {limit.largest:g}, give more points, or do "
            "without strict"
        )
    lowered = {name: limit.largest for name, limit in limits.items()}
    sentences = [f"{needs[name]}: {largest:g} is used" for name, largest in lowered.items()]
    return {**params, **lowered}, sentences


def by_landmarks(
    engine: Engine, n: int, d: int, params: Mapping[str, Any], backend: Backend = CPU
) -> dict[str, Any]:
    """The parameters, with landmarks where all pairs of n points find no room.

    Parameters
    ----------
    engine : Engine
    n, d : int
    params : mapping
        As of `embed`.
    backend : Backend
        Who would keep the pairs.
    """
    if not engine.landmarks or params.get("landmarks") or params.get("storage") == "recompute":
        return dict(params)
    storage = params.get("storage", "auto")
    spare = engine.memory(n, d, **params)
    if choose_storage(n, storage=storage, spare=spare, backend=backend) != "none":
        return dict(params)
    return {**params, "landmarks": min(engine.landmarks, n)}


def preflight(
    n: int,
    d: int,
    *,
    method: str,
    engine: str = "auto",
    params: Mapping[str, Any] | None = None,
    device: str = "auto",
    layouts: int = 1,
) -> None:
    """Log what a layout of n points in d dimensions will need, before anything is allocated.

    Or several layouts, one after the other.

    Raises
    ------
    InputError
        It needs more memory than is available; the sentence names the largest subset that fits.
    """
    name = engine_name(method, engine, device)
    row = METHODS[method].engines[name]
    params = check_params(method, params, engine=name)
    device = row.device(device)
    message = f"{method}: {row.library}, {n:,} points"
    owners = list(dict.fromkeys(("cpu", device)))  # a GPU's work takes memory of the host too
    for owner in owners:
        need, free = _memory(row, owner, n, d, params), SHARE * available_memory(owner)
        if need > free:
            most = _largest_subset(row, owner, n, d, params, free)
            subset = f"set methods.{method}.subset to at most {most:,}" if most >= 4 else ""
            other = "choose another engine" if len(METHODS[method].engines) > 1 else ""
            remedies = [subset, other, "" if subset else "give more memory"]
            raise InputError(
                f"{method} with engine {name} needs about {need / 1e9:.3g} GB{OWNED_BY[owner]} for "
                f"{n:,} points x {d:,} features but {free / 1e9:.3g} GB are free: "
                f"{' or '.join(filter(None, remedies))}"
            )
        message += f", about {need / 1e9:.2g} GB{OWNED_BY[owner]}"
    minutes = layouts * row.seconds(n, d, **params) / 60
    if owners == ["cpu"] and minutes >= 1:
        message += f", projected {minutes:.1f} minutes on two cores"
    log.info(message)


def _choose_rows(
    features: np.ndarray, labels: np.ndarray | None, subset: int | None, seed: int
) -> np.ndarray:
    """The rows to lay out, ascending."""
    n = len(features)
    if labels is None:
        labels = np.zeros(n, dtype=np.int64)
    if len(labels) != n:
        raise InputError(
            f"the data set has {len(labels)} images but the features have {n} rows: "
            "give the data set that the features were extracted from"
        )
    if subset is None or subset >= n:
        return np.arange(n)
    return stratified_subset(labels, subset, seed=seed)


def _estimator(
    engine: Engine, params: Mapping[str, Any], *, seed: int, device: str
) -> LayoutEstimator:
    cls = engine.load()
    takes_device = "device" in inspect.signature(cls).parameters
    return cls(random_state=seed, **params, **({"device": device} if takes_device else {}))


def _memory(engine: Engine, owner: str, n: int, d: int, params: Mapping[str, Any]) -> float:
    """Bytes in the memory of the host (cpu) or of the GPU, with the parameters n points allow."""
    params, _ = adapt(engine, n, params)
    return {"cpu": engine.memory, "gpu": engine.gpu_memory}[owner](n, d, **params)


def _largest_subset(
    engine: Engine, owner: str, n: int, d: int, params: Mapping[str, Any], free: float
) -> int:
    """The largest number of points below n that fits, rounded down to two digits."""
    low, high = engine.fewest_points, n
    while high - low > 1:
        middle = (low + high) // 2
        fits = _memory(engine, owner, middle, d, params) <= free
        low, high = (middle, high) if fits else (low, middle)
    unit = 10 ** max(len(str(low)) - 2, 0)
    return low // unit * unit


@contextmanager
def _refusals(who: str) -> Iterator[None]:
    """Turn scikit-learn's refusal of a value into an `InputError` that names method and engine."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, TypeError) as error:
        raise InputError(f"{who}: {_one_line(error)}") from error


def _about_landmarks(landmarks: int, estimator: LayoutEstimator) -> str:
    """A sentence for whoever takes the layout for one of all pairs."""
    known = estimator.diagnostics_
    measure = "stress_1" if estimator.objective == "stress_1" else "residual_variance"
    name = measure.replace("_1", "-1").replace("_", " ")
    return (
        f"{landmarks:,} landmarks place all other points: of a sample of {known['sample']:,} the "
        f"{name} is {known[f'sample_{measure}']:.3f}, of the sample's exact layout "
        f"{known[f'sample_{measure}_exact']:.3f}, from which it differs by a Procrustes disparity "
        f"of {known['sample_disparity']:.3f}"
    )


def _check_start(own_rows: np.ndarray, xy: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return a start in float64, refused where it is no layout of these rows."""
    start = np.asarray(xy, dtype=np.float64)
    if not np.array_equal(own_rows, rows) or start.shape != (len(rows), 2):
        raise InputError(
            f"the start has {len(start):,} points, which are not the {len(rows):,} that are laid "
            "out: give a layout of the same points"
        )
    if not np.isfinite(start).all() or (start == start[0]).all():
        raise InputError(
            "the start must be finite and have points in different places: give another layout"
        )
    return start


def _check_finite(embedding: np.ndarray) -> np.ndarray:
    """Return an embedding in float32, refused where it has coordinates that cannot be drawn."""
    embedding = np.ascontiguousarray(embedding, dtype=np.float32)
    lost = len(embedding) - np.isfinite(embedding).all(axis=1).sum()
    if lost:
        raise ValueError(
            f"{lost} of {len(embedding)} points have non-finite coordinates; try other parameters"
        )
    return embedding


def _are(n: int) -> str:
    return f"are {n:,}" if n != 1 else "is 1"


def _plain(value: Any) -> Any:
    """A value as JSON can hold it: arrays become a word, numpy's numbers Python's."""
    if isinstance(value, np.ndarray):
        return f"array {value.shape}"
    return value.item() if isinstance(value, np.generic) else value


def _sentences(caught: list[warnings.WarningMessage]) -> list[str]:
    """What concerns the result, each once; what concerns programmers is left out."""
    concerning = [w for w in caught if issubclass(w.category, (UserWarning, RuntimeWarning))]
    return list(dict.fromkeys(_one_line(w.message) for w in concerning))


def _one_line(message: object) -> str:
    return " ".join(str(message).split())
