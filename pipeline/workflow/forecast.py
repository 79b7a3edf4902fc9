"""What a study will take, from its configuration alone: minutes, memory, disk."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.config import STAGES, Study
from pipeline.measures.resources import DEPTH_IMAGES, change_memory, quality_memory
from pipeline.methods.embed import adapt, by_landmarks
from pipeline.methods.engine import QUICK
from pipeline.methods.registry import METHODS, engine_name
from pipeline.neighbors.graph import memory_needed
from pipeline.networks.blocks import BLOCKS
from pipeline.networks.recipe import parse_recipe
from pipeline.networks.schedule import network_schedule
from pipeline.runtime.device import planned_device
from pipeline.workflow.commands import split_options
from pipeline.workflow.resources import PROCESS_MB
from pipeline.workflow.runs import Run, runs_of, stochastic

BASIS = "two cores of an AMD EPYC with AVX-512, November 2026"  # where all times were measured

NOT_FORECAST = {"cpu": "", "gpu": "; how much less a GPU takes is not forecast"}

# Images a second at 64 pixels and full width, of a training step and of inference; those without
# depthwise convolutions train in bfloat16 there.
SIDE = 64
RATES = {
    "VGG16": (42, 75),
    "VGG19": (35, 65),
    "ResNet50V2": (78, 200),
    "MobileNet": (210, 1050),
    "MobileNetV2": (186, 1070),
}
MODEL_MB = {"VGG16": 59, "VGG19": 80, "ResNet50V2": 95, "MobileNet": 13, "MobileNetV2": 10}

# Minutes of 70,000 points of 1,280 features; the first grow with the pairs, the others with n.
POINTS, WIDTH = 70_000, 1280
OF_PAIRS = {"graph": 0.5, "quality": 2.1, "change": 0.7}
# Of measuring a layout again, by another seed: ranks are of all points up to so many, then of some.
OF_A_LAYOUT, RANKED = 0.2, 20_000
OF_POINTS = {"figure": 0.4}
ON_POINTS = ("graph", "embed", "quality", "change")  # their short jobs take one core
# Seconds of a job on next to nothing: libraries are imported, code and networks compiled.
STARTING = {
    "dataset": 3,
    "pair": 3,
    "backbone": 6,
    "finetune": 25,
    "features": 9,
    "depth": 20,
    "graph": 2,
    "embed": 4,
    "quality": 5,
    "change": 4,
    "figure": 10,
}


@dataclass(frozen=True)
class Images:
    """The images of a study, as far as they are known before any step.

    Attributes
    ----------
    train, test : int
        Of features without a split all are training images.
    widths : tuple of int, optional
        Columns of given features, before and after; None where a network computes them.
    """

    train: int
    test: int
    widths: tuple[int, int] | None = None

    @property
    def count(self) -> int:
        """All of them."""
        return self.train + self.test


class Forecast(NamedTuple):
    """What a study will take.

    Attributes
    ----------
    images : int
    minutes : dict of str to float
        Of all jobs of a step, on two CPU cores.
    longest : dict of str to float
        Minutes of the longest job of a step.
    total : float
        Minutes of all steps: short jobs on points run two at a time.
    unknown : str
        What of the time is not forecast, for a sentence; empty if nothing.
    jobs : Counter of str
        Of each step.
    memory : dict of str to float
        Bytes of the largest job of a step, but for the pairs.
    pairs : dict of str to float
        Bytes of all pairs of points, of methods that keep these in memory where there is room,
        else in a temporary file.
    disk : float
        Bytes of the results.
    """

    images: int
    minutes: dict[str, float]
    longest: dict[str, float]
    total: float
    unknown: str
    jobs: Counter[str]
    memory: dict[str, float]
    pairs: dict[str, float]
    disk: float

    def per_job(self) -> dict[str, float]:
        """Minutes of a job of each step."""
        return {step: each / self.jobs[step] for step, each in self.minutes.items()}

    def __str__(self) -> str:
        """In a sentence."""
        largest = max(self.memory, key=lambda step: self.memory[step])
        memory = f"{gigabytes(self.memory[largest])} of memory ({largest})"
        whole = {step: need + self.pairs.get(step, 0) for step, need in self.memory.items()}
        most = max(whole, key=lambda step: whole[step])
        if whole[most] > self.memory[largest]:
            memory += f" or, with all pairs in it, {gigabytes(whole[most])} ({most})"
        parts = [memory, f"{gigabytes(self.disk)} of disk"]
        longest = max(self.minutes, key=lambda step: self.minutes[step])
        share = 100 * self.minutes[longest] / sum(self.minutes.values())
        time = f"{_duration(self.total)} on {BASIS} ({share:.0f} % in step {longest}){self.unknown}"
        return f"{self.images:,} images: {', '.join([time, *parts])}"


def forecast(study: Study, images: Images) -> Forecast:
    """What a study will take if nothing of it is there yet, roughly.

    Parameters
    ----------
    study : Study
    images : Images

    Returns
    -------
    Forecast
    """
    minutes: dict[str, float] = defaultdict(float)
    longest: dict[str, float] = defaultdict(float)
    total = 0.0
    jobs: Counter[str] = Counter()
    memory: dict[str, float] = {}
    pairs: dict[str, float] = {}
    disk = float(_images_bytes(study, images))
    for job in _jobs(study, images):
        jobs[job.step] += 1
        took = job.minutes + STARTING[job.step] / 60
        minutes[job.step] += took
        longest[job.step] = max(longest[job.step], took)
        total += took / 2 if job.step in ON_POINTS and 60 * job.minutes < QUICK else took
        memory[job.name] = max(memory.get(job.name, 0), job.memory + PROCESS_MB * 1e6)
        if job.pairs:
            pairs[job.name] = job.pairs
        disk += job.disk
    unknown = NOT_FORECAST[planned_device(study.device)]
    if study.compare and study.dataset:
        unknown += "; the extraction by networks of your own is not forecast"
    return Forecast(images.count, minutes, longest, total, unknown, jobs, memory, pairs, disk)


class _Job(NamedTuple):
    """One job: its step, how messages call it, and what it takes beyond a process that starts."""

    step: str
    name: str
    minutes: float = 0.0
    memory: float = 0.0
    disk: float = 0.0
    pairs: float = 0.0


def _jobs(study: Study, images: Images) -> Iterator[_Job]:
    yield _Job("dataset" if study.dataset else "pair", "the images")
    for run in runs_of(study).values():
        widths = images.widths or (_width(run),) * 2
        stages = {"": STAGES, "seed": STAGES[1:], "random": STAGES[:1]}[run.control]
        if run.options:
            yield from _network(study, run, stages, images)
        elif study.dataset:  # networks of the user's own
            yield from [_Job("features", "features", 0, 2e9)] * 2
        for stage in stages:
            yield from _points(study, run, widths[STAGES.index(stage)], images.count, stage)
        n, d = images.count, max(widths)
        if run.control != "random":
            needed = change_memory(n, d)
            yield _Job("change", "change", _of_pairs("change", n, d), needed, 150 * n)
        if not run.control:
            pictures = 2e7 + min(35e6, 450 * n)  # of the figure, and of the explorer
            yield _Job("figure", "figure", OF_POINTS["figure"] * n / POINTS, 400 * n, pictures)


def _network(study: Study, run: Run, stages: tuple[str, ...], images: Images) -> Iterator[_Job]:
    """Jobs that run a network."""
    assert run.options
    side = run.options.image_size or study.image_size
    effort = (side / SIDE) ** 2 * run.options.alpha / 60
    training, inference = (effort / rate for rate in RATES[run.backbone])  # minutes an image
    pixels = images.count * side**2 * 3 / 10
    model = 1e6 * MODEL_MB[run.backbone] * run.options.alpha**2
    recipe = parse_recipe(study.finetune)
    if "before" in stages:
        yield _Job("backbone", "backbone", 0, 1e9, model)
    if "after" in stages:
        held_out = recipe.validation * images.train
        learned = images.train - held_out
        epochs = network_schedule(recipe, max(1, int(learned))).epochs
        head = min(recipe.head_images, learned)
        time = epochs * (learned * training + held_out * inference) + head * inference
        yield _Job("finetune", "fine-tuning", time, 2e9 + 6 * model, model)
    for _ in stages:
        yield _Job("features", "features", images.count * inference, 1e9 + min(pixels, 1e9))
    if study.depth and not run.control:
        # Both networks see a sample, a third more slowly than for their features; its measures take
        # a minute.
        seen = min(images.count, DEPTH_IMAGES)
        time = 2 * 4 / 3 * seen * inference + seen / DEPTH_IMAGES
        yield _Job("depth", "depth profile", time, 2e9)


def _points(study: Study, run: Run, d: int, n: int, stage: str) -> Iterator[_Job]:
    """Jobs on the features of one stage."""
    k = study.graph.n_neighbors
    graph = memory_needed(n, d, k=k, itemsize=4, tile=4096)
    yield _Job("graph", "graph", _of_pairs("graph", n, d), graph, 4 * n * d + 8 * n * k)
    seeds = study.controls.layout_seeds if run.backbone in study.controlled else 1
    times = dict.fromkeys(study.methods, 1) | dict.fromkeys(stochastic(study), seeds)
    layouts = [] if run.control else [method for method in times for _ in range(times[method])]
    for method in layouts:
        yield _layout(study, method, n, d, stage)
    again = len(layouts) - len(set(layouts))
    time = _of_pairs("quality", n, d) + again * OF_A_LAYOUT * min(n / RANKED, 1)
    yield _Job("quality", "measures", time, quality_memory(n, d, len(layouts)), 1e6)


def _layout(study: Study, method: str, n: int, d: int, stage: str) -> _Job:
    options = split_options(study.methods[method])
    engine = METHODS[method].engines[engine_name(method, options["engine"] or "auto")]
    n = min(n, options["subset"] or n)
    params, _ = adapt(engine, n, options["params"])
    device = planned_device(study.device)
    if study.exact == "preferred":  # of a GPU it is not known what it has room for
        params = {"cpu": by_landmarks(engine, n, d, params), "gpu": params}[device]
    time = engine.seconds(n, d, **params) / 60 or OF_POINTS.get(method, 0) * n / POINTS
    if options["start"] and stage == "after":  # from its own start, too
        time *= 2
    memory = engine.memory(n, d, **params)
    all_pairs = engine.memory(n, d, **{"storage": "memory", **params})
    pairs = {"cpu": all_pairs - memory, "gpu": 0.0}[device]
    return _Job("embed", method, time, 4 * n * d + memory, 40 * n, max(0.0, pairs))


def _of_pairs(step: str, n: int, d: int) -> float:
    return OF_PAIRS[step] * (n / POINTS) ** 2 * d / WIDTH


def _width(run: Run) -> int:
    """Columns of a backbone's features; the last layer of MobileNetV2 does not shrink."""
    if run.backbone not in BLOCKS:
        return WIDTH  # of a network of the user's own: not known before it is loaded
    last = list(BLOCKS[run.backbone].values())[-1]
    alpha = run.options.alpha if run.options else 1.0
    return math.ceil(last * (max(alpha, 1) if run.backbone == "MobileNetV2" else alpha))


def _images_bytes(study: Study, images: Images) -> int:
    """Of images in grey, no larger than the networks want them."""
    return images.count * study.image_size**2 if study.dataset else 0


def gigabytes(n_bytes: float) -> str:
    """Bytes, for a sentence."""
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"


def _duration(minutes: float) -> str:
    if minutes < 1.5:
        return "about a minute"
    if minutes < 90:
        return f"about {minutes:.0f} minutes"
    return f"about {minutes / 60:.0f} hours"
