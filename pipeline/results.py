"""The results of a study: which files its folder holds, read for the page and the explorer."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import artefacts, store
from pipeline.config import Claim
from pipeline.drawing.caption import start_note
from pipeline.errors import InputError
from pipeline.measures.evidence import OtherRun
from pipeline.measures.own_claims import OwnClaim
from pipeline.measures.table import check_names
from pipeline.methods.registry import METHODS
from pipeline.neighbors.graph import check_graph
from pipeline.report.controls import Controls
from pipeline.report.explorer.content import Explored, Placed
from pipeline.report.findings import STAGES, Backbone, title_of
from pipeline.runtime.log import log
from pipeline.runtime.validation import validate


def result_folders(
    results: Path, *, backbones: Sequence[str] | None, controls: Sequence[str] | None
) -> dict[Path, list[Path]]:
    """The folder of each backbone, and those of its controls.

    Parameters
    ----------
    results : Path
        results/<study>, which may hold more than the study has now.
    backbones, controls : sequence of str, optional
        Names of folders, the second in `results`/controls; default all.

    Raises
    ------
    InputError
        There is none.
    """
    names = backbones or sorted(path.parent.name for path in results.glob("*/change.parquet"))
    folders = [results / name for name in names]
    if not folders or not all((folder / "change.parquet").is_file() for folder in folders):
        raise InputError(
            f"{results} holds no results of {' and '.join(names) or 'a study'}: give the folder "
            "results/<study> of one that has run"
        )
    given = controls or []
    for name in given:
        if name.rpartition("_")[0] not in names or not (results / "controls" / name).is_dir():
            raise InputError(
                f"--control {name} is no folder in {results / 'controls'} of a control of "
                f"{' or '.join(names)}: give its name, such as {names[0]}_seed1"
            )
    if backbones is None and controls is None:
        given = sorted(path.name for path in (results / "controls").glob("*"))
    return {
        folder: [
            results / "controls" / name for name in given if name.rpartition("_")[0] == folder.name
        ]
        for folder in folders
    }


def one_folder(results: Path, backbone: str | None) -> Path:
    """The folder of a backbone, which need not be named where there is one.

    Raises
    ------
    InputError
        There is none, or several.
    """
    names = None if backbone is None else [backbone]
    folder, *others = result_folders(results, backbones=names, controls=[])
    if others:
        names = [each.name for each in (folder, *others)]
        raise InputError(f"{results} has the backbones {', '.join(names)}: name one by --backbone")
    return folder


def read_sidecars(results: Path, folders: Mapping[Path, Sequence[Path]]) -> list[dict[str, Any]]:
    """How everything that a page is about was made, in the order of the steps."""
    paths = [results / "images.npy", results / "images.parquet"]
    for folder, controls in folders.items():
        for run in (folder, *controls):
            for stage in STAGES:
                layouts = artefacts.context(run / stage / "quality.json").get("layouts", {})
                names = ("model.keras", "features.npy", "graph.npz")
                laid_out = (f"{method}.parquet" for method in layouts)
                paths += [run / stage / name for name in (*names, *laid_out)]
                paths += [*_layouts_by_other_seeds(run / stage), run / stage / "quality.json"]
            changed = "change.parquet" if run == folder else "change.json"  # all that controls keep
            paths += [run / name for name in (changed, "depth.json", "figure.png")]
    sidecars = [artefacts.read_sidecar(path) for path in paths]
    return [sidecar for sidecar in sidecars if "step" in sidecar]


def _layouts_by_other_seeds(folder: Path) -> list[Path]:
    """Those of a stage that its measures are of: a study with more seeds may have left others."""
    measured = artefacts.read_sidecar(folder / "quality.json").get("inputs", {}).values()
    found = sorted((folder / "controls").glob("*.parquet"))
    return [path for path in found if artefacts.known_sha256(path) in measured]


def own_claims(given: Sequence[Mapping[str, Any]]) -> list[OwnClaim]:
    """Claims of a configuration, checked.

    Raises
    ------
    InputError
        A wrong key or value; a measure that there is not, or not in that space or stage.
    """
    claims = [OwnClaim(**validate(Claim, each, source="--claim").model_dump()) for each in given]
    for claim in claims:
        names = claim.measure, claim.space, claim.stage
        check_names(*names, methods=METHODS, source="--claim: ")
    return claims


def read_backbone(
    folder: Path,
    controls: Sequence[Path],
    *,
    pixels: np.ndarray | None,
    claims: Sequence[OwnClaim] = (),
) -> Backbone:
    """What the steps of a study found of one backbone.

    Parameters
    ----------
    folder : Path
        results/<study>/<backbone>.
    controls : sequence of Path
        Folders of its controls, named <backbone>_seed<n> or <backbone>_random.
    pixels : (n, h, w, c) uint8 array, optional
    claims : sequence of OwnClaim
    """
    measured = {stage: folder / stage / "quality.json" for stage in STAGES}
    _check_one_run(folder)
    artefacts.check_one_run(folder / "figure.png", list(measured.values()), _metric(folder))
    layouts = {stage: _layouts(path) for stage, path in measured.items()}
    history = folder / "after/history.csv"
    return Backbone(
        name=folder.name,
        context=artefacts.context(measured["after"]),
        before=store.load_measures(measured["before"]),
        after=store.load_measures(measured["after"]),
        change=_change(folder / "change.json"),
        images=store.load_change(folder / "change.parquet"),
        neighbors={
            stage: store.load_graph(folder / stage / "graph.npz").indices for stage in measured
        },
        history=store.load_csv(history) if history.is_file() else None,
        preview=_picture(folder, "preview.png"),
        classes=_picture(folder, "classes.png") if (folder / "classes.png").is_file() else None,
        layouts=layouts,
        panels={stage: _panels(folder, stage, methods) for stage, methods in layouts.items()},
        training=artefacts.read_sidecar(folder / "after/model.keras").get("training", {}),
        pixels=pixels,
        depth=_depth_profile(folder),
        controls=_read_controls(folder, controls),
        own_claims=claims,
    )


def read_explored(folder: Path, *, pixels: np.ndarray | None) -> Explored:
    """What the steps of a study found of one backbone, image by image.

    Parameters
    ----------
    folder : Path
        results/<study>/<backbone>.
    pixels : (n, h, w, c) uint8 array, optional
    """
    _check_one_run(folder)
    images, k = store.load_change(folder / "change.parquet"), _change(folder / "change.json")["k"]
    graphs, layouts, warnings = {}, {}, []
    for stage in STAGES:
        path = folder / stage / "graph.npz"
        graphs[stage] = check_graph(store.load_graph(path), len(images), source=str(path))
        of_stage = _layouts(folder / stage / "quality.json")
        layouts[stage] = {
            method: _placed(folder / stage / f"{method}.parquet", layout)
            for method, layout in of_stage.items()
        }
        warnings += [
            f"{title_of(method)}, {stage}: {sentence}"
            for method, layout in of_stage.items()
            for sentence in layout["info"].get("warnings", [])
        ]
    return Explored(
        study=folder.resolve().parent.name,
        name=folder.resolve().name,
        context=artefacts.context(folder / "after/quality.json"),
        images=images,
        k=k,
        neighbors={stage: graph.indices[:, :k] for stage, graph in graphs.items()},
        distances={stage: graph.distances[:, :k] for stage, graph in graphs.items()},
        layouts=layouts,
        warnings=tuple(warnings),
        pixels=pixels,
    )


def _placed(path: Path, context: Mapping[str, Any]) -> Placed:
    table = store.load_layout(path)
    start = "".join(start_note(context))
    return Placed(table["row"].to_numpy(), table[["x", "y"]].to_numpy(), start)


def read_pixels(results: Path, folders: Sequence[Path]) -> np.ndarray | None:
    """The images of a study, checked to be those of these backbones; None where there are none."""
    pictures = results / "images.npy"
    if not pictures.is_file():
        return None
    for folder in folders:
        artefacts.check_made_from(folder / "change.parquet", results / "images.parquet")
    artefacts.check_same_images(pictures, results / "images.parquet")
    return store.load_images(pictures)


def _check_one_run(folder: Path) -> None:
    """Refuse results of a backbone of which some are of another run, or of another study."""
    quality = {stage: folder / stage / "quality.json" for stage in STAGES}
    features = [folder / stage / "features.npy" for stage in STAGES]
    metric = _metric(folder)
    for stage, measures in quality.items():
        own = [folder / stage / "features.npy"]
        artefacts.check_one_run(folder / stage / "graph.npz", own, metric)
        artefacts.check_one_run(measures, own, metric)
        for method in artefacts.context(measures).get("layouts", {}):
            layout = folder / stage / f"{method}.parquet"
            artefacts.check_measured(artefacts.described(layout), measures)
    for change in (folder / "change.json", folder / "change.parquet"):
        artefacts.check_one_run(change, features, metric)


def _metric(folder: Path) -> str:
    return artefacts.context(folder / "after/quality.json").get("metric", "euclidean")


def _change(path: Path) -> dict[str, Any]:
    """What changed as a whole and by class."""
    found = store.load_measures(path)
    lacking = [key for key in ("classes", "groups", "outliers") if key not in found]
    if lacking:
        raise InputError(
            f"{path} has no {' and '.join(lacking)}, as of another version of Tunescope: run "
            "`tunescope change` again"
        )
    return found


def _picture(folder: Path, name: str) -> bytes:
    """The bytes of a PNG that is whole and was drawn with the figure of a backbone."""
    from PIL import Image

    path, figure = folder / name, folder / "figure.png"
    content = artefacts.verify(path).read_bytes()
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            image.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(
            f"{path} is no whole picture ({error}): delete it and run the study again"
        ) from None
    drawn = artefacts.read_sidecar(figure).get("pictures", {})
    if drawn.get(path.name) != hashlib.sha256(content).hexdigest():
        raise InputError(f"{path} was not drawn with {figure}: delete both and run the study again")
    return content


def _depth_profile(folder: Path) -> Any:
    """The depth profile of a backbone, if the study has one of its networks."""
    path = folder / "depth.json"
    if not path.is_file():
        return None
    try:
        artefacts.check_made_from(path, folder / "after/model.keras")
    except InputError as error:  # left from before `depth: false` and another fine-tuning
        log.warning(f"report: no depth profile: {error}")
        return None
    return store.load_measures(path)


def _layouts(quality: Path) -> dict[str, dict[str, Any]]:
    """Contexts of the layouts of a stage, with what their methods say of themselves."""
    return {
        method: {
            **layout,
            "info": artefacts.read_sidecar(quality.parent / f"{method}.parquet").get("info", {}),
        }
        for method, layout in artefacts.context(quality).get("layouts", {}).items()
    }


def _panels(folder: Path, stage: str, methods: Mapping[str, Any]) -> dict[str, bytes]:
    """PNG of each layout of a stage alone."""
    return {
        method: _picture(folder, panel)
        for method in methods
        if (folder / (panel := f"panels/{stage}_{method}.png")).is_file()
    }


def _read_controls(folder: Path, runs: Sequence[Path]) -> Controls:
    """What was measured of the controls of a backbone."""
    metric, untrained = _metric(folder), folder / "before/features.npy"
    others, accuracies, floor = [], [], None
    for run in runs:
        if run.name.endswith("_random"):
            measured = run / "before/quality.json"
            artefacts.check_one_run(measured, [run / "before/features.npy"], metric)
            floor = store.load_measures(measured)["measures"]
            continue
        measured, change = run / "after/quality.json", run / "change.json"
        features = run / "after/features.npy"
        artefacts.check_one_run(measured, [features], metric)
        artefacts.check_one_run(change, [untrained, features], metric)
        others.append(
            OtherRun(
                store.load_measures(measured)["measures"], store.load_measures(change)["measures"]
            )
        )
        accuracies.append((artefacts.context(measured).get("accuracy") or {}).get("test"))
    known = [accuracy for accuracy in accuracies if accuracy is not None]
    return Controls(others, known, floor)
