"""Does the page say the answer, warn where it must, and hold nothing from outside unescaped?"""

import base64
import dataclasses
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from synthetic_backbone import HOSTILE, TRAINING, N, blobs, found_of

from pipeline.measures.evidence import Evidence, OtherRun
from pipeline.measures.intervals import Estimate
from pipeline.measures.own_claims import OwnClaim, judge_own
from pipeline.measures.table import FEATURES, row_of
from pipeline.methods.registry import METHODS
from pipeline.report import page
from pipeline.report.bars import class_gains
from pipeline.report.controls import Controls
from pipeline.report.density import density
from pipeline.report.glance import glance
from pipeline.report.headline import facts, headline
from pipeline.report.methods_text import methods_text
from pipeline.report.provenance import origin, trace
from pipeline.report.relative import without_folders
from pipeline.report.tables import before_after


@pytest.fixture(scope="module")
def separated():
    return found_of(blobs(1.5), blobs(9, seed=1), wrong=[0, 4])


class Reader(HTMLParser):
    """The page as a browser takes it apart."""

    VOID = ("meta", "img", "br", "line", "polyline", "rect")

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


def opened(*backbones, **options):
    return Reader(page.build_page("signs", backbones, **options).html)


def test_the_answer_comes_first(separated):
    text = opened(separated).text
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
    read = opened(separated)
    assert read.open == []
    assert read.tags.count("script") == 1
    for tag, name, value in read.attributes:
        if name == "src":
            assert value.startswith("data:image/png;base64,"), (tag, value)
        if name == "href":
            assert re.fullmatch(r"report_tables/\w+\.csv|methods\.txt", value), (tag, value)
    html = page.build_page("signs", [separated]).html
    assert "http:" not in html
    assert "https:" not in html
    assert html.isascii() or 'charset="utf-8"' in html
    assert page.build_page("signs", [separated]).html == html


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
    read = opened(hostile, origin={"<u>": "</table>"})
    assert read.open == []
    assert read.tags.count("script") == 1
    assert not {"b", "u"} & set(read.tags)
    for name in HOSTILE:
        assert name in read.text
    assert "<img src=x onerror=alert(0)>.png" in read.text
    assert "<i>pca</i> did not converge" in read.text


def test_test_errors_are_shown_with_their_neighbours(separated):
    read = opened(separated)
    assert "gets wrong, the surest first (2)" in read.text
    assert "taken for" in read.text
    assert "image 1000, test" in read.text
    assert read.tags.count("img") > 2 * 13
    without = opened(dataclasses.replace(separated, pixels=None))
    assert without.tags.count("img") == 2 + 2 + 2  # figures, panels, Shepard diagrams
    assert "gets wrong, the surest first (2)" in without.text
    nearest = ", ".join(str(1000 + row) for row in separated.neighbors["after"][0, :6])
    assert f"after: {nearest}" in without.text.replace(" ,", ",")


def test_what_must_be_read_with_care_is_said(separated):
    care = "Read with care"
    assert care not in opened(separated).text
    warned = found_of(
        blobs(9), blobs(9), wrong=range(0, N, 4), context={"weights": "random weights"}
    )
    text = opened(warned).text
    assert "The weights are random" in text
    assert "Fine-tuning ended below a linear probe of the features before it" in text
    warned = found_of(blobs(1.5), blobs(9, seed=1), warnings=["PCA has one axis"])
    assert "PCA has one axis." in opened(warned).text


def test_memory_hubs_and_outliers_are_named():
    before = blobs(0)
    after = before.copy()
    train = np.arange(N) % 4 > 0
    after[train] += 30 * np.eye(6)[np.arange(N) % 3][train]
    assert (
        "what the layouts show of training images is memory" in opened(found_of(before, after)).text
    )
    outliers = blobs(1)
    outliers[[3, 50, 99]] += 1000
    text = opened(found_of(outliers, blobs(1, seed=1) + (outliers - blobs(1)))).text
    assert "Ten images carry much of the CKA" in text
    assert "1003" in text
    far = np.random.default_rng(0).normal(size=(N, 300))
    far[7] = 1e-6  # the centre is near to all in many dimensions
    text = opened(found_of(far, far)).text
    assert "(a hub)" in text
    share = r"[\d.]+ \[[\d.]+, [\d.]+\] %"
    assert re.search(f"name the class of {share} of test images before and {share} after", text)


