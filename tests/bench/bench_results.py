"""Made-up rows and files of results, for the tests of what is made of them."""

import dataclasses

from bench.run import results
from bench.run.manifest import Workload

LIMITS = {"sgemm_gflops": 100.0, "bandwidth_gb_s": 20.0}


def row(step, n, seconds, *, own, label=None, status="ok", quality=None, device="cpu"):
    made = Workload(
        label=label or ("ours" if own else "theirs"),
        step=step,
        input="mixture",
        n=n,
        engine="e" if own else None,
        peer=None if own else "p",
        device=device,
    )
    found = {"workload": dataclasses.asdict(made), "started": "", "commit": None, "status": status}
    found |= {"reason": None if status == "ok" else "stopped after 300 s"}
    found |= {"memory": {"peak_mb": 1e3 + n, "before_mb": 100.0, "device_mb": None}}
    if status != "ok":
        return found
    times = {"median": seconds, "min": 0.95 * seconds, "max": 1.05 * seconds, "runs": 3}
    return found | {
        "seconds": {**times, "import": 1.0, "warm_up": 0.1, "transfer": 0.0},
        "cpu_seconds": seconds,
        "other_load": 0.0,
        "d": 64,
        "input_sha256": f"sha{n}",
        "quality": quality or {},
        "limits": {},
        "info": {},
    }


def file_of(rows, **more):
    machine = {"cpu": "Test CPU", "cores": 2, "memory_gb": 24.0, "gpu": None, "driver": None}
    return {
        "schema": results.SCHEMA,
        "profile": "cpu",
        "date": "2026-01-02",
        "commit": "abc1234",
        "machine": {**machine, **LIMITS},
        "versions": {"numpy": "2.4"},
        "inputs": {row["workload"]["input"]: {"title": "made-up points"} for row in rows},
        "rows": rows,
        **more,
    }
