"""Run the workloads of a profile, each in its own process; every row is written when it is done."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import queue
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from bench.run import machine, results
from bench.run.manifest import Manifest, Workload
from pipeline.errors import InputError
from pipeline.runtime.log import log

CACHE = Path("results/bench")  # graphs that workloads share
LOGS = Path("logs/bench")
SAMPLE = 0.05  # seconds between two samples of the memory of a worker
FATAL = ("memory", "time")  # statuses that a larger n would have too

Events = list[dict[str, Any]]


def run(
    manifest: Manifest,
    profile: str,
    *,
    out: Path | None = None,
    only: str | None = None,
    input: str | None = None,
    n: Sequence[int] | None = None,
    resume: bool = False,
    cache: Path = CACHE,
    logs: Path = LOGS,
) -> Path:
    """Measure this machine's limits, then the workloads of a profile.

    Parameters
    ----------
    manifest : Manifest
    profile : str
    out : Path, optional
        File of results; by default named by date, machine and profile, in `bench/results`.
    only, input, n
        See `Manifest.select`.
    resume : bool
        Go on in a file that exists: finished rows are kept and not measured again.
    cache, logs : Path
        Folders of shared graphs and of the workers' output.

    Returns
    -------
    Path
        The file of results, complete after each row.

    Raises
    ------
    InputError
        The file exists and `resume` is false, or comes from another machine or environment; an
        input is missing.
    """
    workloads = manifest.select(profile, only=only, input=input, n=n)
    header = _header(profile, manifest, workloads)
    out = out or results.RESULTS / results.file_name(header["date"], header["machine"], profile)
    worker = Worker(manifest, cache, logs / f"{out.stem}.log")
    if out.exists():
        header = _resumed(out, header, resume)
    else:
        header["machine"] |= worker.limits(workloads[0])
    rows = header["rows"]
    done = {results.workload(row).key for row in rows}
    pending = [workload for workload in workloads if workload.key not in done]
    log.info(f"{profile}: {len(pending)} of {len(workloads)} workloads to measure, into {out}")

    costs: dict[str, tuple[int, float]] = {}
    start = time.monotonic()
    for position, workload in enumerate(pending):
        left = sum(_expected(after, costs) for after in pending[position:])
        log.info(
            f"[{position + 1}/{len(pending)}] {workload.step}: {workload.label}, "
            f"n = {workload.n:,} ({time.monotonic() - start:.0f} s so far, "
            f"about {left:.0f} s left)"
        )
        begun = time.monotonic()
        row = _skipped(workload, rows) or worker.measure(workload, header["machine"])
        costs[workload.series] = (workload.n, time.monotonic() - begun)
        rows.append(row)
        results.write(out, header)
        log.info(f"    {summary(row)}")
    return out


def summary(row: dict[str, Any]) -> str:
    """A row in one line."""
    if row["status"] != "ok":
        return f"{row['status']}: {row['reason']}"
    measures = ", ".join(f"{name} {value:.4g}" for name, value in row["quality"].items())
    seconds = row["seconds"]
    return f"{seconds['median']:.3g} s, {row['memory']['peak_mb'] / 1e3:.2f} GB; {measures}"


def _header(profile: str, manifest: Manifest, workloads: list[Workload]) -> dict[str, Any]:
    named = sorted({workload.input for workload in workloads})
    return {
        "schema": results.SCHEMA,
        "profile": profile,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": results.commit(),
        "machine": machine.describe(),
        "versions": results.environment(),
        "inputs": {name: manifest.inputs[name] for name in named},
        "rows": [],
    }


def _resumed(out: Path, header: dict[str, Any], resume: bool) -> dict[str, Any]:
    if not resume:
        raise InputError(f"{out} exists: add --resume to go on in it, or give another --out")
    earlier = results.read(out)
    earlier["inputs"] = {**header["inputs"], **earlier["inputs"]}  # the rows so far may need fewer
    for name in ("machine", "versions", "inputs"):
        # Limits are added to the machine when they are measured.
        if not all(earlier[name].get(key) == value for key, value in header[name].items()):
            raise InputError(
                f"{out} comes from other {name}: rows of one file must compare, give another --out"
            )
    return earlier


def _expected(workload: Workload, costs: dict[str, tuple[int, float]]) -> float:
    """Estimated seconds of a workload: its series grows as n^2, an unknown one is like the mean."""
    if workload.series in costs:
        n, seconds = costs[workload.series]
        return min(seconds * max(1.0, (workload.n / n) ** 2), 2 * workload.time_limit)
    others = [seconds for _, seconds in costs.values()]
    return statistics.mean(others) if others else 10.0


def _skipped(workload: Workload, rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """A row for a workload whose engine ended on fewer points."""
    for row in rows:
        other = results.workload(row)
        if other.series == workload.series and other.n < workload.n and row["status"] in FATAL:
            reason = f"not tried: {row['reason']} at n = {other.n:,}"
            return {**_blank(workload), "status": "skipped", "reason": reason}
    return None


def _blank(workload: Workload) -> dict[str, Any]:
    return {
        "workload": dataclasses.asdict(workload),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": results.commit(),
    }


class Worker:
    """Starts `bench.run.worker` processes and turns their events into rows."""

    def __init__(self, manifest: Manifest, cache: Path, log_file: Path):
        self.manifest, self.cache, self.log_file = manifest, cache, log_file
        self.ready: set[tuple[str, int, int]] = set()
        log_file.parent.mkdir(parents=True, exist_ok=True)

    def limits(self, workload: Workload) -> dict[str, float]:
        """The machine's rates of arithmetic and memory, on the device of a workload."""
        log.info("measuring the machine's limits")
        events, _ = self._run("machine", workload, lambda event: 120.0)
        if events[-1]["event"] != "done":
            raise InputError(f"the machine's limits were not measured: {events[-1]['reason']}")
        return {name: round(value, 1) for name, value in events[0]["limits"].items()}

    def measure(self, workload: Workload, limits: dict[str, Any]) -> dict[str, Any]:
        """The row of a workload, whatever happens to it."""
        row = _blank(workload)
        shared = (workload.input, workload.n, workload.seed)
        if workload.after_graph and shared not in self.ready:
            events, _ = self._run("graph", workload, lambda event: 3600.0)
            if events[-1]["event"] != "done":
                reason = f"no graph: {events[-1]['reason']}"
                return {**row, "status": events[-1]["status"], "reason": reason}
            self.ready.add(shared)
        # Loading and compiling are not measured and have a timeout of their own.
        timeouts: dict[str | None, float] = {None: 600.0, "loaded": 600.0}
        events, peak = self._run(
            "workload", workload, lambda event: timeouts.get(event, workload.time_limit)
        )
        return row | assemble(events, peak, limits, workload)

    def _run(
        self, what: str, workload: Workload, timeout: Callable[[str | None], float]
    ) -> tuple[Events, dict[str, float]]:
        """Events of a worker, the last one "done" or "failed", and its peaks in MB.

        `timeout` gives the seconds until the next event after one (None: the start).
        """
        job = {
            "what": what,
            "workload": dataclasses.asdict(workload),
            "input": self.manifest.inputs[workload.input],
            "cache": str(self.cache),
        }
        with open(self.log_file, "a") as output:
            print(f"--- {what}: {workload.step}, {workload.label}, n = {workload.n}", file=output)
            output.flush()
            process = subprocess.Popen(
                [sys.executable, "-m", "bench.run.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                start_new_session=True,
            )
        assert process.stdin is not None
        process.stdin.write(json.dumps(job))
        process.stdin.close()
        try:
            return _follow(process, timeout, workload.device)
        finally:
            # The process group is the worker's own: its children end with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _follow(
    process: subprocess.Popen, timeout: Callable[[str | None], float], device: str
) -> tuple[Events, dict[str, float]]:
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read_lines, args=(process.stdout, lines), daemon=True).start()
    events: Events = []
    peak = {"resident": 0.0, "device": 0.0}
    idle_device = _device_mb() if device == "gpu" else 0.0
    limit = timeout(None)
    deadline = time.monotonic() + limit
    while True:
        try:
            line = lines.get(timeout=SAMPLE)
        except queue.Empty:
            if not _measuring_quality(events):
                peak["resident"] = max(peak["resident"], _resident_mb(process.pid))
                if device == "gpu":
                    peak["device"] = max(peak["device"], _device_mb() - idle_device)
            if time.monotonic() > deadline:
                reason = f"stopped after {limit:g} s"
                events.append({"event": "failed", "status": "time", "reason": reason})
                return events, peak
            continue
        if line is None:
            if not events or events[-1]["event"] not in ("done", "failed"):
                events.append({"event": "failed", **_death(process.wait(), peak["resident"])})
            return events, peak
        events.append(json.loads(line))
        limit = timeout(events[-1]["event"])
        deadline = time.monotonic() + limit


