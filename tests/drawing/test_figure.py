"""Do the pictures show what the layouts hold, to every reader, and say what they leave out?"""

import itertools

import numpy as np
import pytest
from PIL import Image

from pipeline.drawing.figure import PanelData, align, draw_figure, preview
from pipeline.drawing.labels import find_free_position, wrap
from pipeline.drawing.palette import PETROFF, class_colors
from pipeline.drawing.panel import (
    class_modes,
    draw_panel,
    panel_limits,
    point_radius,
    rasterise,
    shade,
)
from pipeline.errors import InputError

TITLES = {
    "pca": "PCA",
    "tsne": "t-SNE",
    "umap": "UMAP",
    "mds": "MDS",
    "lle": "LLE",
    "isomap": "Iso",
}
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


def test_only_what_has_a_counterpart_is_turned_onto_it():
    xy, labels = blobs(200)
    quarter = xy @ [[0, 1], [-1, 0]]
    panels = {
        ("before", "pca"): PanelData(xy, labels, 200),
        ("after", "pca"): PanelData(quarter, labels, 300, note="a note"),
        ("after", "lle"): PanelData(quarter, labels, 200),
    }
    found = align(panels)
    assert list(found) == list(panels)
    assert np.allclose(found["after", "pca"].xy, xy, atol=0.5)
    assert (found["after", "pca"].total_points, found["after", "pca"].note) == (300, "a note")
    assert found["before", "pca"] is panels["before", "pca"]
    assert found["after", "lle"] is panels["after", "lle"]
    mirrored = align(panels, keep_axes=["pca"])["after", "pca"].xy
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
    image = shade(top, counts, colors=colors)
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
    once = draw_panel(xy, labels, class_names=names(10), size=300)
    again = draw_panel(xy[shuffled], labels[shuffled], class_names=names(10), size=300)
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
    panel = draw_panel(xy, labels, class_names=["", ""], size=400)
    alone = [255 - 0.55 * (255 - c) for c in class_colors(2)[1]]
    assert panel.points_outside == 0
    assert near(panel.image, alone, tolerance=8).any()


def test_points_are_large_when_few_and_small_when_many():
    radii = [point_radius(n, size=1000) for n in (1, 200, 2000, 20_000, 70_000, 2_000_000)]
    assert radii == [16, 16, 7, 2, 1, 0]


@pytest.mark.parametrize("n", [200, 1797, 70_000])
def test_sparse_panels_are_seen_and_dense_ones_keep_their_structure(n):
    xy = np.random.default_rng(0).normal(size=(n, 2))
    panel = draw_panel(xy, np.zeros(n, int), class_names=[""], size=500)
    red = pixels(panel.image)[..., 0]
    inked = red[red < 250]
    assert 0.05 < inked.size / red.size < 0.6
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
    ink = (pixels(draw_panel(xy, np.zeros(120, int), class_names=[""], size=400).image) < 250).any(
        2
    )
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    apart = (np.ptp(columns) - np.ptp(rows)) * (right - left) / 400
    assert apart == pytest.approx(40 - 4, abs=0.5)


def test_few_far_points_do_not_squash_the_rest_and_are_counted():
    rng = np.random.default_rng(0)
    xy = np.vstack([rng.normal(size=(5000, 2)), rng.normal(size=(37, 2)) + 1000])
    panel = draw_panel(xy, np.zeros(5037, int), class_names=[""], size=400)
    (left, right), _ = panel.limits
    inside = ((xy > [left, panel.limits[1][0]]) & (xy < [right, panel.limits[1][1]])).all(axis=1)
    assert right - left < 20
    assert panel.points_outside == (~inside).sum() >= 37
    assert panel.points_drawn == inside.sum() > 4700
    corner = pixels(panel.image)[-25:, :150]
    assert (corner.max(axis=2) < 110).sum() > 50  # the remark, dark grey, lower left


def test_a_normal_layout_shows_all_its_points():
    xy, labels = blobs(2000)
    panel = draw_panel(xy, labels, class_names=names(10), size=200)
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
    panel = draw_panel(xy, np.zeros(len(xy), int), class_names=[""], size=200)
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
    (mode, absent) = class_modes(xy, labels, limits=UNIT, n_classes=2)
    assert mode.place == pytest.approx((0.2, 0.7), abs=0.02)  # downwards from the upper edge
    assert absent is None


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


def test_a_name_does_not_cover_a_tiny_class():
    rng = np.random.default_rng(0)
    xy = np.vstack([rng.normal(size=(300, 2)), [[9.0, -2.0]] * 60])
    labels = np.repeat([0, 1], [300, 60])
    panel = draw_panel(xy, labels, class_names=["", "a long name"], size=400)
    (left, right), (_, top) = panel.limits
    x, y = (np.array([9.0 - left, top + 2.0]) / (right - left) * 400).astype(int)
    color = pixels(panel.image)[y, x]
    assert color == pytest.approx(np.array(class_colors(2)[1]) * 0.75, abs=8)


def test_names_without_room_are_reported():
    xy = np.zeros((300, 2))
    panel = draw_panel(xy, np.arange(300) % 100, class_names=["long name"] * 100, size=200)
    assert 0 < len(panel.unnamed) < 100


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


def test_more_classes_get_more_colours():
    for n in (1, 6, 7, 10, 12, 100, 256):
        assert len(set(class_colors(n))) == n
    assert len(class_colors(300)) == 300


# The page


