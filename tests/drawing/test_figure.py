"""Do the pictures show what the layouts hold, to every reader, and say what they leave out?"""

import io
import itertools
import re
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from PIL import Image

from pipeline import artefacts, store
from pipeline.drawing.class_names import common_affixes, name_classes, shorten
from pipeline.drawing.class_page import best_method
from pipeline.drawing.figure import FigureLayout, align, draw_backbone
from pipeline.drawing.labels import (
    Anchor,
    find_free_position,
    has_glyphs,
    place_labels,
    printable,
    wrap,
)
from pipeline.drawing.page import panel_side
from pipeline.drawing.palette import PETROFF, class_colors, faded, lightness, many_colors
from pipeline.drawing.panel import (
    Label,
    class_anchors,
    draw_class_panels,
    draw_panel,
    panel_limits,
    point_radius,
    rasterise,
    shade,
)
from pipeline.errors import InputError
from pipeline.methods.registry import METHODS

UNIT = ((0.0, 1.0), (0.0, 1.0))


def blobs(n, *, n_classes=10, spread=1.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    angle = 2 * np.pi * labels / n_classes
    centres = np.stack([np.cos(angle), np.sin(angle)], axis=1) * 10
    return centres + rng.normal(size=(n, 2)) * spread, labels


def names(n):
    return [f"c{i}" for i in range(n)]


def pixels(image):
    return np.asarray(image).astype(int)


def near(image, color, tolerance=40):
    """Pixels about as blue, green and red as `color`."""
    return np.abs(pixels(image) - np.array(color)).max(axis=2) <= tolerance


# Before and after


def layout(xy, labels, total_points=None, *, class_names=None, **context):
    context = {"total_points": total_points or len(xy), **context}
    return FigureLayout(xy, labels, class_names or names(labels.max() + 1), context)


def test_only_what_has_a_counterpart_is_turned_onto_it():
    xy, labels = blobs(200)
    quarter = xy @ [[0, 1], [-1, 0]]
    layouts = {
        ("before", "tsne"): layout(xy, labels),
        ("before", "pca"): layout(xy, labels),
        ("after", "tsne"): layout(quarter, labels, 300, components=3),
        ("after", "pca"): layout(quarter, labels),
        ("after", "lle"): layout(quarter, labels),
    }
    found = align(layouts)
    assert list(found) == list(layouts)
    assert np.allclose(found["after", "tsne"].xy, xy, atol=0.5)
    assert found["after", "tsne"].context == {"total_points": 300, "components": 3}
    assert found["before", "tsne"] is layouts["before", "tsne"]
    assert found["after", "lle"] is layouts["after", "lle"]
    mirrored = found["after", "pca"].xy  # its axes have an order
    assert np.array_equal(np.abs(mirrored), np.abs(quarter))


# One panel: pixels


def test_two_by_two_canvas_has_the_pixels_it_should():
    xy = np.array([[0.2, 0.8], [0.8, 0.2], [0.8, 0.3], [0.8, 0.8]])
    labels = np.array([0, 1, 1, 2])
    top, counts = rasterise(xy, labels, limits=UNIT, size=2, radius=0)
    assert top.tolist() == [[0, 2], [-1, 1]]  # the upper row holds the large y
    assert counts.tolist() == [[1, 1], [0, 2]]


def test_shades_by_hand():
    colors = np.array([[0, 100, 200], [200, 0, 0]], dtype=np.uint8)
    top = np.array([[0, 1], [-1, 1]])
    counts = np.array([[1, 100], [0, 10]], dtype=np.uint32)
    image = np.full((2, 2, 3), 255, dtype=np.uint8)
    shade(image, top, counts, colors=colors)
    assert image[1, 0].tolist() == [255, 255, 255]  # nobody there: paper
    assert image[0, 0].tolist() == [115, 170, 225]  # one point: 0.55 of its colour, 0.45 of white
    assert image[0, 1].tolist() == [150, 0, 0]  # the densest: full, at 0.75 of its brightness
    assert image[0, 1, 1] < image[1, 1, 1] < image[0, 0, 0]  # and between them the middling one


def test_a_point_is_a_disc():
    _, counts = rasterise(np.array([[0.5, 0.5]]), np.zeros(1, int), limits=UNIT, size=9, radius=2)
    assert counts.sum() == 21  # pixels whose centre is within 2.5 of the middle one
    assert counts[4, 2:7].tolist() == [1] * 5
    assert counts[2, 2] == 0


def test_order_of_the_points_does_not_matter():
    xy, labels = blobs(3000, spread=6)
    shuffled = np.random.default_rng(1).permutation(3000)
    once = draw_panel(xy, labels, colors=class_colors(10), size=300)
    again = draw_panel(xy[shuffled], labels[shuffled], colors=class_colors(10), size=300)
    assert np.array_equal(pixels(once.image), pixels(again.image))


def test_no_class_hides_another():
    """Ten classes on one spot: each shows on about a tenth of the pixels."""
    spot = np.random.default_rng(0).normal(size=(6000, 2))
    xy, labels = np.tile(spot, (10, 1)), np.repeat(np.arange(10), 6000)
    top, counts = rasterise(xy, labels, limits=panel_limits(xy), size=150, radius=1)
    crowded = top[counts > 20]
    shares = np.bincount(crowded, minlength=10) / len(crowded)
    assert len(crowded) > 2000
    assert np.all(np.abs(shares - 0.1) < 0.04)


def test_a_single_stranger_is_seen_among_many():
    xy, labels = blobs(5000, n_classes=1)
    xy, labels = np.vstack([xy, [[10.5, 4.7]]]), np.append(labels, 1)
    panel = draw_panel(xy, labels, colors=class_colors(2), size=400)
    assert panel.points_outside == 0
    assert near(panel.image, class_colors(2)[1], tolerance=8).any()


def test_a_rare_class_is_seen_within_a_crowd():
    """100 points inside 69,900 others: drawn last, no disc of another class lies on them."""
    rng = np.random.default_rng(0)
    xy = rng.normal(size=(70_000, 2))
    xy[-100:] *= 0.3
    labels = np.where(np.arange(70_000) < 69_900, 0, 1)
    for size in (400, 1000):
        panel = draw_panel(xy, labels, colors=class_colors(2), size=size)
        own = near(panel.image, class_colors(2)[1], tolerance=30)
        assert own.sum() > 3 * 60  # three pixels each, where they do not hide each other
    equal = draw_panel(xy, np.arange(70_000) % 700, colors=class_colors(700), size=400)
    (left, right), (bottom, top) = panel_limits(xy)
    assert equal.limits == ((left, right), (bottom, top))  # many small classes: none is rare


@pytest.mark.parametrize("n", [300, 1000, 2000])
def test_few_points_keep_the_colours_of_their_classes_where_these_mix(n):
    """No class is darkened, nor does mixing make new colours: discs with a white rim."""
    xy, labels = np.random.default_rng(0).normal(size=(n, 2)) * 0.1, np.arange(n) % 26
    image = draw_panel(xy, labels, colors=class_colors(26), size=600).image
    light = np.array([lightness(tuple(c)) for c in np.unique(pixels(image).reshape(-1, 3), axis=0)])
    darkest = min(lightness(color) for color in class_colors(26))
    assert light.min() > darkest - 1


def test_marked_points_stand_out_and_all_others_fade():
    xy, labels = blobs(3000, n_classes=3)
    marked = np.arange(3000) < 30
    color = class_colors(3)
    panel = draw_panel(xy, labels, colors=color, size=500, marked=marked, ringed=True)
    dark = near(panel.image, (26, 26, 26), tolerance=60)
    assert dark.sum() > 30 * 4
    assert not near(panel.image.crop((0, 0, 5, 5)), (26, 26, 26)).any()
    all_faded = draw_panel(xy, labels, colors=color, size=500, marked=np.zeros(3000, dtype=bool))
    assert not any(near(all_faded.image, each, tolerance=25).any() for each in color)
    plain = draw_panel(xy, labels, colors=color, size=500)
    everything = draw_panel(xy, labels, colors=color, size=500, marked=np.ones(3000, dtype=bool))
    assert np.array_equal(pixels(plain.image), pixels(everything.image))
    assert min(faded((0, 0, 0))) > 150


def test_a_class_panel_shows_its_class_in_colour_on_top_of_all_others():
    spot = np.random.default_rng(0).normal(size=(4000, 2))
    xy, labels = np.tile(spot, (2, 1)), np.repeat([0, 1], 4000)
    labels[:10] = 2
    own, _, rare, absent = draw_class_panels(
        xy, labels, classes=[0, 1, 2, 3], color=(255, 0, 0), size=200
    )
    reds = [(pixels(each)[..., 0] > pixels(each)[..., 2] + 30).sum() for each in (own, rare)]
    assert reds[0] > 1000
    assert reds[1] >= 10
    assert (pixels(absent).std(axis=2) == 0).all()  # greys alone


def test_points_are_large_when_few_and_small_when_many():
    radii = [point_radius(n, size=1000) for n in (1, 200, 2000, 20_000, 70_000, 2_000_000)]
    assert radii == [16, 16, 7, 2, 1, 0]


@pytest.mark.parametrize("n", [200, 1797, 5000, 70_000])
def test_sparse_panels_are_seen_and_dense_ones_keep_their_structure(n):
    xy = np.random.default_rng(0).normal(size=(n, 2))
    panel = draw_panel(xy, np.zeros(n, int), colors=class_colors(1), size=500)
    red = pixels(panel.image)[..., 0]
    inked = red[red < 250]
    assert 0.05 < inked.size / red.size < 0.6
    if n <= 2000:  # rims keep discs apart
        assert ((red > 100) & (red < 250)).sum() > 5 * n
        return
    assert (inked == inked.min()).mean() < 0.25  # shades, not one flat blot
    core, rim = red[220:280, 220:280], red[150:350, 150:350]
    assert core[core < 250].mean() < rim[rim < 250].mean() - 3


# One panel: limits


def test_equal_aspect_and_centred():
    xy = np.array([[10.0, 0.0], [50.0, 0.0], [10.0, 4.0], [50.0, 4.0]] * 30)
    (left, right), (bottom, top) = panel_limits(xy)
    assert right - left == pytest.approx(top - bottom)
    assert (left + right) / 2 == pytest.approx(30)
    assert (bottom + top) / 2 == pytest.approx(2)
    panel = draw_panel(xy, np.zeros(120, int), colors=class_colors(1), size=400)
    ink = (pixels(panel.image) < 250).any(axis=2)
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    apart = (np.ptp(columns) - np.ptp(rows)) * (right - left) / 400
    assert apart == pytest.approx(40 - 4, abs=0.5)


def test_few_far_points_do_not_squash_the_rest_and_are_counted():
    rng = np.random.default_rng(0)
    xy = np.vstack([rng.normal(size=(5000, 2)), rng.normal(size=(37, 2)) + 1000])
    panel = draw_panel(xy, np.zeros(5037, int), colors=class_colors(1), size=400)
    (left, right), _ = panel.limits
    inside = ((xy > [left, panel.limits[1][0]]) & (xy < [right, panel.limits[1][1]])).all(axis=1)
    assert right - left < 20
    assert panel.points_outside == (~inside).sum() >= 37
    assert panel.points_drawn == inside.sum() > 4700
    corner = pixels(panel.image)[-25:, :150]
    assert (corner.max(axis=2) < 110).sum() > 50  # the remark, dark grey, lower left


def test_a_normal_layout_shows_all_its_points():
    xy, labels = blobs(2000)
    panel = draw_panel(xy, labels, colors=class_colors(10), size=200)
    assert (panel.points_drawn, panel.points_outside) == (2000, 0)


@pytest.mark.parametrize(
    "xy",
    [
        np.zeros((20, 2)),
        np.full((1, 2), 1e12),
        np.stack([np.arange(100.0), np.zeros(100)], axis=1),
        np.stack([np.arange(100.0), np.arange(100.0)], axis=1) * 1e-30,
    ],
    ids=["one spot", "one far point", "a flat line", "a tiny diagonal"],
)
def test_degenerate_layouts_are_drawn(xy):
    panel = draw_panel(xy, np.zeros(len(xy), int), colors=class_colors(1), size=200)
    ink = (pixels(panel.image) < 250).any(axis=2)
    assert panel.points_outside == 0
    assert ink.any()
    assert np.argwhere(ink).mean(axis=0) == pytest.approx([100, 100], abs=4)


# One panel: names


def test_names_stand_at_the_mode_not_at_the_mean():
    rng = np.random.default_rng(0)
    large = rng.normal(size=(300, 2)) * 0.02 + [0.2, 0.3]
    small = rng.normal(size=(200, 2)) * 0.02 + [0.8, 0.3]
    xy, labels = np.vstack([large, small]), np.zeros(500, int)
    anchors = class_anchors(xy, labels, limits=UNIT, classes=range(2))
    assert list(anchors) == [0]
    assert anchors[0].position == pytest.approx((0.2, 0.7), abs=0.02)  # downwards from above


def test_names_stand_where_a_class_is_not_hidden_among_others():
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(900, 2)) * 0.02 + [0.2, 0.3]
    apart = rng.normal(size=(200, 2)) * 0.02 + [0.8, 0.3]
    xy, labels = np.vstack([mixed, apart]), np.repeat([0, 1, 1], [600, 300, 200])
    anchors = class_anchors(xy, labels, limits=UNIT, classes=range(2))
    assert anchors[1].position == pytest.approx((0.8, 0.7), abs=0.02)  # though 300 are in the crowd


