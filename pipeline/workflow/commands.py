"""How rules are written: the command of a verb, the files of an artefact, flags, tracked inputs."""

import hashlib
import json
import os
import shlex
from pathlib import Path
from typing import Any

from pipeline.config import TrainingSubset

__all__ = [
    "artefact",
    "content_digest",
    "flags",
    "split_options",
    "subset_options",
    "verb",
]


def verb(name: str, arguments: str = "", *, device: str = "") -> str:
    """The shell command of a rule: one verb, whose output goes to the terminal and to the log.

    Parameters
    ----------
    name : str
        A verb of `tunescope`.
    arguments : str
        What differs between rules, with Snakemake's fields, such as
        ``"--features {input.features:q}"``.
    device : str
        Where it computes, if that is not always the study's device.
    """
    where = f"--device {device} " if device else ""
    return (
        f"python -m pipeline --threads {{threads}} {where}{name} {{params.options}} {arguments}"
        " --out {output.artefact:q} 2>&1 | tee -i {log:q}"
    )


def artefact(path: str) -> dict[str, str]:
    """The outputs of a rule: a file and its sidecar."""
    return {"artefact": path, "sidecar": f"{path}.json"}


def flags(**options: Any) -> str:
    """Command-line flags for `options`: None and False are left out, a dict becomes JSON.

    A list repeats its flag once before each entry. All is quoted.

    >>> flags(source="my images", subset=None, layout=["a", "b"])
    "--source 'my images' --layout a --layout b"
    """
    words = []
    for name, value in options.items():
        for each in value if isinstance(value, list | tuple) else [value]:
            if each is None or each is False:
                continue
            words.append(f"--{name.replace('_', '-')}")
            if each is not True:
                text = json.dumps(each, sort_keys=True) if isinstance(each, dict) else str(each)
                words.append(shlex.quote(text))
    return " ".join(words)


def split_options(parameters: dict[str, Any]) -> dict[str, Any]:
    """Part a method's options into the study's own and the engine's ``params``."""
    params = dict(parameters)
    own = {name: params.pop(name, None) for name in ("engine", "subset", "start")}
    return {**own, "params": params}


def subset_options(subset: int | TrainingSubset | None) -> dict[str, int | None]:
    """The flags of `tunescope dataset` for a subset of all images, or of the training images."""
    if isinstance(subset, TrainingSubset):
        return {"subset_train": subset.train}
    return {"subset": subset}


def content_digest(source: str) -> str | None:
    """Digest of the names, sizes and times of the files that a user named.

    As a parameter of a rule it re-runs the step that reads them when a file is edited, added or
    removed. Not an input of the rule: in those Snakemake reads braces as wildcards.

    Parameters
    ----------
    source : str
        A file or an image folder; anything else, such as ``mnist`` or a missing file, is left to
        the step, whose error says what to do.

    Returns
    -------
    str or None
        Hexadecimal SHA-256; None where there is no such file or folder.
    """
    root = Path(source).expanduser()
    if not root.exists():
        return None
    digest = hashlib.sha256()
    one_file: list[tuple[str, list[str], list[str]]] = [(str(root.parent), [], [root.name])]
    walk = os.walk(root, followlinks=True) if root.is_dir() else one_file
    for folder, subfolders, names in walk:
        subfolders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            stat = os.stat(path) if os.path.exists(path) else os.lstat(path)
            line = f"{os.path.relpath(path, root)}\0{stat.st_size}\0{stat.st_mtime_ns}\n"
            digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()
