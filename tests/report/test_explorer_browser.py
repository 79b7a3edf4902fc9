"""Does the explorer in a browser show what the steps found?"""

import dataclasses

import numpy as np
import pytest
from chromium import needs_browser
from opened_explorer import COLORS, LABELS, PARTS, Opened, close_to, written
from synthetic_explorer import FILES, HOSTILE, K, N, explored_of

from pipeline.report.explorer.page import SPLIT_COLORS

pytestmark = needs_browser
# Chromium without a GPU computes WebGL2 itself, which the page declines: here it may not notice.
AS_IF_ON_A_GPU = "WebGL2RenderingContext.prototype.getExtension = () => null"
NO_WEBGL = """const get = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
  return kind === "webgl2" ? null : get.call(this, kind, ...more);
}"""


def test_it_opens_from_disk_without_a_complaint_or_a_request(explorer, explorer_address):
    explorer.page.wait_for_load_state("networkidle")
    assert [each for each in explorer.troubles if not each.startswith("data:")] == [
        explorer_address
    ]


@pytest.mark.parametrize(
    ("script", "said"), [(NO_WEBGL, True), ("", True), (AS_IF_ON_A_GPU, False)]
)
def test_each_classes_region_has_its_colour_with_and_without_webgl(
    browser, explorer_address, script, said
):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.add_init_script(script)
    opened = Opened(page, explorer_address)
    for stage in ("before", "after"):
        for row in range(12):
            assert close_to(opened.color(stage, row), COLORS[LABELS[row]])
    assert ("no WebGL2 on a GPU" in page.locator("#notes").inner_text()) == said
    assert [each for each in opened.troubles if "GL Driver Message" not in each] == [
        explorer_address
    ]
    page.close()


def test_where_a_selection_went_is_counted(explorer, explored):
    rows = np.flatnonzero(LABELS == 0)
    explorer.select("after", rows)
    table = explorer.page.locator("table.went")
    assert table.locator("tbody tr").count() == 3
    first = table.locator("tbody tr").first.locator("th, td").all_inner_texts()
    shares = [
        f"{np.floor(100 * (LABELS[explored.neighbors[stage][rows]] == 0).mean() + 0.5):.0f} %"
        for stage in ("before", "after")
    ]
    wrong = int((rows % 20 == 0).sum())
    assert first == [HOSTILE[0], str(len(rows)), str(len(rows) - wrong), *shares]
    assert explorer.page.locator(".gallery .image").count() == len(rows)


@pytest.mark.parametrize("row", [0, 57])
def test_the_neighbours_of_a_clicked_image_are_the_graphs(explorer, explored, row):
    explorer.page.mouse.click(*explorer.place("after", row))
    known = explorer.page.locator("#image dd").first.inner_text()
    row = int(known) - 1000  # points overlap: another one may be on top
    before, after = (explored.neighbors[stage][row].tolist() for stage in ("before", "after"))
    for stage, expected, others, changed in (
        ("before", before, after, "lost"),
        ("after", after, before, "gained"),
    ):
        entries = explorer.page.locator(f"[data-stage={stage}] li")
        rows = [int(each.get_attribute("data-row")) for each in entries.locator("button").all()]
        assert rows == expected
        marks = [each.get_attribute("data-mark") for each in entries.all()]
        assert marks == ["kept" if each in others else changed for each in expected]


def test_the_tip_says_what_is_known_of_an_image(explorer, explored):
    x, y = explorer.place("before", 3)
    explorer.page.mouse.move(x, y)
    tip = explorer.page.locator("#tip")
    row = int(tip.locator("dd").first.inner_text()) - 1000
    text = tip.inner_text()
    known = explored.images.iloc[row]
    assert FILES[row] in text
    assert f"{round(known['overlap'] * K)} of {K}" in text
    assert f"{round(100 * (known['own_after'] - known['own_before'])):+} %" in text
    for name in ("label", "prediction", "predicted_before", "predicted_after"):
        assert str(known[name]) in text
    assert tip.locator("canvas").count() == 1
    explorer.page.mouse.move(5, 5)
    assert tip.is_hidden()


def test_the_legend_counts_and_switches_classes(explorer):
    legend = explorer.page.locator("[data-category=label] [role=checkbox]")
    assert legend.all_inner_texts() == [f"{name}\n{N // 3}" for name in HOSTILE]
    legend.nth(1).click()
    assert legend.nth(1).get_attribute("aria-checked") == "false"
    assert explorer.count().startswith(f"{2 * N // 3} of {N} images")
    assert not close_to(explorer.color("before", 1), COLORS[1], 40)
    explorer.page.locator("[data-category=label] .all").click()
    assert explorer.count().startswith(f"{N} of")
    only = explorer.page.get_by_role("button", name=f"only {HOSTILE[2]}")
    only.click()
    assert explorer.count().startswith(f"{N // 3} of")


