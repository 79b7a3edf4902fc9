"""One measurement in a process of its own: `python -m bench.run.worker`, a job as JSON on stdin.

Events go to stdout, one JSON object a line, so that the parent knows what has finished when it has
to end this process. Whatever a library prints goes to stderr.
"""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import gc
import hashlib
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from bench.run.manifest import Workload
from kernels.oom import is_out_of_memory
from pipeline.errors import InputError
from pipeline.runtime.device import cpu_count, set_up_process
from pipeline.runtime.gpus import visible_gpus
from pipeline.runtime.memory import available_memory
from pipeline.runtime.run import parse_params

# Of the memory available before the timed calls, what they may allocate.
SHARE = 0.9


class Missing(Exception):  # noqa: N818  it names a status of a row
    """Something that a workload needs is not on this machine."""


def main() -> None:
    """Run the job; the last event is "done" or "failed"."""
    _end_with_parent()
    job = parse_params(sys.stdin.read())
    events = _claim_stdout()
    workload = Workload(**job["workload"])
    threads = workload.threads or cpu_count()
    set_up_process(workload.device, threads)
    try:
        JOBS[job["what"]](Reporter(events), workload, job, threads)
    except BaseException as error:
        status, reason = explain(error)
        _write(events, "failed", status=status, reason=reason)
        raise
    _write(events, "done")


class Reporter:
    """Writes events."""

    def __init__(self, stream: TextIO):
        self.stream = stream

    def __call__(self, event: str, **values: Any) -> None:
        """Report that something has finished, with its figures."""
        _write(self.stream, event, **values)


def _write(stream: TextIO, event: str, **values: Any) -> None:
    print(json.dumps({"event": event, **values}), file=stream, flush=True)


def _claim_stdout() -> TextIO:
    """The real stdout, for events only; descriptor 1 then leads to stderr."""
    events = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return events


def _end_with_parent() -> None:
    """Have Linux kill this process if its parent dies, so that it disturbs no later measurement."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def explain(error: BaseException) -> tuple[str, str]:
    """Status and reason of a row for an exception, without this machine's paths."""
    text = " ".join(str(error).split())
    for folder in (str(Path.cwd()), sys.prefix, str(Path.home())):
        text = text.replace(folder + os.sep, "")
    text = text[:200]
    if is_out_of_memory(error):
        return "memory", f"out of memory: {text or type(error).__name__}"
    if isinstance(error, Missing):
        return "missing", text
    if isinstance(error, ModuleNotFoundError):
        return "missing", f"{error.name} is not installed"
    if isinstance(error, InputError):
        return "refused", text
    return "failed", f"{type(error).__name__}: {text}"


def measure_machine(report: Reporter, workload: Workload, job: dict, threads: int) -> None:
    """Measure the machine's rates of arithmetic and memory."""
    from bench.run.machine import measure_limits

    report("limits", limits=measure_limits(workload.device))


def compute_graph(report: Reporter, workload: Workload, job: dict, threads: int) -> None:
    """Compute the exact graph that all workloads of an input share, into a file."""
    import numpy as np

    from bench.what.inputs import load_input
    from pipeline.artefacts import atomic
    from pipeline.neighbors.graph import knn_graph

    X, _ = load_input(job["input"], workload.n, seed=workload.seed)
    path = _graph_file(job, X)
    if not path.is_file():
        graph = knn_graph(X, k=min(90, workload.n - 1), device=workload.device)
        with atomic(path) as temporary:
            np.savez(temporary, **graph._asdict())
    report("graph")


def _array_digest(X: Any) -> str:
    return hashlib.sha256(memoryview(X)).hexdigest()


def _graph_file(job: dict, X: Any) -> Path:
    from pipeline.workflow.sources import digest

    return Path(job["cache"]) / f"graph-{_array_digest(X)[:16]}-{digest('graph')}.npz"


