"""Tunescope's own engines, called as the pipeline calls them."""

from __future__ import annotations

from functools import partial
from typing import Any

from bench.task import Call, Outcome, Task
from pipeline.embed import embed
from pipeline.engines import METHODS
from pipeline.errors import InputError
from pipeline.graph import knn_graph
from pipeline.quality import measure


def find(stage: str, engine: str) -> Call:
    """The engine of a stage: of the table below, or of a method by its name in `METHODS`.

    Raises
    ------
    InputError
    """
    if stage in METHODS and engine in METHODS[stage].engines:
        return partial(layout, engine=engine)
    try:
        return OTHERS[stage, engine]
    except KeyError:
        raise InputError(f"no engine {engine!r} at stage {stage!r}") from None


def layout(task: Task, *, engine: str, **params: Any) -> Outcome:
    """Lay out by `pipeline.embed`, its pre-flight check included."""
    made = embed(
        task.X,
        method=task.stage,
        engine=engine,
        params=params,
        graph=task.graph,
        seed=task.seed,
        device=task.device,
    )
    transfer = made.info.get("transfer_seconds", 0.0)
    return Outcome(layout=made.embedding, transfer_seconds=transfer, info=made.info)


def exact_graph(task: Task, *, k: int) -> Outcome:
    """`pipeline.graph.knn_graph`."""
    return Outcome(graph=knn_graph(task.X, k=k, device=task.device))


def measures(task: Task, *, k: int) -> Outcome:
    """`pipeline.quality.measure` of a layout."""
    return Outcome(values=measure(task.layout, task.labels, graph=task.graph, k=k))


OTHERS: dict[tuple[str, str], Call] = {
    ("graph", "tunescope"): exact_graph,
    ("quality", "tunescope"): measures,
}
