"""Provenance: how every result of a study was made, out of the sidecars."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from pipeline.report.relative import without_folders

LEFT_OUT: tuple[Any, ...] = (None, [], {})  # parameters that were not given


def trace(sidecars: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row an artefact: what made it, with which parameters and seed, from what.

    Parameters
    ----------
    sidecars : iterable of mapping
        See `pipeline.artefacts`.

    Returns
    -------
    list of dict
        step, backbone, stage, method, device, seed, parameters (JSON without what was left out),
        computed (time), sha256 of the artefact, inputs (name and SHA-256 of each).
    """
    return [_row(sidecar) for sidecar in sidecars]


def _row(sidecar: Mapping[str, Any]) -> dict[str, Any]:
    context, parameters = sidecar.get("context", {}), dict(sidecar.get("parameters", {}))
    of_backbone = sidecar["step"] != "dataset"
    seed = parameters.pop("seed", "")
    given = {name: value for name, value in parameters.items() if value not in LEFT_OUT}
    return {
        "step": sidecar["step"],
        "backbone": context.get("backbone", "") if of_backbone else "",
        "stage": context.get("stage", "") if sidecar["step"] not in ("change", "figure") else "",
        "method": context.get("method", "") if sidecar["step"] == "embed" else "",
        "device": sidecar.get("device", ""),
        "seed": seed,
        "parameters": json.dumps(without_folders(given), ensure_ascii=False),
        "computed": sidecar.get("created", ""),
        "sha256": sidecar.get("sha256", ""),
        "inputs": "; ".join(
            f"{PurePath(name).name} {digest}" for name, digest in sidecar.get("inputs", {}).items()
        ),
    }


def origin(sidecars: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What all results of a study share, or each of its values: devices, seeds, versions, source.

    Parameters
    ----------
    sidecars : iterable of mapping

    Returns
    -------
    dict
        By the name to show.
    """
    sidecars = list(sidecars)
    versions = {
        name: version for each in sidecars for name, version in each.get("versions", {}).items()
    }
    found = {
        "devices": _each(
            sidecar.get("gpu", {}).get("name") or sidecar.get("device") for sidecar in sidecars
        ),
        "CPU threads of training": _each(sidecar.get("threads") for sidecar in sidecars),
        "seeds": _each(sidecar.get("parameters", {}).get("seed") for sidecar in sidecars),
        "precision of training and features": _each(each.get("precision") for each in sidecars),
        "computed": _span(sorted(each["created"] for each in sidecars if "created" in each)),
        "versions": ", ".join(f"{name} {version}" for name, version in sorted(versions.items())),
    }
    files = {
        name: digest
        for sidecar in sidecars
        for name, digest in _files(sidecar.get("provenance", {})).items()
    }
    found["source files, SHA-256"] = ", ".join(f"{name} {files[name]}" for name in sorted(files))
    return {name: without_folders(value) for name, value in found.items() if value}


def _each(values: Iterable[Any]) -> str:
    return ", ".join(str(value) for value in dict.fromkeys(values) if value is not None)


def _span(times: list[str]) -> str:
    if not times:
        return ""
    return times[0] if times[0] == times[-1] else f"{times[0]} to {times[-1]}"


def _files(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Hashes of what was downloaded or read: data set and weights."""
    files = provenance.get("files")
    found = {name: str(digest) for name, digest in files.items()} if isinstance(files, dict) else {}
    if provenance.get("sha256") and provenance.get("file"):
        found[str(provenance["file"])] = str(provenance["sha256"])
    return found
