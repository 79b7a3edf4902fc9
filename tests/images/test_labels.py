"""What counts as a label, and which class does it stand for?"""

import unicodedata

import numpy as np
import pytest
from image_sources import noise, put, refusal, saved

from pipeline.errors import InputError
from pipeline.images.dataset import load_dataset
from pipeline.images.labels import encode_labels

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))


def encoded(*parts, class_names=None):
    labels = {f"y_{i}": np.asarray(part) for i, part in enumerate(parts)}
    indices, names = encode_labels(labels, class_names, "data.npz")
    assert indices.dtype == np.int64
    return indices.tolist(), names


def refused(*parts, class_names=None):
    with pytest.raises(InputError) as caught:
        encoded(*parts, class_names=class_names)
    message = str(caught.value)
    assert message.isprintable()
    return message


def test_values_in_their_order_are_the_classes():
    assert encoded([7.0, 3, 7, 3, 40]) == ([1, 0, 1, 0, 2], ("3", "7", "40"))
    assert encoded([b"x", b"y", b"x"]) == ([0, 1, 0], ("x", "y"))
    assert encoded([True, False]) == ([1, 0], ("False", "True"))
    assert encoded(["dog", "cat"], ["cat", "猫"]) == ([1, 0, 0, 2], ("cat", "dog", "猫"))


def test_class_names_say_the_order():
    names = np.array(["c", "b", "a"])
    assert encoded([0, 2, 1], class_names=names) == ([0, 2, 1], ("c", "b", "a"))
    assert encoded(["a", "c"], class_names=names) == ([2, 0], ("c", "b", "a"))
    assert encoded(np.array(["a", "c"], ">U3"), class_names=names) == ([2, 0], ("c", "b", "a"))


def test_large_integers_of_several_kinds_are_told_apart():
    signed, unsigned = np.array([2**60, 2**60 + 1]), np.array([2**60 + 1, 2**64 - 1], np.uint64)
    indices, names = encoded(signed, unsigned, [1.0])
    assert indices == [1, 2, 2, 3, 0]
    assert names == ("1", str(2**60), str(2**60 + 1), str(2**64 - 1))


@pytest.mark.parametrize(
    "value",
    [
        *(np.inf, -np.inf, np.nan, 1e300, 2.0**54, 0.5, -1.0, -1),
        np.float32(1e30),
        np.float16("inf"),
    ],
)
def test_numbers_that_are_no_class_are_refused_with_their_place(value):
    message = refused([0, 1], np.array([0, 1, value], np.asarray(value).dtype))
    assert "y_1" in message
    assert f"{value:g} (index 2)" in message


@pytest.mark.parametrize(
    "y",
    [
        np.array([b"x", b"\xe9"]),
        np.array(["x", ""]),
        np.array(["x", " \t"]),
        np.array([65, 0x110000], np.uint32).view("U1"),
        np.array([1, 2], "M8[s]"),
        np.array([1, 2j]),
        np.array([(1, 2)], "i4,i4"),
    ],
    ids=["no UTF-8", "empty", "blank", "no Unicode", "dates", "complex", "records"],
)
def test_what_is_no_name_is_refused(y):
    assert "y_0" in refused(y)


def test_numbers_and_strings_are_not_mixed():
    assert "int64" in refused([0, 1], ["0", "1"])


def test_labels_that_no_class_name_stands_for_are_refused():
    names = np.array(["a", "b"])
    assert "label 2 (index 1) is none of the 2" in refused([0, 2], class_names=names)
    assert "label 'c' (index 0) is none of the 2" in refused(["c"], class_names=names)
    assert "a; each" in refused([0], class_names=np.array(["a", "a"]))
    assert COMPOSED in refused([0], class_names=np.array([COMPOSED, DECOMPOSED]))
    assert "float64" in refused([0], class_names=np.array([0.5, 1]))


def test_both_spellings_of_a_letter_are_one_class(tmp_path):
    names = [COMPOSED, DECOMPOSED, "x", "x"]
    assert encoded(names) == ([0, 0, 1, 1], (COMPOSED, "x"))
    source = saved(tmp_path, x_train=noise(4, 4, 4), y_train=names)
    assert load_dataset(source).class_names == (COMPOSED, "x")
    for i, name in enumerate([COMPOSED, DECOMPOSED, "x", "x"]):
        put(tmp_path / "folder" / name / f"{i}.png", noise(4, 4))
    data = load_dataset(str(tmp_path / "folder"))
    assert data.class_names == (COMPOSED, "x")
    assert np.bincount(data.labels).tolist() == [2, 2]
    assert any("count as one class" in sentence for sentence in data.warnings)


def test_names_that_look_alike_are_mentioned(tmp_path):
    source = saved(tmp_path, x_train=noise(6, 4, 4), y_train=["Cat", "Cat", "cat", "cat", "x", "x"])
    data = load_dataset(source)
    assert len(data.class_names) == 3
    assert "'Cat' and 'cat'" in data.warnings[0]


@pytest.mark.parametrize(
    ("y", "says"),
    [
        ([0, 0, 0, 0], "one class only"),
        ([0, 0, 0, 1], "1 class has fewer than two images ('1')"),
        ([0, 1, 2, 3], "4 classes have fewer than two images ('0', '1', '2', '3')"),
    ],
)
def test_classes_that_cannot_be_compared_are_named(tmp_path, y, says):
    assert says in refusal(saved(tmp_path, x_train=noise(4, 4, 4), y_train=y))


def test_classes_without_a_part_are_named_for_both_parts(tmp_path):
    x = noise(4, 4, 4)
    message = refusal(
        saved(tmp_path, x_train=x, y_train=[0, 0, 1, 1], x_test=x, y_test=[0, 2, 2, 2])
    )
    assert "has no training image ('2')" in message
    assert "has no test image ('1')" in message
