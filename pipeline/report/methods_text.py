"""The paragraph on methods, for a paper."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.methods.registry import METHODS
from pipeline.report.findings import Backbone


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
    sentences = [
        f"Features of {n:,} images were the pooled outputs of {names} before and after "
        "fine-tuning.",
        *_training(backbones),
        f"Exact {k}-nearest-neighbour label accuracy was computed for test images, "
        "whose neighbours are training images, and apart from it for training images, in feature "
        f"space and in two-dimensional layouts ({titles or 'none'}) of all images, with Wilson's "
        "95 % intervals; gains are paired, with intervals of 2,000 bootstrap resamples stratified "
        "by class.",
        "Linear probes are L2-regularised logistic regressions on standardised features "
        "(Alain & Bengio 2016).",
        "Before and after were compared by the overlap of exact "
        "neighbourhoods, debiased linear CKA (Kornblith et al. 2019; Nguyen et al. 2021) and "
        "Procrustes distance (Ding et al. 2021), with jackknife intervals over 20 groups.",
        "Layouts are described by neighbours kept (Lee & Verleysen 2009), R_NX (Lee et al. 2015), "
        "trustworthiness and continuity (Venna & Kaski 2001), stress-1 (Kruskal 1964) and Shepard "
        "diagrams (Shepard 1962).",
        "Computed with Tunescope.",
    ]
    return " ".join(sentences)


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
    return [
        "After a new softmax layer, whole networks were trained by Adam (Kingma & Ba 2015) with a "
        f"learning rate that falls along a cosine; optimiser steps: {each}."
    ]
