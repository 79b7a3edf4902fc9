"""Page: the answer of a study in one self-contained HTML file, verdict first."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.measures.accuracy import below_probe
from pipeline.measures.claims import Evidence, Verdict, judge, percent
from pipeline.measures.intervals import Estimate, share
from pipeline.measures.table import COSINE, FEATURES, MEASURES
from pipeline.methods.registry import METHODS
from pipeline.report import plots
from pipeline.report.depth import depth_section, depth_text

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 18  # images of a gallery
BESIDE = 6  # neighbours of each, before and after
THUMBNAIL = 48  # pixels of the longer side at most
MIXED = 20  # classes up to which a matrix is shown
HUB, HUB_K = 0.05, 10  # a neighbour of more than this share of all, and of 10 k, is said
UNSAID = 0.02  # changes of accuracy up to this are too small to speak of opposite ones


@dataclass(frozen=True)
class Backbone:
    """What the steps found of one backbone.

    Attributes
    ----------
    name : str
    context : mapping
        Of its layouts after fine-tuning: dataset, weights, image_size, accuracy, warnings ...
    before, after : mapping
        What `measure_layouts` returned.
    change : mapping
        What `pipeline.store.describe_change` returned.
    images : DataFrame
        The table of `pipeline.store.save_change`.
    neighbors : mapping of stage to (n, >= BESIDE) int array
        Of the exact graphs.
    history : DataFrame
        Epochs of fine-tuning.
    preview, classes : bytes
        PNG of the figure and of its second page.
    layouts : mapping of stage to mapping
        Contexts of the layouts, by method.
    depth : mapping, optional
        What `measure_depth` returned.
    """

    name: str
    context: Mapping[str, Any]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    change: Mapping[str, Any]
    images: pd.DataFrame
    neighbors: Mapping[str, np.ndarray]
    history: pd.DataFrame
    preview: bytes
    classes: bytes | None = None
    layouts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    depth: Mapping[str, Any] | None = None


def build_page(
    study: str,
    backbones: Sequence[Backbone],
    *,
    pixels: np.ndarray | None,
    runtimes: pd.DataFrame | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> str:
    """Write the page of a study.

    Parameters
    ----------
    study : str
    backbones : sequence of Backbone
    pixels : (n, h, w, c) uint8 array, optional
        The images, for thumbnails; without them there are none.
    runtimes : DataFrame, optional
        Of `tabulate_runtimes`.
    provenance : mapping, optional
        Names and values to state: versions, seed, device.

    Returns
    -------
    str
        HTML that needs no other file and no network; everything from outside is escaped.
    """
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("pipeline.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"measures": MEASURES, "percent": percent}
    return environment.get_template("page.html").render(
        study=study,
        backbones=[_section(each, pixels) for each in backbones],
        runtimes=None if runtimes is None else runtimes.fillna("").to_dict("records"),
        provenance=provenance or {},
        methods=methods_text(backbones),
    )


def _section(backbone: Backbone, pixels: np.ndarray | None) -> dict[str, Any]:
    """What the template shows of one backbone."""
    evidence = Evidence(
        backbone.before["measures"],
        backbone.after["measures"],
        backbone.change["measures"],
        (backbone.depth or {}).get("measures", ()),
    )
    verdicts = judge(evidence)
    return {
        "name": backbone.name,
        "context": backbone.context,
        "headline": headline(backbone),
        "alarms": alarms(backbone, verdicts),
        "verdicts": verdicts,
        "preview": _data_url(backbone.preview),
        "classes_page": _data_url(backbone.classes) if backbone.classes else None,
        "table": before_after(evidence),
        "depth": depth_section(backbone.depth),
        "by_class": backbone.change["classes"],
        "mixing": _mixing(backbone),
        "galleries": _galleries(backbone, pixels) if pixels is not None else [],
        "curves": [
            plots.training_curves(backbone.history),
            *(
                plots.r_nx_curves(measured.get("r_nx", {}), title=f"R_NX {stage} fine-tuning")
                for stage, measured in (("before", backbone.before), ("after", backbone.after))
            ),
        ],
        "diagnostics": _diagnostics(backbone),
    }


def headline(backbone: Backbone) -> list[str]:
    """The verdict in plain sentences with numbers, each of which can be defended."""
    values = {
        (stage, row["space"], row["measure"], row["split"]): row
        for stage, measured in (
            ("before", backbone.before),
            ("after", backbone.after),
            ("change", backbone.change),
        )
        for row in measured["measures"]
        if row["value"] is not None
    }

    def shown(stage: str, measure: str, split: str) -> str | None:
        row = values.get((stage, FEATURES, measure, split))
        if row is None or row["low"] is None:
            return None
        return percent(Estimate(row["value"], row["low"], row["high"]))

    split = "test" if ("before", FEATURES, "knn_accuracy", "test") in values else "all"
    of, judges = {"test": ("test images", "training images"), "all": ("images", "others")}[split]
    sentences = []
    tested = _tested(backbone)
    probe = (backbone.before.get("probe") or {}).get("test_accuracy")
    if tested is not None and probe is not None:
        n = backbone.before["probe"]["n_test"]
        first = share(round(probe * n), n)
        sentences.append(
            f"Accuracy on {n:,} test images: {percent(first)} % by a linear probe of the untouched "
            f"features, {percent(tested)} % by the fine-tuned network."
        )
    old, new = (shown(stage, "knn_accuracy", split) for stage in ("before", "after"))
    gain = values.get(("change", FEATURES, "knn_accuracy_gain", split))
    if old and new and gain:
        estimate = Estimate(gain["value"], gain["low"], gain["high"])
        sentences.append(
            f"In feature space the {backbone.before['k']} nearest {judges} name the class "
            f"of {old} % of {of} before and {new} % after, a gain of "
            f"{percent(estimate, sign=True)} points."
        )
    kept = values.get(("change", FEATURES, "neighbors_overlap", split))
    chance = values.get(("change", FEATURES, "overlap_by_chance", "all"))
    cka = values.get(("change", FEATURES, "cka", "all"))
    if kept and chance:
        sentence = (
            f"Of an image's {backbone.change['k']} nearest neighbours {100 * kept['value']:.1f} % "
            f"are the same after fine-tuning (by chance {100 * chance['value']:.2g} %)"
        )
        if cka is not None:
            sentence += f"; debiased CKA of before and after is {cka['value']:.2f}"
            if cka["low"] is not None:
                sentence += f" [{cka['low']:.2f}, {cka['high']:.2f}]"
        sentences.append(sentence + ".")
    return sentences


def _tested(backbone: Backbone) -> Estimate | None:
    """The accuracy of the fine-tuned network on test images, from its predictions."""
    table = backbone.images
    if "prediction" not in table or not (test := table["split"] == "test").any():
        return None
    right = table["prediction"].astype(str) == table["label"].astype(str)
    return share(int(right[test].sum()), int(test.sum()))


def alarms(backbone: Backbone, verdicts: Sequence[Verdict]) -> list[str]:
    """Why the numbers must be read with care, the gravest first."""
    found = []
    if "random" in str(backbone.context.get("weights", "")):
        found.append("The weights are random: nothing here is about pre-trained features.")
    tested, probe = _tested(backbone), backbone.before.get("probe") or {}
    below = below_probe(
        tested.value if tested else None, probe.get("test_accuracy"), probe.get("n_test")
    )
    if below:
        found.append(f"{below[0].upper()}{below[1:]}.")
    gains = {
        (row["measure"], row["split"]): row
        for row in backbone.change["measures"]
        if row["low"] is not None
    }
    test, train = (gains.get(("knn_accuracy_gain", split)) for split in ("test", "train"))
    if test and train and test["low"] <= 0 < train["low"]:
        found.append(
            "Training images gained in feature space, test images did not: what the layouts show "
            "of training images is memory."
        )
    found += _disagreements(backbone)
    for stage, measured in (("before", backbone.before), ("after", backbone.after)):
        for row in measured["measures"]:
            limit = max(HUB * len(backbone.images), HUB_K * measured["k"])
            if row["measure"] == "largest_hub" and row["value"] > limit:
                found.append(
                    f"{stage.capitalize()} fine-tuning one image is among the {measured['k']} "
                    f"nearest of {row['value']:,.0f} of {len(backbone.images):,} (a hub): "
                    "Euclidean neighbours say little there; compare those of the cosine."
                )
    cka = {
        row["measure"]: row["value"]
        for row in backbone.change["measures"]
        if row["measure"].startswith("cka")
    }
    if None not in (cka.get("cka"), cka.get("cka_without_largest")) and (
        abs(cka["cka"] - cka["cka_without_largest"]) > 0.1
    ):
        found.append(
            f"Ten images carry much of the CKA: {cka['cka']:.2f} with and "
            f"{cka['cka_without_largest']:.2f} without them (ids "
            f"{', '.join(map(str, backbone.change['outliers']))})."
        )
    return [*found, *_warnings(backbone)]


def _disagreements(backbone: Backbone) -> list[str]:
    """Methods in whose layouts test images gain while their features lose, or the reverse."""

    def accuracies(measured: Mapping[str, Any]) -> dict[str, float]:
        return {
            row["space"]: row["value"]
            for row in measured["measures"]
            if row["measure"] == "knn_accuracy" and row["split"] in ("test", "all")
        }

    before, after = accuracies(backbone.before), accuracies(backbone.after)
    gains = {space: after[space] - before[space] for space in before if space in after}
    own = gains.pop(FEATURES, 0.0)
    gains.pop(COSINE, None)
    opposite = [
        METHODS[method].title
        for method, gain in gains.items()
        if method in METHODS and gain * own < 0 and min(abs(gain), abs(own)) > UNSAID
    ]
    if not opposite:
        return []
    return [
        f"The layouts by {', '.join(opposite)} say the opposite of the features, whose k-NN "
        f"accuracy changed by {100 * own:+.1f} points: believe the features."
    ]


def _warnings(backbone: Backbone) -> list[str]:
    """All sentences of all steps, each once."""
    said = [
        *(backbone.context.get("warnings") or []),
        *(
            sentence
            for layouts in backbone.layouts.values()
            for layout in layouts.values()
            for sentence in layout.get("warnings") or []
        ),
        *(backbone.before.get("warnings") or []),
        *(backbone.after.get("warnings") or []),
        *(backbone.change.get("warnings") or []),
        *((backbone.depth or {}).get("warnings") or []),
    ]
    return [f"{each[0].upper()}{each[1:].rstrip('.')}." for each in dict.fromkeys(said) if each]


def before_after(evidence: Evidence) -> list[dict[str, Any]]:
    """Every measure before and after, a row a space, split and measure.

    Returns
    -------
    list of dict
        space, split, measure, title, before, after (rows of measures), arrow ("better", "worse",
        "open" where the intervals overlap; "rises" or "falls" of a measure without interval; "").
    """
    after = {(row["space"], row["split"], row["measure"]): row for row in evidence.after}
    rows = []
    for old in evidence.before:
        key = old["space"], old["split"], old["measure"]
        if (new := after.get(key)) is None or old["measure"] == "majority_baseline":
            continue
        measure = MEASURES[old["measure"]]
        rows.append(
            {
                "space": METHODS[key[0]].title if key[0] in METHODS else key[0],
                "split": key[1],
                "measure": key[2],
                "title": measure.title,
                "before": old,
                "after": new,
                "arrow": _arrow(old, new, measure.better),
            }
        )
    return rows


def _arrow(old: Mapping[str, Any], new: Mapping[str, Any], better: str) -> str:
    """What may be said of a change: with intervals whether it is for the better, else its sign."""
    if old["value"] is None or new["value"] is None or old["value"] == new["value"]:
        return ""
    rises = new["value"] > old["value"]
    if old["low"] is None or not better:
        return "rises" if rises else "falls"
    if old["low"] <= new["high"] and new["low"] <= old["high"]:
        return "open"
    return "better" if rises == (better == "higher") else "worse"


def _mixing(backbone: Backbone) -> dict[str, Any] | None:
    """The matrices of the neighbours' classes in feature space, test images where there are any."""
    names = backbone.before.get("classes") or []
    matrices = [
        each.get("mixing", {}).get(FEATURES, {}) for each in (backbone.before, backbone.after)
    ]
    split = "test" if all("test" in each for each in matrices) else "all"
    if not 1 < len(names) <= MIXED or not all(split in each for each in matrices):
        return None
    before, after = (
        [[0.0 if share is None else share for share in row] for row in each[split]]
        for each in matrices
    )
    return {"names": names, "split": split, "before": before, "after": after}


