"""Does the explorer in a browser do what its controls say, by mouse, keys and fingers?"""

import io
from urllib.parse import parse_qs

import numpy as np
import pandas as pd
import pytest
from chromium import needs_browser
from opened_explorer import COLORS, LABELS, Opened, close_to, written
from playwright.sync_api import expect
from synthetic_explorer import FILES, HOSTILE, K, N, explored_of

from pipeline.store import csv_text

pytestmark = needs_browser


def test_a_box_in_one_pane_selects_the_same_images_in_the_other(explorer):
    of_class = np.flatnonzero(LABELS == 1)
    explorer.select("before", of_class)
    assert explorer.selected() == of_class.tolist()
    assert f"{len(of_class)} selected" in explorer.count()
    assert close_to(explorer.color("after", 1), COLORS[1])
    assert not close_to(explorer.color("after", 0), COLORS[0], 40)  # stands back


def test_a_lasso_selects_what_it_encloses(explorer):
    page = explorer.page
    page.get_by_label("Lasso", exact=True).check()
    (left, top), (right, bottom) = explorer.around("after", np.flatnonzero(LABELS == 2))
    page.mouse.move(left, top)
    page.mouse.down()
    for corner in ((right, top), (right, bottom), (left, bottom)):
        page.mouse.move(*corner, steps=3)
    page.mouse.up()
    assert explorer.selected() == np.flatnonzero(LABELS == 2).tolist()


def test_escape_gives_a_lasso_up_and_keeps_the_selection(explorer):
    page = explorer.page
    explorer.select("before", np.flatnonzero(LABELS == 1))
    page.get_by_label("Lasso", exact=True).check()
    (left, top), (right, bottom) = explorer.around("after", np.arange(N))
    page.mouse.move(left, top)
    page.mouse.down()
    for corner in ((right, top), (right, bottom)):
        page.mouse.move(*corner, steps=3)
    page.keyboard.press("Escape")
    page.mouse.move(left, bottom)
    page.mouse.up()
    assert explorer.selected() == np.flatnonzero(LABELS == 1).tolist()
    page.keyboard.press("Escape")
    assert explorer.selected() == []


def test_selections_combine(explorer):
    of_class = [np.flatnonzero(c == LABELS).tolist() for c in range(3)]
    explorer.select("before", of_class[0])
    explorer.page.locator("#combine").select_option("add")
    explorer.select("before", of_class[2])
    assert explorer.selected() == sorted(of_class[0] + of_class[2])
    explorer.page.locator("#combine").select_option("remove")
    explorer.select("after", of_class[0])
    assert explorer.selected() == of_class[2]
    explorer.page.locator("#combine").select_option("within")
    explorer.select("after", of_class[1])
    assert explorer.selected() == []


def test_a_selection_is_undone_by_button_and_by_key(explorer):
    page = explorer.page
    assert page.locator("#undo").is_disabled()
    for stage, label in (("before", 0), ("after", 1)):
        explorer.select(stage, np.flatnonzero(label == LABELS))
    page.locator("#undo").click()
    assert explorer.selected() == np.flatnonzero(LABELS == 0).tolist()
    page.keyboard.press("Control+z")
    assert explorer.selected() == []
    assert page.locator("#undo").is_disabled()


def test_filters_by_split_by_error_and_by_score(explorer, explored):
    page = explorer.page
    page.locator("[data-category=split] [role=checkbox]").first.click()
    assert explorer.count().startswith(f"{N // 4} of")
    page.get_by_role("button", name="No filters").click()
    page.locator("#wrong").select_option("wrong")
    assert explorer.count().startswith(f"{N // 20} of")
    page.get_by_role("button", name="No filters").click()
    page.get_by_label("Neighbours kept, at least").fill("1")
    kept = int((explored.images["overlap"] > 0.5 / K).sum())
    assert 0 < kept < N
    assert explorer.count().startswith(f"{kept} of")


def test_a_filtered_image_is_not_selected(explorer):
    page = explorer.page
    page.locator("[data-category=label] [role=checkbox]").first.click()
    explorer.select("before", np.arange(N))
    assert explorer.selected() == np.flatnonzero(LABELS != 0).tolist()


