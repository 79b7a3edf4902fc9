"""Is what will hurt said, with its place, and nothing of images and features that are fine?"""

from pathlib import Path

import numpy as np
import pytest

from pipeline.images.dataset import load_dataset
from pipeline.images.feature_inspection import _variance, inspect_features, inspect_pair
from pipeline.images.inspection import inspect_classes, inspect_images
from pipeline.images.pair import load_pair

RNG = np.random.default_rng(0)
N = 400
LABELS = np.arange(N) % 4
SPLIT = np.where(np.arange(N) % 5 == 0, "test", "train")
CLASSES = ("a", "b", "c", "d")


def images() -> np.ndarray:
    """Four classes that differ in brightness, with noise: (N, 12, 12, 1)."""
    noise = RNG.integers(0, 60, (N, 12, 12, 1))
    return (noise + 50 * LABELS.reshape(-1, 1, 1, 1)).astype(np.uint8)


def inspected(pixels: np.ndarray, labels: np.ndarray = LABELS) -> list[str]:
    return inspect_images(pixels, labels, SPLIT, [f"{i}.png" for i in range(N)])


def features(d: int = 20) -> np.ndarray:
    centres = np.random.default_rng(1).normal(size=(4, d))
    return (centres[LABELS] + 0.3 * RNG.normal(size=(N, d))).astype(np.float32)


def only(said: list[str]) -> str:
    assert len(said) == 1, said
    return said[0]


def test_nothing_is_said_of_images_that_are_fine() -> None:
    assert inspected(images()) == []
    assert load_dataset("digits").warnings == ()


def test_images_of_one_colour_are_named() -> None:
    pixels = images()
    pixels[7] = 3
    assert "1 image of one colour (7.png)" in only(inspected(pixels))
    coloured = np.repeat(images(), 3, axis=-1)
    coloured[9] = (1, 2, 3)
    assert "1 image of one colour (9.png)" in only(inspected(coloured))


@pytest.mark.parametrize("brightest", [1, 16])  # masks; digits of scikit-learn as they come
def test_pixels_that_were_not_scaled_are_black(brightest: int) -> None:
    pixels = images()
    said = inspected((pixels / pixels.max() * brightest).astype(np.uint8))
    assert any(
        sentence.startswith(f"the brightest pixel of all images is {brightest} of 255")
        for sentence in said
    )


def test_test_images_among_the_training_images_are_named() -> None:
    pixels = images()
    pixels[5] = pixels[1]
    pixels[10] = pixels[6]  # 10 is a test image
    said = inspected(pixels)
    assert any("(5.png = 1.png, 10.png = 6.png)" in each for each in said)
    assert any("2 test images also among the training images" in each for each in said)
    pixels = images()
    pixels[0] = pixels[4]  # the test image comes first
    assert "1 test image also among the training images (0.png = 4.png)" in only(inspected(pixels))


def test_an_image_in_two_classes_is_named() -> None:
    pixels = images()
    pixels[3] = pixels[2]
    assert "1 image also in another class (3.png = 2.png)" in only(inspected(pixels))


def test_many_repeats_are_counted_and_a_single_one_is_not() -> None:
    pixels = images()
    pixels[8] = pixels[4]
    assert inspected(pixels) == []
    for i in range(6, 6 + 4 * 6, 4):  # of class 2, as row 2
        pixels[i] = pixels[2]
    said = inspected(pixels)
    assert any("7 of 400 images (6.png = 2.png, 8.png = 4.png" in sentence for sentence in said)


def test_labels_in_another_order_than_the_images_are_noticed() -> None:
    assert "the labels are in another order" in only(inspected(images(), np.sort(LABELS)))


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_labels_are_noticed_whatever_the_seed(seed: int) -> None:
    shuffled = np.random.default_rng(seed).permutation(LABELS)
    assert any(
        "labels are in another order" in sentence for sentence in inspected(images(), shuffled)
    )


def test_rare_and_large_classes_are_named() -> None:
    labels = np.repeat([0, 1, 2], [300, 60, 8])
    rare, large = inspect_classes(labels, CLASSES[:3], np.full(368, "train"))
    assert "1 class of fewer than 15 training images (c 8)" in rare
    assert "the largest class, a, has 300 training images and the smallest, c, 8" in large
    assert inspect_classes(LABELS, CLASSES, SPLIT) == []
    few = np.repeat([0, 1, 2], 5)  # where all are small, votes still name the right one
    assert inspect_classes(few, CLASSES[:3], np.full(15, "train")) == []