def test_a_class_stands_out_while_the_pointer_is_on_its_entry(explorer):
    legend = explorer.page.locator("[data-category=label] [role=checkbox]")
    legend.nth(1).hover()
    assert close_to(explorer.color("after", 1), COLORS[1])
    assert not close_to(explorer.color("after", 0), COLORS[0], 40)
    explorer.page.mouse.move(600, 5)
    assert close_to(explorer.color("after", 0), COLORS[0])
    assert explorer.count().endswith(" 0 selected")


def test_colours_by_split_by_prediction_and_by_score(explorer, explored):
    page = explorer.page
    page.locator("#pictures").uncheck()
    page.locator("#color").select_option("split")
    train, test = (int(np.flatnonzero(explored.images["split"] == each)[0]) for each in PARTS)
    for row, color in zip((train, test), SPLIT_COLORS, strict=False):
        page.locator("#search").fill(str(row + 1000))
        page.get_by_role("button", name="Select all 1").click()
        assert close_to(explorer.color("before", row), color)
    page.keyboard.press("Escape")
    page.locator("#color").select_option("prediction")
    page.locator("#wrong").select_option("wrong")
    wrong = next(i for i in range(N) if i % 20 == 0 and LABELS[i] == 0)
    assert close_to(explorer.color("before", wrong), COLORS[1])  # in the place of its own class
    page.locator("#color").select_option("label")
    assert close_to(explorer.color("before", wrong), COLORS[0])
    page.locator("#color").select_option("confidence")
    ends = [next(i for i in rows if i % 20 == 0) for rows in (range(N), range(N - 1, 0, -1))]
    low, high = (np.array(explorer.color("after", row)) for row in ends)
    assert np.abs(low - high).max() > 20


def test_the_neighbours_of_the_image_under_the_pointer_are_coloured(explorer, explored):
    page = explorer.page
    page.locator("#color").select_option("near")
    page.mouse.move(*explorer.place("after", 7))
    row = int(page.locator("#tip dd").first.inner_text()) - 1000
    other = next(
        i
        for i in range(N)
        if LABELS[i] != LABELS[row] and i not in explored.neighbors["after"][row]
    )
    assert np.ptp(explorer.color("after", int(explored.neighbors["after"][row][0]))) > 30
    assert np.ptp(explorer.color("after", other)) < 30  # grey


def test_the_table_begins_with_what_changed_most(explorer, explored):
    page = explorer.page
    page.get_by_role("tab", name="Table").click()
    ids = [int(each) for each in page.locator("#table tbody td:nth-child(2)").all_inner_texts()]
    kept = explored.images.set_index("id")["overlap"]
    assert [kept[each] for each in ids] == sorted(kept)[: len(ids)]
    page.locator("#table thead").get_by_role("button", name="id", exact=True).click()
    first = page.locator("#table tbody td:nth-child(2)").first
    assert first.inner_text() == "1000"
    page.locator("#table thead").get_by_role("button", name="id", exact=True).click()
    assert first.inner_text() == str(999 + N)


def test_the_table_says_its_order_and_scores_as_the_tip_does(explorer, explored):
    page = explorer.page
    page.get_by_role("tab", name="Table").click()
    assert page.locator("#table > p").inner_text() == (
        f"{N} images, those that kept the fewest neighbours first; of equals, those of the least "
        "gain of own-class share"
    )
    cells = page.locator("#table tbody tr").first.locator("td").all_inner_texts()
    page.locator("#table tbody button").first.click()
    told = page.locator("#image dd").all_inner_texts()
    assert sorted(cells[1:]) == sorted(each.removesuffix(" ≠ class") for each in told)


def test_a_score_is_coloured_up_to_its_largest_value(explorer, explored):
    page = explorer.page
    page.locator("#color").select_option("overlap")
    most = round(explored.images["overlap"].max() * K)
    assert most < K
    assert page.locator(".ends span").all_inner_texts() == [f"0 of {K}", f"{most} of {K}"]
    of_class_2 = explored.images["overlap"].where(LABELS == 2, -1)
    page.locator("#search").fill(str(1000 + int(of_class_2.argmax())))
    page.get_by_role("button", name="Select all 1").click()
    red, green, blue = explorer.color("before", int(of_class_2.argmax()))
    assert green > max(red, blue) + 20  # of the upper half of the ramp


def test_a_layout_of_a_part_says_so(browser, tmp_path):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    opened = Opened(page, written(tmp_path, explored_of(subset=100)))
    assert page.locator(".remarks").all_inner_texts() == ["", ""]
    page.get_by_label("Method before").select_option("umap")
    assert page.locator(".remarks").all_inner_texts() == [f"a layout of 100 of the {N} images"] * 2
    assert opened.count().startswith(f"{N} of {N} images shown")
    page.close()


def test_a_layout_that_was_started_from_another_says_so_in_its_pane(browser, tmp_path):
    found = explored_of()
    after = {**found.layouts["after"]}
    after["tsne"] = after["tsne"]._replace(start="started from the layout before")
    started = dataclasses.replace(found, layouts={**found.layouts, "after": after})
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    Opened(page, written(tmp_path, started))
    assert page.locator(".remarks").all_inner_texts() == ["", "started from the layout before"]
    page.close()


