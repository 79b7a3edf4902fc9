"""Two files of results side by side: what became slower, or worse, beyond noise."""

from __future__ import annotations

from typing import Any

from bench.run import results
from bench.run.results import Results
from bench.what.measures import MEANINGS

# A change of time counts if the medians differ by more than this share *and* the ranges of the
# repeats do not overlap; a single run has no range, so its share is larger.
NOISE, NOISE_OF_ONE = 0.10, 0.25
MEASURE_NOISE = 0.01  # of the measure; layouts with chance in them move by about as much


def compare(old: Results, new: Results) -> tuple[list[str], bool]:
    """Compare the rows of workloads that both have.

    Returns
    -------
    lines : list of str
        Text, one line a change.
    worse : bool
        Something became slower, worse, or stopped working.
    """
    before = {results.workload(row).key: row for row in old["rows"]}
    pairs = [
        (before[key], row) for row in new["rows"] if (key := results.workload(row).key) in before
    ]
    lines = [f"{len(pairs)} workloads in both"]
    for name in ("cpu", "cores", "gpu"):
        if old["machine"][name] != new["machine"][name]:
            lines.append(
                f"note: {name} differs, {old['machine'][name]} before and "
                f"{new['machine'][name]} now"
            )
    changes = [change for pair in pairs for change in _changes(*pair)]
    lines += [text for _, text in changes] or ["nothing changed beyond noise"]
    return lines, any(worse for worse, _ in changes)


def _changes(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[bool, str]]:
    workload = results.workload(new)
    name = f"{workload.step}, {workload.label}, n = {workload.n:,}"
    if old["status"] != new["status"]:
        return [(new["status"] != "ok", f"{name}: was {old['status']}, is {_state(new)}")]
    if new["status"] != "ok":
        return []
    changes = []
    was, now = old["seconds"], new["seconds"]
    ratio = now["median"] / was["median"]
    single = min(was["runs"], now["runs"]) == 1
    if abs(ratio - 1) > (NOISE_OF_ONE if single else NOISE) and (
        now["min"] > was["max"] or now["max"] < was["min"]
    ):
        word = "slower" if ratio > 1 else "faster"
        shared = max(old["other_load"], new["other_load"]) > 0.25
        doubt = " (the machine was shared)" if shared else ""
        changes.append(
            (
                ratio > 1,
                f"{name}: {word}, {was['median']:.3g} s before and {now['median']:.3g} s now, "
                f"x {ratio:.2f}{doubt}",
            )
        )
    for measure in old["quality"].keys() & new["quality"].keys():
        a, b = old["quality"][measure], new["quality"][measure]
        if abs(b - a) > MEASURE_NOISE * abs(a):
            worse = (b > a) == (MEANINGS[measure].better == "lower")
            word = "worse" if worse else "better"
            changes.append((worse, f"{name}: {measure} {word}, {a:.4g} before and {b:.4g} now"))
    return changes


def _state(row: dict[str, Any]) -> str:
    return row["status"] if row["status"] == "ok" else f"{row['status']} ({row['reason']})"
