"""Tables and plots from the committed results, into bench/README.md and the main README.md."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.report import plots, tables
from bench.run import results
from bench.run.manifest import ROOT
from bench.run.results import Results
from bench.what.measures import MEANINGS
from pipeline.artefacts import atomic
from pipeline.errors import InputError
from pipeline.methods.registry import METHODS

START, END = "<!-- bench:start -->", "<!-- bench:end -->"
SHARED = 0.25  # cores kept busy by other processes from which on a time is marked
BETTER = 0.01  # a measure is better from this relative difference on

Row = dict[str, Any]


@dataclass
class Machine:
    """All newest results of one machine."""

    name: str
    files: list[Results] = field(default_factory=list)

    @cached_property
    def rows(self) -> list[Row]:
        """Measured rows, each with its workload's fields on top, and two more.

        `own` says whether Tunescope computed it. `cost` is what can be compared with others: the
        median seconds, plus those of the exact graph where an engine takes one; None where that
        graph was not measured, or nothing was.
        """
        rows = [
            {**dataclasses.asdict(results.workload(row)), **row}
            for file in self.files
            for row in file["rows"]
        ]
        graphs = {
            (row["input_sha256"], row["device"]): row["seconds"]["median"]
            for row in rows
            if row["step"] == "graph" and row["engine"] and row["status"] == "ok"
        }
        for row in rows:
            row["own"], row["cost"] = row["engine"] is not None, None
            if row["status"] == "ok":
                graph = graphs.get((row["input_sha256"], row["device"]))
                extra = graph if _takes_graph(row) else 0.0
                row["cost"] = None if extra is None else row["seconds"]["median"] + extra
        return rows

    @cached_property
    def studies(self) -> list[Results]:
        """Run times of whole studies."""
        return [file for file in self.files if "study" in file]

    def steps(self) -> list[str]:
        """Steps that were measured, in the order of the pipeline."""
        return [step for step in tables.TITLES if any(r["step"] == step for r in self.rows)]

    def pairs(self) -> Iterator[tuple[Row, Row]]:
        """Each own row with each peer of the same task; measures of layouts are different tasks."""
        done = [row for row in self.rows if row["cost"] is not None and row["step"] != "quality"]
        for own in done:
            for peer in done:
                if own["own"] and not peer["own"] and _task(own) == _task(peer):
                    yield own, peer


def _task(row: Row) -> tuple:
    return row["step"], row["input_sha256"], row["n"], row["device"]


def _takes_graph(row: Row) -> bool:
    method = METHODS.get(row["step"])
    if method is None or row["engine"] is None:
        return False
    # Results outlive engines: one that is gone took what its successor takes.
    successor = next(iter(method.engines.values()))
    return method.engines.get(row["engine"], successor).needs_graph


def machines(folder: Path = results.RESULTS) -> list[Machine]:
    """Committed results by machine, that of the newest first."""
    by_name: dict[str, Machine] = {}
    for file in results.read_all(folder):
        name = file["file"][len("2026-01-01-") :].removesuffix(f"-{file['profile']}.json")
        by_name.setdefault(name, Machine(name)).files.append(file)
    return sorted(by_name.values(), key=lambda machine: machine.files[-1]["date"], reverse=True)


def write(folder: Path = results.RESULTS, root: Path = ROOT) -> list[Path]:
    """Bring both pages and all plots up to date; return the files that changed."""
    changed = []
    for path, text in pages(folder, root).items():
        if text != path.read_text():
            with atomic(path) as temporary:
                temporary.write_text(text)
            changed.append(path)
    for path, draw, digest in _plots(folder, root):
        if plots.digest_of(path) != digest:
            with atomic(path) as temporary:
                draw(temporary, digest)
            changed.append(path)
    return changed


def stale(folder: Path = results.RESULTS, root: Path = ROOT) -> list[Path]:
    """Pages and plots that do not show the committed results."""
    wrong = [path for path, text in pages(folder, root).items() if text != path.read_text()]
    return wrong + [p for p, _, digest in _plots(folder, root) if plots.digest_of(p) != digest]


def pages(folder: Path, root: Path) -> dict[Path, str]:
    """Both pages as they should be."""
    measured = machines(folder)
    return {
        root / "bench" / "README.md": _filled(root / "bench" / "README.md", _details(measured)),
        root / "README.md": _filled(root / "README.md", _overview(measured)),
    }


def _filled(path: Path, lines: list[str]) -> str:
    text = path.read_text()
    if text.count(START) != 1 or text.count(END) != 1 or text.index(START) > text.index(END):
        raise InputError(f"{path} must have one line {START} and, below it, one line {END}")
    before, rest = text.split(START)
    after = rest.split(END)[1]
    return "\n".join([before + START, *lines, END + after])


def _plots(folder: Path, root: Path) -> Iterator[tuple[Path, Any, str]]:
    for machine in machines(folder):
        digest = plots.digest(machine.files)
        for name, draw in plots.applicable(machine.rows, machine.studies).items():
            yield root / "bench" / "plots" / f"{machine.name}-{name}.png", draw, digest


def _overview(measured: list[Machine]) -> list[str]:
    """The table of the main README: each step at the largest n that an own engine finished."""
    lines = []
    for machine in measured:
        rows = list(_summary(machine))
        if rows:
            head = ["what", "points", "engine", "seconds", "peak GB", "quality", "peer", "ratio"]
            origin = f"{_origin(machine)} Input: {'; '.join(_inputs(machine))}."
            lines += ["", origin, "", *tables.table(head, rows)]
    if not lines:
        return ["", "No results are committed yet.", ""]
    note = (
        "Seconds are medians of the computation alone; *graph* is the exact graph of neighbours, "
        "where an engine is given it. *Ratio* is the peer's seconds over ours, the graph included, "
        "on the same points and machine: above 1 ours is faster. Every figure, with its "
        "spread, memory and quality, is in [bench/README.md](bench/README.md)."
    )
    return [*lines, "", note, ""]


def _largest(machine: Machine, step: str) -> list[Row]:
    """The quickest own row at the largest n of a step."""
    own = [r for r in machine.rows if r["step"] == step and r["own"] and r["status"] == "ok"]
    if not own:
        return []
    chosen = max(own, key=lambda row: (row["n"], -row["seconds"]["median"]))
    if step == "features":  # each network is a task of its own
        return [row for row in own if row["n"] == chosen["n"]]
    return [chosen]


def _inputs(machine: Machine) -> list[str]:
    """Titles of the inputs of the rows that a summary shows."""
    named = [each for file in machine.files for each in file.get("inputs", {}).items()]
    titles = {name: about["title"] for name, about in named}  # a study's file has none
    shown = {row["input"] for step in machine.steps() for row in _largest(machine, step)}
    return [title for name, title in titles.items() if name in shown]


def _summary(machine: Machine) -> Iterator[list[str]]:
    pairs = list(machine.pairs())
    for step in machine.steps():
        chosen = _largest(machine, step)
        title = tables.TITLES[step]
        for row in chosen:
            cells = [
                title,
                f"{row['n']:,}",
                row["label"],
                _cost(row),
                tables.gigabytes(row["memory"]["peak_mb"]),
                _chief(row),
            ]
            title = ""
            peers = [peer for mine, peer in pairs if mine is row]
            for peer in sorted(peers, key=lambda row: row["seconds"]["median"]):
                beside = f"{peer['label']}: {tables.seconds(peer['seconds']['median'])} s"
                quality = _chief(peer)
                yield [*cells, f"{beside}, {quality}" if quality else beside, _ratio(row, peer)]
                cells = [""] * len(cells)
            if not peers:
                yield [*cells, "", ""]


def _chief(row: Row) -> str:
    name = tables.CHIEF.get(row["step"])
    value = row["quality"].get(name) if name else None
    return "" if value is None else f"{tables.title(str(name))} {value:.4g}"


def _ratio(own: Row, peer: Row) -> str:
    return f"{peer['cost'] / own['cost']:.2g}"


def _cost(own: Row) -> str:
    """Seconds of an own row, and of the graph that it takes."""
    alone = own["seconds"]["median"]
    if not _takes_graph(own):
        return tables.seconds(alone)
    graph = "graph" if own["cost"] is None else f"{tables.seconds(own['cost'] - alone)} graph"
    return f"{tables.seconds(alone)} + {graph}"


def _origin(machine: Machine) -> str:
    about = machine.files[-1]["machine"]
    dates = sorted({file["date"] for file in machine.files})
    gpu = f", {about['gpu']}" if about["gpu"] else ""
    return (
        f"Measured on {about['cpu']}, {about['cores']} cores, {about['memory_gb']:.0f} GB{gpu}; "
        f"{' and '.join(dates)}."
    )


def _details(measured: list[Machine]) -> list[str]:
    """The generated part of bench/README.md."""
    if not measured:
        return ["", "No results are committed yet.", ""]
    return [line for machine in measured for line in [*_machine(machine), ""]]


def _machine(machine: Machine) -> Iterator[str]:
    yield from (
        "",
        f"## {machine.files[-1]['machine']['cpu']}, {machine.files[-1]['machine']['cores']} cores",
        "",
        _origin(machine),
        "",
    )
    for file in machine.files:
        yield f"- [{file['file']}](results/{file['file']}): {_provenance(file)}"
    yield ""
    for step in machine.steps():
        yield from _step(machine, step)
    yield from _where_peers_win(machine)
    yield from _endings(machine)
    for study in machine.studies:
        yield from _study(study)
    names = list(plots.applicable(machine.rows, machine.studies))
    for name in names:
        yield from (f"![{plots.TITLES[name.split('-')[0]]}](plots/{machine.name}-{name}.png)", "")


def _provenance(file: Results) -> str:
    about = file["machine"]
    limits = [
        f"{about[key]:.0f} {unit}"
        for key, unit in (("sgemm_gflops", "GFLOP/s sgemm"), ("bandwidth_gb_s", "GB/s memory"))
        if key in about
    ]
    commits = sorted({row["commit"] for row in [file, *file["rows"]] if row["commit"]})
    parts = [
        file["date"],
        f"commit {' and '.join(commits)}" if commits else "before the first commit",
        *limits,
        ", ".join(f"{name} {version}" for name, version in file["versions"].items()),
    ]
    return "; ".join(parts)


def _step(machine: Machine, step: str) -> Iterator[str]:
    rows = [row for row in machine.rows if row["step"] == step and row["status"] == "ok"]
    rows.sort(key=lambda row: (row["input"], row["n"], not row["own"], row["label"]))
    yield from (f"### {tables.TITLES[step]}", "")
    if not rows:
        yield from ("Nothing finished, see below.", "")
        return
    names = tables.measured_names(step, rows)
    bounded = ("of_sgemm", "of_bandwidth", "of_matrix_rate")
    head = ["engine", "device", "input", "points x features", "seconds"]
    head += ["CPU s", "import s", "warm-up s", "transfer s", "peak GB", "device GB"]
    head += ["images/s", *(key.replace("_", " ") for key in bounded), *map(tables.title, names)]
    cells = []
    for row in rows:
        time = row["seconds"]
        marked = " \\*" if row["other_load"] > SHARED else ""
        cells.append(
            [
                f"**{row['label']}**" if row["own"] else row["label"],
                row["device"],
                row["input"],
                f"{row['n']:,} x {row['d']:,}",
                tables.spread(row) + marked,
                tables.seconds(row["cpu_seconds"]),
                tables.seconds(time["import"]),
                tables.seconds(time["warm_up"]),
                tables.seconds(time["transfer"]) if row["device"] == "gpu" else "",
                tables.gigabytes(row["memory"]["peak_mb"]),
                tables.gigabytes(row["memory"]["device_mb"]),
                tables.whole(row["limits"].get("images_per_second")),
                *(tables.percent(row["limits"].get(key)) for key in bounded),
                *tables.measures(row, names),
            ]
        )
    # An empty column is left out.
    kept = [i for i in range(len(head)) if any(line[i] for line in cells)]
    yield from tables.table([head[i] for i in kept], ([line[i] for i in kept] for line in cells))
    yield ""
    for name in names:
        meaning = MEANINGS[name]
        yield f"- *{tables.title(name)}* ({meaning.better} is better): {meaning.text}."
    if any(row["other_load"] > SHARED for row in rows):
        yield f"- \\* other processes kept more than {SHARED} cores busy meanwhile."
    yield ""


def _where_peers_win(machine: Machine) -> Iterator[str]:
    rows = []
    for own, peer in machine.pairs():
        slower = own["cost"] > peer["cost"]
        name = tables.CHIEF.get(own["step"])
        worse = False
        if name and name in own["quality"] and name in peer["quality"]:
            a, b = own["quality"][name], peer["quality"][name]
            gain = (b - a) if MEANINGS[name].better == "higher" else (a - b)
            worse = gain > BETTER * abs(a)
        if slower or worse:
            words = [word for word, true in (("faster", slower), ("better", worse)) if true]
            rows.append(
                [
                    f"{tables.TITLES[own['step']]}: {peer['label']}",
                    f"{own['n']:,}",
                    " and ".join(words),
                    tables.seconds(peer["seconds"]["median"]),
                    f"{_cost(own)} ({own['label']})",
                    _ratio(own, peer),
                    _chief(peer),
                    _chief(own),
                ]
            )
    yield from ("### Where a peer is faster or better", "")
    if rows:
        head = ["peer", "points", "is", "its seconds", "ours", "ratio", "its quality", "ours"]
        yield from (*tables.table(head, rows), "")
        yield (
            "*Ratio* is the peer's seconds over ours, with our graph where an engine is given it; "
            "*better* means by more than "
            f"{100 * BETTER:.0f} % of the measure."
        )
    elif any(machine.pairs()):
        yield "Nowhere in these results."
    else:
        yield "No peer was measured at the same task."
    yield ""


def _endings(machine: Machine) -> Iterator[str]:
    rows = [row for row in machine.rows if row["status"] != "ok"]
    if not rows:
        return
    yield from ("### Where engines end", "")
    cells = [
        [
            f"{tables.TITLES[row['step']]}: {row['label']}",
            f"{row['n']:,}",
            row["status"],
            row["reason"].replace("|", "\\|"),
            tables.gigabytes(row.get("memory", {}).get("peak_mb")),
        ]
        for row in rows
    ]
    yield from tables.table(["what", "points", "status", "reason", "peak GB"], cells)
    yield ""


def _study(study: Results) -> Iterator[str]:
    jobs = results.jobs(study)
    yield from (f"### The study {study['study']}, by step", "")
    cells = [
        [
            " ".join(filter(None, (row["step"], row["method"]))),
            row["backbone"],
            row["stage"],
            tables.seconds(row["seconds"]),
            "" if row["cpu_seconds"] is None else tables.seconds(row["cpu_seconds"]),
            tables.gigabytes(row["peak_mb"]),
        ]
        for row in jobs
    ]
    yield from tables.table(["job", "backbone", "stage", "seconds", "CPU s", "peak GB"], cells)
    total = sum(row["seconds"] for row in jobs)
    yield from ("", f"In all {total / 60:.1f} minutes of jobs.", "")
