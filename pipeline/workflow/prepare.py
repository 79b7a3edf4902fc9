"""Before the rules: check the study, plan its resources, set up what its jobs inherit."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError

from pipeline.config import Study, parse_config
from pipeline.errors import InputError
from pipeline.runtime.cluster import DASK
from pipeline.runtime.log import log
from pipeline.runtime.run import PARENT
from pipeline.workflow.checks import check_study, locate
from pipeline.workflow.forecast import forecast
from pipeline.workflow.lock import hold_lock
from pipeline.workflow.resources import StudyResources
from pipeline.workflow.sources import ROOT


def prepare(
    config: Mapping[str, Any], files: Sequence[str], cores: int, limits: Mapping[str, Any]
) -> tuple[Study, StudyResources]:
    """Check a configuration and prepare this process for running it.

    Parameters
    ----------
    config : mapping
        As Snakemake read it.
    files : sequence of path
        Where it was read; paths in it may start at the folder of the last one.
    cores, limits
        See `StudyResources`.

    Raises
    ------
    WorkflowError
        The configuration is wrong, or names what is not there.
    """
    try:
        folder = Path(files[-1]).parent if files else Path()
        study = locate(parse_config(config), folder)
        images, lowered = check_study(study)
        resources = StudyResources(study, cores, limits, forecast(study, images).longest)
    except InputError as error:
        raise WorkflowError(str(error)) from None
    for sentence in lowered:
        log.warning(sentence)
    _set_up_jobs(resources.device, study.dask)
    hold_lock()
    return study, resources


def _set_up_jobs(device: str, dask: str) -> None:
    """Let every job take the Python and code that run Snakemake, and the device and cluster."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    os.environ["TUNESCOPE_DEVICE"] = device
    os.environ[DASK] = dask  # no parameter of a rule: it changes no result, and so repeats no step
    os.environ[PARENT] = str(os.getpid())
    if (ROOT / "pyproject.toml").is_file():  # not installed: a source tree, maybe elsewhere
        others = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), others]))