def _galleries(backbone: Backbone, pixels: np.ndarray) -> list[dict[str, Any]]:
    """Images with their neighbours before and after: test errors, and what changed most."""
    table = backbone.images.reset_index(drop=True)
    galleries = []
    if "prediction" in table:
        missed = table["prediction"].astype(str) != table["label"].astype(str)
        wrong = table[missed & (table["split"] == "test")]
        wrong = wrong.sort_values("confidence", ascending=False, kind="stable")
        title = "Test images that the fine-tuned network gets wrong, the surest first"
        galleries.append((title, wrong))
    gain = table["own_after"] - table["own_before"]
    changed = table.assign(gain=gain).sort_values(["gain", "overlap"], kind="stable")
    less, more = changed[changed["gain"] < 0], changed[changed["gain"] > 0][::-1]
    galleries += [
        ("Images with fewer neighbours of their class than before", less),
        ("Images with more neighbours of their class than before", more),
    ]
    return [
        {
            "title": title,
            "total": len(rows),
            "images": [_card(backbone, table, row, pixels) for row in rows.index[:SHOWN]],
        }
        for title, rows in galleries
    ]


def _card(backbone: Backbone, table: pd.DataFrame, row: int, pixels: np.ndarray) -> dict[str, Any]:
    """One image of a gallery."""
    known = table.loc[row]
    return {
        "picture": thumbnail(pixels[row]),
        "id": int(known["id"]),
        "file": known.get("file") or "",
        "label": str(known["label"]),
        "split": known["split"],
        "prediction": str(known["prediction"]) if "prediction" in table else "",
        "own_before": float(known["own_before"]),
        "own_after": float(known["own_after"]),
        "neighbors": {
            stage: [
                (thumbnail(pixels[other]), str(table["label"][other]))
                for other in indices[row, :BESIDE]
            ]
            for stage, indices in backbone.neighbors.items()
        },
    }