def test_full_figure_and_its_preview_have_their_sizes():
    xy, labels = blobs(2000)
    panels = {
        (stage, method): PanelData(xy, labels, 2000)
        for stage in ("before", "after")
        for method in TITLES
    }
    page = draw_figure(
        panels, titles=TITLES, class_names=names(10), heading="Backbone", caption="Caption."
    )
    small = preview(page)
    assert page.width == 4200
    assert small.width == 1600
    assert small.height == round(page.height * 1600 / 4200)
    assert preview(small) is small


def page_of(panels, *, n_classes=3, width=1200, **texts):
    return draw_figure(
        panels,
        titles=TITLES,
        class_names=names(n_classes),
        heading="Backbone",
        caption="Caption.",
        width=width,
        **texts,
    )


def marker(label):
    """A layout of one class, to find its panel by its colour."""
    return PanelData(np.random.default_rng(0).random((900, 2)), np.full(900, label), 900)


def test_before_stands_above_after_and_methods_keep_their_order():
    page = page_of({("after", "pca"): marker(0), ("before", "umap"): marker(1)})
    maps = pixels(page)[: page.height - 140].copy()  # without the legend
    middle = [
        np.argwhere(near(Image.fromarray(maps.astype(np.uint8)), color, 30)).mean(axis=0)
        for color in class_colors(3)[:2]
    ]
    assert middle[1][0] < middle[0][0]  # umap is drawn before, so it is above
    assert middle[0][1] < middle[1][1]  # and to the right of pca


def test_a_panel_is_pasted_pixel_by_pixel():
    data = marker(0)
    page = pixels(page_of({("before", "pca"): data}))
    # 1,200 pixels wide: two margins of 17, a gutter of 29, two gaps of 8, a third of what is left.
    cell = (1200 - 2 * 17 - 29 - 2 * 8) // 3
    panel = draw_panel(
        data.xy, data.labels, class_names=names(3), size=cell, text_size=round(36 / 3.5)
    )
    own = pixels(panel.image)
    x = (1200 + 29 - cell) // 2
    assert any(np.array_equal(page[y : y + cell, x : x + cell], own) for y in range(40, 140))


def test_one_stage_is_half_as_high():
    one = page_of({("after", "pca"): marker(0)})
    two = page_of({("after", "pca"): marker(0), ("before", "pca"): marker(0)})
    assert two.height - one.height > 350


@pytest.mark.parametrize("n_classes", [1, 12, 100])
def test_any_number_of_classes(n_classes):
    xy, labels = blobs(1500, n_classes=n_classes, spread=0.3)
    page = page_of({("before", "pca"): PanelData(xy, labels, 1500)}, n_classes=n_classes)
    few = {tuple(c) for c in np.unique(pixels(page)[-400:].reshape(-1, 3), axis=0)}
    assert set(class_colors(n_classes)) <= few  # each in the legend


def test_subsets_notes_measures_and_alerts_are_written():
    xy, labels = blobs(300, n_classes=3)
    plain = page_of({("before", "pca"): PanelData(xy, labels, 300)})
    subset = page_of({("before", "pca"): PanelData(xy, labels, 70_000)})
    measured = page_of(
        {("before", "pca"): PanelData(xy, labels, 300, measures={"2-D 15-NN accuracy": 0.97})}
    )
    assert subset.height > plain.height
    assert measured.height > plain.height
    assert not np.array_equal(pixels(measured), pixels(subset))
    alarmed = page_of({("before", "pca"): PanelData(xy, labels, 300)}, alert="random weights")
    assert near(alarmed.crop((0, 0, 1200, 60)), (176, 0, 32)).sum() > 100
    assert near(plain.crop((0, 0, 1200, 60)), (176, 0, 32)).sum() == 0


def test_lines_are_wrapped_and_nothing_is_lost():
    words = ["every", "word", "of", "a", "long", "caption", "stands", "here"]
    lines = wrap(words, size=20, width=150)
    assert len(lines) > 2
    assert " ".join(lines).split() == words


# Mistakes


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_layout_with_nan_is_refused_by_name(value):
    xy, labels = blobs(50)
    xy[7, 1] = value
    with pytest.raises(InputError, match=r"lle, before fine-tuning: .* 1 of 50 rows.* row 7"):
        draw_figure(
            {("before", "lle"): PanelData(xy, labels, 50)},
            titles=TITLES,
            class_names=names(10),
            heading="",
            caption="",
            width=600,
        )


def test_other_mistakes_are_one_sentence():
    xy, labels = blobs(50)
    with pytest.raises(InputError, match="labels run from 0 to 9, but there are 3 class names"):
        draw_panel(xy, labels, class_names=names(3))
    with pytest.raises(InputError, match=r"labels have shape \(49,\)"):
        draw_panel(xy, labels[:-1], class_names=names(10))
    with pytest.raises(InputError, match=r"shape \(50, 3\)"):
        draw_panel(np.zeros((50, 3)), labels, class_names=names(10))
    with pytest.raises(InputError, match=r"shape \(0, 2\)"):
        draw_panel(np.zeros((0, 2)), labels[:0], class_names=names(10))
    with pytest.raises(InputError, match=r"\(during, pca\) has no place"):
        page_of({("during", "pca"): marker(0)})
    with pytest.raises(InputError, match=r"\(after, som\) has no place"):
        page_of({("after", "som"): marker(0)})
    with pytest.raises(InputError, match="no layout to draw"):
        page_of({})
