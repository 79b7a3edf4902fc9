"""The paragraph on methods, for a paper."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.methods.registry import METHODS
from pipeline.report.depth import depth_text
from pipeline.report.findings import Backbone


def methods_text(backbones: Sequence[Backbone]) -> str:
    """A paragraph for the methods section of a paper, with citations."""
    if not backbones:
        return ""
    first = backbones[0]
    sentences = [
        _features(backbones),
        *_training(backbones),
        *_neighbors(first),
        "Before and after were compared by the overlap of exact "
        "neighbourhoods, debiased linear CKA (Kornblith et al. 2019; Nguyen et al. 2021) and "
        "Procrustes distance (Ding et al. 2021), with jackknife intervals over 20 groups.",
        *depth_text(first.depth),
        "The intrinsic dimension is that of TwoNN (Facco et al. 2017).",
        "Layouts are described by neighbours kept (Lee & Verleysen 2009), R_NX (Lee et al. 2015), "
        "trustworthiness and continuity (Venna & Kaski 2001), stress-1 (Kruskal 1964) and Shepard "
        "diagrams (Shepard 1962).",
        *_starts(backbones),
        *_controls(backbones),
        "Computed with Tunescope.",
    ]
    return " ".join(sentences)


def _features(backbones: Sequence[Backbone]) -> str:
    """Whose features they are, and how they are compared."""
    first, n = backbones[0], len(backbones[0].images)
    names = ", ".join(_network(each) for each in backbones)
    origin = (
        f"Features of {n:,} images before and after fine-tuning ({names}) were computed by another "
        "program"
        if first.given
        else f"Features of {n:,} images were the pooled outputs of {names} before and after "
        "fine-tuning"
    )
    scaled = "; all were scaled to unit length, so that distances are those of the cosine"
    return f"{origin}{scaled if first.cosine else ''}."


def _network(found: Backbone) -> str:
    """A backbone, with its width and the weights before fine-tuning where they are known."""
    context = found.context
    width = f" of width {context['alpha']:g}" if context.get("alpha", 1) != 1 else ""
    known = [str(context["weights"])] if context.get("weights") else []
    if context.get("image_size"):
        known.append(f"{context['image_size']} pixels")
    return f"{found.name}{width}" + (f" ({', '.join(known)})" if known else "")


def _neighbors(first: Backbone) -> list[str]:
    """What neighbours were asked for, of which images and where."""
    titles = ", ".join(
        METHODS[name].title for name in METHODS if name in next(iter(first.layouts.values()), {})
    )
    k = first.before["k"]
    spaces = f"in feature space and in two-dimensional layouts ({titles or 'none'}) of all images"
    if not first.labelled:
        return [f"Exact {k} nearest neighbours were computed {spaces}."]
    parted = (
        "for test images, whose neighbours are training images, and apart from it for training "
        "images"
        if (first.images["split"] == "test").any()
        else "for all images, whose neighbours are all others"
    )
    return [
        f"Exact {k}-nearest-neighbour label accuracy was computed {parted}, {spaces}, with "
        "Wilson's 95 % intervals; gains are paired, with intervals of 2,000 bootstrap resamples "
        "stratified by class.",
        *_probes(first),
        "Groups that are no class are communities of these neighbourhoods (Louvain algorithm, "
        "Blondel et al. 2008) of which no class has half, though elsewhere images of their classes "
        "lie among their own.",
    ]


def _probes(first: Backbone) -> list[str]:
    """What the linear probes are, where any were measured."""
    rows = (*first.evidence.before, *first.evidence.after, *first.evidence.depth)
    if not any(row["measure"] == "linear_probe" for row in rows):
        return []
    return [
        "Linear probes are L2-regularised logistic regressions on standardised features (Alain & "
        "Bengio 2016)."
    ]


def _starts(backbones: Sequence[Backbone]) -> list[str]:
    """Which layouts after fine-tuning were started from those before."""
    titles = {
        METHODS[method].title: None
        for each in backbones
        for method, layout in each.layouts.get("after", {}).items()
        if layout.get("started_from") == "before"
    }
    if not titles:
        return []
    return [
        f"After fine-tuning, layouts by {', '.join(titles)} were started from the layouts before."
    ]


def _controls(backbones: Sequence[Backbone]) -> list[str]:
    """What the runs of controls were, if there are any."""
    runs = max(1 + len(each.controls.others) for each in backbones)
    said = []
    if runs > 1:
        said.append(
            f"Changes of feature measures within the range of {runs} fine-tunings by different "
            "seeds are called inconclusive."
        )
    seeds = max(1 + len(each.evidence.layouts) for each in backbones)
    if seeds > 1:
        said.append(
            f"Changes of layout measures within the range of layouts by {seeds} seeds are called "
            "inconclusive."
        )
    if any(each.controls.floor is not None for each in backbones):
        said.append("The same architecture with random weights is the floor before fine-tuning.")
    return said


def _training(backbones: Sequence[Backbone]) -> list[str]:
    """How long the networks were trained, if that is known of all."""
    phases = [each.training.get("full") for each in backbones]
    known = [phase for phase in phases if phase is not None]
    if not known or len(known) < len(phases):
        return []
    each = ", ".join(
        f"{phase['steps']:,} in batches of {phase['batch_size']:,} ({backbone.name})"
        for backbone, phase in zip(backbones, known, strict=True)
    )
    heads = [backbone.training.get("head") for backbone in backbones]
    steps = sorted({phase["steps"] for phase in heads if phase is not None})
    first = "Whole networks with a new softmax layer were trained"
    if steps:
        alone = " or ".join(f"{n:,}" for n in steps)
        first = f"A new softmax layer was trained alone ({alone} steps), then the whole network,"
    return [
        f"{first} by Adam (Kingma & Ba 2015) with a learning rate that falls along a cosine; "
        f"optimiser steps: {each}."
    ]
