"""Does the explorer's page hold what the steps found, in as few bytes as it promises?"""

import base64
import dataclasses
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from synthetic_explorer import FILES, HOSTILE, PIXELS, K, N, explored_of

from pipeline.drawing.alignment import procrustes_align
from pipeline.errors import InputError
from pipeline.report.explorer import page as explorer_page
from pipeline.report.explorer.content import Placed
from pipeline.report.explorer.packing import ABSENT, FINEST, NOBODY, pack, quantize
from pipeline.report.explorer.page import build_explorer, describe
from pipeline.report.explorer.table import tabulate
from pipeline.report.explorer.thumbnails import SHEET, thumbnail_sheets


@pytest.fixture(scope="module")
def found():
    return explored_of()


@pytest.fixture(scope="module")
def html(found):
    return build_explorer(found)


def facts_of(html):
    return json.loads(re.search(r'id="facts">(.*?)</script>', html)[1])


def array(html, name):
    """An array as the page's code reads it."""
    kind, text = re.search(rf'data-array="{name}" data-kind="(\w+)">([^<]*)<', html).groups()
    content = base64.b64decode(text)
    if kind != "uint24":
        return np.frombuffer(content, np.dtype(kind).newbyteorder("<"))
    triples = np.frombuffer(content, np.uint8).reshape(-1, 3).astype(np.int64)
    return triples @ [1, 2**8, 2**16]


def sheets(html):
    texts = re.findall(r'data-sheet="\d+">([^<]*)<', html)
    return [Image.open(io.BytesIO(base64.b64decode(text))) for text in texts]


