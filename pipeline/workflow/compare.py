"""Features of other programs: where they are, what they hold, and a study of one command line."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.config import COMPARED, Compare, Study, parse_config
from pipeline.errors import InputError
from pipeline.images.names import counted, examples
from pipeline.images.pair import load_pair
from pipeline.images.tables import parse_place
from pipeline.runtime.yaml_text import write_yaml
from pipeline.workflow.commands import content_digest
from pipeline.workflow.forecast import Images

FILES = (*COMPARED, "before_model", "after_model")  # keys of `Compare` that name them


class Examined(NamedTuple):
    """What is known of features before any step runs.

    Attributes
    ----------
    images : Images
    labelled : bool
    warnings : tuple of str
    zeros : tuple of str
        Which rows of which features are all zeros.
    """

    images: Images
    labelled: bool
    warnings: tuple[str, ...]
    zeros: tuple[str, ...]


def locate_compared(compare: Compare, folder: Path) -> Compare:
    """The places of the files: in the working directory, or else in `folder`.

    Raises
    ------
    InputError
        A file that is in neither.
    """
    given = {name: getattr(compare, name) for name in FILES}
    found = {name: _locate(name, text, folder) for name, text in given.items() if text}
    return compare.model_copy(update=found)


def _locate(name: str, text: str, folder: Path) -> str:
    path = os.path.expanduser(text)
    tried = list(dict.fromkeys([path, os.path.join(folder, path)]))
    for each in tried:
        if parse_place(each).path.exists():
            return each
    raise InputError(
        f"compare.{name} {text!r} does not exist, tried as {' and '.join(tried)}: give the path of "
        "a file, with ::key for one array or column of several"
    )


def examine(compare: Compare) -> Examined:
    """Read the features, as the step `pair` will, to refuse what cannot be compared.

    Raises
    ------
    InputError
    """
    files = {name: getattr(compare, name) for name in COMPARED if name != "images"}
    return _examine(**files, content=contents(compare))


@cache
def _examine(content: str, **files: str | None) -> Examined:
    """Once a process: `tunescope study` and the rules ask for the same."""
    found = load_pair(**files)  # type: ignore[arg-type]
    tested = int((found.split == "test").sum())
    widths = found.before.shape[1], found.after.shape[1]
    images = Images(len(found.ids) - tested, tested, widths)
    zeros = tuple(
        f"{counted(len(rows), 'row')} of {name} ({examples([str(row) for row in rows.tolist()])})"
        for name in ("before", "after")
        if len(rows := np.flatnonzero(~getattr(found, name).any(axis=1)))
    )
    return Examined(images, bool(found.class_names), found.warnings, zeros)


def contents(compare: Compare) -> str:
    """Digests of all files, by which an edit re-runs the step that reads them."""
    paths = [str(parse_place(text).path) for text in map(compare.__getattribute__, FILES) if text]
    return " ".join(str(content_digest(path)) for path in paths)


def is_labelled(study: Study) -> bool:
    """Whether the images of a study have classes."""
    compare = study.compare
    return compare is None or compare.before is None or examine(compare).labelled


def run_comparison(
    files: Mapping[str, str | None],
    out: Path,
    *,
    methods: Sequence[str],
    name: str,
    seed: int,
    cores: str,
    gpus: int,
) -> None:
    """Write the configuration of a study into a folder, and run it there.

    Parameters
    ----------
    files : mapping
        The keys of `FILES`; those that are None are left out.
    out : Path
        Made where it is missing. Its name is the study's.
    methods : sequence of str
    name : str
        Of the features.
    seed, cores, gpus
        See `run_study`.

    Raises
    ------
    InputError
        See `run_study`; and a name of a folder that no study can have.
    """
    from pipeline.workflow.study import run_study

    study = re.sub("[^A-Za-z0-9_-]+", "-", out.resolve().name).strip("-_")[:100] or "comparison"
    given = {key: os.path.abspath(text) for key, text in files.items() if text}
    config = {
        "study": study,
        "seed": seed,
        "compare": {**given, "name": name},
        "methods": {method: {} for method in methods},
    }
    locate_compared(parse_config(config).compare, Path())  # type: ignore[arg-type]
    out.mkdir(parents=True, exist_ok=True)
    path = out / "compare.yaml"
    path.write_text(write_yaml(config), encoding="utf-8")
    run_study(path.resolve(), cores=cores, gpus=gpus, folder=out)