def test_nothing_is_said_of_features_that_are_fine() -> None:
    assert inspect_features(features(), "before") == []
    assert inspect_pair(features(), features(), LABELS) == []


def test_dead_and_equal_columns_are_named() -> None:
    x = features()
    x[:, [3, 7]] = 1.5
    x[:, 11] = x[:, 4]
    dead, equal = inspect_features(x, "after")
    assert dead.startswith("features after: 2 columns of 20 constant (3, 7)")
    assert equal.startswith("features after: 1 column equal to another (11 = 4)")


def test_equal_columns_are_found_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.images.feature_inspection.STRIP", 3)
    x = features()
    x[:, [5, 11, 17]] = x[:, [4, 10, 16]]
    x[:, 19] = x[:, 0]
    assert "4 columns equal to another (5 = 4, 11 = 10, 17 = 16, 19 = 0)" in only(
        inspect_features(x, "before")
    )


def test_columns_that_differ_in_one_number_are_not_equal() -> None:
    x = features()
    x[:, 19] = x[:, 0]
    row = np.argsort(x[:, 0])[N // 2 + 1]  # no extreme
    x[row, 19] += 1e-3
    assert inspect_features(x, "before") == []


def test_columns_that_carry_the_variance_are_named() -> None:
    x = features()
    x[:, 2] = np.arange(N)  # an index
    said = only(inspect_features(x, "before"))
    assert "1 column of another scale (2) with 100 % of the variance" in said
    x = features()
    x[:, [4, 9]] *= 200
    said = only(inspect_features(x, "before"))
    assert "2 columns of another scale (4, 9) with 100 % of the variance" in said
    x = RNG.normal(size=(N, 20)).astype(np.float32)
    x[:, 4] *= 6  # larger, but of the same scale
    assert inspect_features(x, "before") == []
    x[:, 10:] *= 1e-3  # units that hardly fire are many
    assert inspect_features(x, "before") == []
    x = RNG.normal(size=(N, 400)).astype(np.float32)
    x[:, 4] *= 12  # of another scale, but far from half of the variance
    assert inspect_features(x, "before") == []


@pytest.mark.parametrize("d", [1, 2, 20])
def test_the_variance_is_numpys(d: int) -> None:
    x = (1e4 + RNG.normal(size=(3000, d))).astype(np.float32)
    np.testing.assert_allclose(_variance(x), x.var(axis=0, dtype=np.float64), rtol=1e-9)


def test_rows_of_one_number_are_named() -> None:
    x = features()
    x[17] = 0
    assert "1 row of one number alone (17)" in only(inspect_features(x, "before"))
    assert inspect_features(np.arange(N, dtype=np.float32)[:, None], "before") == []


def test_equal_and_long_rows_are_named() -> None:
    x = features()
    x[100:106] = x[4]
    assert "repeats: 6 of 400 rows (100 = 4, 101 = 4," in only(inspect_features(x, "before"))
    x = features()
    x[33] *= 100
    assert "1 row more than 10 times as long as the median row (33)" in str(
        inspect_features(x, "before")
    )


def test_numbers_that_float16_would_lose_are_said() -> None:
    said = inspect_features(features() * 1e5, "before")
    assert "beyond float16's 65,504" in only(said)


def test_rows_or_labels_in_another_order_are_noticed() -> None:
    x = features()
    shuffled = np.random.default_rng(3).permutation(N)
    said = inspect_pair(x, x[shuffled], LABELS)
    assert said[0].startswith("features after: of 400 images the nearest is of the same class in")
    assert "rows of the two are in another order" in said[1]
    assert said[1:] == inspect_pair(x, x[shuffled], None)
    assert len(inspect_pair(x, x, LABELS[shuffled])) == 2
    assert inspect_pair(x, x, None) == []


def test_numbers_whose_squares_overflow_are_compared_all_the_same() -> None:
    x = features()
    assert inspect_pair(x * np.float32(1e30), x * np.float32(1e30), LABELS) == []


def test_what_is_found_becomes_warnings_of_a_comparison(tmp_path: Path) -> None:
    x = features()
    x[:, 3] = 0
    np.save(tmp_path / "before.npy", x)
    np.save(tmp_path / "after.npy", features())
    (tmp_path / "labels.txt").write_text("\n".join(CLASSES[i] for i in LABELS))
    found = load_pair(
        str(tmp_path / "before.npy"),
        str(tmp_path / "after.npy"),
        labels=str(tmp_path / "labels.txt"),
    )
    assert any("features before: 1 column of 20 constant (3)" in each for each in found.warnings)