def test_search_by_id_and_by_file(explorer):
    page = explorer.page
    page.locator("#search").fill("1042")
    page.keyboard.press("Enter")
    assert page.locator("#image dd").first.inner_text() == "1042"
    page.locator("#search").fill("alert(17)")
    page.locator("#found button", has_text="id 1017").click()
    assert page.locator("#image dd").nth(1).inner_text() == FILES[17]
    page.locator("#search").fill("猫/=<IMG")
    page.get_by_role("button", name=f"Select all {N}").click()
    assert f"{N} selected" in explorer.count()
    page.mouse.move(*explorer.place("after", 0))
    for _ in range(14):
        page.mouse.wheel(0, -400)
    far = next(i for i in range(N) if LABELS[i] != 0)
    page.locator("#search").fill(str(far + 1000))
    before = explorer.link()
    page.keyboard.press("Enter")
    assert explorer.link().split("view.after")[1] != before.split("view.after")[1]
    page.locator("#search").fill("no such")
    assert page.locator("#found").inner_text() == "no such image"


def test_the_morph_ends_where_the_other_pane_is_and_says_what_it_is(explorer):
    page = explorer.page
    assert page.locator("#morph-note").is_hidden()
    page.locator("#morph").fill("1")
    for row in range(3):
        assert close_to(explorer.color("before", row, layout="after"), COLORS[LABELS[row]])
    page.locator("#morph").fill("0.5")
    said = page.locator("#morph-note").inner_text()
    assert said.startswith("Interpolated, 50 % of the way: no layout was computed in between")
    page.locator("#play").click()
    expect(page.locator("#morph")).to_have_value("1")


def test_another_method_keeps_the_selection(explorer):
    rows = np.flatnonzero(LABELS == 1).tolist()
    explorer.select("before", rows)
    explorer.page.get_by_label("Method before").select_option("umap")
    assert explorer.page.get_by_label("Method after").input_value() == "umap"
    assert explorer.selected() == rows
    explorer.page.locator("#same").uncheck()
    explorer.page.get_by_label("Method after").select_option("tsne")
    assert explorer.page.get_by_label("Method before").input_value() == "umap"
    assert explorer.selected() == rows


def test_a_link_brings_everything_back(explorer, explorer_context):
    page = explorer.page
    explorer.select("before", np.flatnonzero(LABELS == 1))
    page.locator("#same").uncheck()
    page.get_by_label("Method after").select_option("umap")
    page.locator("#color").select_option("split")
    page.locator("#wrong").select_option("right")
    page.get_by_label("Own-class share after, at least").fill("3")
    page.locator("[data-category=split] [role=checkbox]").last.click()
    page.locator("#search").fill("1042")
    page.keyboard.press("Enter")
    page.get_by_role("tab", name="Table").click()
    page.locator("#before .overlay").focus()
    page.keyboard.press("+")
    link = explorer.link()
    other = Opened(explorer_context.new_page(), explorer.address, "#" + link.partition("#")[2])
    assert other.link() == link
    assert other.count() == explorer.count()
    assert other.page.locator("#color").input_value() == "split"
    assert other.page.get_by_label("Method after").input_value() == "umap"
    assert other.page.get_by_role("tab", name="Table").get_attribute("aria-selected") == "true"
    assert other.page.locator("#wrong").input_value() == "right"
    other.page.close()


@pytest.mark.parametrize(
    "hash",
    [
        "#before=nonsense&color=x&focus=1",
        "#selected=%%%&view.before=a_b_c",
        "#range.overlap=0_x",
        "#hide.label=&range.overlap=_&view.after=__",
    ],
)
def test_a_link_that_is_none_is_passed_over(explorer_context, explorer_address, hash):
    opened = Opened(explorer_context.new_page(), explorer_address, hash)
    assert opened.count() == f"{N} of {N} images shown, 0 selected"
    assert opened.troubles[1:] == [each for each in opened.troubles[1:] if each.startswith("data:")]
    opened.page.close()


def test_no_link_and_no_wheel_leads_out_of_sight_of_the_points(explorer_context, explorer_address):
    far = "#view.before=1e9_-7_1e300"
    opened = Opened(explorer_context.new_page(), explorer_address, far)

    def view():
        link = parse_qs(opened.link().partition("#")[2])
        return [float(each) for each in link["view.before"][0].split("_")]

    assert view() == [1.1, -0.1, 400]
    box = opened.box("before")
    for _ in range(30):  # in at the left edge, out at the right one
        for left, turn in ((5, -900), (box["width"] - 5, 900)):
            opened.page.mouse.move(box["x"] + left, box["y"] + 5)
            opened.page.mouse.wheel(0, turn)
    assert all(-0.1 <= each <= 1.1 for each in view()[:2])
    opened.page.close()