def test_names_avoid_each_other():
    extent, taken = (40, 12), []
    for _ in range(8):
        x, y = find_free_position((100, 100), extent, taken=taken, canvas=200, reach=60)
        taken.append((x - 20, y - 6, x + 20, y + 6))
    assert taken[0] == (80, 94, 120, 106)
    for a, b in itertools.combinations(taken, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
    assert (
        find_free_position((100, 100), extent, taken=[(0, 0, 200, 200)], canvas=200, reach=60)
        is None
    )


def anchors_of(points, spread=0.0):
    return {i: Anchor((float(x), float(y)), (spread, spread)) for i, (x, y) in enumerate(points)}


def overlap(a, b, extent):
    return abs(a[0] - b[0]) < extent[0] - 1e-9 and abs(a[1] - b[1]) < extent[1] - 1e-9


def test_every_panel_names_the_same_classes():
    extent = (0.2, 0.1)
    crowded, apart = np.full((12, 2), 0.5), np.random.default_rng(0).random((12, 2))
    anchors = {"before": anchors_of(crowded), "after": anchors_of(apart)}
    placed = place_labels(anchors, extent, order=range(12), reach=0.1, reserved={})
    assert set(placed["before"]) == set(placed["after"])
    assert 0 < len(placed["before"]) < 12
    assert 0 in placed["before"]  # the most important first
    for own in placed.values():
        assert not any(overlap(a, b, extent) for a, b in itertools.combinations(own.values(), 2))


def test_a_class_without_points_in_one_panel_is_named_in_the_others():
    anchors = {"a": anchors_of([(0.2, 0.2), (0.7, 0.7)]), "b": anchors_of([(0.2, 0.2)])}
    placed = place_labels(anchors, (0.1, 0.1), order=range(2), reach=0.2, reserved={})
    assert {panel: set(own) for panel, own in placed.items()} == {"a": {0, 1}, "b": {0}}


def crosses(a, b, c, d):
    def side(p, q, r):
        return np.sign((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]))

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0


