"""`tunescope check`: what of an input will hurt, and what a study will take, before it runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.config import Study, load_config
from pipeline.images.dataset import load_dataset
from pipeline.images.published import PUBLISHED
from pipeline.networks.backbone import too_small
from pipeline.runtime.log import log
from pipeline.workflow.checks import check_study, locate
from pipeline.workflow.compare import examine
from pipeline.workflow.forecast import forecast, lacking

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
    images = check_study(study)  # says what it lowers
    expected = forecast(study, images)
    found = [*_networks(study), *_input(study), *lacking(expected, Path())]
    for sentence in found:
        log.warning(sentence)
    print(f"{study.study}: {expected}")
    if not found:
        print(f"{study.study}: nothing found that will hurt")


def _networks(study: Study) -> Iterator[str]:
    """Networks that see too little of the images."""
    for name, backbone in (study.backbones or {}).items():
        yield from too_small(name, backbone.image_size or study.image_size, backbone.weights)


def _input(study: Study) -> Iterator[str]:
    """What the step that reads the input will say of it."""
    if study.dataset is None:
        assert study.compare is not None
        yield from examine(study.compare).warnings
        return
    published = PUBLISHED.get(study.dataset.source)
    absent = [file.path for file in published.files] if published else []
    absent = [name for name in absent if not (RESOURCES / name).is_file()]
    if absent:
        yield (
            f"{study.dataset.source} is not in {RESOURCES} yet ({', '.join(absent)}): the study "
            "will download it, its images were not looked at"
        )
        return
    subset = study.dataset.model_dump()["subset"]
    data = load_dataset(
        study.dataset.source,
        resources=RESOURCES,
        image_size=study.image_size,
        subset=subset,
        seed=study.seed,
    )
    yield from data.warnings
    sides = {each.image_size or study.image_size for each in (study.backbones or {}).values()}
    height, width = data.images.shape[1:3]
    if sides and max(height, width) < min(sides):
        log.info(f"the images are {height} x {width} pixels and are enlarged to {min(sides)}")
