"""Does the explorer in a browser show what the steps found, and do what its controls say?"""

import base64
import io
import re
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlparse

import numpy as np
import pandas as pd
import pytest
from chromium import needs_browser
from PIL import Image
from playwright.sync_api import expect
from synthetic_explorer import FILES, HOSTILE, K, N, explored_of

from pipeline.drawing.palette import class_colors
from pipeline.report.explorer.packing import FINEST
from pipeline.report.explorer.page import SPLIT_COLORS, build_explorer
from pipeline.store import csv_text

pytestmark = needs_browser
LABELS = np.arange(N) % 3
PARTS = ("train", "test")
COLORS = class_colors(3)
# Chromium without a GPU computes WebGL2 itself, which the page declines: here it may not notice.
AS_IF_ON_A_GPU = "WebGL2RenderingContext.prototype.getExtension = () => null"
NO_WEBGL = """const get = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
  return kind === "webgl2" ? null : get.call(this, kind, ...more);
}"""


@pytest.fixture(scope="module")
def found():
    return explored_of(warnings=("<i>t-SNE</i>, after: not converged",))


@pytest.fixture(scope="module")
def address(found, tmp_path_factory):
    return written(tmp_path_factory.mktemp("a folder, 猫 #1"), found)


def written(folder, found):
    path = folder / "explorer.html"
    path.write_text(build_explorer(found), encoding="utf-8")
    return path.as_uri()