def test_lines_between_names_and_classes_do_not_cross():
    points = 0.5 + 0.05 * np.random.default_rng(0).normal(size=(40, 2))
    anchors = {"panel": anchors_of(points)}
    placed = place_labels(anchors, (0.05, 0.03), order=range(40), reach=0.6, reserved={})["panel"]
    assert len(placed) == 40
    lines = [(points[label], centre) for label, centre in placed.items()]
    assert max(np.hypot(*(a - b)) for a, b in lines) > 0.1  # there are lines
    assert not any(crosses(*a, *b) for a, b in itertools.combinations(lines, 2))


def test_a_name_does_not_cover_a_tiny_class():
    anchors = {"panel": anchors_of([(0.5, 0.5), (0.6, 0.5)], spread=0.01)}
    placed = place_labels(anchors, (0.2, 0.1), order=range(2), reach=0.5, reserved={})["panel"]
    for centre in placed.values():
        for anchor in anchors["panel"].values():
            assert not overlap(centre, anchor.position, (0.2, 0.1))


def test_a_large_class_is_named_on_itself_and_reserved_boxes_stay_free():
    anchors = {"panel": anchors_of([(0.5, 0.5)], spread=0.2)}
    free = place_labels(anchors, (0.2, 0.1), order=[0], reach=0.5, reserved={})
    assert free["panel"][0] == pytest.approx((0.5, 0.5))
    corner = {"panel": [(0.0, 0.45, 1.0, 1.0)]}
    moved = place_labels(anchors, (0.2, 0.1), order=[0], reach=0.5, reserved=corner)
    assert moved["panel"][0][1] <= 0.4 + 1e-9


