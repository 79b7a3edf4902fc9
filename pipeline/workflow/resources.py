"""What the jobs of a study may take: a device, cores and memory, by the size of their input."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import Study
from pipeline.measures.resources import change_memory, depth_memory, quality_memory
from pipeline.methods.embed import adapt
from pipeline.methods.engine import Engine
from pipeline.methods.registry import METHODS, engine_name
from pipeline.neighbors.graph import memory_needed
from pipeline.networks.blocks import BLOCKS
from pipeline.runtime.device import planned_device
from pipeline.workflow.commands import split_options

PROCESS_MB = 500  # of Python and its libraries
# A node may be slower than the one that the forecast is of, and so may its disk: an end too early
# costs more than a long wait in a queue.
SLOWER, STARTING_MINUTES = 3, 20
SMALL_GRAPH = 5e11  # n^2 d: some seconds of one core at 100 GFLOP/s, by arithmetic


class StudyResources:
    """Answers the rules' `threads` and `resources`.

    Parameters
    ----------
    study : Study
    cores : int
        Of the workflow.
    limits : mapping
        Snakemake's global resources: `limits["gpu"].value` is the N of ``--resources gpu=N``.
    longest : mapping of str to float
        Minutes of the longest job of each step, on two cores, as `Forecast` has them.

    Attributes
    ----------
    device : {"cpu", "gpu"}
    gpu : int
        GPUs of a job that computes on the device.
    device_cores : int
        Cores of such a job: all, or a part if several GPUs are given to the workflow.
    """

    def __init__(
        self, study: Study, cores: int, limits: Mapping[str, Any], longest: Mapping[str, float]
    ) -> None:
        self._study, self._cores, self._longest = study, cores, longest
        self.device = planned_device(study.device)
        self.gpu = 1 if self.device == "gpu" else 0
        given = limits["gpu"].value if self.gpu and "gpu" in limits else None
        self.device_cores = max(1, cores // (given or 1))  # without a limit each job has its node

    def engine(self, method: str) -> str:
        """Who computes a method in this study."""
        return engine_name(method, self._study.methods[method].get("engine", "auto"), self.device)

    def runtime(self, step: str) -> int:
        """Minutes after which a scheduler may end a job of a step."""
        return STARTING_MINUTES + math.ceil(SLOWER * self._longest[step])

    def graph_threads(self, wildcards: Any, input: Any) -> int:
        """Cores of the graph: one where all would have little to do."""
        n, d = shape(input.features)
        return 1 if n * n * d < SMALL_GRAPH else self.device_cores

    def graph_memory(self, wildcards: Any, input: Any) -> int:
        """Megabytes of the graph."""
        n, d = shape(input.features)
        k = self._study.graph.n_neighbors
        return _megabytes(memory_needed(n, d, k=k, itemsize=4, tile=4096))

    def measure_threads(self, wildcards: Any, input: Any) -> int:
        """Cores of the measures of a feature set, or of two: as of the graph."""
        n, d = shape(getattr(input, "features", None) or input.after)
        return 1 if n * n * d < SMALL_GRAPH else self.device_cores

    def quality_memory(self, wildcards: Any, input: Any) -> int:
        """Megabytes of the measures of a feature set and its layouts."""
        n, d = shape(input.features)
        return _megabytes(quality_memory(n, d, len(input.layouts) + len(input.controls)))

    def change_memory(self, wildcards: Any, input: Any) -> int:
        """Megabytes of before against after."""
        return _megabytes(change_memory(*shape(input.after)))

    def depth_memory(self, wildcards: Any, input: Any) -> int:
        """Megabytes of the depth profile of a backbone."""
        n, *_ = shape(input.images)
        alpha = max(self._study.backbones[wildcards.backbone].alpha, 1)  # outputs do not shrink
        widths = [math.ceil(alpha * width) for width in BLOCKS[wildcards.backbone].values()]
        return _megabytes(depth_memory(n, widths))

    def embed_threads(self, wildcards: Any, input: Any) -> int:
        """Cores of a layout: one where more would idle, so that several are computed at a time."""
        engine, n, d, params = self._embed(wildcards.method, input)
        if engine.device(self.device) == "gpu":
            return self.device_cores
        return engine.useful_threads(n, d, self._cores, **params)

    def embed_device(self, wildcards: Any) -> str:
        """The device of a layout: the CPU where its engine computes there beside the GPU's work."""
        engine = METHODS[wildcards.method].engines[self.engine(wildcards.method)]
        return engine.device(self.device)

    def embed_gpu(self, wildcards: Any) -> int:
        """GPUs of a layout."""
        return self.gpu if self.embed_device(wildcards) == "gpu" else 0

    def embed_memory(self, wildcards: Any, input: Any) -> int:
        """Megabytes of a layout, those of all pairs in memory where the method keeps them."""
        engine, n, d, params = self._embed(wildcards.method, input)
        return _megabytes(4 * n * d + engine.memory(n, d, **{"storage": "memory", **params}))

    def _embed(self, method: str, input: Any) -> tuple[Engine, int, int, dict[str, Any]]:
        options = split_options(self._study.methods[method])
        engine, params = METHODS[method].engines[self.engine(method)], options["params"]
        n, d = shape(input.features)
        n = min(n, options["subset"] or n)
        if n >= engine.fewest_points:  # else the features are not there yet
            params, _ = adapt(engine, n, params)
        return engine, n, d, params


def shape(features: str) -> tuple[int, ...]:
    """Points and features of a file, or the shape of images, (1, 1) as long as it is not there.

    Snakemake asks once more when the input of a job is there.
    """
    path = Path(features)
    return np.load(path, mmap_mode="r").shape if path.is_file() else (1, 1)


def _megabytes(need: float) -> int:
    """What a process asks for that needs so many bytes."""
    return PROCESS_MB + math.ceil(need / 1e6)
