"""Does the page say the answer, warn where it must, and hold nothing from outside unescaped?"""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from pipeline.images.pair import NO_LABELS
from pipeline.measures.change import measure_change
from pipeline.measures.quality import Laid, measure_layouts
from pipeline.neighbors.graph import knn_graph
from pipeline.report.page import Backbone, before_after, build_page, headline
from pipeline.store import ImageTable, describe_change

N = 240
HOSTILE = ("<script>alert(1)</script>", "\"quotes\" & 'more'", "猫 🐈")
SPLIT = np.where(np.arange(N) % 4, "train", "test")
PNG = b"\x89PNG not really"


def found_of(before, after, *, names=HOSTILE, wrong=(), context=None, warnings=(), files=None):
    """A backbone as the steps would describe it, of features before and after."""
    labels, split = np.arange(N) % 3, SPLIT
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
    predicted[list(wrong)] = (predicted[list(wrong)] + 1) % 3
    as_names = np.array(names, dtype=object)
    images = pd.DataFrame(
        {
            **{"id": table.ids, "split": split, "label": as_names[labels]},
            **({} if files is None else {"file": files}),
            **{key: change.images[key] for key in ("overlap", "own_before", "own_after")},
            **{"prediction": as_names[predicted], "confidence": np.linspace(0.5, 1, N)},
        }
    )
    layouts = {"pca": {"engine": "sklearn", "points": N, "warnings": list(warnings)}}
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
        preview=PNG,
        layouts={"before": layouts, "after": layouts},
    )


def blobs(distance, seed=0):
    X = np.random.default_rng(seed).normal(size=(N, 6))
    return X + distance * np.eye(6)[np.arange(N) % 3]


@pytest.fixture(scope="module")
def separated():
    return found_of(blobs(1.5), blobs(9, seed=1), wrong=[0, 4])


PIXELS = np.random.default_rng(0).integers(0, 256, (N, 9, 7, 3), dtype=np.uint8)


