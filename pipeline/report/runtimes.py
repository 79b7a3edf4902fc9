"""Where a study's time went: the benchmark files of the workflow as one table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import STAGES
from pipeline.errors import InputError
from pipeline.store import read_sidecar

if TYPE_CHECKING:
    import pandas as pd

# Rules whose benchmark file has their own name, in the order of the workflow. The files of a
# method are called after the method, those of its measures <method>.quality.
ORDER = (
    "dataset",
    "backbone",
    "finetune",
    "features",
    "graph",
    "embed",
    "quality",
    "figure",
    "summary",
    "runtimes",
)
OF_THE_STUDY = ("dataset", "summary", "runtimes")  # the others have a backbone
OF_A_STAGE = ("features", "graph", "embed", "quality")


def runtimes(files: Iterable[Path], artefacts: Iterable[Path] = ()) -> pd.DataFrame:
    """Tabulate Snakemake's benchmark files.

    Parameters
    ----------
    files : iterable of Path
        `benchmarks/<study>/[<backbone>/[<stage>/]]<name>.tsv`.
    artefacts : iterable of Path
        `results/<study>/<backbone>/<stage>/<name>`, whose sidecars say what their jobs took of a
        GPU.

    Returns
    -------
    DataFrame
        One row a job, in the order of the workflow: rule, backbone, stage (before, after), method,
        seconds (wall), cpu_seconds, peak_mb (largest resident memory), gpu_peak_mb, gpu_energy_j
        (see `pipeline.runtime.gpus.metered`). What does not apply is empty; so are figures of jobs too
        short for Snakemake to sample.

    Raises
    ------
    InputError
        A file is not one of Snakemake's benchmark files, or there is none.
    """
    import pandas as pd

    rows = [_row(Path(file)) for file in files]
    if not rows:
        raise InputError("there are no benchmark files: run the workflow first")
    table = pd.DataFrame(rows)
    gpu = dict(map(_gpu, artefacts))
    jobs = list(
        zip(*(table[name] for name in ("rule", "backbone", "stage", "method")), strict=True)
    )
    for column, name in (("gpu_peak_mb", "peak_memory_mb"), ("gpu_energy_j", "energy_j")):
        table[column] = [gpu.get(job, {}).get(name, float("nan")) for job in jobs]
    keys = {"rule": ORDER, "stage": ("", *STAGES)}
    return table.sort_values(
        ["rule", "backbone", "stage", "method"],
        key=lambda column: (
            column.map(keys[str(column.name)].index) if column.name in keys else column
        ),
        ignore_index=True,
    )


def _row(path: Path) -> dict[str, object]:
    import pandas as pd

    try:
        # "-" and "NA" stand for what was not sampled; the last line is that of the last repeat.
        measured = pd.read_csv(path, sep="\t", na_values=["-", "NA"]).iloc[-1]
        figures = {
            "seconds": float(measured["s"]),
            "cpu_seconds": float(measured["cpu_time"]),
            "peak_mb": float(measured["max_rss"]),
        }
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise InputError(
            f"{path} is not a benchmark file of Snakemake ({error}): delete it and run the "
            "workflow again"
        ) from None
    rule, method = _rule(path)
    folders = list(path.parent.parts)
    stage = folders.pop() if folders and folders[-1] in STAGES else ""
    backbone = "" if rule in OF_THE_STUDY or not folders else folders[-1]
    return {"rule": rule, "backbone": backbone, "stage": stage, "method": method, **figures}


def _gpu(artefact: Path) -> tuple[tuple[str, str, str, str], dict[str, Any]]:
    """The job that made an artefact, and what it took of a GPU."""
    made = read_sidecar(artefact)
    rule, (backbone, stage) = made.get("stage", ""), artefact.parent.parts[-2:]
    method = made.get("parameters", {}).get("method", "")
    return (rule, backbone, stage if rule in OF_A_STAGE else "", method), made.get("gpu", {})


def _rule(path: Path) -> tuple[str, str]:
    name = path.name.removesuffix(".tsv")
    if name.endswith(".quality"):
        return "quality", name.removesuffix(".quality")
    return (name, "") if name in ORDER else ("embed", name)
