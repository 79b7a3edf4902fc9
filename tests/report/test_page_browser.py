"""Does a browser open the page from disk: without a network, an error or code from outside?"""

import itertools
import os
import re

import numpy as np
import pandas as pd
import pytest
from chromium import CHROMIUM, REQUIRED, needs_browser
from synthetic_backbone import HOSTILE, N, blobs, found_of

from pipeline.report.page import build_page

FILES = np.array([f"猫/<img src=x onerror=alert({i})>'\".png" for i in range(N)], dtype=object)

NAMES = (*HOSTILE, *(f"class number {i}" for i in range(9)))  # wider than a narrow screen


def test_a_browser_is_there_where_it_must_be():
    if os.environ.get(REQUIRED):
        assert CHROMIUM, f"{REQUIRED} is set but there is no chromium: apt-get install chromium"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Of a page in a folder of an odd name, with hostile names wherever a name can be."""
    found = found_of(
        blobs(1.5),
        blobs(9, seed=1),
        names=NAMES,
        n_classes=len(NAMES),
        wrong=[0, 4],
        files=FILES,
        context={"dataset": "</title><script>alert(2)</script>", "weights": "<b>weights"},
        warnings=["</script><script>alert(3)</script> & 🐈"],
    )
    runtimes = pd.DataFrame(
        {"step": ["graph", "embed", "change"], "seconds": [9.5, 1200.0, 30.0], "peak_mb": [1, 2, 3]}
    )
    built = build_page(
        "<svg onload=alert(4)>", [found], runtimes=runtimes, origin={"<script>": "'\"><script>"}
    )
    path = tmp_path_factory.mktemp("a folder, 猫 #1") / "report.html"
    path.write_text(built.html, encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(browser, address):
    """The page, and a list of what it complained of and asked for."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page, troubles = context.new_page(), []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("dialog", lambda dialog: (troubles.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: troubles.append(request.url))
    page.goto(address)
    yield page, troubles
    context.close()


@needs_browser
def test_it_opens_from_disk_and_asks_for_nothing_else(opened, address):
    page, troubles = opened
    page.wait_for_load_state("networkidle")
    asked = [each for each in troubles if not each.startswith("data:")]
    assert asked == [address]  # and no error


@needs_browser
def test_every_picture_loads(opened):
    page, _ = opened
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    width = "(each) => each.decode().then(() => each.naturalWidth)"
    widths = page.evaluate(f"Promise.all([...document.images].map({width}))")
    assert len(widths) > 2 * 13
    assert min(widths) > 0


@needs_browser
def test_hostile_names_are_text(opened):
    page, troubles = opened
    text = page.inner_text("body")
    for name in (*HOSTILE, "<svg onload=alert(4)>", "</script><script>alert(3)</script> & 🐈"):
        assert name in text
    assert FILES[0] in text
    assert page.title() == "<svg onload=alert(4)>: what fine-tuning did"
    assert page.evaluate("document.scripts.length") == 1
    assert (
        page.evaluate("document.querySelectorAll('main svg[onload], main b, img[onerror]').length")
        == 0
    )
    assert not [each for each in troubles if each in "1234"]


def unfold(page, title):
    """A folded table with its head, by the words that unfold it."""
    page.get_by_text(title, exact=True).click()
    return page.locator("details", has=page.get_by_text(title, exact=True)).locator("table").last


def column(table, name):
    """The texts of a column from top to bottom."""
    heads = [re.sub(r"\W+$", "", text) for text in table.locator("thead th").all_inner_texts()]
    cells = table.locator(f"tbody td:nth-child({heads.index(name) + 1})")
    return cells.all_inner_texts()


@needs_browser
def test_tables_sort_by_number_on_click_and_by_keyboard(opened):
    page, _ = opened
    table = unfold(page, "Run times and memory")
    assert column(table, "step") == ["graph", "embed", "change"]
    head = table.get_by_role("button", name="wall, s")
    head.click()
    assert column(table, "wall, s") == ["9.5", "30.0", "1,200.0"]
    assert column(table, "step") == ["graph", "change", "embed"]
    assert table.locator("th[aria-sort=ascending]").inner_text().startswith("wall")
    head.focus()
    page.keyboard.press("Enter")
    assert column(table, "step") == ["embed", "change", "graph"]
    assert table.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    assert column(table, "step") == ["change", "embed", "graph"]
    assert table.locator("th[aria-sort]").count() == 1


# Of the ink that every text is in: relative luminances as in WCAG 2.1.
CONTRAST = """() => {
  const luminance = (color) => {
    const parts = color.match(/[0-9.]+/g).slice(0, 3).map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const paper = luminance(getComputedStyle(document.body).backgroundColor);
  return [...document.querySelectorAll("p, li, td, th, summary, figcaption, a, h2, span")]
    .filter((each) => !each.closest(".matrix"))
    .map((each) => luminance(getComputedStyle(each).color))
    .map((ink) => (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05));
}"""


@needs_browser
@pytest.mark.parametrize(
    ("scheme", "media", "dark"),
    [("light", "screen", False), ("dark", "screen", True), ("dark", "print", False)],
)
def test_it_is_legible_in_light_in_dark_and_on_paper(opened, scheme, media, dark):
    page, _ = opened
    page.emulate_media(color_scheme=scheme, media=media)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (not dark)
    assert min(page.evaluate(CONTRAST)) >= 4.5


@needs_browser
def test_nothing_is_folded_or_cut_on_paper(opened):
    page, _ = opened
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    cut = "(each) => each.scrollHeight > each.clientHeight + 1"
    assert page.locator("details:not([open])").count() == 0
    assert page.evaluate(f"[...document.querySelectorAll('.scroll')].filter({cut}).length") == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 2
    assert page.pdf(format="A4").startswith(b"%PDF")


@needs_browser
def test_a_narrow_screen_scrolls_tables_and_not_the_page(opened):
    page, _ = opened
    page.set_viewport_size({"width": 400, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


@needs_browser
def test_what_is_seen_is_named_for_screen_readers(opened):
    page, _ = opened
    unnamed = "img:not([alt]), img[alt=''], svg:not([aria-label]), [role=region]:not([aria-label])"
    assert page.locator(unnamed).count() == 0
    assert page.locator("thead th:not([scope])").count() == 0
    levels = page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4')].map((h) => +h.tagName[1])"
    )
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert page.evaluate("document.documentElement.lang") == "en"
