"""The runs of a study: each backbone, and its controls, which tell a change from noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from pipeline.config import Backbone, MobileNet, Study
from pipeline.methods.registry import METHODS, engine_name
from pipeline.workflow.commands import split_options


class Run(NamedTuple):
    """A backbone that is built, or fine-tuned, or both.

    Attributes
    ----------
    backbone : str
        Its Keras name.
    options : Backbone or MobileNet
        None for features of other programs.
    seed : int
    shares_before : str
        Name of the run whose model and features before fine-tuning it takes: its own, or, for
        another seed of fine-tuning, those of the backbone.
    control : str
        Empty for the backbone itself, else "seed" or "random".
    """

    backbone: str
    options: Backbone | MobileNet | None
    seed: int
    shares_before: str
    control: str = ""


def runs_of(study: Study) -> dict[str, Run]:
    """The runs by the name of their folder under results/<study>.

    Controls are fine-tunings of the same backbone by other seeds, of which only the features are
    measured, and the same architecture with random weights, which is not fine-tuned.
    """
    options = study.backbones or {}
    runs = {name: Run(name, options.get(name), study.seed, name) for name in study.names}
    for name in study.controlled:
        main = runs[name]
        for seed in other_seeds(study, study.controls.seeds):
            runs[f"controls/{name}_seed{seed}"] = main._replace(seed=seed, control="seed")
        if study.controls.random_weights:
            folder = f"controls/{name}_random"
            untrained = options[name].model_copy(update={"weights": "random"})
            runs[folder] = Run(name, untrained, study.seed, folder, "random")
    return runs


def other_seeds(study: Study, count: int) -> list[int]:
    """The seeds after the study's own, `count` in all with that."""
    return [(study.seed + more) % 2**32 for more in range(1, count)]


def stochastic(study: Study, device: str = "auto") -> list[str]:
    """The methods of a study of which another seed gives another layout."""
    found = []
    for method, given in study.methods.items():
        options = split_options(given)
        engine = engine_name(method, options["engine"] or "auto", device)
        if METHODS[method].engines[engine].stochastic(**options["params"]):
            found.append(method)
    return found


def before(runs: dict[str, Run], path: str) -> Callable[[Any], str]:
    """An input function: a file of before fine-tuning, a run's own or that of what it controls.

    Parameters
    ----------
    runs : dict of str to Run
    path : str
        With the wildcards {backbone} and {stage}.
    """
    return lambda wildcards: path.format(
        backbone=runs[wildcards.backbone].shares_before, stage="before"
    )


def start_before(study: Study) -> Callable[[Any], list[str]]:
    """An input function: the layout before fine-tuning that one after it starts from, if it does.

    A layout by another seed starts from the one before by that seed.
    """

    def start(wildcards: Any) -> list[str]:
        method, seed = wildcards.method, wildcards.get("seed")
        if wildcards.stage == "before" or not study.methods[method].get("start"):
            return []
        name = method if seed is None else f"controls/{method}_seed{seed}"
        return [f"<results>/{wildcards.backbone}/before/{name}.parquet"]

    return start


# What is computed of a control, relative to its folder.
FILES = {
    "seed": [
        *(f"after/{name}" for name in ("model.keras", "features.npy", "graph.npz", "quality.json")),
        "change.json",
    ],
    "random": [
        f"before/{name}" for name in ("model.keras", "features.npy", "graph.npz", "quality.json")
    ],
}


def control_files(runs: dict[str, Run]) -> list[str]:
    """What is computed of all controls, relative to results/<study>; measures end in .json."""
    return [
        f"{folder}/{file}" for folder, run in runs.items() for file in FILES.get(run.control, [])
    ]
