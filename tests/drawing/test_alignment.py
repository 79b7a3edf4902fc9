"""Does a layout that was only turned come back, and does nothing else change?"""

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from pipeline.drawing.alignment import procrustes_align


def turned(angle, *, mirrored=False):
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, sin], [-sin, cos]]) @ np.diag([-1 if mirrored else 1, 1])


@pytest.fixture
def layout():
    random = np.random.default_rng(0)
    labels = np.arange(500) % 5
    return random.normal(scale=5, size=(5, 2))[labels] + random.normal(size=(500, 2)), labels


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("angle", [0.0, 0.4, 3.0])
def test_a_turned_layout_comes_back(layout, angle, mirrored):
    """Larger, elsewhere, and in another order of points it is the same layout."""
    xy, labels = layout
    order = np.random.default_rng(1).permutation(500)
    other = (3 * xy @ turned(angle, mirrored=mirrored) + [70, -9])[order]
    found = procrustes_align(xy, labels, other, labels[order])
    centred = found - found.mean(axis=0)
    # A class's median is taken by coordinates, so that turning changes it a little.
    assert np.allclose(centred / 3, (xy - xy.mean(axis=0))[order], atol=0.5)
    assert np.allclose(pdist(found), pdist(other))


@pytest.mark.parametrize("signs", [(1, 1), (-1, 1), (1, -1), (-1, -1)])
def test_axes_that_have_an_order_are_only_mirrored(layout, signs):
    xy, labels = layout
    other = xy * signs + [5, 0]
    assert np.array_equal(
        procrustes_align(xy, labels, other, labels, keep_axes=True), other * signs
    )


def test_an_arm_of_few_points_decides_nothing(layout):
    xy, labels = layout
    far = xy.copy()
    far[labels == 3] += [[10_000, 0]] * 10 + [[0, 0]] * 90
    found = procrustes_align(xy, labels, far @ turned(2.0), labels)
    found, xy = (each[labels != 3] for each in (found, xy))
    assert np.allclose(found - found.mean(axis=0), xy - xy.mean(axis=0), atol=1)


def test_only_classes_of_both_count(layout):
    xy, labels = layout
    some, other = labels != 4, labels != 0
    found = procrustes_align(xy[some], labels[some], xy[other] @ turned(1.0), labels[other])
    assert np.allclose(pdist(found), pdist(xy[other]))
    left = found - found[labels[other] == 1].mean(axis=0)
    right = xy[other] - xy[labels == 1].mean(axis=0)
    assert np.allclose(left, right, atol=1)


@pytest.mark.parametrize("case", ["one class", "no class in both", "not finite"])
def test_what_there_is_nothing_to_turn_by(layout, case):
    """A layout that cannot be drawn is named where it is drawn."""
    xy, labels = layout
    if case == "one class":
        found = procrustes_align(xy, 0 * labels, xy, 0 * labels)
    elif case == "no class in both":
        found = procrustes_align(xy, labels, xy, labels + 9)
    else:
        xy = np.where(labels[:, None] == 2, np.nan, xy)
        found = procrustes_align(xy, labels, xy, labels)
    assert np.array_equal(np.abs(found), np.abs(xy), equal_nan=True)
