"""Does the page show a depth profile as it was measured, and nothing where there is none?"""

import re
from dataclasses import replace

import numpy as np
import pytest
from synthetic_backbone import blobs, found_of
from test_page import Reader

from pipeline.measures.depth import measure_depth
from pipeline.report.depth import depth_section
from pipeline.report.methods_text import methods_text
from pipeline.report.page import build_page
from pipeline.report.plots import COLORS

N = 240


def profile_of(*pairs, layers=None, split=True):
    labels, of = np.arange(N) % 3, np.where(np.arange(N) % 4, "train", "test")
    given = {"split": of} if split else {}
    layers = layers or [f"block {i}" for i in range(len(pairs))]
    return measure_depth(layers, [pairs], labels=labels, **given)


@pytest.fixture(scope="module")
def profile():
    X = blobs(1.5).astype(np.float32)
    noise = np.random.default_rng(1).normal(size=X.shape).astype(np.float32)
    return profile_of(
        (X, X), (X, X + 0.1 * noise), (X, noise), layers=["stem", "<b>middle</b>", "out"]
    )


@pytest.fixture(scope="module")
def backbone(profile):
    return replace(found_of(blobs(1.5), blobs(9, seed=1)), depth=profile)


def test_the_profile_is_on_the_page_and_decides_its_claim(backbone):
    page = Reader(build_page("signs", [backbone]).html)
    assert page.open == []
    assert "Depth profile" in page.text
    assert "<b>middle</b>" in page.text
    assert "b" not in page.tags
    assert re.search(r"The change lies near the output\..{1,120}? supported CKA 1\.000", page.text)
    assert "compared likewise on all images" in page.text
    assert "1.000 [1.000, 1.000]" in page.text
    svgs = [value for tag, name, value in page.attributes if name == "aria-label"]
    assert any(value.startswith("Depth profile: CKA") for value in svgs)


def test_without_a_profile_there_is_no_section(backbone):
    without = replace(backbone, depth=None)
    text = Reader(build_page("signs", [without]).html).text
    assert "Depth profile" not in text
    assert "not applicable" in text
    assert "compared likewise" not in methods_text([without])


def test_curves_stand_where_the_values_are(profile):
    section = depth_section(profile)
    plot = section["plot"]
    assert [curve["name"] for curve in plot["curves"]] == section["names"]
    assert [curve["color"] for curve in plot["curves"]] == COLORS[:4]
    cka = [float(pair.split(",")[1]) for pair in plot["curves"][0]["points"].split()]
    ticks = {text: at for at, text in plot["ticks_y"]}
    values = [block["cells"][0]["value"] for block in section["blocks"]]
    assert cka[0] == ticks["1"]
    assert cka == sorted(cka)  # downwards
    for at, value in zip(cka, values, strict=True):
        clipped = max(value, 0)
        assert at == pytest.approx(ticks["0"] + clipped * (ticks["1"] - ticks["0"]), abs=0.1)
    assert section["split"] == "test"
    splits = {row["split"] for block in section["blocks"] for row in block["cells"][1:]}
    assert splits == {"test"}
    probes = [(b["cells"][2]["stage"], b["cells"][3]["stage"]) for b in section["blocks"]]
    assert set(probes) == {("before", "after")}


def test_what_was_not_measured_leaves_a_gap(backbone):
    X = blobs(1).astype(np.float32)
    profile = profile_of((X, X), (X, np.ones((N, 2), np.float32)), split=False)
    section = depth_section(profile)
    assert section["split"] == "all"
    assert len(section["plot"]["curves"]) == 2  # no probes
    assert len(section["plot"]["curves"][0]["bars"]) == 1
    page = Reader(build_page("signs", [replace(backbone, depth=profile)]).html)
    assert page.open == []
    assert "undefined" in page.text
    assert "not measured" in page.text
