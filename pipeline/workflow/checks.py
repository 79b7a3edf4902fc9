"""What can be refused before anything runs, beyond what the configuration says alone."""

from __future__ import annotations

from pathlib import Path

from pipeline.config import Study
from pipeline.errors import InputError
from pipeline.images.dataset import check_source
from pipeline.methods.registry import METHODS, engine_name
from pipeline.networks.backbone import NAMED_WEIGHTS
from pipeline.workflow.commands import split_options


def check_study(study: Study) -> None:
    """Refuse a study that would fail late, or lose what an earlier run computed.

    Snakemake removes the output of a job before it runs the job: a mistyped path must not get
    that far.

    Raises
    ------
    InputError
        A data set or a weights file that does not exist; a method that takes more neighbours than
        the graph has.
    """
    check_source(study.dataset.source)
    for name, backbone in study.backbones.items():
        if backbone.weights not in NAMED_WEIGHTS and not Path(backbone.weights).is_file():
            raise InputError(
                f"backbones.{name}.weights {backbone.weights!r} does not exist: give "
                f"{', '.join(NAMED_WEIGHTS)}, or the path of a weights file"
            )
    for method in study.methods:
        _check_neighbors(study, method)


def _check_neighbors(study: Study, method: str) -> None:
    """The shared graph serves layouts of all points; a subset gets a graph of its own."""
    options = split_options(study.methods[method])
    engine = METHODS[method].engines[engine_name(method, options["engine"] or "auto")]
    needed, available = engine.neighbors(**options["params"]), study.graph.n_neighbors
    if needed > available and options["subset"] is None:
        raise InputError(
            f"methods.{method} needs {needed} neighbours of each point but graph.n_neighbors is "
            f"{available}: raise that to {needed}, or lower the method's parameter"
        )
