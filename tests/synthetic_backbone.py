"""A backbone as the steps of a study would describe it, of constructed features, in a second."""

import io

import numpy as np
import pandas as pd
from PIL import Image

from pipeline.measures.change import measure_change
from pipeline.measures.quality import Laid, measure_layouts
from pipeline.neighbors.graph import knn_graph
from pipeline.report.findings import Backbone
from pipeline.store import ImageTable, describe_change

N = 240
HOSTILE = ("<script>alert(1)</script>", "\"quotes\" & 'more'", "猫 🐈")
PIXELS = np.random.default_rng(0).integers(0, 256, (N, 9, 7, 3), dtype=np.uint8)
SPLIT = np.where(np.arange(N) % 4, "train", "test")
TRAINING = {
    "head": {"images": 162, "batch_size": 16, "epochs": 5, "steps": 55},
    "full": {"images": 162, "batch_size": 16, "epochs": 20, "steps": 220},
}


def picture(width, height):
    """A PNG."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(buffer, "png")
    return buffer.getvalue()


def found_of(
    before,
    after,
    *,
    names=HOSTILE,
    n_classes=3,
    wrong=(),
    context=None,
    warnings=(),
    files=None,
    training=TRAINING,
    info=None,
    pixels=PIXELS,
    split=SPLIT,
):
    """A backbone as the steps would describe it, of features before and after."""
    labels = np.arange(N) % n_classes
    table = ImageTable(np.arange(N) + 1000, files, split, labels, tuple(names))
    graphs = knn_graph(before, k=30), knn_graph(after, k=30)
    measured = [
        {
            **measure_layouts(
                {"pca": Laid(np.arange(N), X[:, :2], labels)},
                features=X,
                graph=graph,
                labels=labels,
                split=split,
            ),
            "classes": list(names),
        }
        for X, graph in zip((before, after), graphs, strict=True)
    ]
    change = measure_change(before, after, labels=labels, split=split, graphs=graphs)
    predicted = labels.copy()
    predicted[list(wrong)] = (predicted[list(wrong)] + 1) % n_classes
    as_names = np.array(names, dtype=object)
    images = pd.DataFrame(
        {
            **{"id": table.ids, "split": split, "label": as_names[labels]},
            **({} if files is None else {"file": files}),
            **{key: change.images[key] for key in ("overlap", "own_before", "own_after")},
            **{"prediction": as_names[predicted], "confidence": np.linspace(0.5, 1, N)},
        }
    )
    pca = {"engine": "exact", "points": N, "warnings": list(warnings), "info": info or {}}
    layouts = {"pca": pca}
    return Backbone(
        name="MobileNet",
        context={
            **{"dataset": "cells", "images": N, "classes": 3, "weights": "ImageNet weights"},
            **(context or {}),
        },
        before=measured[0],
        after=measured[1],
        change=describe_change(change, table),
        images=images,
        neighbors={
            stage: graph.indices for stage, graph in zip(("before", "after"), graphs, strict=True)
        },
        history=pd.DataFrame({"accuracy": [0.5, 0.9], "val_accuracy": [0.4, 0.8]}),
        preview=picture(80, 60),
        classes=picture(60, 80),
        layouts={"before": layouts, "after": layouts},
        panels={stage: {"pca": picture(50, 50)} for stage in ("before", "after")},
        training=training,
        pixels=pixels,
    )


def blobs(distance, seed=0):
    X = np.random.default_rng(seed).normal(size=(N, 6))
    return X + distance * np.eye(6)[np.arange(N) % 3]
