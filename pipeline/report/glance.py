"""At a glance: one layout before and after, the gains of classes, and how they mix."""

from __future__ import annotations

from typing import Any

from pipeline.report.bars import class_gains
from pipeline.report.findings import STAGES, Backbone, title_of
from pipeline.report.galleries import smaller
from pipeline.report.mixing import DRAWN, mixing

PREFERRED = ("tsne", "umap")  # which layout is shown; else the first of all
SIDE = 420  # pixels


def glance(found: Backbone) -> dict[str, Any]:
    """What the first screen shows below the verdict.

    Returns
    -------
    dict
        "panels", title and data URL of one layout before and after; "gains", see `class_gains`;
        "mixing", see `pipeline.report.mixing.mixing`, of few classes.
    """
    both = [
        name for name in found.panels.get("before", {}) if name in found.panels.get("after", {})
    ]
    method = next((name for name in (*PREFERRED, *both) if name in both), None)
    matrices = mixing(found)
    return {
        "panels": [
            (f"{title_of(method)} {stage}", smaller(found.panels[stage][method], SIDE))
            for stage in STAGES
        ]
        if method
        else [],
        "gains": class_gains(found),
        "mixing": matrices if matrices and len(matrices["names"]) <= DRAWN else None,
    }
