"""What can be refused or said before anything runs, beyond what the configuration says alone."""

from __future__ import annotations

from pathlib import Path

from pipeline.config import Controls, Study
from pipeline.errors import InputError
from pipeline.images.dataset import check_source, count_images, resolve_source
from pipeline.measures.table import check_names
from pipeline.methods.embed import adapt
from pipeline.methods.registry import METHODS, check_start, engine_name
from pipeline.networks.backbone import NAMED_WEIGHTS, check_options
from pipeline.runtime.cluster import check_answer, find_scheduler_file
from pipeline.runtime.device import planned_device
from pipeline.runtime.log import log
from pipeline.workflow.commands import split_options
from pipeline.workflow.compare import examine, locate_compared
from pipeline.workflow.forecast import Images
from pipeline.workflow.runs import stochastic


def locate(study: Study, folder: Path) -> Study:
    """The study with the places of its files: in the working directory, or else in `folder`.

    Raises
    ------
    InputError
        A data set, a weights file or a scheduler file that is in neither.
    """
    study = study.model_copy(update={"dask": find_scheduler_file(study.dask, folder)})
    if study.compare:
        study = study.model_copy(update={"compare": locate_compared(study.compare, folder)})
    if study.dataset is None:
        return study
    source = resolve_source(study.dataset.source, folder)
    backbones = {
        name: backbone.model_copy(update={"weights": _weights(name, backbone.weights, folder)})
        for name, backbone in study.backbones.items()
    }
    dataset = study.dataset.model_copy(update={"source": source})
    return study.model_copy(update={"dataset": dataset, "backbones": backbones})


def _weights(backbone: str, weights: str, folder: Path) -> str:
    if weights in NAMED_WEIGHTS:
        return weights
    tried = list(dict.fromkeys([Path(weights).expanduser(), folder / weights]))
    for path in tried:
        if path.is_file():
            return str(path)
    raise InputError(
        f"backbones.{backbone}.weights {weights!r} does not exist, tried as "
        f"{' and '.join(map(str, tried))}: give {', '.join(NAMED_WEIGHTS)}, or the path of a "
        "weights file"
    )


def check_study(study: Study) -> tuple[Images, list[str]]:
    """Refuse a study that would fail late, or lose what an earlier run computed.

    Snakemake removes the output of a job before it runs the job: a mistyped path must not get
    that far.

    Returns
    -------
    Images
        What is known of the images.
    list of str
        Parameters that so few images do not allow, and what is used instead; controls that change
        nothing.

    Raises
    ------
    InputError
        Controls of a backbone that the study has not; a Dask scheduler that is silent; a backbone
        of another size, width or weights than there are; a method that takes more neighbours than
        the graph has; with `strict`, a parameter that so few images do not allow; features of
        other programs that cannot be compared, or have no cosine.
    """
    _check_names(study)
    check_answer(study.dask)
    if study.dataset is None:
        assert study.compare is not None
        examined = examine(study.compare)
        images = examined.images
        if study.metric == "cosine" and examined.zeros:
            raise InputError(
                f"metric is cosine but {' and '.join(examined.zeros)} are all zeros, which have no "
                "direction: set metric to euclidean, or leave these images out"
            )
    else:
        for name, backbone in (study.backbones or {}).items():
            size = backbone.image_size or study.image_size
            check_options(name, size, backbone.alpha, backbone.weights)
        check_source(study.dataset.source)
        subset = study.dataset.model_dump()["subset"]
        images = Images(*count_images(study.dataset.source, subset=subset))
    said = [each for name in study.methods for each in _check_method(study, name, images.count)]
    if study.controls.layout_seeds > 1 and not stochastic(study):
        said.append(
            f"controls.layout_seeds is {study.controls.layout_seeds} but no layout of "
            f"{', '.join(study.methods)} depends on a seed: none is computed again"
        )
    return images, said


def _check_names(study: Study) -> None:
    """Names that refer to other keys, or to measures."""
    if study.compare and study.controls != Controls(layout_seeds=study.controls.layout_seeds):
        raise InputError(
            "controls but layout_seeds need backbones that can be fine-tuned again: leave them out "
            "with compare"
        )
    for name in study.controls.backbones or []:
        if name not in study.backbones:
            raise InputError(
                f"controls.backbones has {name!r} but the backbones of the study are "
                f"{', '.join(study.backbones)}: name some of these"
            )
    for number, claim in enumerate(study.claims):
        names = claim.measure, claim.space, claim.stage
        check_names(*names, methods=study.methods, source=f"claims.{number}.")


def _check_method(study: Study, method: str, images: int) -> list[str]:
    """What is lowered of the parameters of a method."""
    options = split_options(study.methods[method])
    device = planned_device(study.device)
    engines = METHODS[method].engines
    engine = engines[engine_name(method, options["engine"] or "auto", device)]
    absent = [e.package for e in engines.values() if device in e.devices and not e.installed]
    if absent and device not in engine.devices:
        log.info(
            f"methods.{method}: {engine.library} computes it on the CPU, since {absent[0]} is not "
            "installed"
        )
    params, subset = options["params"], options["subset"]
    if options["start"]:
        check_start(method, params, engine=options["engine"] or "auto")
    points = min(images, subset or images)
    params, sentences = adapt(engine, points, params, strict=study.strict)
    # The shared graph serves layouts of all points; a subset gets a graph of its own.
    needed, available = engine.neighbors(**params), study.graph.n_neighbors
    if needed > available and subset is None:
        raise InputError(
            f"methods.{method} needs {needed} neighbours of each point but graph.n_neighbors is "
            f"{available}: raise that to {needed}, or lower the method's parameter"
        )
    return [f"methods.{method}: {sentence}" for sentence in sentences]