class Opened:
    """A page, what it complained of and asked for, and where its points are."""

    def __init__(self, page, address, hash=""):
        self.page, self.address, self.troubles = page, address, []
        page.on("console", lambda message: self.troubles.append(message.text))
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("dialog", lambda dialog: (self.troubles.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: self.troubles.append(request.url))
        page.goto(address + hash)
        self.array = {}
        for name in ("xy/tsne/before", "xy/tsne/after"):
            text = re.search(rf'data-array="{name}" data-kind="\w+">([^<]*)<', self.source())[1]
            self.array[name] = np.frombuffer(base64.b64decode(text), "<u2").reshape(-1, 2)
        self.settle()

    def source(self):
        return Path(unquote(urlparse(self.address).path)).read_text("utf-8")

    def settle(self):
        """Wait until what was asked for is drawn, and its address kept."""
        self.page.evaluate(
            "new Promise((d) => requestAnimationFrame(() => requestAnimationFrame(d)))"
        )

    def box(self, stage):
        return self.page.locator(f"#{stage} .overlay").bounding_box()

    def place(self, stage, row, *, layout=None):
        """Where an image is in the window, with the whole layout in sight."""
        box = self.box(stage)
        x, y = self.array[f"xy/tsne/{layout or stage}"][row] / FINEST
        scale = 0.96 * min(box["width"], box["height"])
        return (
            box["x"] + box["width"] / 2 + (x - 0.5) * scale,
            box["y"] + box["height"] / 2 - (y - 0.5) * scale,
        )

    def color(self, stage, row, **options):
        """The colour of the window where an image is."""
        self.settle()
        picture = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        x, y = self.place(stage, row, **options)
        return picture.getpixel((round(x), round(y)))

    def around(self, stage, rows, margin=8):
        """A box around some images: its corners."""
        places = np.array([self.place(stage, row) for row in rows])
        return places.min(axis=0) - margin, places.max(axis=0) + margin

    def drag(self, start, end):
        mouse = self.page.mouse
        mouse.move(*start)
        mouse.down()
        mouse.move(*(np.array(start) + end) / 2)
        mouse.move(*end)
        mouse.up()
        self.settle()

    def select(self, stage, rows):
        self.page.get_by_label("Box", exact=True).check()
        self.drag(*self.around(stage, rows))

    def selected(self):
        """Rows of the selection, by the address that the page keeps."""
        told = parse_qs(self.link().partition("#")[2])
        return decoded(told["selected"][0]) if "selected" in told else []

    def link(self):
        self.page.wait_for_timeout(350)  # an address is kept once nothing moves
        return self.page.url

    def count(self):
        return self.page.locator("#count").inner_text()


def decoded(text):
    """Rows of a selection in an address: runs in turn, 7 bits a byte."""
    content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    lengths, length, shift = [], 0, 0
    for byte in content:
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            lengths.append(length)
            length = shift = 0
    mask = np.repeat(np.arange(len(lengths)) % 2, lengths)
    return np.flatnonzero(mask).tolist()


@pytest.fixture(scope="module")
def context(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    yield context
    context.close()


@pytest.fixture
def opened(context, address):
    page = context.new_page()
    yield Opened(page, address)
    page.close()


def close_to(color, expected, tolerance=3):
    return np.abs(np.array(color) - expected).max() <= tolerance


def test_it_opens_from_disk_without_a_complaint_or_a_request(opened, address):
    opened.page.wait_for_load_state("networkidle")
    assert [each for each in opened.troubles if not each.startswith("data:")] == [address]


@pytest.mark.parametrize(
    ("script", "said"), [(NO_WEBGL, True), ("", True), (AS_IF_ON_A_GPU, False)]
)
def test_each_classes_region_has_its_colour_with_and_without_webgl(browser, address, script, said):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.add_init_script(script)
    opened = Opened(page, address)
    for stage in ("before", "after"):
        for row in range(12):
            assert close_to(opened.color(stage, row), COLORS[LABELS[row]])
    assert ("no WebGL2 on a GPU" in page.locator("#notes").inner_text()) == said
    assert [each for each in opened.troubles if "GL Driver Message" not in each] == [address]
    page.close()


def test_a_box_in_one_pane_selects_the_same_images_in_the_other(opened):
    of_class = np.flatnonzero(LABELS == 1)
    opened.select("before", of_class)
    assert opened.selected() == of_class.tolist()
    assert f"{len(of_class)} selected" in opened.count()
    assert close_to(opened.color("after", 1), COLORS[1])
    assert not close_to(opened.color("after", 0), COLORS[0], 40)  # stands back


def test_a_lasso_selects_what_it_encloses(opened):
    page = opened.page
    page.get_by_label("Lasso", exact=True).check()
    (left, top), (right, bottom) = opened.around("after", np.flatnonzero(LABELS == 2))
    page.mouse.move(left, top)
    page.mouse.down()
    for corner in ((right, top), (right, bottom), (left, bottom)):
        page.mouse.move(*corner, steps=3)
    page.mouse.up()
    assert opened.selected() == np.flatnonzero(LABELS == 2).tolist()


def test_selections_combine(opened):
    of_class = [np.flatnonzero(c == LABELS).tolist() for c in range(3)]
    opened.select("before", of_class[0])
    opened.page.locator("#combine").select_option("add")
    opened.select("before", of_class[2])
    assert opened.selected() == sorted(of_class[0] + of_class[2])
    opened.page.locator("#combine").select_option("remove")
    opened.select("after", of_class[0])
    assert opened.selected() == of_class[2]
    opened.page.locator("#combine").select_option("within")
    opened.select("after", of_class[1])
    assert opened.selected() == []


def test_a_selection_is_undone_by_button_and_by_key(opened):
    page = opened.page
    assert page.locator("#undo").is_disabled()
    for stage, label in (("before", 0), ("after", 1)):
        opened.select(stage, np.flatnonzero(label == LABELS))
    page.locator("#undo").click()
    assert opened.selected() == np.flatnonzero(LABELS == 0).tolist()
    page.keyboard.press("Control+z")
    assert opened.selected() == []
    assert page.locator("#undo").is_disabled()


def test_where_a_selection_went_is_counted(opened, found):
    rows = np.flatnonzero(LABELS == 0)
    opened.select("after", rows)
    table = opened.page.locator("table.went")
    assert table.locator("tbody tr").count() == 3
    first = table.locator("tbody tr").first.locator("th, td").all_inner_texts()
    shares = [
        f"{np.floor(100 * (LABELS[found.neighbors[stage][rows]] == 0).mean() + 0.5):.0f} %"
        for stage in ("before", "after")
    ]
    wrong = int((rows % 20 == 0).sum())
    assert first == [HOSTILE[0], str(len(rows)), str(len(rows) - wrong), *shares]
    assert opened.page.locator(".gallery .image").count() == len(rows)


@pytest.mark.parametrize("row", [0, 57])
def test_the_neighbours_of_a_clicked_image_are_the_graphs(opened, found, row):
    opened.page.mouse.click(*opened.place("after", row))
    known = opened.page.locator("#image dd").first.inner_text()
    row = int(known) - 1000  # points overlap: another one may be on top
    before, after = (found.neighbors[stage][row].tolist() for stage in ("before", "after"))
    for stage, expected, others, changed in (
        ("before", before, after, "lost"),
        ("after", after, before, "gained"),
    ):
        entries = opened.page.locator(f"[data-stage={stage}] li")
        rows = [int(each.get_attribute("data-row")) for each in entries.locator("button").all()]
        assert rows == expected
        marks = [each.get_attribute("data-mark") for each in entries.all()]
        assert marks == ["kept" if each in others else changed for each in expected]


def test_the_tip_says_what_is_known_of_an_image(opened, found):
    x, y = opened.place("before", 3)
    opened.page.mouse.move(x, y)
    tip = opened.page.locator("#tip")
    row = int(tip.locator("dd").first.inner_text()) - 1000
    text = tip.inner_text()
    known = found.images.iloc[row]
    assert FILES[row] in text
    assert f"{round(known['overlap'] * K)} of {K}" in text
    for name in ("label", "prediction", "predicted_before", "predicted_after"):
        assert str(known[name]) in text
    assert tip.locator("canvas").count() == 1
    opened.page.mouse.move(5, 5)
    assert tip.is_hidden()


def test_the_legend_counts_and_switches_classes(opened):
    legend = opened.page.locator("[data-category=label] [role=checkbox]")
    assert legend.all_inner_texts() == [f"{name}\n{N // 3}" for name in HOSTILE]
    legend.nth(1).click()
    assert legend.nth(1).get_attribute("aria-checked") == "false"
    assert opened.count().startswith(f"{2 * N // 3} of {N} images")
    assert not close_to(opened.color("before", 1), COLORS[1], 40)
    opened.page.locator("[data-category=label] .all").click()
    assert opened.count().startswith(f"{N} of")
    only = opened.page.get_by_role("button", name=f"only {HOSTILE[2]}")
    only.click()
    assert opened.count().startswith(f"{N // 3} of")


def test_a_class_stands_out_while_the_pointer_is_on_its_entry(opened):
    legend = opened.page.locator("[data-category=label] [role=checkbox]")
    legend.nth(1).hover()
    assert close_to(opened.color("after", 1), COLORS[1])
    assert not close_to(opened.color("after", 0), COLORS[0], 40)
    opened.page.mouse.move(600, 5)
    assert close_to(opened.color("after", 0), COLORS[0])
    assert opened.count().endswith(" 0 selected")


def test_filters_by_split_by_error_and_by_score(opened, found):
    page = opened.page
    page.locator("[data-category=split] [role=checkbox]").first.click()
    assert opened.count().startswith(f"{N // 4} of")
    page.get_by_role("button", name="No filters").click()
    page.locator("#wrong").select_option("wrong")
    assert opened.count().startswith(f"{N // 20} of")
    page.get_by_role("button", name="No filters").click()
    page.get_by_label("Neighbours kept, at least").fill("1")
    kept = int((found.images["overlap"] > 0.5 / K).sum())
    assert 0 < kept < N
    assert opened.count().startswith(f"{kept} of")


def test_a_filtered_image_is_not_selected(opened):
    page = opened.page
    page.locator("[data-category=label] [role=checkbox]").first.click()
    opened.select("before", np.arange(N))
    assert opened.selected() == np.flatnonzero(LABELS != 0).tolist()


def test_colours_by_split_by_prediction_and_by_score(opened, found):
    page = opened.page
    page.locator("#pictures").uncheck()
    page.locator("#color").select_option("split")
    train, test = (int(np.flatnonzero(found.images["split"] == each)[0]) for each in PARTS)
    for row, color in zip((train, test), SPLIT_COLORS, strict=False):
        page.locator("#search").fill(str(row + 1000))
        page.get_by_role("button", name="Select all 1").click()
        assert close_to(opened.color("before", row), color)
    page.keyboard.press("Escape")
    page.locator("#color").select_option("prediction")
    page.locator("#wrong").select_option("wrong")
    wrong = next(i for i in range(N) if i % 20 == 0 and LABELS[i] == 0)
    assert close_to(opened.color("before", wrong), COLORS[1])  # in the place of its own class
    page.locator("#color").select_option("label")
    assert close_to(opened.color("before", wrong), COLORS[0])
    page.locator("#color").select_option("confidence")
    ends = [next(i for i in rows if i % 20 == 0) for rows in (range(N), range(N - 1, 0, -1))]
    low, high = (np.array(opened.color("after", row)) for row in ends)
    assert np.abs(low - high).max() > 20


def test_the_neighbours_of_the_image_under_the_pointer_are_coloured(opened, found):
    page = opened.page
    page.locator("#color").select_option("near")
    page.mouse.move(*opened.place("after", 7))
    row = int(page.locator("#tip dd").first.inner_text()) - 1000
    other = next(
        i for i in range(N) if LABELS[i] != LABELS[row] and i not in found.neighbors["after"][row]
    )
    assert np.ptp(opened.color("after", int(found.neighbors["after"][row][0]))) > 30
    assert np.ptp(opened.color("after", other)) < 30  # grey


def test_search_by_id_and_by_file(opened):
    page = opened.page
    page.locator("#search").fill("1042")
    page.keyboard.press("Enter")
    assert page.locator("#image dd").first.inner_text() == "1042"
    page.locator("#search").fill("alert(17)")
    page.locator("#found button", has_text="id 1017").click()
    assert page.locator("#image dd").nth(1).inner_text() == FILES[17]
    page.locator("#search").fill("猫/=<IMG")
    page.get_by_role("button", name=f"Select all {N}").click()
    assert f"{N} selected" in opened.count()
    page.mouse.move(*opened.place("after", 0))
    for _ in range(14):
        page.mouse.wheel(0, -400)
    far = next(i for i in range(N) if LABELS[i] != 0)
    page.locator("#search").fill(str(far + 1000))
    before = opened.link()
    page.keyboard.press("Enter")
    assert opened.link().split("view.after")[1] != before.split("view.after")[1]
    page.locator("#search").fill("no such")
    assert page.locator("#found").inner_text() == "no such image"


def test_the_morph_ends_where_the_other_pane_is_and_says_what_it_is(opened):
    page = opened.page
    assert page.locator("#morph-note").is_hidden()
    page.locator("#morph").fill("1")
    for row in range(3):
        assert close_to(opened.color("before", row, layout="after"), COLORS[LABELS[row]])
    page.locator("#morph").fill("0.5")
    said = page.locator("#morph-note").inner_text()
    assert said.startswith("Interpolated, 50 % of the way: no layout was computed in between")
    page.locator("#play").click()
    expect(page.locator("#morph")).to_have_value("1")


def test_another_method_keeps_the_selection(opened):
    rows = np.flatnonzero(LABELS == 1).tolist()
    opened.select("before", rows)
    opened.page.get_by_label("Method before").select_option("umap")
    assert opened.page.get_by_label("Method after").input_value() == "umap"
    assert opened.selected() == rows
    opened.page.locator("#same").uncheck()
    opened.page.get_by_label("Method after").select_option("tsne")
    assert opened.page.get_by_label("Method before").input_value() == "umap"
    assert opened.selected() == rows


def test_a_link_brings_everything_back(opened, context):
    page = opened.page
    opened.select("before", np.flatnonzero(LABELS == 1))
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
    link = opened.link()
    other = Opened(context.new_page(), opened.address, "#" + link.partition("#")[2])
    assert other.link() == link
    assert other.count() == opened.count()
    assert other.page.locator("#color").input_value() == "split"
    assert other.page.get_by_label("Method after").input_value() == "umap"
    assert other.page.get_by_role("tab", name="Table").get_attribute("aria-selected") == "true"
    assert other.page.locator("#wrong").input_value() == "right"
    other.page.close()


@pytest.mark.parametrize(
    "hash",
    ["#before=nonsense&color=x&focus=1", "#selected=%%%&view.before=a_b_c", "#range.overlap=0_x"],
)
def test_a_link_that_is_none_is_passed_over(context, address, hash):
    opened = Opened(context.new_page(), address, hash)
    assert opened.count() == f"{N} of {N} images shown, 0 selected"
    assert opened.troubles[1:] == [each for each in opened.troubles[1:] if each.startswith("data:")]
    opened.page.close()


def test_the_export_is_the_selection_and_no_formula(opened, found):
    rows = np.flatnonzero(LABELS == 2)
    opened.select("before", rows)
    with opened.page.expect_download() as download:
        opened.page.locator("#save").click()
    assert download.value.suggested_filename == "signs_MobileNet.csv"
    text = download.value.path().read_text("utf-8")
    table = pd.read_csv(io.StringIO(text))
    assert table["id"].tolist() == (rows + 1000).tolist()
    assert table["label"].tolist() == [HOSTILE[2]] * len(rows)
    np.testing.assert_allclose(
        table["own_gain"], (found.images["own_after"] - found.images["own_before"])[rows], atol=1e-4
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


def test_the_table_begins_with_what_changed_most(opened, found):
    page = opened.page
    page.get_by_role("tab", name="Table").click()
    ids = [int(each) for each in page.locator("#table tbody td:nth-child(2)").all_inner_texts()]
    kept = found.images.set_index("id")["overlap"]
    assert [kept[each] for each in ids] == sorted(kept)[: len(ids)]
    page.locator("#table thead").get_by_role("button", name="id", exact=True).click()
    first = page.locator("#table tbody td:nth-child(2)").first
    assert first.inner_text() == "1000"
    page.locator("#table thead").get_by_role("button", name="id", exact=True).click()
    assert first.inner_text() == str(999 + N)


def test_pictures_take_the_place_of_dots_when_zoomed_in(opened):
    pane = opened.page.locator("#before")
    assert pane.get_attribute("data-pictures") == "0"
    x, y = opened.place("before", 0)
    opened.page.mouse.move(x, y)
    for _ in range(14):
        opened.page.mouse.wheel(0, -400)
    opened.settle()
    assert 0 < int(pane.get_attribute("data-pictures")) < N
    opened.page.locator("#pictures").uncheck()
    opened.settle()
    assert pane.get_attribute("data-pictures") == "0"


def test_the_keyboard_alone_reaches_everything(opened):
    page = opened.page
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
    assert f"{N} selected" in opened.count()
    page.keyboard.press("Escape")
    assert "0 selected" in opened.count()
    for _ in range(6):
        page.keyboard.press("+")
    page.keyboard.press("Enter")
    assert 0 <= len(opened.selected()) < N
    page.locator("#tab-image").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#tab-selection").get_attribute("aria-selected") == "true"
    page.locator("[data-category=label] [role=checkbox]").first.focus()
    page.keyboard.press("Space")
    assert opened.count().startswith(f"{2 * N // 3} of")


def test_what_is_seen_is_named_for_screen_readers(opened):
    page = opened.page
    page.mouse.click(*opened.place("before", 0))
    unnamed = """[...document.querySelectorAll("button, input, select, [role=application]")]
      .filter((each) => !(each.textContent.trim() || each.ariaLabel || each.labels?.length
        || each.title)).length"""
    assert page.evaluate(unnamed) == 0
    assert page.locator("canvas[role=img]:not([aria-label])").count() == 0
    assert page.evaluate("document.documentElement.lang") == "en"


def test_hostile_names_are_text(opened):
    page = opened.page
    page.mouse.click(*opened.place("before", 0))
    opened.select("before", np.arange(N))
    page.get_by_role("tab", name="Table").click()
    text = page.inner_text("body")
    for name in (*HOSTILE, "<i>t-SNE</i>", "<b>weights"):
        assert name in text
    assert sum(name in text for name in FILES) == 100  # a page of the table
    assert page.title() == "signs, MobileNet: before and after"
    assert page.locator("main b, img, aside script, #dock script").count() == 0
    assert not [each for each in opened.troubles if each in "1234"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_legible_in_light_and_in_dark(browser, address, scheme):
    page = browser.new_page(color_scheme=scheme)
    opened = Opened(page, address)
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


def test_two_fingers_zoom(browser, address):
    context = browser.new_context(viewport={"width": 1280, "height": 800}, has_touch=True)
    opened = Opened(context.new_page(), address)
    session = context.new_cdp_session(opened.page)
    x, y = opened.place("before", 1)
    for kind, apart in (("touchStart", 20), ("touchMove", 60), ("touchMove", 80)):
        fingers = [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    zoom = float(parse_qs(opened.link().partition("#")[2])["view.before"][0].split("_")[2])
    assert zoom == pytest.approx(4, abs=0.2)
    context.close()


def test_a_tap_is_a_click_and_a_narrow_screen_does_not_scroll_sideways(browser, address):
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True)
    opened = Opened(context.new_page(), address)
    page = opened.page
    page.locator("#before").scroll_into_view_if_needed()
    page.touchscreen.tap(*opened.place("before", 0))
    assert page.locator("#image dd").count() > 5
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