def test_a_very_long_name_leaves_the_others_in_sight(browser, tmp_path):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    Opened(page, written(tmp_path, explored_of(names=("x" * 500, "y", "z"))))
    heights = [
        each.bounding_box()["height"] for each in page.locator("[data-category=label] li").all()
    ]
    assert heights[0] < 4 * heights[1]
    assert page.locator("[data-category=label] [role=checkbox]").first.get_attribute("title") == (
        "x" * 500
    )
    page.close()


def test_on_a_large_screen_all_type_grows(browser, explorer_address):
    sizes = []
    for width, height in ((1280, 800), (3840, 2160)):
        page = browser.new_page(viewport={"width": width, "height": height})
        Opened(page, explorer_address)
        size = "(each) => parseFloat(getComputedStyle(each).fontSize)"
        sizes.append([page.locator(at).first.evaluate(size) for at in ("h1", "body", ".help")])
        page.close()
    assert (np.array(sizes[1]) > 1.2 * np.array(sizes[0])).all()


def test_pictures_take_the_place_of_dots_when_zoomed_in(explorer):
    pane = explorer.page.locator("#before")
    assert pane.get_attribute("data-pictures") == "0"
    x, y = explorer.place("before", 0)
    explorer.page.mouse.move(x, y)
    for _ in range(14):
        explorer.page.mouse.wheel(0, -400)
    explorer.settle()
    assert 0 < int(pane.get_attribute("data-pictures")) < N
    explorer.page.locator("#pictures").uncheck()
    explorer.settle()
    assert pane.get_attribute("data-pictures") == "0"


def test_what_is_seen_is_named_for_screen_readers(explorer):
    page = explorer.page
    page.mouse.click(*explorer.place("before", 0))
    unnamed = """[...document.querySelectorAll("button, input, select, [role=application]")]
      .filter((each) => !(each.textContent.trim() || each.ariaLabel || each.labels?.length
        || each.title)).length"""
    assert page.evaluate(unnamed) == 0
    assert page.locator("canvas[role=img]:not([aria-label])").count() == 0
    assert page.evaluate("document.documentElement.lang") == "en"


def test_hostile_names_are_text(explorer):
    page = explorer.page
    page.mouse.click(*explorer.place("before", 0))
    explorer.select("before", np.arange(N))
    page.get_by_role("tab", name="Table").click()
    text = page.inner_text("body")
    for name in (*HOSTILE, "<i>t-SNE</i>", "<b>weights"):
        assert name in text
    assert sum(name in text for name in FILES) == 100  # a page of the table
    assert page.title() == "signs, MobileNet: before and after"
    assert page.locator("main b, img, aside script, #dock script").count() == 0
    assert not [each for each in explorer.troubles if each in "1234"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_legible_in_light_and_in_dark(browser, explorer_address, scheme):
    page = browser.new_page(color_scheme=scheme)
    opened = Opened(page, explorer_address)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    color = opened.color("before", 0)
    assert np.abs(np.array(color) - COLORS[0]).max() < 90
    page.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"names": ("one",)}, "Class"),
        ({"pixels": None}, "Class"),
        ({"names": (), "labelled": False}, "Neighbours kept"),
        ({"names": (), "labelled": False, "pixels": None, "files": None}, "Neighbours kept"),
    ],
    ids=["one class", "no thumbnails", "no labels", "nothing but features"],
)
def test_it_works_with_less(browser, tmp_path, options, said):
    address = written(tmp_path, explored_of(**options))
    opened = Opened(browser.new_page(viewport={"width": 1280, "height": 800}), address)
    page = opened.page
    page.locator("#search").fill("1007")
    page.keyboard.press("Enter")
    assert page.locator("[data-stage=before] li").count() == K
    opened.select("before", np.arange(N))
    assert f"{N} selected" in opened.count()
    page.get_by_role("tab", name="Table").click()
    assert page.locator("#table tbody tr").count() == 100
    assert page.locator("#color option:checked").inner_text() == said
    with page.expect_download():
        page.locator("#save").click()
    asked = [each for each in opened.troubles if not each.startswith(("data:", "blob:"))]
    assert asked == [address]
    page.close()


def test_127_classes_are_searched_and_isolated(browser, tmp_path):
    names = tuple(f"species {i}" for i in range(127))
    address = written(tmp_path, explored_of(names=names, n=1270, files=None))
    opened = Opened(browser.new_page(viewport={"width": 1280, "height": 800}), address)
    page = opened.page
    page.get_by_label("Find in Class").fill("species 12")
    shown = page.locator("[data-category=label] li:visible")
    assert shown.count() == 8  # 12 and 120 to 126
    shown.first.get_by_role("button", name="only species 12").click()
    assert opened.count().startswith("10 of 1,270 images")
    page.close()
