"""What trains and what tests?"""

import numpy as np
import pytest
from image_sources import noise, put, refusal, saved

from pipeline.images.dataset import load_dataset
from pipeline.images.splits import draw_split


def parts(root, *names):
    for name in names:
        for label in "ab":
            for i in range(2):
                put(root / name / label / f"{i}.png", noise(4, 4))
    return load_dataset(str(root))


def test_a_drawn_split_tests_a_fifth_of_each_class_and_at_least_one():
    labels = np.repeat([0, 1, 2], [500, 50, 2])
    split = draw_split(labels, 3)
    assert np.bincount(labels[split == "test"]).tolist() == [100, 10, 1]
    assert np.array_equal(split, draw_split(labels, 3))
    assert not np.array_equal(split, draw_split(labels, 4))


@pytest.mark.parametrize("name", ["val", "valid", "Validation", "dev"])
def test_validation_images_test_where_there_is_no_test_part(tmp_path, name):
    data = parts(tmp_path, "train", name)
    assert data.split.tolist() == ["train"] * 4 + ["test"] * 4
    assert data.files[4] == f"{name}/a/0.png"
    assert data.provenance["split"] == "given"
    (sentence,) = data.warnings
    assert "no test part" in sentence
    assert "val" in sentence


def test_validation_images_train_where_there_is_a_test_part(tmp_path):
    data = parts(tmp_path, "test", "train", "val")
    assert data.split.tolist() == ["train"] * 8 + ["test"] * 4
    assert [file.split("/")[0] for file in data.files[::4]] == ["train", "val", "test"]
    (sentence,) = data.warnings
    assert "val" in sentence


def test_training_images_alone_are_split(tmp_path):
    data = parts(tmp_path, "train")
    assert data.provenance["split"] == "drawn"
    assert data.provenance["counts"] == {"train": 2, "test": 2}
    assert not data.warnings


@pytest.mark.parametrize("names", [("test",), ("test", "val"), ("val",)])
def test_nothing_to_train_on_is_refused(tmp_path, names):
    for name in names:
        put(tmp_path / name / "a/0.png", noise(4, 4))
    assert "no train folder" in refusal(tmp_path)


def test_arrays_are_split_by_the_same_rules(tmp_path):
    x, y = noise(4, 4, 4), [0, 0, 1, 1]
    arrays = {"x_train": x, "y_train": y, "x_val": x + 1, "y_val": y}
    data = load_dataset(saved(tmp_path, **arrays))
    assert data.split.tolist() == ["train"] * 4 + ["test"] * 4
    assert len(data.warnings) == 1
    assert data.provenance["ignored"] == []
    data = load_dataset(saved(tmp_path, **arrays, x_test=x + 2, y_test=y))
    assert data.split.tolist() == ["train"] * 8 + ["test"] * 4
    assert np.array_equal(data.images[..., 0], np.concatenate([x, x + 1, x + 2]))
    assert "x_valid and y_valid" in refusal(saved(tmp_path, x_train=x, y_train=y, x_valid=x))
