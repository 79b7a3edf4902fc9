"""The source files that decide the result of each step: inputs of its rule.

An edit of one re-runs the step. Listed, not computed. What only logs, meters, reads or writes
(`pipeline.runtime`, `pipeline.cli`, `pipeline.store`) or estimates time and memory is left out: a
change there re-runs nothing. A test compares the lists with what the modules import.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # holds the packages pipeline and kernels


def _modules(folder: str, names: str) -> list[str]:
    """Python files of a folder."""
    return [f"{folder}/{name}.py" for name in names.split()]


def _kernels(topics: str) -> list[str]:
    """The twins on some topics and their CUDA sources."""
    return [
        f"kernels/{file}"
        for topic in topics.split()
        for file in (f"cpu/{topic}.py", f"gpu/{topic}.py", f"cuda/{topic}.cu")
    ]


def _engine(folder: str, names: str, *more: list[str]) -> list[str]:
    """Files of an engine: all that lays out by any, its own in the method's folder, and more."""
    return sum(more, [*EMBED, *_modules(f"pipeline/methods/{folder}", names)])


def _templates(names: str) -> list[str]:
    """Files of the page's template."""
    return [f"pipeline/report/templates/{name}" for name in names.split()]


def _web(names: str) -> list[str]:
    """What the explorer runs in a browser."""
    return [f"pipeline/report/explorer/web/{name}" for name in names.split()]


def _solvers(names: str) -> list[str]:
    """Files of the shared eigensolvers."""
    return _modules("pipeline/methods/solvers", names)


GRAPH = [
    *_modules("kernels", "backend gpu/cuda"),
    *_kernels("knn"),
    *_modules("kernels/cpu", "_heaps candidates"),
    *_modules(
        "pipeline/neighbors",
        "graph lower_bound principal_axes scale search spatial_order spread_search tiles",
    ),
]
EMBED = [
    *GRAPH,
    "pipeline/images/subset.py",
    *_modules("pipeline/methods", "base embed parameters"),
]
INFERENCE = _modules("pipeline/networks", "backbone features flops inference outputs precision")
PCA_START = ["pipeline/methods/pca/principal_components.py"]
COMPONENTS = ["pipeline/neighbors/components.py"]
PAIRS = ["kernels/pairs.py"]
LANDMARKS = ["pipeline/methods/landmark_error.py"]
RAPIDS = ["pipeline/methods/rapids.py"]