def test_a_placed_name_is_written_with_a_line_to_a_class_far_away():
    xy, labels = np.array([[0.0, 0.0], [1.0, 1.0]]), np.zeros(2, int)
    colors = [(0, 0, 255)]
    named = [Label("name", colors[0], (0.3, 0.2), (0.3, 0.8))]
    image = draw_panel(xy, labels, colors=colors, names=named, size=400, text_size=20).image
    dark = pixels(image)[..., 0] < 100
    assert dark[70:90, 90:150].sum() > 100  # letters
    assert dark[120:310, 115:125].any(axis=1).all()  # the line


# Names of classes


def test_shared_beginnings_and_endings_are_left_out_word_by_word():
    assert common_affixes(["class_cat", "class_dog"]) == ("class_", "")
    assert common_affixes(["cat", "car"]) == ("", "")
    assert common_affixes(["a cat photo", "a dog photo"]) == ("", " photo")
    assert common_affixes(["Sample001", "Sample012"]) == ("Sample", "")
    assert common_affixes(["n01 tench", "n02 shark"]) == ("", "")
    assert common_affixes(["same", "same"]) == common_affixes(["alone"]) == ("", "")
    assert common_affixes(["class", "class_a"]) == ("", "")  # nothing would be left


def test_stripped_names_are_stated():
    named = name_classes(["class_cat", "class_dog"], [5, 5])
    assert named.panel == named.legend == ("cat", "dog")
    assert any('"class_"' in remark for remark in named.remarks)
    assert not name_classes(["cat", "dog"], [5, 5]).remarks


def test_above_twelve_classes_numbers_stand_for_names_and_the_legend_is_the_key():
    animals = [f"animal {chr(97 + i) * 6}" for i in range(13)]
    twelve, more = name_classes(animals[:12], [1] * 12), name_classes(animals, [1] * 13)
    assert not twelve.numbered
    assert more.numbered
    assert more.panel == tuple(str(i + 1) for i in range(13))
    assert more.legend[2] == "3  cccccc"
    letters = name_classes([chr(65 + i) for i in range(26)], [1] * 26)
    assert not letters.numbered  # they are short enough to stand for themselves
    assert name_classes(animals[:12], [1] * 12, numbered=True).numbered


def test_of_many_classes_the_largest_are_listed():
    sizes = np.arange(3000)
    named = name_classes([f"species {i}" for i in range(3000)], sizes)
    assert named.listed == tuple(range(2950, 3000))
    assert name_classes([f"s{i}" for i in range(100)], [1] * 100).listed == tuple(range(100))


def test_long_names_are_shortened_and_still_told_apart():
    long = "x" * 59 + "_"
    named = name_classes([long + "a" * 60, "b" * 60 + long], [1, 1])
    assert all(len(name) <= 16 for name in named.panel)
    assert all(len(name) <= 40 for name in named.legend)
    assert len(set(named.panel)) == 2
    alike = name_classes(["x" * 60 + "a" + "x" * 60, "x" * 60 + "b" + "x" * 60], [1, 1])
    assert alike.numbered
    assert alike.panel == ("1", "2")
    assert shorten("abcdefghijkl", 9) == "abcde…jkl"


def test_names_that_the_font_lacks_become_numbers_and_are_named_in_the_log():
    named = name_classes(["猫", "dog", "हिन्दी", "ไทย"], [1] * 4)
    assert named.panel == ("class 1", "dog", "class 3", "class 4")
    assert "3 class names" in " ".join(named.remarks)
    assert all(name in named.warning for name in ("猫", "हिन्दी", "ไทย"))
    assert all(has_glyphs(text) for text in (*named.legend, *named.remarks))
    assert not name_classes(["dog", "кошка"], [1, 1]).warning
    clash = name_classes(["猫", "class 1"], [1, 1])
    assert clash.panel == ("1", "2")


# Colours


def test_small_palettes_are_petroffs():
    from matplotlib.style import library

    for n, colors in PETROFF.items():
        published = library[f"petroff{n}"]["axes.prop_cycle"].by_key()["color"]
        assert [f"#{c}" for c in colors.split()] == published


