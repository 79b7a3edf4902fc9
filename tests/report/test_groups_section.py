"""Does the page name the groups that are no class, and warn of those that are still there?"""

import re

import numpy as np
import pandas as pd
import pytest

from pipeline.measures.change import measure_change
from pipeline.report.findings import Backbone
from pipeline.report.groups import MEMBERS, group_alarms, group_rows, groups_section
from pipeline.report.page import build_page
from pipeline.store import ImageTable, describe_change

N = 400
LABELS, SPLIT = np.arange(N) % 4, np.where(np.arange(N) % 5, "train", "test")
SESSION = np.arange(N) % 7 == 0  # 58 images, 12 of them tested: the multiples of 35
WRONG = np.isin(np.arange(N), [70, 105, 5, 10])  # all tested, two of the session
NAMES = ("<script>alert(1)</script>", "\"quotes\" & 'more'", "猫 🐈", "plain")
FILES = np.array([f"<img src=x onerror=alert({i})>.png" for i in range(N)], dtype=object)
TABLE = ImageTable(np.arange(N) + 1000, FILES, SPLIT, LABELS, NAMES)


def classes(*, session, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, 12)) + 8 * np.eye(12)[LABELS]
    if session:
        X[SESSION] = rng.normal(size=(SESSION.sum(), 12)) + 12 * np.eye(12)[-1]
    return X


def change_of(before=True, after=True, wrong=WRONG):
    pair = classes(session=before), classes(session=after, seed=1)
    found = measure_change(*pair, labels=LABELS, split=SPLIT, wrong=wrong)
    return describe_change(found, TABLE)


def images():
    names = np.array(NAMES, dtype=object)
    predicted = np.where(WRONG, (LABELS + 1) % 4, LABELS)
    return pd.DataFrame(
        {
            **{"id": TABLE.ids, "file": FILES, "split": SPLIT, "label": names[LABELS]},
            **{"prediction": names[predicted], "confidence": 1.0},
            **{"own_before": 1.0, "own_after": 1.0, "overlap": 1.0},
        }
    )


def page_of(change, pixels=None):
    measured = {"measures": [], "k": 15}
    backbone = Backbone(
        name="MobileNet",
        context={"dataset": "cells", "images": N, "classes": 4, "weights": "ImageNet weights"},
        before=measured,
        after=measured,
        change={**change, "measures": []},
        images=images(),
        neighbors=dict.fromkeys(("before", "after"), np.zeros((N, 15), int)),
        history=pd.DataFrame({"accuracy": [0.5, 0.9], "val_accuracy": [0.4, 0.8]}),
        preview=b"\x89PNG not really",
        pixels=pixels,
    )
    return build_page("signs", [backbone]).html


def section_of(page):
    """The part of the page on groups, and its text."""
    html = re.search(r"<h3>Groups that are no class.*?(?=<h3>)", page, re.S)[0]
    return html, " ".join(re.sub(r"<[^>]*>", " ", html).split())


@pytest.fixture(scope="module", name="change")
def change_with_a_session():
    return change_of()


def test_the_alarm_has_the_numbers(change):
    assert group_alarms(change) == [
        "58 images form a group that is no class, before and after fine-tuning: 83 % of its 12 "
        "test images are right, 2 of 4 test errors are in it."
    ]
    page = page_of(change)
    assert page.index("58 images form a group") < page.index("Claims")


def test_only_what_is_there_after_fine_tuning_alarms():
    gone = change_of(after=False)
    assert [group["stages"] for group in gone["groups"]] == [["before"]]
    assert group_alarms(gone) == []
    assert "58 images, before fine-tuning only" in section_of(page_of(gone))[1]
    new = change_of(before=False, wrong=None)
    assert group_alarms(new) == ["58 images form a group that is no class, after fine-tuning only."]


def test_many_groups_are_few_sentences(change):
    (group,) = change["groups"]
    many = {"groups": [{**group, "size": size} for size in (90, 80, 70, 60, 50)]}
    *large, rest = group_alarms(many)
    assert [sentence[:2] for sentence in large] == ["90", "80", "70"]
    assert rest == "110 images form 2 smaller groups that are no class."


def test_members_are_shown_errors_first(change):
    pictured = []
    section = groups_section(change, images(), lambda row: pictured.append(row) or f"row {row}")
    (group,) = section["groups"]
    assert len(group["members"]) == MEMBERS == len(pictured)
    assert pictured[:4] == [70, 105, 0, 7]
    assert [member["id"] for member in group["members"][:3]] == [1070, 1105, 1000]
    assert [bool(member["prediction"]) for member in group["members"][:3]] == [True, True, False]
    assert group["members"][0]["picture"] == "row 70"
    assert group["members"][0]["file"] == FILES[70]


def test_the_section_says_who_and_how_many(change):
    _, text = section_of(page_of(change))
    assert "In 1 of 5 communities of the nearest-neighbour graph before fine-tuning" in text
    assert "83 % of its 12 test images are right; 2 of 4 test errors are in it" in text
    assert "100 % of the images that are in the group before or after are in both" in text
    number = change["groups"][0]["communities"]
    assert f"group_before = {number['before']} or group_after = {number['after']}" in text
    _, none = section_of(page_of(change_of(False, False)))
    assert "In 0 of 4 communities" in none
    assert "None of these stands apart" in none
    without = {key: value for key, value in change.items() if key not in ("communities", "groups")}
    assert "<h3>Groups that are no class" not in page_of(without)


def test_names_of_classes_and_files_stay_text(change):
    pixels = np.zeros((N, 5, 5, 3), np.uint8)
    html, _ = section_of(page_of(change, pixels))
    assert "&lt;script&gt;alert(1)&lt;/script&gt; (15)" in html
    assert "&lt;img src=x onerror=alert(70)&gt;.png" in html
    assert set(re.findall(r"<(\w+)", html)) == {"h3", "h4", "p", "div", "img", "strong", "br", "a"}
    assert html.count('src="data:image/png;base64,') == html.count("<img") == MEMBERS
    assert "<img" not in section_of(page_of(change))[0]


def test_the_table_has_a_row_a_group(change):
    (row,) = group_rows(change)
    assert (row["stages"], row["size"], row["test_errors"]) == ("before and after", 58, 2)
    assert row["classes"].startswith("<script>alert(1)</script>: 15; ")
    assert group_rows({"groups": []}) == []
