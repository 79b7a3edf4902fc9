"""The manifest of workloads: what is measured, on which input, by whom, within which limits."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import InputError

ROOT = Path(__file__).resolve().parents[2]  # of the repository
MANIFEST = ROOT / "bench" / "manifest.yaml"


@dataclass(frozen=True)
class Workload:
    """One row of the results before it is measured.

    Attributes
    ----------
    label : str
        Its name in tables and plots.
    step : str
        features, graph, quality, or a method of `pipeline.methods.registry.METHODS`.
    engine, peer : str
        One of the two: a name in `bench.what.engines` or `METHODS[step].engines`, or a function of
        `bench.what.peers`.
    input : str
        A key of the manifest's inputs.
    n : int
        Points.
    params : dict
        Passed to the engine or peer.
    device : {"cpu", "gpu"}
    threads : int or None
        CPU threads; None: all cores.
    seed : int
    repeats : int
        Timed calls, if the first takes less than `repeat_below` seconds; else one.
    repeat_below : float
    time_limit : float
        Seconds that one call may take.
    warm_up : int
        Points of the call before the timed ones, which compiles and loads.
    """

    label: str
    step: str
    input: str
    n: int
    engine: str | None = None
    peer: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    device: str = "cpu"
    threads: int | None = None
    seed: int = 0
    repeats: int = 3
    repeat_below: float = 30
    time_limit: float = 300
    warm_up: int = 500

    @property
    def after_graph(self) -> bool:
        """Whether the exact graph of the input is computed before, for engines that take one."""
        return self.step not in ("features", "graph")

    @property
    def series(self) -> str:
        """Equal for workloads that differ in nothing but n."""
        return json.dumps(dataclasses.asdict(dataclasses.replace(self, n=0)), sort_keys=True)

    @property
    def key(self) -> str:
        """Identifies a workload; equal for the same one in two files of results."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)


@dataclass(frozen=True)
class Manifest:
    """`inputs` by name, and the workloads of each profile in the order they run."""

    inputs: dict[str, dict[str, Any]]
    profiles: dict[str, list[Workload]]

    def select(
        self,
        profile: str,
        *,
        only: str | None = None,
        input: str | None = None,
        n: Sequence[int] | None = None,
    ) -> list[Workload]:
        """The workloads of a profile: of `only` a step, an engine, a peer or a part of a label.

        Parameters
        ----------
        profile : str
        only : str, optional
        input : str, optional
            Instead of the rows' own.
        n : sequence of int, optional
            Points; by default all that the profile has.

        Raises
        ------
        InputError
            No such profile or input, or nothing matches.
        """
        if profile not in self.profiles:
            raise InputError(
                f"profile is {profile!r} but must be one of {', '.join(self.profiles)}"
            )
        if input is not None and input not in self.inputs:
            raise InputError(f"input is {input!r} but must be one of {', '.join(self.inputs)}")
        chosen = [
            # Features are extracted from images, whatever is laid out.
            dataclasses.replace(row, input=input) if input and row.step != "features" else row
            for row in self.profiles[profile]
            if (only is None or only in (row.step, row.engine, row.peer) or only in row.label)
            and (not n or row.n in n)
        ]
        if not chosen:
            wanted = " and ".join(repr(each) for each in (only, n) if each)
            raise InputError(
                f"no workload of profile {profile} matches {wanted}: give a step such as mds, an "
                "engine, a peer, or a part of a label, and a number of points that the profile has"
            )
        return chosen


def load_manifest(path: Path = MANIFEST) -> Manifest:
    """Read the manifest; a row with several n becomes one workload each, smallest first.

    Raises
    ------
    InputError
        An unknown key, an unknown input, or a row with both or neither of engine and peer.
    """
    content = yaml.safe_load(Path(path).read_text())
    profiles = {
        name: [
            workload
            for row in section.pop("rows")
            for workload in _expand({**content["defaults"], **section, **row}, name)
        ]
        for name, section in content["profiles"].items()
    }
    unknown = {row.input for rows in profiles.values() for row in rows} - set(content["inputs"])
    if unknown:
        raise InputError(f"manifest: unknown input {sorted(unknown)[0]!r}")
    return Manifest(content["inputs"], profiles)


def _expand(row: dict[str, Any], profile: str) -> list[Workload]:
    allowed = [each.name for each in dataclasses.fields(Workload)]
    wrong = sorted(set(row) - set(allowed))
    if wrong:
        raise InputError(
            f"manifest: unknown key {wrong[0]!r} in profile {profile}; allowed are "
            f"{', '.join(allowed)}"
        )
    if ("engine" in row) == ("peer" in row):
        raise InputError(f"manifest: give engine or peer in {row.get('label')!r} of {profile}")
    sizes = row.pop("n")
    return [Workload(n=n, **row) for n in (sizes if isinstance(sizes, list) else [sizes])]
