"""Plots of the results, as a paper would print them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from bench.report import tables
from bench.run import results
from bench.run.results import Results
from bench.what.measures import MEANINGS
from pipeline.methods.registry import METHODS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito (2008), distinguishable with every common kind of colour vision, darkest first.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vP*"
# Paul Tol's "muted" scheme for the many parts of a study, and greys for what is no method.
PARTS = {
    "prepare": "#BBBBBB",
    "finetune": "#332288",
    "features": "#88CCEE",
    "graph": "#44AA99",
    "pca": "#117733",
    "tsne": "#999933",
    "umap": "#DDCC77",
    "mds": "#CC6677",
    "lle": "#882255",
    "isomap": "#AA4499",
    "quality": "#777777",
    "figure": "#444444",
}
PART_TITLES = {
    "prepare": "data set, backbone, tables",
    "finetune": "fine-tuning",
    "quality": "measures",
    **{name: method.title for name, method in METHODS.items()},
}
TITLES = {
    "time": "Seconds against points",
    "memory": "Peak memory against points",
    "quality": "Quality against seconds",
    "gpu": "GPU against CPU",
    "study": "Run time of a study by step",
}
STYLE: Any = {  # of matplotlib
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "figure.constrained_layout.w_pad": 0.1,
    "savefig.dpi": 200,
}

Row = dict[str, Any]
Draw = Callable[[Path, str], None]


def applicable(rows: list[Row], studies: list[Results]) -> dict[str, Draw]:
    """The plots that these results have data for: name -> function of (path, digest)."""
    rows = [row for row in rows if row["step"] != "features"]  # images are no points to lay out
    done = [row for row in rows if row["cost"] is not None]
    draw: dict[str, Draw] = {}
    if done:
        draw["time"] = partial(
            _save, partial(_against_points, rows, _cost, "seconds, with neighbours")
        )
        draw["memory"] = partial(_save, partial(_against_points, rows, _peak, "peak memory, GB"))
    if _rivals(done):
        draw["quality"] = partial(_save, partial(_quality, done))
    if _devices(done):
        draw["gpu"] = partial(_save, partial(_gpu, done))
    for study in studies:
        draw[f"study-{study['study']}"] = partial(_save, partial(_study, study))
    return draw


def digest(files: list[Results]) -> str:
    """Digest of the results that a plot shows, kept in the metadata of the PNG."""
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:16]


def digest_of(path: Path) -> str | None:
    """The digest in a PNG, None where there is no such file."""
    if not path.is_file():
        return None
    with Image.open(path) as image:
        return image.info.get("Results")


def _save(plot: Callable[[], Figure], path: Path, digest: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with plt.rc_context(STYLE):
        figure = plot()
        figure.savefig(path, metadata={"Results": digest, "Software": ""})
        plt.close(figure)


def exponent(n: Iterable[float], values: Iterable[float]) -> float | None:
    """Slope of log value over log n, by least squares over the four largest n; None below three."""
    points = sorted(zip(n, values, strict=True))[-4:]
    if len(points) < 3:
        return None
    x, y = np.log(np.array(points)).T
    return float(np.polyfit(x, y, 1)[0])


def _cost(row: Row) -> float:
    return row["cost"]


def _peak(row: Row) -> float:
    return row["memory"]["peak_mb"] / 1e3


def _panels(count: int, height: float = 3.0) -> tuple[Figure, list[Axes]]:
    import matplotlib.pyplot as plt

    columns = min(count, 3)
    lines = -(-count // columns)
    figure, grid = plt.subplots(
        lines, columns, figsize=(3.3 * columns, height * lines), squeeze=False, layout="constrained"
    )
    for axes in grid.flat[count:]:
        axes.set_visible(False)
    return figure, list(grid.flat[:count])


def _series(rows: list[Row]) -> dict[tuple[str, str], list[Row]]:
    """Rows of one step by engine and device, own engines first, by n."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(rows, key=lambda row: (not row["own"], row["label"], row["n"])):
        found.setdefault((row["label"], row["device"]), []).append(row)
    return found


