"""Small helpers of the Snakefile: command-line flags and tracked inputs."""

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any


def set_up_jobs(device: str) -> None:
    """Let every job take the Python that runs Snakemake, and the device that was chosen here.

    With ``--software-deployment-method conda`` the environment of `environment.yml` comes first.
    """
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    os.environ["TUNESCOPE_DEVICE"] = device


def share_of_cores(cores: int, gpus: Any) -> int:
    """Cores of a GPU job: all of them, or a part if several GPUs are given to the workflow.

    Parameters
    ----------
    cores : int
    gpus : snakemake's resource "gpu" or None
        Its `value` is the N of ``--resources gpu=N``.
    """
    return max(1, cores // max(1, gpus.value if gpus else 1))


def flags(**options: Any) -> str:
    """Command-line flags for `options`: None is left out, a dict becomes JSON, all is quoted.

    >>> flags(source="my images", subset=None, batch_size=512)
    "--source 'my images' --batch-size 512"
    """
    words = []
    for name, value in options.items():
        if value is not None:
            text = json.dumps(value, sort_keys=True) if isinstance(value, dict) else str(value)
            words += [f"--{name.replace('_', '-')}", shlex.quote(text)]
    return " ".join(words)


def split_options(parameters: dict[str, Any]) -> dict[str, Any]:
    """Part a method's options into the flags of `tunescope embed` and the engine's ``params``."""
    params = dict(parameters)
    own = {name: params.pop(name, None) for name in ("engine", "subset")}
    return {**own, "params": params}


def repeated(flag: str, paths: list[str]) -> str:
    """The flag once before each path."""
    return " ".join(f"--{flag} {shlex.quote(str(path))}" for path in paths)


def tracked(*names: str) -> list[str]:
    """Those of `names` that are existing files: a change of a user's file re-runs its stage.

    A name such as ``mnist`` or a file that is missing is left to the stage, whose error says what
    to do.
    """
    return [name for name in names if Path(name).is_file()]