def test_few_test_images_leave_open_whether_they_gained():
    found = found_of(blobs(2), blobs(2.4))
    rows = [
        row_of(FEATURES, split, "knn_accuracy_gain", Estimate(0.06, low, 0.12))
        for split, low in (("test", -0.01), ("train", 0.01))
    ]
    text = opened(dataclasses.replace(found, change={**found.change, "measures": rows})).text
    assert "whether test images did is open" in text
    assert "is memory" not in text


def test_of_few_test_images_nothing_is_claimed():
    split = np.where(np.arange(N) < 5, "test", "train")
    found = found_of(blobs(0), blobs(9, seed=1), split=split)
    page = opened(found)
    assert "Nothing can be said of 5 test images" in page.text
    assert "name the class of" not in page.text
    verdicts = {verdict.claim: verdict.answer for verdict in found.verdicts}
    assert verdicts["Fine-tuning separates the classes in feature space."] == "not applicable"
    assert "is memory" not in page.text
    assert "named less often" not in page.text
    gain = OwnClaim("It gains.", "knn_accuracy_gain", "above", 0.1, stage="change")
    assert judge_own(gain, found.evidence).answer == "inconclusive"


def test_a_loss_is_no_gain():
    better, worse = blobs(9), blobs(0, seed=1)
    page = opened(found_of(better, worse))
    assert "points" in page.text
    assert "a gain of" not in page.text
    assert "apart less well than before fine-tuning" in page.text
    assert "3 classes are named less often" in page.text
    one = better.copy()
    one[::3] = better[np.arange(0, N, 3) + 1 + np.arange(N // 3) % 2] + 0.1  # among both others
    lost = opened(found_of(better, one, names=["cat", "dog", "猫"])).text
    assert "1 class is named less often by the neighbours of their test images" in lost
    assert "in points: cat -" in lost
    assert "named less often" not in opened(found_of(better, better)).text


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
    assert "The layouts by PCA say the opposite of the features" in opened(found).text


def test_arrows_follow_the_direction_of_the_measure_and_overlap_is_open(separated):
    evidence = Evidence(separated.before["measures"], separated.after["measures"], [])
    arrows = {(r["space"], r["measure"], r["split"]): r["arrow"] for r in before_after(evidence)}
    assert arrows["features", "knn_accuracy", "test"] == "better"
    assert arrows["features", "nc1", "test"] == "falls"  # it has no interval
    assert arrows["features", "effective_rank", "all"] in ("rises", "falls")
    same = Evidence(separated.before["measures"], separated.before["measures"], [])
    assert {row["arrow"] for row in before_after(same)} == {""}


@pytest.mark.parametrize(
    ("low", "high", "arrow"),
    [(0.01, 0.05, "better"), (-0.05, -0.01, "worse"), (-0.01, 0.05, "open"), (None, None, "open")],
)
def test_an_arrow_is_that_of_the_paired_gain_where_there_is_one(low, high, arrow):
    row = {"space": "features", "split": "test", "measure": "knn_accuracy"}
    sign = -1 if arrow == "worse" else 1
    old, new = (
        {**row, "value": value, "low": value - 0.04, "high": value + 0.04}
        for value in (0.5, 0.5 + sign * 0.03)  # overlapping intervals
    )
    gain = {**row, "measure": "knn_accuracy_gain", "value": 0.03, "low": low, "high": high}
    assert [each["arrow"] for each in before_after(Evidence([old], [new], [gain]))] == [arrow]


def test_many_classes_and_backbones(separated):
    names = tuple(f"class {i}" for i in range(30))
    many = found_of(blobs(2), blobs(3, seed=1), names=names, n_classes=30)
    read = opened(separated, many)
    assert read.open == []
    assert read.tags.count("section") == 3
    assert "Before: % of neighbours" in opened(separated).text
    text = opened(many).text
    assert "Before: % of neighbours" not in text
    assert "Classes that still touch" in text
    assert re.search(r"class \d+ and class \d+", text)


def test_a_class_that_has_lost_all_its_images(separated):
    found = found_of(blobs(2), blobs(3, seed=1), names=("cat", "dog", "elk", "newt"))
    read = opened(found)
    assert "newt" not in read.text
    assert "elk and dog" in read.text


def test_what_was_trained_heads_the_page(separated):
    facts = opened(separated).text
    assert "240 images (180 training, 60 test) · 3 classes · batches of 16, 220 optimiser" in facts
    assert "head alone first: 55 steps" in facts


@pytest.mark.parametrize(
    ("training", "said"),
    [
        (TRAINING, None),
        ({"full": {**TRAINING["full"], "steps": 99}}, "trained for 99 optimiser steps only"),
        ({"full": {**TRAINING["full"], "steps": 100}}, None),
        ({"head": TRAINING["head"]}, "Only the head was trained"),
        ({}, None),  # not known
    ],
)
def test_few_optimiser_steps_are_an_alarm(separated, training, said):
    text = opened(dataclasses.replace(separated, training=training)).text
    alarmed = "optimiser steps only" in text or "Only the head" in text
    assert alarmed == (said is not None)
    assert said is None or said in text


def test_class_gains_are_those_of_the_table(separated):
    read = opened(separated)
    labels = [value for tag, name, value in read.attributes if name == "aria-label"]
    [gains] = [label for label in labels if label.startswith("Gain of k-NN accuracy")]
    for row in separated.change["classes"]:
        shown = f"{row['class']}, {row['split']}: {100 * row['accuracy_gain']:+.1f} ["
        assert shown in gains


def test_the_pairs_of_classes_that_parted_and_that_touch():
    before, after = blobs(9), blobs(9, seed=1)
    classes = np.arange(N) % 3
    before[classes == 1] -= 9 * (np.eye(6)[1] - np.eye(6)[0])  # on class 0, until fine-tuning
    after[classes == 2] -= 9 * (np.eye(6)[2] - np.eye(6)[1])  # on class 1, from then on
    found = found_of(before, after, names=("cat", "dog", "elk"))
    tables = page.build_page("pets", [found]).tables
    pairs = tables["MobileNet_class_pairs"].set_index(["first", "second"])
    parted, met = pairs.loc[("dog", "cat")], pairs.loc[("elk", "dog")]
    assert parted["before"] == pytest.approx(0.5, abs=0.1)
    assert parted["after"] == 0
    assert met["before"] == 0
    assert met["after"] == pytest.approx(0.5, abs=0.1)
    assert list(pairs.index[[0, -1]]) == [("dog", "cat"), ("elk", "dog")]
    mixing = tables["MobileNet_mixing"].set_index(["class", "neighbours_of"])
    kept = found.before["mixing"]["features"]["test"]
    assert mixing.loc[("dog", "cat"), "before"] == kept[1][0]
    assert parted["before"] == pytest.approx((kept[1][0] + kept[0][1]) / 2)
    assert (mixing["change"] == mixing["after"] - mixing["before"]).all()
    text = opened(found).text
    places = [text.index(each) for each in ("that parted most", "dog and cat", "that still touch")]
    assert places == sorted(places)


def test_every_table_is_beside_the_page(separated):
    runtimes = pd.DataFrame({"step": ["graph"], "seconds": [2.5], "peak_mb": [100]})
    built = page.build_page("signs", [separated], runtimes=runtimes, tables_at="a b/t")
    links = {
        value for tag, name, value in Reader(built.html).attributes if (tag, name) == ("a", "href")
    }
    assert links == {f"a%20b/t/{name}.csv" for name in built.tables} | {"methods.txt"}
    assert len(built.tables["MobileNet_errors"]) == 2
    assert len(built.tables["MobileNet_images"]) == N
    measures = built.tables["MobileNet_measures"]
    assert list(measures.columns[4:7]) == ["before", "before_low", "before_high"]
    assert built.methods in Reader(built.html).text
    assert "220 in batches of 16 (MobileNet)" in built.methods


def test_the_paragraph_on_methods_says_what_was_trained_and_measured(separated):
    context = {**separated.context, "alpha": 0.25, "weights": "ImageNet", "image_size": 64}
    narrow = dataclasses.replace(separated, context=context)
    assert "width 0.25" in facts(narrow)
    text = methods_text([narrow])
    assert "MobileNet of width 0.25 (ImageNet, 64 pixels) before and after" in text
    assert "A new softmax layer was trained alone (55 steps), then the whole network" in text
    assert "Linear probes" in text
    whole = dataclasses.replace(separated, training={"full": separated.training["full"]})
    assert "Whole networks with a new softmax layer were trained by Adam" in methods_text([whole])
    without = {
        stage: {
            **getattr(separated, stage),
            "measures": [
                row
                for row in getattr(separated, stage)["measures"]
                if row["measure"] != "linear_probe"
            ],
        }
        for stage in ("before", "after")
    }
    assert "Linear probes" not in methods_text([dataclasses.replace(separated, **without)])


def test_distances_are_drawn_and_labelled(separated):
    read = opened(separated)
    labels = [value for tag, name, value in read.attributes if (tag, name) == ("img", "alt")]
    shown = [label for label in labels if "distances of 28,680 pairs" in label]
    assert [label.split(" fine-tuning")[0] for label in shown] == ["PCA before", "PCA after"]
    assert all("rank correlation 0." in label for label in shown)


def test_a_density_has_features_to_the_right_and_the_layout_upwards():
    counts = np.zeros((40, 40), int)
    counts[0, 39], counts[39, 0] = 1, 1000  # near in features and far in the layout; the reverse
    url = density(counts).removeprefix("data:image/png;base64,")
    opacity = np.asarray(Image.open(io.BytesIO(base64.b64decode(url))))[..., 3]
    assert opacity.shape == (40, 40)
    assert 0 < opacity[0, 0] < opacity[39, 39] == 255
    assert np.count_nonzero(opacity) == 2


def test_of_many_classes_the_largest_and_the_smallest_gains_are_drawn(separated):
    row = next(row for row in separated.change["classes"] if row["split"] == "test")
    rows = [{**row, "class": f"c{i}", "accuracy_gain": i / 100} for i in range(50)]
    many = dataclasses.replace(separated, change={**separated.change, "classes": rows})
    drawn = class_gains(many)
    assert [group["name"] for group in drawn["groups"]] == [
        f"c{i}" for i in (*range(49, 39, -1), *range(9, -1, -1))
    ]
    assert "10 smallest of 50 classes" in drawn["title"]
    widths = [group["bars"][0]["width"] for group in drawn["groups"]]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == 0  # no gain
    assert {group["bars"][0]["x"] for group in drawn["groups"]} == {drawn["zero"]}


def test_the_glance_shows_the_layouts_of_one_method_at_both_stages(separated):
    both = dict.fromkeys(("pca", "tsne", "umap"), separated.panels["before"]["pca"])
    without = {name: both[name] for name in ("pca", "umap")}
    for after, expected in ((both, "t-SNE"), (without, "UMAP"), ({"lle": both["pca"]}, None)):
        panels = {"before": both, "after": after}
        shown = [
            title for title, _ in glance(dataclasses.replace(separated, panels=panels))["panels"]
        ]
        assert shown == ([f"{expected} before", f"{expected} after"] if expected else [])


def test_diagnostics_have_what_each_method_says_of_itself():
    info = {"converged": True, "eigen_residual": 1.25e-7, "seconds_eigen": 3.0, "n_iter": 10}
    info |= {"eigenvalues": [2.0, 1.0], "warnings": ["its own"]}
    found = found_of(blobs(2), blobs(3, seed=1), info=info, warnings=["of the images", "its own"])
    row = page.build_page("signs", [found]).tables["MobileNet_diagnostics"].iloc[0]
    assert row["numbers"] == "eigen residual 1.25e-07; eigenvalues 2, 1"
    assert row["iterations"] == 10
    assert row["warnings"] == "its own"  # that of the images stands elsewhere
    assert row["start"] == "own"


def test_layouts_that_were_started_from_those_before_are_named(separated):
    after = {**separated.layouts["after"]}
    method = next(iter(after))
    after[method] = {**after[method], "started_from": "before"}
    layouts = {**separated.layouts, "after": after}
    started = dataclasses.replace(separated, layouts=layouts)
    title = METHODS[method].title
    sentence = f"After fine-tuning, layouts by {title} were started from the layouts before."
    assert sentence in methods_text([started])
    assert "were started" not in methods_text([separated])
    table = page.build_page("signs", [started]).tables["MobileNet_diagnostics"]
    row = table[(table["stage"] == "after") & (table["method"] == title)].iloc[0]
    assert row["start"] == "before"


SIDECAR = {
    "step": "embed",
    "device": "cpu",
    "parameters": {"seed": 7, "method": "pca", "subset": None, "weights": "/home/ann/w.keras"},
    "inputs": {"/home/ann/results/features.npy": "ab" * 32},
    "sha256": "cd" * 32,
    "created": "2020-01-01T00:00:00+00:00",
    "versions": {"numpy": "2.0"},
    "provenance": {"files": {"/home/ann/pictures": "ef" * 32}},
    "context": {"backbone": "MobileNet", "stage": "after", "method": "pca"},
}


def test_no_absolute_path_is_on_the_page_or_beside_it():
    warned = "/home/ann/pictures/odd.png lies beside the class folders (C:\\pets\\a.png)"
    found = found_of(blobs(2), blobs(3, seed=1), warnings=[warned])
    made = {"origin": origin([SIDECAR]), "trace": trace([SIDECAR])}
    built = page.build_page("signs", [found], **made)
    everything = [built.html, built.methods]
    everything += [table.to_csv() for table in built.tables.values()]
    for text in everything:
        assert "/home" not in text
        assert "ann" not in text.replace("scanned", "").replace("channel", "").split()
        assert "C:" not in text
    text = Reader(built.html).text
    assert "Odd.png lies beside the class folders (a.png)." in text
    assert '{"method": "pca", "weights": "w.keras"}' in text
    assert f"features.npy {'ab' * 32}" in built.tables["provenance"]["inputs"][0]
    assert f"pictures {'ef' * 32}" in text


def test_the_origin_has_each_device_seed_and_version_once():
    on_gpu = {**SIDECAR, "device": "gpu", "gpu": {"name": "NVIDIA H100"}, "threads": 2}
    found = origin([SIDECAR, SIDECAR, {**on_gpu, "created": "2020-01-02T00:00:00+00:00"}])
    assert found["devices"] == "cpu, NVIDIA H100"
    assert found["seeds"] == "7"
    assert found["CPU threads of training"] == "2"
    assert found["computed"] == "2020-01-01T00:00:00+00:00 to 2020-01-02T00:00:00+00:00"
    assert found["versions"] == "numpy 2.0"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/ann/cells.npz", "cells.npz"),
        ("~/cells.npz and ~ann/x", "cells.npz and ~ann/x"),
        ("(/data/a/b.png, /b.png)", "(b.png, b.png)"),
        ("cells/cat/1.png, 3 / 4, and/or, </i>", "cells/cat/1.png, 3 / 4, and/or, </i>"),
        ("'D:\\pets\\cat.png'", "'cat.png'"),
        ({"a": ["/b/c", 1, None]}, {"a": ["c", 1, None]}),
    ],
)
def test_paths_lose_their_folders(text, expected):
    assert without_folders(text) == expected