FILES = {
    "dataset": _modules(
        "pipeline/images",
        "arrays dataset decoding folder inspection labels listing names npz pixels published source"
        " splits subset",
    ),
    "pair": _modules(
        "pipeline/images",
        "columns decoding feature_inspection folder inspection labels listing names npz pair"
        " pictures pixels source splits subset tables",
    ),
    "backbone": _modules("pipeline/networks", "backbone"),
    "finetune": [
        *INFERENCE,
        *_modules(
            "pipeline/networks", "batch_norm batches checkpoint finetune recipe schedule training"
        ),
    ],
    "features": INFERENCE,
    "graph": GRAPH,
    "pca.exact": _engine("pca", "exact", PCA_START),
    "tsne.opentsne": _engine(
        "tsne",
        "affinities base exact opentsne",
        PCA_START,
        _kernels("tsne"),
        _solvers("csr"),
    ),
    "tsne.exact": _engine(
        "tsne", "affinities base exact", PCA_START, _kernels("tsne"), _solvers("csr")
    ),
    "tsne.cuml": _engine("tsne", "affinities base cuml", PCA_START, RAPIDS),
    "umap.tunescope": _engine(
        "umap", "base descent library loss tunescope", PCA_START, ["kernels/cpu/umap.py"]
    ),
    "umap.cuml": _engine("umap", "base library loss cuml", PCA_START, RAPIDS),
    "mds.exact": _engine(
        "mds",
        "base distances exact initialization landmarks smacof spread",
        PCA_START,
        PAIRS,
        LANDMARKS,
        ["kernels/cpu/placement.py"],
        _kernels("distances smacof"),
    ),
    "mds.sklearn": _engine("mds", "base scikit_learn", PCA_START),
    "lle.exact": _engine(
        "lle",
        "closed_classes exact weights",
        COMPONENTS,
        _solvers("chebyshev csr eigenpairs inverse"),
        _kernels("lle"),
        ["kernels/cpu/minimum_degree.py"],
    ),
    "lle.sklearn": _engine("lle", "closed_classes scikit_learn", COMPONENTS),
    "isomap.exact": _engine(
        "isomap",
        "classical_scaling exact geodesics landmarks spread",
        COMPONENTS,
        PAIRS,
        LANDMARKS,
        _solvers("eigenpairs lanczos"),
        [*_kernels("shortest_paths squared_pairs"), "kernels/cpu/_simd.py"],
    ),
    "isomap.sklearn": _engine("isomap", "scikit_learn", COMPONENTS),
    "quality": [
        *GRAPH,
        "pipeline/images/subset.py",
        *_modules("pipeline/neighbors", "layout_neighbors nearest_among"),
        *_kernels("ranks"),
        *_modules(
            "pipeline/measures",
            "classes faithfulness intervals layout_seeds overlap probe quality ranks representation"
            " table votes",
        ),
    ],
    "change": [
        *GRAPH,
        "pipeline/neighbors/nearest_among.py",
        *_modules(
            "pipeline/measures", "change classes groups intervals overlap similarity table votes"
        ),
    ],
    "depth": [
        *INFERENCE,
        *GRAPH,
        "pipeline/images/subset.py",
        "pipeline/networks/blocks.py",
        *_modules(
            "pipeline/measures",
            "classes depth intervals overlap probe similarity table votes",
        ),
    ],
    "figure": [
        *_modules("pipeline/measures", "accuracy intervals table"),
        *_modules(
            "pipeline/drawing",
            "alignment caption class_names class_page figure labels page palette panel png",
        ),
    ],
    "summary": [
        *_modules("pipeline/measures", "accuracy intervals table"),
        "pipeline/report/summary.py",
    ],
    "runtimes": _modules("pipeline/report", "runtimes"),
    "explorer": [
        "pipeline/images/subset.py",
        *_modules("pipeline/drawing", "alignment labels palette panel"),
        *_modules("pipeline/report", "relative"),
        *_modules("pipeline/report/explorer", "content packing page thumbnails"),
        *_web(
            "camera.js canvas.js color.js csv.js data.js dom.js filters.js image.js legend.js"
            " link.js main.js marks.js morph.js overlay.js page.html pane.js pointer.js search.js"
            " selection.js state.js style.css table.js thumbnails.js tsconfig.json webgl.js went.js"
        ),
    ],
    "report": [
        "pipeline/drawing/png.py",
        *_modules(
            "pipeline/measures",
            "accuracy claims claims_about_layouts claims_over_backbones evidence intervals"
            " own_claims table",
        ),
        *_modules(
            "pipeline/report",
            "alarms bars controls density depth diagnostics findings galleries glance groups"
            " headline methods_text mixing page plots provenance relative tables",
        ),
        *_templates(
            "definitions.html macros.html methods.html page.html provenance.html runtimes.html"
            " script.js style.css"
        ),
        *_templates(
            "sections/claims.html sections/classes.html sections/controls.html"
            " sections/curves.html sections/depth.html sections/diagnostics.html"
            " sections/distances.html sections/galleries.html sections/glance.html"
            " sections/groups.html sections/layouts.html sections/measures.html"
        ),
    ],
}


def sources(step: str) -> list[str]:
    """Source files of a step as inputs of a rule.

    Parameters
    ----------
    step : str
        A key of `FILES`; a layout's is ``"<method>.<engine>"``.

    Returns
    -------
    list of str
        Relative to this folder where they lie below it; braces are doubled, since Snakemake reads
        single ones as wildcards.
    """
    here = Path.cwd()
    root = Path(os.path.relpath(ROOT)) if ROOT.is_relative_to(here) else ROOT
    return [str(root / name).replace("{", "{{").replace("}", "}}") for name in FILES[step]]


def digest(step: str) -> str:
    """Digest of the source files of a step, 16 hexadecimal digits."""
    hashes = hashlib.sha256()
    for name in sorted(FILES[step]):
        hashes.update(name.encode() + b"\0" + (ROOT / name).read_bytes())
    return hashes.hexdigest()[:16]
