"""The page of features of another program: no training, perhaps no labels, split or pictures."""

import re

import numpy as np
import pandas as pd
from synthetic_backbone import HOSTILE, N, blobs, picture
from test_page import opened

from pipeline.images.pair import NO_LABELS
from pipeline.measures.change import measure_change
from pipeline.measures.quality import Laid, measure_layouts
from pipeline.neighbors.graph import knn_graph
from pipeline.report.findings import Backbone
from pipeline.store import ImageTable, describe_change

SPLIT = np.where(np.arange(N) % 4, "train", "test")


def given(before, after, *, labels, split=SPLIT):
    """No predictions, no training, no pictures, perhaps no labels."""
    names = HOSTILE if labels is not None else ()
    table = ImageTable(np.arange(N), None, split, np.zeros(N, int), names)
    layout = {"pca": Laid(np.arange(N), before[:, :2], labels, table.parts)}
    options = {"labels": labels, "split": table.parts}
    measured = [measure_layouts(layout, features=X, **options) for X in (before, after)]
    change = measure_change(before, after, **options)
    images = {"id": table.ids, "split": split}
    if labels is not None:
        images["label"] = np.array(HOSTILE, dtype=object)[labels]
    columns = ("overlap", "own_before", "own_after")
    images |= {name: change.images[name] for name in columns if name in change.images}
    graphs = {"before": knn_graph(before, k=30).indices, "after": knn_graph(after, k=30).indices}
    return Backbone(
        name="timm",
        context={"dataset": "cells", "warnings": [] if labels is not None else [NO_LABELS]},
        before=measured[0],
        after=measured[1],
        change=describe_change(change, table),
        images=pd.DataFrame(images),
        neighbors=graphs,
        history=None,
        preview=picture(80, 60),
    )


def test_features_of_another_program_have_no_training():
    text = opened(given(blobs(1.5), blobs(9, seed=1), labels=np.arange(N) % 3)).text
    assert "60 test) · 3 classes · features computed by another program" in text
    assert re.search(r"A linear probe has [\d.]+ \[.*\] % of 60 test images right before", text)
    assert "fine-tuned network" not in text
    assert "were computed by another program" in text
    assert "Claims" in text


def test_without_labels_nothing_is_said_of_classes():
    read = opened(given(blobs(1.5), blobs(9, seed=1), labels=None))
    assert read.open == []
    for words in ("no labels", "There are no labels", "nearest neighbours", "neighbours in common"):
        assert words in read.text
    definitions = read.text.index("Measures: definitions")
    for words in ("Claims", "Class by class", "own class", "label accuracy", "linear probe"):
        assert words not in read.text[:definitions]
    whole = given(blobs(1.5), blobs(9, seed=1), labels=None, split=np.full(N, "all"))
    assert "Of an image's 15 nearest neighbours" in opened(whole).text