def _against_points(rows: list[Row], value: Callable[[Row], float], unit: str) -> Figure:
    """Log-log curves, one panel a step; a cross on the upper edge is where an engine ended."""
    steps = [step for step in tables.TITLES if any(row["step"] == step for row in rows)]
    figure, panels = _panels(len(steps))
    for axes, step in zip(panels, steps, strict=True):
        here = [row for row in rows if row["step"] == step]
        axes.set(xscale="log", yscale="log", title=tables.TITLES[step])
        for position, ((label, device), line) in enumerate(_series(here).items()):
            style = _style(position, own=line[0]["own"])
            done = [row for row in line if row["cost"] is not None]
            n, y = [row["n"] for row in done], [value(row) for row in done]
            slope = exponent(n, y)
            name = label if device == "cpu" else f"{label} (GPU)"
            axes.plot(
                n, y, label=name + (rf"  $\propto n^{{{slope:.1f}}}$" if slope else ""), **style
            )
            _mark_endings(axes, line, style["color"], position)
        _label_sizes(axes, sorted({row["n"] for row in here}))
        _room_above(axes)
        axes.set_xlabel("points")
        axes.set_ylabel(unit)
        _legend_below(axes)
    figure.align_labels()
    return figure


def _room_above(axes: Axes) -> None:
    """Keep the curves below the crosses, and at least a decade of the logarithmic axis in sight."""
    from matplotlib.ticker import NullFormatter

    low, high = axes.get_ylim()
    axes.set_ylim(low, low * max((high / low) ** 1.3, 12))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _legend_below(axes: Axes) -> None:
    axes.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.2), handlelength=2, borderpad=0)


def _style(position: int, *, own: bool) -> dict[str, Any]:
    return {
        "color": COLORS[position % len(COLORS)],
        "marker": MARKERS[position % len(MARKERS)],
        "linestyle": "-" if own else "--",
        "markerfacecolor": None if own else "white",
        "zorder": 3 if own else 2,
    }


def _mark_endings(axes: Axes, line: list[Row], color: str, position: int) -> None:
    reasons = {"memory": "memory", "time": "time limit", "refused": "refused", "failed": "failed"}
    ended = [row for row in line if row["status"] in reasons]
    height = 1.0 - 0.1 * (position % 3)
    for row in ended[:1]:
        place = axes.get_xaxis_transform()
        axes.plot(
            row["n"],
            height,
            "x",
            color=color,
            transform=place,
            markersize=6,
            markeredgewidth=1.8,
            clip_on=False,
            zorder=4,
        )
        axes.annotate(
            reasons[row["status"]],
            (row["n"], height),
            xycoords=place,
            xytext=(0, -5),
            textcoords="offset points",
            ha="center",
            va="top",
            color=color,
            fontsize=6.5,
        )


def _label_sizes(axes: Axes, sizes: list[int]) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels(map(_short, sizes))


def _short(n: int) -> str:
    return f"{n // 1000}k" if n % 1000 == 0 else f"{n}"


def _rivals(rows: list[Row]) -> dict[str, list[Row]]:
    """Steps whose chief measure two engines have for one n, with the rows of such n."""
    found: dict[str, list[Row]] = {}
    for step, measure in tables.CHIEF.items():
        if step == "pca":  # exact, whoever computes it
            continue
        here = [row for row in rows if row["step"] == step and measure in row["quality"]]
        for row in here:
            others = {other["label"] for other in here if other["n"] == row["n"]}
            if len(others) > 1:
                found.setdefault(step, []).append(row)
    return found


def _quality(rows: list[Row]) -> Figure:
    """The chief measure over seconds, one panel a step; thin lines join results on one input."""
    from matplotlib.ticker import NullFormatter

    rivals = _rivals(rows)
    figure, panels = _panels(len(rivals))
    for axes, (step, here) in zip(panels, rivals.items(), strict=True):
        measure = tables.CHIEF[step]
        tasks: dict[str, list[Row]] = {}
        for row in sorted(here, key=_cost):
            tasks.setdefault(row["input_sha256"], []).append(row)
        for position, same in enumerate(tasks.values()):  # by the seconds of the fastest
            x, y = [_cost(row) for row in same], [row["quality"][measure] for row in same]
            axes.plot(x, y, color="#BBBBBB", linewidth=0.8, zorder=1)
            below = position % 2  # neighbours would overlap on one side
            axes.annotate(
                _short(same[0]["n"]),
                (x[0], y[0]),
                xytext=(0, -5 if below else 5),
                textcoords="offset points",
                ha="center",
                va="top" if below else "bottom",
                fontsize=6.5,
                color="#555555",
            )
        for position, ((label, device), line) in enumerate(_series(here).items()):
            style = {**_style(position, own=line[0]["own"]), "linestyle": ""}
            name = label if device == "cpu" else f"{label} (GPU)"
            y = [row["quality"][measure] for row in line]
            axes.plot([_cost(row) for row in line], y, label=name, **style)
        axes.set(xscale="log", title=tables.TITLES[step], xlabel="seconds, with neighbours")
        axes.set_ylabel(f"{tables.title(measure)}\n({MEANINGS[measure].better} is better)")
        axes.margins(x=0.18, y=0.3)
        axes.ticklabel_format(axis="y", useOffset=False)
        axes.xaxis.set_minor_formatter(NullFormatter())
        _legend_below(axes)
    return figure