# Machado, Oliveira, Fernandes (2009), severity 1, on linear RGB.
VISION = {
    "common": np.eye(3),
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


@pytest.mark.parametrize("vision", VISION)
def test_ten_colours_stay_apart_for_every_eye(vision):
    from matplotlib.colors import to_rgb

    srgb = np.array([to_rgb(np.array(c) / 255) for c in class_colors(10)])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(VISION[vision]).T, 0, 1)
    xyz = seen @ np.array(
        [[0.4339, 0.2127, 0.0178], [0.3762, 0.7152, 0.1095], [0.1899, 0.0722, 0.8727]]
    )  # relative to white
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    lab = np.stack(
        [116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1
    )
    apart = [np.linalg.norm(a - b) for a, b in itertools.combinations(lab, 2)]
    assert min(apart) > 12  # a just noticeable difference is about 2.3


def test_more_classes_get_more_colours_none_of_them_near_black():
    distinct = len(many_colors())
    assert distinct > 200
    for n in (1, 6, 7, 10, 12, 100, distinct):
        assert len(set(class_colors(n))) == n
    assert class_colors(300)[distinct:] == class_colors(300)[: 300 - distinct]
    assert all(lightness(color) >= 30 for color in class_colors(300))
    assert [lightness(c) for c in ((0, 0, 0), (255, 255, 255))] == pytest.approx([0, 100])


# The page


def opened(content):
    return Image.open(io.BytesIO(content))


def draw(layouts, *, width=1200, panel_size=100, classes=False, **options):
    return draw_backbone(layouts, width=width, panel_size=panel_size, classes=classes, **options)


def page_of(layouts, **options):
    return opened(draw(layouts, **options).page)


def test_full_figure_and_its_preview_have_their_sizes():
    xy, labels = blobs(2000)
    layouts = {
        (stage, method): layout(xy, labels) for stage in ("before", "after") for method in METHODS
    }
    drawing = draw(layouts, width=4200)
    page, small = opened(drawing.page), opened(drawing.preview)
    assert page.mode == "RGB"
    assert small.mode == "P"  # in 256 colours
    assert page.width == 4200
    assert page.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert small.width == 1600
    assert small.height == round(page.height * 1600 / 4200)
    assert list(drawing.panels) == list(layouts)
    assert all(opened(panel).size == (100, 100) for panel in drawing.panels.values())


def marker(label):
    """A layout of one class, to find its panel by its colour."""
    xy, labels = np.random.default_rng(0).random((900, 2)), np.full(900, label)
    return layout(xy, labels, class_names=names(3))


def test_a_small_page_is_its_own_preview():
    drawing = draw({("before", "pca"): marker(0)})
    page, preview = (opened(each).convert("RGB") for each in (drawing.page, drawing.preview))
    assert page.size == preview.size
    off = np.abs(pixels(page).astype(int) - pixels(preview))
    assert off.mean() < 2  # of 255
    assert len(drawing.preview) < len(drawing.page) / 1.5


def test_before_stands_above_after_and_methods_keep_their_order():
    page = page_of({("after", "pca"): marker(0), ("before", "umap"): marker(1)})
    grid = pixels(page)[: page.height - 140].copy()  # without the legend
    middle = [
        np.argwhere(near(Image.fromarray(grid.astype(np.uint8)), color, 30)).mean(axis=0)
        for color in class_colors(3)[:2]
    ]
    assert middle[1][0] < middle[0][0]  # umap is drawn before, so it is above
    assert middle[0][1] < middle[1][1]  # and to the right of pca


@pytest.mark.parametrize(("width", "dpi"), [(1200, 300), (1001, 137), (2345, 72)])
def test_a_panel_is_placed_pixel_by_pixel_in_a_thin_frame(width, dpi):
    data = marker(0)
    page = page_of({("before", "pca"): data}, width=width, dpi=dpi)
    assert page.width == width
    side = panel_side(width, 1)
    panel = draw_panel(data.xy, data.labels, colors=class_colors(3), size=side)
    own, page = pixels(panel.image), pixels(page)
    x = (width + round(100 * width / 4200) - side) // 2
    about = round(260 * width / 4200)
    rows = range(about - 5, about + 5)
    alike = [(page[y : y + side, x : x + side] == own).all(axis=2).mean() for y in rows]
    (y,) = rows[0] + np.flatnonzero(np.array(alike) > 0.97)  # all but the name
    for frame in (page[y - 1, x : x + side], page[y : y + side, x + side]):
        assert np.abs(frame - 0xB0).max() < 12


def test_a_panel_is_a_third_of_the_page_at_most():
    # 1,200 pixels wide: two margins of 17, a gutter of 29, two gaps of 8, a third of what is left.
    side = (1200 - 2 * 17 - 29 - 2 * 8) // 3
    assert [panel_side(1200, n) for n in (1, 2, 3)] == [side] * 3
    assert panel_side(1200, 6) < side / 1.9


def test_one_stage_is_half_as_high():
    one = page_of({("after", "pca"): marker(0)})
    two = page_of({("after", "pca"): marker(0), ("before", "pca"): marker(0)})
    assert two.height - one.height > 350


@pytest.mark.parametrize("n_classes", [1, 12, 100])
def test_any_number_of_classes(n_classes):
    page = page_of({("before", "pca"): layout(*blobs(1500, n_classes=n_classes, spread=0.3))})
    few = {tuple(c) for c in np.unique(pixels(page)[-400:].reshape(-1, 3), axis=0)}
    assert set(class_colors(n_classes)) <= few  # each in the legend


def test_subsets_notes_measures_and_alerts_are_written():
    xy, labels = blobs(300, n_classes=3)
    key = ("before", "pca")
    measures = {"before": accuracies(pca=0.97)}
    plain = page_of({key: layout(xy, labels)})
    subset = page_of({key: layout(xy, labels, 70_000)})
    noted = page_of({key: layout(xy, labels, components=2)})
    measured = page_of({key: layout(xy, labels)}, measures=measures)
    assert subset.height > plain.height
    assert noted.height > plain.height
    assert measured.height > plain.height
    assert not np.array_equal(pixels(measured), pixels(subset))
    alarmed = page_of({key: layout(xy, labels, weights="random weights")})
    assert near(alarmed.crop((0, 0, 1200, 60)), (176, 0, 32)).sum() > 100
    assert near(plain.crop((0, 0, 1200, 60)), (176, 0, 32)).sum() == 0


@pytest.mark.parametrize("width", [1000, 4200])
def test_no_line_leaves_the_page(width):
    xy, labels = blobs(300, n_classes=26)
    context = {
        "dataset": "a name that is far too long for one line of a page " * 3,
        "weights": "random weights that need many words " * 9,
        "warnings": ["test accuracy is far below training accuracy"],
    }
    many = layout(xy, labels, class_names=[f"a rather long name {i}" for i in range(26)], **context)
    page = pixels(page_of({("before", "pca"): many}, width=width))
    margin = round(60 * width / 4200)
    assert (page[:, -margin // 2 :] == 255).all()
    assert (page[:, : margin // 2] == 255).all()
    assert (page[:margin, -width // 3 :] == 255).all()
    assert near(Image.fromarray(page.astype(np.uint8)), (176, 0, 32))[:, -width // 5 :].any()


def words_of(layouts, **options):
    """All lines of a page and of its second page, as an SVG holds them."""
    drawing = draw(layouts, file_format="svg", **options)
    files = drawing.page, drawing.classes or b""
    return tuple(" ".join(re.findall("<!-- (.*) -->", file.decode())) for file in files)


def accuracies(**values):
    """Measures of the layouts of a stage: the accuracy of test images in each."""
    row = {"split": "test", "measure": "knn_accuracy", "low": None, "high": None}
    rows = [{**row, "space": method, "value": value} for method, value in values.items()]
    return {"k": 15, "measures": rows}


def stages(xy, labels, **context):
    return {
        (stage, method): layout(xy, labels, stage=stage, **context)
        for stage in ("before", "after")
        for method in ("pca", "tsne", "umap")
    }


def test_the_second_page_shows_the_method_that_separates_the_classes_best():
    layouts = stages(*blobs(300))
    measures = {
        "before": accuracies(tsne=0.99),
        "after": accuracies(pca=0.91, tsne=0.2, umap=0.5),
    }
    _, second = words_of(layouts, measures=measures, classes=True)
    assert "PCA, class by class" in second
    assert "0.910" in second
    assert "c3 (30)" in second
    assert best_method(["pca", "tsne"], {"before": measures["before"]}) == ("tsne", "before")
    _, second = words_of(layouts, classes=True)
    assert "t-SNE, class by class" in second
    assert "no measures" in second
    assert best_method(["pca", "lle"], {"after": accuracies()}) == ("pca", None)


def test_the_second_page_has_the_largest_classes_in_both_stages():
    xy, labels = blobs(3000, n_classes=30, spread=0.2)
    labels[labels == 7] = 8
    layouts = {("after", "umap"): layout(xy, labels)}
    drawing = draw(layouts, file_format="svg", classes=True)
    assert drawing.classes.decode().count("<image") == 24
    assert draw(layouts).classes is None
    second = " ".join(re.findall("<!-- (.*) -->", drawing.classes.decode()))
    assert "c8 (200)" in second
    assert "c7 (" not in second
    assert "6 more are not shown" in second
    drawing = draw(stages(*blobs(100)), file_format="pdf", classes=True)
    assert drawing.classes.startswith(b"%PDF")


def test_a_legend_of_many_classes_ends_with_how_many_more_there_are():
    xy, labels = np.random.default_rng(0).random((6000, 2)), np.arange(6000) % 3000
    names_ = [f"species number {i}" for i in range(3000)]
    first, _ = words_of({("before", "pca"): layout(xy, labels, class_names=names_)})
    assert "and 2,950 more" in first
    assert "repeat after" in first
    assert "alike" in first
    few, _ = words_of({("before", "pca"): layout(*blobs(120, n_classes=12))})
    assert "more" not in few
    assert "alike" not in few


def test_marks_are_explained_and_need_what_they_mark():
    xy, labels = blobs(300)
    split = np.where(np.arange(300) < 40, "test", "train")
    wrong = np.arange(300) < 12
    known = FigureLayout(xy, labels, names(10), {"total_points": 300}, split, wrong)
    key = ("after", "pca")
    plain, _ = words_of({key: known})
    test, _ = words_of({key: known}, mark="test")
    errors, _ = words_of({key: known}, mark="errors")
    assert "40 of 300" in test
    assert "12 of 300" in errors
    assert "faded" not in plain
    assert "predicted wrongly" in errors
    with pytest.raises(InputError, match="to mark errors, a figure needs the predictions"):
        draw({key: layout(xy, labels)}, mark="errors")
    with pytest.raises(InputError, match="to mark test, a figure needs the split"):
        draw({key: layout(xy, labels)}, mark="test")
    nobody = FigureLayout(xy, labels, names(10), {"total_points": 300}, np.full(300, "train"))
    with pytest.raises(InputError, match='no point is of the split "test"'):
        draw({key: nobody}, mark="test")
    with pytest.raises(InputError, match="test or errors, not 'odd'"):
        draw({key: known}, mark="odd")
    none_wrong = FigureLayout(xy, labels, names(10), {"total_points": 300}, None, wrong & False)
    assert "0 of 300" in words_of({key: none_wrong}, mark="errors")[0]


def test_warnings_of_all_layouts_are_said_once():
    xy, labels = blobs(300)
    layouts = {
        ("before", "pca"): layout(xy, labels, warnings=["features: shared."]),
        ("before", "lle"): layout(xy, labels, warnings=["features: shared", "LLE: not converged"]),
    }
    first, _ = words_of(layouts)
    assert first.count("features: shared.") == 1
    assert first.count("LLE: not converged.") == 1
    many = layout(xy, labels, warnings=[f"sentence {i}" for i in range(10)])
    first, _ = words_of({("before", "pca"): many})
    assert "And 4 more in the sidecars." in first


def test_what_a_panel_leaves_out_and_what_is_rare_is_said():
    rng = np.random.default_rng(0)
    xy = rng.normal(size=(5000, 2))
    labels = np.where(np.arange(5000) < 4990, 0, 1)
    whole, _ = words_of({("before", "pca"): layout(xy, labels, class_names=["a", "rare one"])})
    assert "leaves" not in whole
    assert "discs with a rim: rare one" in whole
    xy[:30] += 1000
    cropped, _ = words_of({("before", "pca"): layout(xy, labels * 0, class_names=["a"])})
    assert "leaves them out, 2.5 %" in cropped
    assert "rim" not in cropped


@pytest.mark.parametrize("n", [1, 2, 3, 20])
@pytest.mark.parametrize("shape", ["random", "one spot", "a line"])
def test_a_handful_of_points_is_drawn(n, shape):
    line = np.stack([np.arange(n) * 1.0, np.zeros(n)], axis=1)
    random = np.random.default_rng(0).random((n, 2))
    xy = {"random": random, "one spot": np.ones((n, 2)), "a line": line}[shape]
    labels = np.arange(n) % 2
    key = ("after", "umap")
    drawing = draw({key: layout(xy, labels, class_names=["a", "b"])}, width=1000, classes=True)
    assert (pixels(opened(drawing.panels[key])) < 250).any()
    assert opened(drawing.classes).width == 1000


def test_lines_are_wrapped_and_nothing_is_lost():
    text = "every word of a long caption stands here"
    lines = wrap(text, size=20, width=150)
    assert len(lines) > 2
    assert " ".join(lines) == text


# Names of users


def test_names_are_written_as_they_are():
    """No mathematics, no label that is left out, no warning of a missing glyph."""
    xy, labels = blobs(300, n_classes=4)
    odd = layout(
        xy, labels, class_names=["_a", "$x^2$", r"$\frac$", "two\nlines"], dataset="画_$5$"
    )
    plain = layout(xy, labels, class_names=["_a", "$x^2$", r"$\frac$", "two lines"])
    page, like = (page_of({("before", "pca"): each}) for each in (odd, plain))
    assert np.array_equal(pixels(page)[100:450], pixels(like)[100:450])
    content = draw({("before", "pca"): odd}, file_format="svg").page.decode()
    for text in ("_a", "$x^2$", r"$\frac$", "two lines", "Features on \ufffd_$5$"):
        assert f"<!-- {text} -->" in content
    dollar = re.compile(r'xlink:href="#DejaVuSans(-Bold)?-7"')  # its glyph's number
    assert len(dollar.findall(content)) == 2 + 2 + 2
    assert "\ufffd stands for characters" in content


def test_characters_without_a_glyph_are_replaced():
    assert printable("Größe ≥ 3, кошка, _$%") == "Größe ≥ 3, кошка, _$%"
    assert printable("猫\nno\tcat") == "\ufffd no cat"
    assert printable("e\u0301") == "é"
    assert printable("\x00\udcff\u202e") == "\ufffd" * 3
    assert not any(has_glyphs(text) for text in ("", " \n", "\u200b", "猫"))


def test_any_name_is_drawn_without_a_missing_glyph(recwarn):
    odd = [
        "猫",
        "हिन्दी",
        "ไทย",
        "long " * 24,
        "two\nlines",
        "\udcff",
        "",
        "\u2028",
        "עברית",
        "\U0001f431",
    ]
    xy, labels = blobs(100)
    drawing = draw({("before", "pca"): layout(xy, labels, class_names=odd)}, file_format="svg")
    assert "long long" in drawing.page.decode()
    assert not [each for each in recwarn if "lyph" in str(each.message)]


# Files


@pytest.mark.parametrize("file_format", ["png", "pdf", "svg"])
def test_the_same_input_gives_the_same_file(file_format):
    layouts = {("before", "pca"): marker(0), ("after", "pca"): marker(1)}
    assert draw(layouts, file_format=file_format) == draw(layouts, file_format=file_format)


def test_a_pdf_has_text_in_truetype_and_panels_as_images():
    content = draw({("before", "pca"): marker(0)}, file_format="pdf").page
    side = panel_side(1200, 1)
    assert content.startswith(b"%PDF")
    assert b"/FontFile2" in content
    assert b"/Type3" not in content
    assert b"CreationDate" not in content
    assert f"/Width {side}".encode() in content
    assert f"/Height {side}".encode() in content
    assert b"/MediaBox [ 0 0 288.00" in content  # 1,200 pixels at 300 an inch are 4 inches


def test_an_svg_has_outlines_and_panels_as_images():
    content = draw({("before", "pca"): marker(0)}, file_format="svg").page.decode()
    assert content.count("<image") == 1
    assert "<text" not in content
    assert "<dc:date>" not in content


@pytest.mark.parametrize("file_format", ["png", "svg"])
def test_the_users_settings_of_matplotlib_stay_and_do_not_matter(file_format):
    layouts = {("before", "pca"): marker(0)}
    expected = draw(layouts, file_format=file_format).page
    own = {"figure.facecolor": "black", "savefig.bbox": "tight", "text.parse_math": True}
    with matplotlib.rc_context(own):
        assert draw(layouts, file_format=file_format).page == expected
        assert {name: matplotlib.rcParams[name] for name in own} == own


def test_the_verb_reads_layouts_and_measures_and_writes_three_things(tmp_path):
    xy, labels = blobs(300)
    arguments = []
    for stage in ("before", "after"):
        context = {"stage": stage, "method": "umap", "total_points": 300}
        path, measures = tmp_path / f"{stage}.parquet", tmp_path / f"{stage}.json"
        known = store.ImageTable(
            np.arange(300), None, np.full(300, "train"), labels, tuple(names(10))
        )
        store.save_layout(path, np.arange(300), xy, known, {"context": context})
        store.save_json(measures, accuracies(umap=0.987), {"context": {"stage": stage}})
        arguments += ["--layout", path, "--quality", measures]
    out, preview, panels = (tmp_path / name for name in ("f.svg", "p.png", "panels"))
    arguments += ["--out", out, "--preview", preview, "--panels", panels, "--panel-size", 200]
    arguments += ["--classes", tmp_path / "classes.svg"]
    command = [sys.executable, "-m", "pipeline", "figure", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert out.read_text().count("<!-- test 2-D kNN 0.987 -->") == 2
    assert "UMAP, class by class" in (tmp_path / "classes.svg").read_text()
    assert opened(preview.read_bytes()).width == 1600
    assert sorted(path.name for path in panels.iterdir()) == ["after_umap.png", "before_umap.png"]
    assert opened((panels / "after_umap.png").read_bytes()).size == (200, 200)
    context = artefacts.context(out)
    assert "stage" not in context  # what the layouts have in common
    assert context["method"] == "umap"


# Mistakes


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_layout_with_nan_is_refused_by_name(value):
    xy, labels = blobs(50)
    xy[7, 1] = value
    with pytest.raises(InputError, match=r"lle, before fine-tuning: .* 1 of 50 rows.* row 7"):
        draw({("before", "lle"): layout(xy, labels)})


def test_other_mistakes_are_one_sentence():
    xy, labels = blobs(50)
    with pytest.raises(InputError, match="labels run from 0 to 9, but there are 3 class names"):
        draw_panel(xy, labels, colors=class_colors(3))
    with pytest.raises(InputError, match=r"labels have shape \(49,\)"):
        draw_panel(xy, labels[:-1], colors=class_colors(10))
    with pytest.raises(InputError, match=r"shape \(50, 3\)"):
        draw_panel(np.zeros((50, 3)), labels, colors=class_colors(10))
    with pytest.raises(InputError, match=r"shape \(0, 2\)"):
        draw_panel(np.zeros((0, 2)), labels[:0], colors=class_colors(10))
    with pytest.raises(InputError, match=r"\(during, pca\) has no position"):
        page_of({("during", "pca"): marker(0)})
    with pytest.raises(InputError, match=r"\(after, som\) has no position"):
        page_of({("after", "som"): marker(0)})
    with pytest.raises(InputError, match="no layout to draw"):
        page_of({})
    with pytest.raises(InputError, match=r"\(after, pca\) has other classes"):
        page_of({("before", "pca"): layout(xy, labels), ("after", "pca"): marker(0)})
    with pytest.raises(InputError, match="png, pdf, svg, not 'jpg'"):
        page_of({("before", "pca"): marker(0)}, file_format="jpg")


def test_without_labels_all_points_have_one_colour_and_there_is_no_page_of_classes():
    xy = blobs(300)[0]
    unlabelled = FigureLayout(xy, np.zeros(300, int), (), {"total_points": 300})
    drawn = draw_backbone({("before", "pca"): unlabelled}, width=1000, panel_size=200, dpi=72)
    assert drawn.classes is None
    panel = np.asarray(Image.open(io.BytesIO(drawn.panels["before", "pca"])).convert("RGB"))
    colored = panel[np.ptp(panel.astype(int), axis=2) > 90]
    assert len(colored) > 500
    assert near(colored[None], class_colors(1)[0], tolerance=90).all()
