"""Tunescope's own engines, called as the workflow calls them."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from bench.run.task import Call, Outcome, Task
from bench.what.measures import measure_layout
from pipeline.errors import InputError
from pipeline.images.subset import stratified_subset
from pipeline.measures.change import measure_change
from pipeline.measures.quality import Laid, measure_layouts
from pipeline.measures.table import FEATURES, look_up
from pipeline.methods.embed import embed
from pipeline.methods.registry import METHODS
from pipeline.neighbors.graph import knn_graph


def find(step: str, engine: str) -> Call:
    """The engine of a step: of the table below, or of a method by its name in `METHODS`.

    Raises
    ------
    InputError
    """
    if step in METHODS and engine in METHODS[step].engines:
        return partial(layout, engine=engine)
    try:
        return OTHERS[step, engine]
    except KeyError:
        raise InputError(f"no engine {engine!r} at step {step!r}") from None


def layout(task: Task, *, engine: str, **params: Any) -> Outcome:
    """Lay out by `pipeline.methods.embed`, its pre-flight check included."""
    made = embed(
        task.X,
        method=task.step,
        engine=engine,
        params=params,
        graph=task.graph,
        seed=task.seed,
        device=task.device,
    )
    # The variance of PCA's layout is compared with that of the features: in their unit.
    exponent = made.info["exponent"] if task.step == "pca" else 0
    return Outcome(
        layout=np.ldexp(made.embedding, exponent),
        transfer_seconds=made.info.get("transfer_seconds", 0.0),
        info=made.info,
    )


def extract(task: Task, *, backbone: str, image_size: int, alpha: float = 1.0) -> Outcome:
    """`pipeline.networks.features.extract_features`, in the default precision of the device.

    The network's weights are random, which does not change the speed. What the precision changes is
    measured on a part of the images. Building and compiling are not timed.
    """
    import keras

    from bench.what.matrix_rate import compare_with_matrix_rate
    from bench.what.precision import compare_precisions
    from pipeline.networks.backbone import build_backbone
    from pipeline.networks.features import extract_features

    model, _ = build_backbone(
        backbone,
        input_shape=task.X.shape[1:],
        image_size=image_size,
        alpha=alpha,
        weights="random",
        seed=task.seed,
    )
    _, info, _ = extract_features(model, task.X)
    rows = stratified_subset(task.labels, min(COMPARED, len(task.X)), seed=task.seed)
    precision = info["precision"]
    compared = compare_precisions(model, task.X[rows], task.labels[rows], precisions=(precision,))
    info |= compare_with_matrix_rate(info["gflop_per_second"], precision)
    return Outcome(
        values={"kept_neighbors": compared[precision]["recall"]},
        seconds=len(task.X) / info["images_per_second"],
        info={**info, "backend": keras.backend.backend()},
    )


def exact_graph(task: Task, *, k: int) -> Outcome:
    """`pipeline.neighbors.graph.knn_graph`."""
    return Outcome(graph=knn_graph(task.X, k=k, device=task.device))


def measures(task: Task, *, k: int) -> Outcome:
    """Both measures of one layout, over all points."""
    assert task.graph is not None
    return Outcome(values=measure_layout(task.layout, task.labels, task.graph, k=k))


def all_measures(task: Task, *, k: int) -> Outcome:
    """`pipeline.measures.quality.measure_layouts` of the features and six layouts of all points.

    The layouts are pairs of leading features: what is measured takes as long for any other.
    """
    rows = np.arange(len(task.X))
    layouts = {f"{i}": Laid(rows, task.X[:, [i, i + 1]], task.labels) for i in range(6)}
    found = measure_layouts(
        layouts,
        features=task.X,
        graph=task.graph,
        labels=task.labels,
        split=_split(len(rows)),
        k=k,
        device=task.device,
    )
    shown = look_up(found["measures"], FEATURES, "knn_accuracy")
    return Outcome(values={} if shown is None else {"features_knn_accuracy": shown[1]["value"]})


def change(task: Task, *, k: int) -> Outcome:
    """`pipeline.measures.change.measure_change` against the same features, reflected.

    Their graph is the same, and their debiased CKA is 1.
    """
    found = measure_change(
        task.X,
        -task.X[:, ::-1],
        labels=task.labels,
        split=_split(len(task.X)),
        graphs=(task.graph, task.graph),
        k=k,
        device=task.device,
    )
    shown = look_up(found.measures, FEATURES, "cka")
    return Outcome(values={} if shown is None else {"cka": shown[1]["value"]})


def _split(n: int) -> np.ndarray:
    """Every seventh point is a test point, as in MNIST."""
    return np.where(np.arange(n) % 7 == 0, "test", "train")


COMPARED = 2000  # images whose features are extracted in float32 too

OTHERS: dict[tuple[str, str], Call] = {
    ("features", "keras"): extract,
    ("graph", "tunescope"): exact_graph,
    ("quality", "tunescope"): measures,
    ("quality", "all-measures"): all_measures,
    ("quality", "change"): change,
}