@pytest.mark.parametrize("largest", [0, 255, 256, 65535, 65536, 2**24 - 1])
def test_integers_survive_packing(largest):
    values = np.array([[0, 1], [largest // 2, largest]])
    packed = pack(values)
    page = f'data-array="a" data-kind="{packed.kind}">{packed.text}<'
    np.testing.assert_array_equal(array(page, "a"), values.ravel())
    assert len(base64.b64decode(packed.text)) == 4 * (1 + (largest > 255) + (largest > 65535))


def test_coordinates_are_steps_of_the_square_and_what_lies_outside_is_on_its_edge():
    xy = np.array([[1.0, 2.0], [3.0, 4.0], [2.0, 3.0], [9.0, -9.0]])
    steps = quantize(xy, ((1, 3), (2, 4)))
    np.testing.assert_array_equal(steps[:2], [[0, 0], [FINEST, FINEST]])
    np.testing.assert_array_equal(steps[2], [FINEST // 2, FINEST // 2])
    np.testing.assert_array_equal(steps[3], [FINEST, 0])


def test_every_layout_is_there_and_the_one_after_is_aligned(found, html):
    labels = found.labels
    for stage in ("before", "after"):
        places = array(html, f"xy/tsne/{stage}").reshape(N, 2)
        xy = found.layouts[stage]["tsne"].xy
        if stage == "after":
            before = found.layouts["before"]["tsne"].xy
            xy = procrustes_align(before, labels, xy, labels)
        # One scale for both axes, within half a step.
        (slope, _), residual, *_ = np.linalg.lstsq(
            np.column_stack([xy.ravel(), np.ones(2 * N)])[::2], places[:, 0], rcond=None
        )
        assert np.sqrt(residual[0] / N) < 0.5
        spread = places[:, 1].astype(float) - slope * xy[:, 1]
        assert np.ptp(spread) <= 1.01


def test_a_layout_that_was_started_from_another_says_so(found):
    started = found.layouts["after"]["tsne"]._replace(start="started from the layout before")
    after = {**found.layouts["after"], "tsne": started}
    facts = describe(dataclasses.replace(found, layouts={**found.layouts, "after": after})).facts
    assert facts["starts"] == {"tsne/after": "started from the layout before"}
    assert describe(found).facts["starts"] == {}


def test_layouts_without_classes_are_aligned_by_their_points():
    found = explored_of(names=(), labelled=False)
    xy = found.layouts["before"]["tsne"].xy
    turned = xy @ np.array([[0.0, 1.0], [-1.0, 0.0]])
    layouts = {**found.layouts, "after": {"tsne": Placed(np.arange(N), turned)}}
    html = build_explorer(dataclasses.replace(found, layouts=layouts))
    before, after = (array(html, f"xy/tsne/{stage}").astype(int) for stage in layouts)
    assert np.abs(before - after).max() <= 1


def test_neighbours_scores_and_categories_are_those_of_the_steps(found, html):
    facts = facts_of(html)
    for stage, neighbors in found.neighbors.items():
        np.testing.assert_array_equal(array(html, f"neighbors/{stage}").reshape(N, K), neighbors)
    for score, told in zip(found.scores(), facts["scores"], strict=True):
        values = told["low"] + array(html, f"score/{score.name}") / told["steps"]
        tolerance = 0.0005 if score.name == "confidence" else 1e-6  # the others are whole steps
        np.testing.assert_allclose(values, score.values, atol=tolerance)
    for category in facts["categories"]:
        column = found.images[category["name"]].astype(str)
        read = np.array(category["values"], object)[array(html, f"category/{category['name']}")]
        expected = column.replace("train", "training")
        assert list(read) == list(expected)
    assert facts["ids"] == list(map(str, found.images["id"]))
    assert facts["files"] == list(FILES)


def test_a_layout_of_a_part_says_who_is_not_in_it():
    html = build_explorer(explored_of(subset=100))
    places = array(html, "xy/umap/before").reshape(N, 2)
    assert (places[100:] == ABSENT).all()
    assert (places[:100] < ABSENT).all()


def test_each_thumbnail_is_its_image(found, html):
    [sheet] = sheets(html)
    told = facts_of(html)["sheets"]
    assert (told["width"], told["height"], told["columns"]) == (7, 9, SHEET // 7)
    for row in (0, 1, 100, N - 1):
        line, column = divmod(row, told["columns"])
        box = (column * 7, line * 9, column * 7 + 7, line * 9 + 9)
        np.testing.assert_array_equal(np.asarray(sheet.crop(box)), PIXELS[row])


def test_many_thumbnails_are_on_several_sheets_of_at_most_2048_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (5000, 40, 40, 1), dtype=np.uint8)
    found = thumbnail_sheets(pixels, np.arange(5000), room=1e9)
    assert (found.width, found.height) == (32, 32)
    assert len(found.texts) == 2  # of 4,096 each
    sizes = [Image.open(io.BytesIO(base64.b64decode(text))).size for text in found.texts]
    assert sizes == [(2048, 2048), (2048, 32 * -(-904 // 64))]


def test_thumbnails_are_what_gives_way_and_that_is_said(found, monkeypatch):
    whole = describe(found)
    assert whole.sheets.mime == "image/png"
    arrays = sum(len(each.text) for each in whole.arrays.values())
    names = sum(map(len, [*FILES, *map(str, found.images["id"])]))
    spent = explorer_page.BESIDES + arrays + names
    png = sum(map(len, whole.sheets.texts))
    seen = []
    for room in (png, png - 1, 10):
        monkeypatch.setattr(explorer_page, "MOST_BYTES", spent + room)
        content = describe(found)
        seen.append(content.sheets and content.sheets.mime)
        notes = " ".join(content.facts["notes"])
        assert ("There are no pictures" in notes) == (content.sheets is None)
        assert ("compressed with loss" in notes) == (seen[-1] == "image/webp")
    assert seen == ["image/png", "image/webp", None]


def test_of_very_many_images_a_stratified_part_is_shown_and_that_is_said(found):
    html = build_explorer(found, points=120)
    facts = facts_of(html)
    assert facts["points"] == len(facts["ids"]) == 120
    assert any("shows 120 of 240 images" in note for note in facts["notes"])
    rows = np.array(facts["ids"], int) - 1000
    assert np.bincount(found.labels[rows]).tolist() == [40, 40, 40]
    position = {row: i for i, row in enumerate(rows)}
    expected = [[position.get(j, NOBODY) for j in found.neighbors["before"][row]] for row in rows]
    np.testing.assert_array_equal(array(html, "neighbors/before").reshape(120, K), expected)
    assert NOBODY in np.array(expected)


def test_a_rare_class_is_drawn_last():
    labels = np.zeros(70_000, int)
    labels[np.random.default_rng(0).choice(70_000, 100, replace=False)] = 1
    order = explorer_page._drawing_order(labels)
    assert sorted(order) == list(range(70_000))
    assert (labels[order[-100:]] == 1).all()
    assert np.abs(np.diff(order[:1000])).mean() > 10_000  # random, not as in the file


def test_names_from_outside_are_escaped(html):
    assert html.count("<script") == html.count("</script>")
    assert "<img" not in html
    for name in ("alert(1)", "alert(2)"):
        for match in re.finditer(re.escape(name), html):
            assert "<script>" not in html[match.start() - 20 : match.start()]
    assert facts_of(html)["categories"][0]["values"] == list(HOSTILE)


def test_a_page_names_no_folder_of_a_machine():
    html = build_explorer(explored_of(warnings=("t-SNE, after: read /home/ann/graph.npz",)))
    assert "/home/ann" not in html
    assert "read graph.npz" in html


def test_it_asks_for_nothing_else(html):
    code = re.sub(r"data-(array|sheet)=[^>]*>[^<]*<", "", html)
    for word in (
        "fetch(",
        "import(",
        "XMLHttpRequest",
        "new Worker",
        'type="module"',
        "http:",
        "https:",
    ):
        assert word not in code
    assert "default-src 'none'" in html


def test_a_backbone_without_layouts_at_both_stages_is_refused(found):
    layouts = {**found.layouts, "after": {}}
    with pytest.raises(InputError, match="MobileNet has no method with a layout before and after"):
        build_explorer(dataclasses.replace(found, layouts=layouts))


def test_a_layout_that_is_none_is_refused(found):
    xy = found.layouts["after"]["tsne"].xy.copy()
    xy[3] = np.nan
    layouts = {**found.layouts, "after": {"tsne": Placed(np.arange(N), xy)}}
    with pytest.raises(InputError, match="tsne, after: layout holds NaN"):
        build_explorer(dataclasses.replace(found, layouts=layouts))


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("overlap", np.nan, r"overlap of the image with id 1003 in MobileNet is nan, not from 0"),
        ("own_after", np.nan, r"own_after of the image with id 1003 in MobileNet is nan"),
        ("confidence", 1.5, r"confidence of the image with id 1003 in MobileNet is 1.5, not from"),
        ("prediction", "owl", r"prediction of MobileNet holds 'owl', which is no class"),
    ],
)
def test_a_score_or_a_class_that_is_none_is_refused(found, column, value, words):
    images = found.images.copy()
    images.loc[3, column] = value
    with pytest.raises(InputError, match=words):
        build_explorer(dataclasses.replace(found, images=images))


def test_the_table_has_all_that_the_page_has(found, tmp_path):
    path = tmp_path / "table.parquet"
    tabulate(found).to_parquet(path, index=False)
    table = pd.read_parquet(path)
    assert len(table) == N
    assert list(table["file"]) == list(FILES)
    np.testing.assert_array_equal(table["id"], np.arange(N) + 1000)
    np.testing.assert_array_equal(table["label"].astype(str), np.array(HOSTILE)[np.arange(N) % 3])
    for stage in ("before", "after"):
        xy = table[[f"umap_{stage}_x", f"umap_{stage}_y"]].to_numpy()
        np.testing.assert_allclose(xy, found.layouts[stage]["umap"].xy, atol=1e-6)
        neighbors = np.stack([each["ids"] for each in table[f"neighbors_{stage}"]])
        np.testing.assert_array_equal(neighbors, found.neighbors[stage])
    np.testing.assert_allclose(table["own_gain"], table["own_after"] - table["own_before"])
    picture = Image.open(io.BytesIO(table["thumbnail"][5]), formats=["PNG"])
    np.testing.assert_array_equal(np.asarray(picture), PIXELS[5])


def test_the_table_leaves_empty_what_was_not_laid_out():
    table = tabulate(explored_of(subset=100, pixels=None))
    assert table["umap_after_x"].isna().sum() == N - 100
    assert "thumbnail" not in table
