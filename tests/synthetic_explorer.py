"""What an explorer shows, of constructed features and of layouts whose every place is known."""

import numpy as np
import pandas as pd

from pipeline.measures.change import measure_change
from pipeline.neighbors.graph import knn_graph
from pipeline.report.explorer.content import Explored, Placed

N, K, SIDE = 240, 15, 9
HOSTILE = ("<script>alert(1)</script>", "\"quotes\" & 'more'", "猫 🐈 ąę العربية")
FILES = np.array([f"猫/=<img src=x onerror=alert({i})>'\".png" for i in range(N)], dtype=object)
SPLIT = np.where(np.arange(N) % 4, "train", "test")
PIXELS = np.random.default_rng(0).integers(0, 256, (N, SIDE, 7, 3), dtype=np.uint8)


def explored_of(
    *, names=HOSTILE, labelled=True, n=N, files=FILES, pixels=PIXELS, warnings=(), subset=None
):
    """A backbone of n images, class by class in turn; by two methods, in a row and then in a ring.

    Every twentieth image is misclassified by the head. Of method umap, `subset` rows are laid out.
    """
    classes = max(len(names), 1)
    labels = np.arange(n) % classes
    split = np.resize(SPLIT, n)
    rng = np.random.default_rng(0)
    features = [rng.normal(size=(n, 6)) + far * np.eye(6)[labels % 6] for far in (1.5, 9)]
    graphs = tuple(knn_graph(X, k=30) for X in features)
    change = measure_change(
        *features, labels=labels if labelled else None, split=split, graphs=graphs, k=K
    )
    as_class = {"categories": list(names)}
    columns = {"id": np.arange(n) + 1000, "split": split}
    if files is not None:
        columns["file"] = files
    columns |= {
        key: change.images[key]
        for key in ("overlap", "own_before", "own_after")
        if key in change.images
    }
    if labelled:
        columns["label"] = pd.Categorical.from_codes(labels, **as_class)
        predicted = np.where(np.arange(n) % 20 == 0, (labels + 1) % classes, labels)
        columns["prediction"] = np.array(names, object)[predicted]
        columns["confidence"] = np.linspace(0.5, 1, n, dtype=np.float32)
        for name in ("predicted_before", "predicted_after"):
            columns[name] = pd.Categorical.from_codes(change.images[name], **as_class)
    jitter = rng.uniform(-0.05, 0.05, (n, 2))
    angle = 2 * np.pi * labels / classes
    places = {
        "before": np.column_stack([labels, np.zeros(n)]) + jitter,
        "after": 2 * np.column_stack([np.cos(angle), np.sin(angle)]) + jitter,
    }
    rows = np.arange(n if subset is None else subset)
    layouts = {
        stage: {"tsne": Placed(np.arange(n), xy), "umap": Placed(rows, xy[rows] * [1, -1])}
        for stage, xy in places.items()
    }
    return Explored(
        study="signs",
        name="MobileNet",
        context={"dataset": "</title><script>alert(2)</script>", "weights": "<b>weights"},
        images=pd.DataFrame(columns),
        k=change.k,
        neighbors={s: g.indices[:, : change.k] for s, g in zip(places, graphs, strict=True)},
        distances={s: g.distances[:, : change.k] for s, g in zip(places, graphs, strict=True)},
        layouts=layouts,
        warnings=warnings,
        pixels=None if pixels is None else np.resize(pixels, (n, *pixels.shape[1:])),
    )
