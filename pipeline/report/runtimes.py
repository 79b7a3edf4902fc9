"""Run times: where a study's time, memory and energy went, one row a job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

STEPS = (
    "dataset",
    "pair",
    "backbone",
    "finetune",
    "features",
    "graph",
    "embed",
    "quality",
    "change",
    "depth",
    "figure",
    "summary",
)
STAGES = ("", "before", "after")
OF_A_STAGE = ("features", "graph", "embed", "quality")  # backbone and finetune make one


def tabulate_runtimes(sidecars: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Tabulate what jobs took, out of the sidecars of what they made.

    Parameters
    ----------
    sidecars : iterable of mapping
        One of each artefact, see `pipeline.store`.

    Returns
    -------
    DataFrame
        In the order of the workflow: step, backbone, weights, seed (of fine-tuning), stage (before,
        after), method, layout_seed, seconds (wall, of the whole process), cpu_seconds (of all its
        threads), peak_mb (largest resident memory), gpu_peak_mb, gpu_energy_j (see
        `pipeline.runtime.gpus.metered`). What does not apply is empty.
    """
    import pandas as pd

    table = pd.DataFrame([_row(sidecar) for sidecar in sidecars]).astype({"layout_seed": "Int64"})
    order = {"step": STEPS, "stage": STAGES}
    return table.sort_values(
        ["step", "backbone", "stage", "method", "layout_seed"],
        key=lambda column: (
            column.map(order[str(column.name)].index) if column.name in order else column
        ),
        ignore_index=True,
    )


def _row(sidecar: Mapping[str, Any]) -> dict[str, Any]:
    step, context = sidecar["step"], sidecar.get("context", {})
    process, gpu = sidecar.get("process", {}), sidecar.get("gpu", {})
    return {
        "step": step,
        "backbone": context.get("backbone", "") if step != "summary" else "",
        "weights": context.get("weights", "") if step != "summary" else "",
        "seed": context.get("seed") if step != "summary" else None,
        "stage": context.get("stage", "") if step in OF_A_STAGE else "",
        "method": context.get("method", "") if step == "embed" else "",
        "layout_seed": context.get("layout_seed") if step == "embed" else None,
        "seconds": process.get("seconds", sidecar.get("seconds")),
        "cpu_seconds": process.get("cpu_seconds", float("nan")),
        "peak_mb": sidecar.get("peak_memory_mb"),
        "gpu_peak_mb": gpu.get("peak_memory_mb", float("nan")),
        "gpu_energy_j": gpu.get("energy_j", float("nan")),
    }