def measure_workload(report: Reporter, workload: Workload, job: dict, threads: int) -> None:
    """Load, warm up, time, and measure the result; an event after each."""
    if workload.device == "gpu" and not visible_gpus():
        raise Missing("no NVIDIA GPU answers here")
    import numpy as np
    import psutil
    import scipy.sparse.linalg  # noqa: F401  loaded for all, so that times of imports compare
    import sklearn.base  # noqa: F401

    from bench.run.task import RATES, Outcome, Task
    from bench.what import engines, peers
    from bench.what.inputs import load_images, load_input
    from bench.what.measures import FLOPS, quality
    from pipeline.methods.pca.exact import PCA
    from pipeline.neighbors.graph import Graph, knn_graph

    load = load_images if workload.step == "features" else load_input
    X, labels = load(job["input"], workload.n, seed=workload.seed)
    graph = None
    if workload.after_graph:
        with np.load(_graph_file(job, X)) as archive:
            graph = Graph(**archive)
    layout = X[:, :2]
    if workload.step == "quality":
        layout = PCA(2).fit_transform(X).astype(np.float32)
    task = Task(workload.step, X, labels, graph, layout, workload.seed, threads, workload.device)
    if workload.peer is not None:
        call = getattr(peers, workload.peer)
    else:
        assert workload.engine is not None
        call = engines.find(workload.step, workload.engine)
    n, d = len(X), X[0].size
    report("loaded", d=d, input_sha256=_array_digest(X)[:16])

    rows = np.random.default_rng(workload.seed).permutation(n)[: workload.warm_up]
    small = task._replace(X=X[rows], labels=labels[rows], layout=layout[rows])
    if graph is not None:
        small = small._replace(
            graph=knn_graph(X[rows], k=min(90, len(rows) - 1), device=workload.device)
        )
    with ImportClock() as imports:
        start = time.perf_counter()
        call(small, **workload.params)
        spent = time.perf_counter() - start
    report("warm", import_seconds=imports.seconds, warm_up_seconds=spent - imports.seconds)
    del small

    process = psutil.Process()
    report("start", before_mb=process.memory_info().rss / 1e6)
    with _limited_memory(workload.device) as allowed:
        runs = 0
        while runs < workload.repeats:
            outcome = Outcome()  # the previous result is not part of the next peak
            gc.collect()
            before = _clocks()
            outcome = call(task, **workload.params)
            wall, cpu, busy = (after - b for after, b in zip(_clocks(), before, strict=True))
            runs += 1
            report(
                "run",
                seconds=outcome.seconds or wall - outcome.transfer_seconds,
                transfer_seconds=outcome.transfer_seconds,
                cpu_seconds=cpu,
                other_load=max(0.0, (busy - cpu) / wall),
                peak_mb=_peak_mb(),
                allowed_mb=allowed and allowed / 1e6,
            )
            if wall > workload.repeat_below:
                break
    info = {key: value for key, value in outcome.info.items() if key in DIAGNOSTICS}
    work = {key: outcome.info.get(key) for key in ("flops", "bytes")}
    if work["flops"] is None and workload.step in FLOPS:
        work["flops"] = FLOPS[workload.step](n, d)
    rates = {key: outcome.info[key] for key in RATES if key in outcome.info}
    report("result", info=info, work=work, rates=rates)
    report("quality", quality=quality(task, outcome))


# Of an engine's own diagnostics, those that are recorded.
DIAGNOSTICS = (
    "kl_divergence",
    "stress_1",
    "n_iter",
    "converged",
    "components",
    "eigen_residual",
    "pairs",
    "reconstruction_error",
    "backend",
    "precision",
    "batch_size",
    "gflop_per_image",
    "matrix_gflop_per_second",
)


class ImportClock:
    """Wall seconds spent in `import` statements, wherever they are; nested ones count once."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.inside = False

    def __enter__(self) -> ImportClock:
        self.real = builtins.__import__
        builtins.__import__ = self._import
        return self

    def __exit__(self, *error: object) -> None:
        builtins.__import__ = self.real

    def _import(self, *arguments: Any, **options: Any) -> Any:
        if self.inside:
            return self.real(*arguments, **options)
        self.inside, start = True, time.perf_counter()
        try:
            return self.real(*arguments, **options)
        finally:
            self.inside = False
            self.seconds += time.perf_counter() - start


@contextlib.contextmanager
def _limited_memory(device: str) -> Iterator[int | None]:
    """Limit what this process may still allocate, so that it fails instead of the machine.

    Yields the bytes allowed, None on a GPU: CUDA reserves more addresses than there is memory.
    """
    import psutil

    if device == "gpu":
        yield None
        return
    allowed = int(SHARE * available_memory())
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = psutil.Process().memory_info().vms + allowed
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield allowed
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _clocks() -> tuple[float, float, float]:
    """Wall seconds; CPU seconds of this process and its children; busy seconds of all cores."""
    import psutil

    own = os.times()
    system = psutil.cpu_times()
    idle = system.idle + getattr(system, "iowait", 0.0)
    guest = getattr(system, "guest", 0.0) + getattr(system, "guest_nice", 0.0)  # in user, nice
    return time.perf_counter(), sum(own[:4]), sum(system) - idle - guest


def _peak_mb() -> float | None:
    """Peak resident memory of this process so far, where the system reports it (Linux)."""
    # Not ru_maxrss: a process inherits that of the one that started it.
    try:
        status = Path("/proc/self/status").read_text()
    except FileNotFoundError:
        return None
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


JOBS = {"machine": measure_machine, "graph": compute_graph, "workload": measure_workload}

if __name__ == "__main__":
    main()