def test_the_export_is_the_selection_and_no_formula(explorer, explored):
    rows = np.flatnonzero(LABELS == 2)
    explorer.select("before", rows)
    with explorer.page.expect_download() as download:
        explorer.page.locator("#save").click()
    assert download.value.suggested_filename == "signs_MobileNet.csv"
    text = download.value.path().read_text("utf-8")
    table = pd.read_csv(io.StringIO(text))
    assert table["id"].tolist() == (rows + 1000).tolist()
    assert table["label"].tolist() == [HOSTILE[2]] * len(rows)
    np.testing.assert_allclose(
        table["own_gain"],
        (explored.images["own_after"] - explored.images["own_before"])[rows],
        atol=1e-4,
    )


FORMULAS = ("=1+1", "+a", "-2", "-x", "@b", "\tc", 'say "x", y', "plain", "1e3", "")


def test_cells_are_those_of_the_other_tables(browser, tmp_path):
    files = np.resize(np.array(FORMULAS, object), N)
    opened = Opened(browser.new_page(), written(tmp_path, explored_of(files=files)))
    with opened.page.expect_download() as download:
        opened.page.locator("#save").click()
    lines = download.value.path().read_bytes().decode().splitlines()
    cells = csv_text(pd.DataFrame({"id": np.arange(N) + 1000, "file": files})).splitlines()
    for line, expected in zip(lines, cells, strict=True):
        assert line.startswith(f"{expected},")
    opened.page.close()


def test_the_keyboard_alone_reaches_everything(explorer):
    page = explorer.page
    reached = set()
    for _ in range(120):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
    for each in ("search", "combine", "select-shown", "save", "morph", "play", "color", "wrong"):
        assert each in reached
    assert {"no-filters", "same", "pictures", "reset", "overlay", "tab-image", "only"} <= reached
    page.locator("#before .overlay").focus()
    page.keyboard.press("Space")
    assert page.locator("#image dd").count() > 5
    page.keyboard.press("Enter")
    assert f"{N} selected" in explorer.count()
    page.keyboard.press("Escape")
    assert "0 selected" in explorer.count()
    for _ in range(6):
        page.keyboard.press("+")
    page.keyboard.press("Enter")
    assert 0 <= len(explorer.selected()) < N
    page.locator("#tab-image").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#tab-selection").get_attribute("aria-selected") == "true"
    page.locator("[data-category=label] [role=checkbox]").first.focus()
    page.keyboard.press("Space")
    assert explorer.count().startswith(f"{2 * N // 3} of")


def test_the_keyboard_goes_on_at_the_image_that_it_opened(explorer):
    page = explorer.page
    focused = "document.activeElement.id || document.activeElement.textContent"
    page.get_by_role("tab", name="Table").click()
    page.locator("#table tbody button").nth(3).press("Enter")
    assert page.evaluate(focused) == "tab-image"
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "Close"
    page.keyboard.press("Tab")
    neighbor = page.evaluate("document.activeElement.dataset.row")
    page.keyboard.press("Enter")
    assert page.locator("#image dd").first.inner_text() == str(1000 + int(neighbor))
    assert page.evaluate(focused) == "tab-image"
    page.get_by_role("button", name="Close").press("Enter")
    assert page.evaluate(focused) == "tab-image"


def test_two_fingers_zoom(browser, explorer_address):
    context = browser.new_context(viewport={"width": 1280, "height": 800}, has_touch=True)
    opened = Opened(context.new_page(), explorer_address)
    session = context.new_cdp_session(opened.page)
    x, y = opened.place("before", 1)
    for kind, apart in (("touchStart", 20), ("touchMove", 60), ("touchMove", 80)):
        fingers = [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    zoom = float(parse_qs(opened.link().partition("#")[2])["view.before"][0].split("_")[2])
    assert zoom == pytest.approx(4, abs=0.2)
    context.close()


def test_a_tap_is_a_click_and_a_narrow_screen_does_not_scroll_sideways(browser, explorer_address):
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True)
    opened = Opened(context.new_page(), explorer_address)
    page = opened.page
    page.locator("#before").scroll_into_view_if_needed()
    page.touchscreen.tap(*opened.place("before", 0))
    assert page.locator("#image dd").count() > 5
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