def test_every_section_is_a_function_and_a_partial():
    folder = Path(page.__file__).parent / "templates/sections"
    assert {path.stem for path in folder.iterdir()} == set(page.SECTIONS)


def test_controls_other_seeds_and_claims_of_ones_own_are_on_the_page(separated):
    evidence = separated.evidence
    controls = Controls([OtherRun(evidence.after, evidence.change)], [0.9], evidence.before)
    own = OwnClaim("The probe is <good>.", "linear_probe", "above", 0.5)
    found = dataclasses.replace(separated, controls=controls, own_claims=[own])
    text = opened(found).text
    assert "range of 2 runs" in text
    assert "(by another seed 90.0 %)" in text
    assert "no better than those in features of random weights" in text  # the floor is before
    assert "The probe is <good>." in text
    assert "linear probe (features, after) above 0.5" in text
    tables = page.build_page("signs", [found]).tables
    assert "range of 2 runs" not in opened(separated).text
    assert {"k-NN accuracy", "CKA"} <= set(tables["MobileNet_controls"]["title"])
    assert "within the range of 2 fine-tunings" in page.build_page("signs", [found]).methods


def test_the_range_of_layout_seeds_is_on_the_page(separated):
    of_pca = [row for row in separated.after["measures"] if row["space"] == "pca"]
    moved = [row | {"value": 0.123} if row["measure"] == "knn_accuracy" else row for row in of_pca]
    after = {**separated.after, "layout_seeds": {"1": moved}}
    before = {**separated.before, "layout_seeds": {"1": of_pca}}
    found = dataclasses.replace(separated, before=before, after=after)
    text = opened(found).text
    assert "range of 2 seeds" in text
    assert "0.123 to " in text
    assert "(range of 2 runs " in text  # of claims
    assert "No seed changes" not in text  # there is no other method
    built = page.build_page("signs", [found])
    table = built.tables["MobileNet_layout_seeds"]
    assert set(table["after_seeds_low"][table["title"] == "k-NN accuracy"]) == {0.123}
    assert "MobileNet_controls" not in built.tables
    assert "within the range of layouts by 2 seeds" in built.methods
    assert "range of 2 seeds" not in opened(separated).text


def test_claims_over_all_are_of_pre_trained_backbones(separated):
    other = dataclasses.replace(separated, name="VGG16")
    assert "Over all backbones" not in opened(separated).text
    text = opened(separated, other).text
    assert text.index("Over all backbones") < text.index("MobileNet on cells")
    assert "supported: MobileNet, VGG16" in text
    random = dataclasses.replace(other, context={**other.context, "weights": "random weights"})
    assert "Over all backbones" not in opened(separated, random).text


def test_the_cosine_is_named(separated):
    found = dataclasses.replace(separated, context={**separated.context, "metric": "cosine"})
    text = opened(found).text
    assert "distances of the cosine" in text
    assert "15 nearest training images (by the cosine) name" in text
    assert "scaled to unit length" in page.build_page("signs", [found]).methods