class Reader(HTMLParser):
    """The page as a browser takes it apart."""

    VOID = ("meta", "img", "br", "line", "polyline")

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.texts, self.attributes = [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def page_of(*backbones, **options):
    options = {"pixels": PIXELS, **options}
    return Reader(build_page("signs", backbones, **options))


def test_the_answer_comes_first(separated):
    text = page_of(separated).text
    sentences = headline(separated)
    assert len(sentences) == 3
    start = text.index("signs: what fine-tuning did")
    places = [text.index(each, start) for each in (*sentences, "Claims", "Before and after")]
    assert places == sorted(places)
    tested = re.search(
        r"60 test images: .* 96\.7 \[88\.6, 99\.1\] % by the fine-tuned", sentences[0]
    )
    assert tested  # 58 of 60
    assert "a gain of +" in sentences[1]
    assert "by chance 6.3 %" in sentences[2]
    assert "debiased CKA" in sentences[2]


def test_the_page_is_whole_and_asks_for_nothing(separated):
    page = page_of(separated)
    assert page.open == []
    assert page.tags.count("script") == 1
    for tag, name, value in page.attributes:
        if name in ("src", "href"):
            assert value.startswith("data:image/png;base64,"), (tag, value)
    html = build_page("signs", [separated], pixels=PIXELS)
    assert "http:" not in html
    assert "https:" not in html
    assert html.isascii() or 'charset="utf-8"' in html
    assert build_page("signs", [separated], pixels=PIXELS) == html


def test_names_from_outside_stay_text(separated):
    files = np.array([f"<img src=x onerror=alert({i})>.png" for i in range(N)], dtype=object)
    hostile = found_of(
        blobs(2),
        blobs(3, seed=1),
        wrong=[0],
        files=files,
        context={"dataset": "</title><script>", "weights": "<b>weights"},
        warnings=["<i>pca</i> did not converge"],
    )
    page = page_of(hostile, provenance={"<u>": "</table>"})
    assert page.open == []
    assert page.tags.count("script") == 1
    assert not {"b", "u"} & set(page.tags)
    for name in HOSTILE:
        assert name in page.text
    assert "<img src=x onerror=alert(0)>.png" in page.text
    assert "<i>pca</i> did not converge" in page.text


def test_test_errors_are_shown_with_their_neighbours(separated):
    page = page_of(separated)
    assert "gets wrong, the surest first (2)" in page.text
    assert "taken for" in page.text
    assert "image 1000, test" in page.text
    assert page.tags.count("img") > 2 * 13
    without = page_of(separated, pixels=None)
    assert without.tags.count("img") == 1  # the figure
    assert "gets wrong, the surest first (2)" in without.text
    nearest = ", ".join(str(1000 + row) for row in separated.neighbors["after"][0, :6])
    assert f"after: {nearest}" in without.text.replace(" ,", ",")


def test_what_must_be_read_with_care_is_said(separated):
    care = "Read with care"
    assert care not in page_of(separated).text
    warned = found_of(
        blobs(9), blobs(9), wrong=range(0, N, 4), context={"weights": "random weights"}
    )
    text = page_of(warned).text
    assert "The weights are random" in text
    assert "Fine-tuning ended below a linear probe of the features before it" in text
    warned = found_of(blobs(1.5), blobs(9, seed=1), warnings=["PCA has one axis"])
    assert "PCA has one axis." in page_of(warned).text


def test_memory_hubs_and_outliers_are_named():
    before = blobs(0)
    after = before.copy()
    train = np.arange(N) % 4 > 0
    after[train] += 30 * np.eye(6)[np.arange(N) % 3][train]
    assert (
        "what the layouts show of training images is memory"
        in page_of(found_of(before, after)).text
    )
    outliers = blobs(1)
    outliers[[3, 50, 99]] += 1000
    text = page_of(found_of(outliers, blobs(1, seed=1) + (outliers - blobs(1)))).text
    assert "Ten images carry much of the CKA" in text
    assert "1003" in text
    far = np.random.default_rng(0).normal(size=(N, 300))
    far[7] = 0  # the centre is near to all in many dimensions
    assert "(a hub)" in page_of(found_of(far, far)).text


def test_layouts_that_say_the_opposite_of_the_features_are_named():
    before, after = blobs(5), blobs(5, seed=1)
    after[:, :3] = np.random.default_rng(2).normal(size=(N, 3)) * 0.1  # features lose the classes
    found = found_of(before, after)
    found.after["measures"][:] = [
        {**row, "value": 1.0} if row["space"] == "pca" else row for row in found.after["measures"]
    ]
    found.before["measures"][:] = [
        {**row, "value": 0.5} if row["space"] == "pca" else row for row in found.before["measures"]
    ]
    assert "The layouts by PCA say the opposite of the features" in page_of(found).text


def test_arrows_follow_the_direction_of_the_measure_and_overlap_is_open(separated):
    from pipeline.measures.evidence import Evidence

    evidence = Evidence(separated.before["measures"], separated.after["measures"], [])
    arrows = {(r["space"], r["measure"], r["split"]): r["arrow"] for r in before_after(evidence)}
    assert arrows["features", "knn_accuracy", "test"] == "better"
    assert arrows["features", "nc1", "test"] == "falls"  # it has no interval
    assert arrows["features", "effective_rank", "all"] in ("rises", "falls")
    same = Evidence(separated.before["measures"], separated.before["measures"], [])
    assert {row["arrow"] for row in before_after(same)} == {""}


def test_many_classes_and_backbones(separated):
    names = tuple(f"class {i}" for i in range(30))
    many = found_of(blobs(2), blobs(3, seed=1), names=names)
    page = page_of(separated, many)
    assert page.open == []
    assert page.tags.count("section") == 3
    assert "Before: % of neighbours" in page_of(separated).text
    assert "Before: % of neighbours" not in page_of(many).text


def given(before, after, *, labels, split=SPLIT):
    """Features of another program: no predictions, no training, perhaps no labels."""
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
        preview=PNG,
    )


def test_features_of_another_program_have_no_training():
    text = page_of(given(blobs(1.5), blobs(9, seed=1), labels=np.arange(N) % 3)).text
    assert "240 images, 3 classes; features computed by another program" in text
    assert re.search(r"A linear probe has [\d.]+ \[.*\] % of 60 test images right before", text)
    assert "fine-tuned network" not in text
    assert "were computed by another program" in text
    assert "Claims" in text


def test_without_labels_nothing_is_said_of_classes():
    page = page_of(given(blobs(1.5), blobs(9, seed=1), labels=None), pixels=None)
    assert page.open == []
    for words in ("240 images, no labels", "There are no labels", "nearest neighbours"):
        assert words in page.text
    definitions = page.text.index("Measures: definitions")
    for words in ("Claims", "Class by class", "own class", "label accuracy", "linear probe"):
        assert words not in page.text[:definitions]
    whole = given(blobs(1.5), blobs(9, seed=1), labels=None, split=np.full(N, "all"))
    assert "Of an image's 15 nearest neighbours" in page_of(whole).text
