"""`tunescope check`: what of an input will hurt, and what a study will take, before it runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.config import Study, load_config
from pipeline.images.dataset import TIME_LIMIT, look_at
from pipeline.images.published import PUBLISHED
from pipeline.networks.backbone import BACKBONES, too_small
from pipeline.networks.recipe import parse_recipe
from pipeline.networks.schedule import few_steps
from pipeline.runtime.log import log
from pipeline.workflow.checks import check_study, locate
from pipeline.workflow.compare import examine
from pipeline.workflow.forecast import forecast
from pipeline.workflow.room import lacking

RESOURCES = Path("resources")


def check_input(config: Path) -> None:
    """Read what a study will read, and say what will hurt and what it will take; write nothing.

    Parameters
    ----------
    config : Path
        A YAML file, see `pipeline.config`.

    Raises
    ------
    InputError
        What the study would refuse.
    """
    study = locate(load_config(config), config.parent)
    images, lowered = check_study(study)
    expected = forecast(study, images)
    found, seen = _input(study)
    found = [*lowered, *_networks(study, images.train), *found, *lacking(expected, Path())]
    for sentence in found:
        log.warning(sentence)
    print(f"{study.study}: {expected}")
    if not found:
        print(f"{study.study}: nothing found that will hurt{seen}")


def _networks(study: Study, training: int) -> Iterator[str]:
    """Networks that see too little of the images, or for too few steps."""
    recipe = parse_recipe(study.finetune)
    learned = max(1, int(training * (1 - recipe.validation)))
    if study.backbones and (sentence := few_steps(recipe, learned)):
        yield sentence
    for name, backbone in (study.backbones or {}).items():
        size = backbone.image_size or study.image_size
        yield from too_small(name, size, backbone.weights)
        if backbone.weights == "imagenet":
            _is_there([BACKBONES[name].imagenet(backbone.alpha, size).path], f"weights of {name}")


def _input(study: Study) -> tuple[list[str], str]:
    """What the step that reads the input will say of it, and which images were not looked at."""
    if study.dataset is None:
        assert study.compare is not None
        return list(examine(study.compare).warnings), ""
    source = study.dataset.source
    files = PUBLISHED[source].files if source in PUBLISHED else ()
    if not _is_there([file.path for file in files], f"images of {source}"):
        return [], ", but the images were not looked at"
    look = look_at(
        source,
        resources=RESOURCES,
        image_size=study.image_size,
        subset=study.dataset.model_dump()["subset"],
        seed=study.seed,
    )
    sides = {each.image_size or study.image_size for each in (study.backbones or {}).values()}
    height, width = look.size
    if sides and max(height, width) < min(sides):
        log.info(f"the images are {height} x {width} pixels and are enlarged to {min(sides)}")
    if look.seen == look.images:
        return list(look.warnings), ""
    part = f"{look.seen:,} of {look.images:,} images"
    log.info(f"{part} were read, as many as in {TIME_LIMIT:.0f} seconds; the study looks at all")
    return list(look.warnings), f" in {part}"


def _is_there(files: list[str], what: str) -> bool:
    """Whether files need no download; else it is said."""
    absent = [name for name in files if not (RESOURCES / name).is_file()]
    if absent:
        listed = ", ".join(absent)
        log.info(f"the {what} are not in {RESOURCES} yet and will be downloaded ({listed})")
    return not absent