def thumbnail(image: np.ndarray) -> str:
    """An image (h, w, 1 or 3) uint8 as a data URL, small ones as they are."""
    from PIL import Image

    picture = Image.fromarray(image.squeeze(axis=2) if image.shape[2] == 1 else image)
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    picture.save(buffer, "png", optimize=True)
    return _data_url(buffer.getvalue())


def _data_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _diagnostics(backbone: Backbone) -> list[dict[str, Any]]:
    """A row a layout: who computed it, of how many points, and what it had to say."""
    return [
        {
            "stage": stage,
            "method": METHODS[method].title if method in METHODS else method,
            "engine": layout.get("engine") or "",
            "points": layout.get("points"),
            "converged": {True: "yes", False: "NO"}.get(layout.get("converged"), "not iterative"),
            "components": layout.get("components") or "",
            "warnings": "; ".join(layout.get("warnings") or []),
        }
        for stage, layouts in backbone.layouts.items()
        for method, layout in layouts.items()
    ]


def methods_text(backbones: Sequence[Backbone]) -> str:
    """A paragraph for the methods section of a paper, with citations."""
    if not backbones:
        return ""
    first = backbones[0]
    names = ", ".join(each.name for each in backbones)
    titles = ", ".join(
        METHODS[name].title for name in METHODS if name in next(iter(first.layouts.values()), {})
    )
    k, n = first.before["k"], len(first.images)
    return (
        f"Features of {n:,} images were the pooled outputs of {names} before and after "
        f"fine-tuning. Exact {k}-nearest-neighbour label accuracy was computed for test images, "
        "whose neighbours are training images, and apart from it for training images, in feature "
        f"space and in two-dimensional layouts ({titles or 'none'}) of all images, with Wilson's "
        "95 % intervals; gains are paired, with intervals of 2,000 bootstrap resamples stratified "
        "by class. Linear probes are L2-regularised logistic regressions on standardised features "
        "(Alain & Bengio 2016). Before and after were compared by the overlap of exact "
        "neighbourhoods, debiased linear CKA (Kornblith et al. 2019; Nguyen et al. 2021) and "
        "Procrustes distance (Ding et al. 2021), with jackknife intervals over 20 groups. "
        f"{depth_text(first.depth)}Layouts "
        "are described by neighbours kept (Lee & Verleysen 2009), R_NX (Lee et al. 2015), "
        "trustworthiness and continuity (Venna & Kaski 2001) and stress-1 (Kruskal 1964). "
        "Computed with Tunescope."
    )