def _read_lines(stream: Any, lines: queue.Queue[str | None]) -> None:
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(None)


def _measuring_quality(events: Events) -> bool:
    return any(event["event"] == "result" for event in events)


def _resident_mb(pid: int) -> float:
    """Resident memory of a process and its children."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        return sum(member.memory_info().rss for member in family) / 1e6
    except psutil.Error:
        return 0.0


def _device_mb() -> float:
    return float(machine.query_gpu("memory.used") or 0) * 2**20 / 1e6


def _death(status: int, peak_mb: float) -> dict[str, str]:
    """Status and reason of a process that ended without an event."""
    name = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    reason = f"the process died ({name}) with {peak_mb / 1e3:.1f} GB resident"
    # A SIGKILL from elsewhere is that of the out-of-memory killer; C++ code whose allocation fails
    # calls abort().
    return {"status": "memory" if name in ("SIGKILL", "SIGABRT") else "failed", "reason": reason}


def assemble(
    events: Events, peak: dict[str, float], limits: dict[str, Any], workload: Workload
) -> dict[str, Any]:
    """A row from the events of a worker.

    Timed calls that finished count even if a later step did not.

    Returns
    -------
    dict
        `status` ok | memory | time | missing | refused | failed, with a `reason` if not ok or if
        the quality could not be measured; `d`; `seconds` (median, min, max, runs, import, warm_up,
        transfer); `cpu_seconds`; `other_load`, the cores that other processes kept busy; `memory`
        (peak_mb, before_mb, device_mb); `quality`; `limits`, rates and their shares of the
        machine's; `info`, the engine's own diagnostics.
    """
    last_of = {event["event"]: event for event in events}
    runs = [event for event in events if event["event"] == "run"]
    complete = "result" in last_of
    row: dict[str, Any] = {
        "status": "ok" if complete else events[-1]["status"],
        "reason": events[-1].get("reason"),
    }
    if complete and row["reason"]:
        row["reason"] = f"quality not measured: {row['reason']}"
    if "loaded" in last_of:
        row |= {key: last_of["loaded"][key] for key in ("d", "input_sha256")}
    own_peak = max((event["peak_mb"] or 0.0 for event in runs), default=0.0)
    row["memory"] = {
        "peak_mb": round(max(peak["resident"], own_peak), 1),
        "before_mb": round(last_of["start"]["before_mb"], 1) if "start" in last_of else None,
        "device_mb": round(peak["device"], 1) if workload.device == "gpu" else None,
    }
    if not complete:
        return row
    seconds = [event["seconds"] for event in runs]
    median = statistics.median(seconds)
    row["seconds"] = {
        "median": round(median, 4),
        "min": round(min(seconds), 4),
        "max": round(max(seconds), 4),
        "runs": len(seconds),
        "import": round(last_of["warm"]["import_seconds"], 3),
        "warm_up": round(last_of["warm"]["warm_up_seconds"], 3),
        "transfer": round(statistics.median(event["transfer_seconds"] for event in runs), 4),
    }
    row["cpu_seconds"] = round(statistics.median(event["cpu_seconds"] for event in runs), 3)
    row["other_load"] = round(statistics.median(event["other_load"] for event in runs), 2)
    row["quality"] = {
        name: float(f"{value:.6g}")
        for name, value in last_of.get("quality", {}).get("quality", {}).items()
    }
    result = last_of["result"]
    row["limits"] = _shares(result["work"], median, limits) | result["rates"]
    row["info"] = result["info"]
    return row


def _shares(
    work: dict[str, float | None], seconds: float, limits: dict[str, Any]
) -> dict[str, float]:
    """Rates of arithmetic and memory, and what part of the machine's they are."""
    shares = {}
    for what, limit, rate, share in (
        ("flops", "sgemm_gflops", "gflops", "of_sgemm"),
        ("bytes", "bandwidth_gb_s", "gb_s", "of_bandwidth"),
    ):
        amount = work.get(what)
        if amount:
            shares[rate] = round(amount / seconds / 1e9, 3)
            if limit in limits:
                shares[share] = round(amount / seconds / 1e9 / limits[limit], 4)
    return shares