def _devices(rows: list[Row]) -> dict[tuple[str, int], dict[str, Row]]:
    """The fastest row on CPU and on GPU of what was measured on both, at the largest such n."""
    found: dict[tuple[str, int], dict[str, Row]] = {}
    for row in rows:
        best = found.setdefault((row["step"], row["n"]), {})
        if row["device"] not in best or _cost(row) < _cost(best[row["device"]]):
            best[row["device"]] = row
    both = {key: best for key, best in found.items() if len(best) == 2}
    largest = {step: max(n for s, n in both if s == step) for step, _ in both}
    return {key: best for key, best in both.items() if key[1] == largest[key[0]]}


def _gpu(rows: list[Row]) -> Figure:
    """Bars of seconds, the fastest engine of each device, with the ratio."""
    import matplotlib.pyplot as plt

    both = _devices(rows)
    figure, axes = plt.subplots(figsize=(6.6, 0.6 + 0.55 * len(both)), layout="constrained")
    for line, best in enumerate(both.values()):
        for offset, device, color in ((-0.2, "cpu", COLORS[0]), (0.2, "gpu", COLORS[1])):
            row = best[device]
            axes.barh(line + offset, _cost(row), 0.36, color=color, label=device.upper())
            axes.annotate(
                f" {row['label']}, {tables.seconds(_cost(row))} s",
                (_cost(row), line + offset),
                va="center",
                fontsize=6.5,
            )
    names = [
        f"{tables.TITLES[step]}, n = {n:,}\n{_cost(best['cpu']) / _cost(best['gpu']):.3g} x"
        for (step, n), best in both.items()
    ]
    axes.set_yticks(range(len(both)), names)
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel="seconds")
    left, right = axes.get_xlim()
    axes.set_xlim(left, right * (right / left) ** 0.45)  # room for the words beside the bars
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles[:2], labels[:2], loc="outside upper right", ncols=2)
    return figure


def _study(study: Results) -> Figure:
    """One bar a backbone, its parts in the order of the workflow."""
    import matplotlib.pyplot as plt

    jobs = results.jobs(study)
    backbones = sorted({row["backbone"] for row in jobs if row["backbone"]})
    minutes = {
        (backbone, part): sum(
            row["seconds"] / 60
            for row in jobs
            if row["backbone"] in ("", backbone) and _part(row) == part
        )
        for backbone in backbones
        for part in PARTS
    }
    total = max(sum(minutes[backbone, part] for part in PARTS) for backbone in backbones)
    figure, axes = plt.subplots(figsize=(6.6, 1.5 + 0.45 * len(backbones)), layout="constrained")
    for line, backbone in enumerate(backbones):
        left = 0.0
        for part, color in PARTS.items():
            width = minutes[backbone, part]
            if width:
                axes.barh(line, width, 0.6, left, color=color, label=part, edgecolor="white")
                if width > 0.05 * total:
                    axes.annotate(
                        f"{width:.1f}",
                        (left + width / 2, line),
                        ha="center",
                        va="center",
                        fontsize=7,
                        color="black" if _light(color) else "white",
                    )
            left += width
        axes.annotate(f" {left:.1f}", (left, line), va="center", fontsize=7)
    axes.set_yticks(range(len(backbones)), backbones)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("minutes, before and after together")
    handles, parts = axes.get_legend_handles_labels()
    shown = dict(zip(parts, handles, strict=True))
    names = [part for part in PARTS if part in shown]
    figure.legend(
        [shown[part] for part in names],
        [PART_TITLES.get(part, part) for part in names],
        loc="outside lower center",
        ncols=6,
        handlelength=1,
        columnspacing=1.2,
    )
    return figure


def _part(row: Row) -> str:
    if row["step"] == "embed":
        return row["method"]
    return row["step"] if row["step"] in PARTS else "prepare"


def _light(color: str) -> bool:
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return 0.299 * red + 0.587 * green + 0.114 * blue > 140
