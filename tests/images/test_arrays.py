"""Which `.npz` files are taken, and what is said of the others?"""

import hashlib
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from image_sources import noise, refusal, saved

from pipeline.errors import InputError
from pipeline.images import pixels as image_pixels
from pipeline.images.dataset import count_images, load_dataset


def test_npz_rows_labels_and_provenance(tmp_path: Path) -> None:
    x, y = noise(6, 4, 5, 3), np.array(["cat", "dog", "cat", "dog", "dog", "cat"])
    source = saved(tmp_path, x_train=x[:4], y_train=y[:4, None], x_test=x[4:], y_test=y[4:])
    data = load_dataset(source)
    assert np.array_equal(data.images, x)
    assert data.class_names == ("cat", "dog")
    assert data.labels.dtype == np.int64
    assert data.labels.tolist() == [0, 1, 0, 1, 1, 0]
    assert data.split.tolist() == ["train"] * 4 + ["test"] * 2
    assert data.ids.tolist() == list(range(6))
    assert data.files is None
    assert data.warnings == ()
    found = json.loads(json.dumps(data.provenance))
    digest = {
        name: hashlib.sha256(part.tobytes()).hexdigest()
        for name, part in (("x_train", x[:4]), ("x_test", x[4:]))
    }
    assert found["arrays"] == digest
    assert found["split"] == "given"
    assert found["image_shape"] == [4, 5, 3]
    assert found["counts"] == {"train": 4, "test": 2}
    assert found["classes"] == {"cat": {"train": 2, "test": 1}, "dog": {"train": 2, "test": 1}}


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.float32([0, 0.5, 1]), [0, 128, 255]),
        (np.float64([0, 0.5, 254.6]), [0, 0, 255]),
        (np.int64([0, 1, 255]), [0, 1, 255]),
        (np.array([False, True, True]), [0, 255, 255]),
    ],
    ids=["fractions", "float pixels", "integers", "booleans"],
)
def test_npz_pixels_become_bytes(tmp_path: Path, pixels: np.ndarray, expected: list[int]) -> None:
    x = np.broadcast_to(pixels, (4, 2, 3))
    images = load_dataset(saved(tmp_path, x_train=x, y_train=[0, 0, 1, 1])).images
    assert images.dtype == np.uint8
    assert images[3, 1, :, 0].tolist() == expected


def test_npz_parts_in_two_scales_are_refused(tmp_path: Path) -> None:
    x, y = np.full((2, 2, 2), 0.9), [0, 1]
    source = saved(tmp_path, x_train=x, y_train=y, x_test=x * 200, y_test=y)
    assert "x_train ranges up to 0.9 but others up to 180" in refusal(source)


def test_npz_fractions_that_overshoot_are_refused(tmp_path: Path) -> None:
    """As resizing makes them: taken for 0..255, all would be black."""
    x = np.full((2, 2, 2), 0.9)
    x[1, 0, 0] = 1.0000001
    assert "overshoot: clip them" in refusal(saved(tmp_path, x_train=x, y_train=[0, 1]))


def test_image_size_shrinks_arrays_without_aliasing_and_enlarges_none(tmp_path: Path) -> None:
    stripes = np.tile(np.uint8([0, 255]), (4, 16, 8))  # 16 x 16, one pixel wide
    source = saved(tmp_path, x_train=stripes, y_train=[0, 0, 1, 1])
    images = load_dataset(source, image_size=4).images
    assert images.shape == (4, 4, 4, 1)
    assert np.all(np.abs(images.astype(int) - 128) < 30)
    assert np.array_equal(load_dataset(source, image_size=32).images[..., 0], stripes)
    assert "image_size is 0" in refusal(source, image_size=0)


X, Y = noise(4, 5, 5), np.array([0, 0, 1, 1])
HURT = X.astype(np.float32)
HURT[1, 2, 3] = np.nan
HURT[3, 0, 0] = np.inf


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"x_train": HURT, "y_train": Y}, r"x_train holds 2 NaN .* first at index \(1, 2, 3, 0\)"),
        ({"x_train": X, "y_train": Y[:3]}, "y_train has 3 labels for the 4 images of x_train"),
        ({"x_train": X}, r"lacks y_train \(it holds x_train\)"),
        ({"x_train": X, "y_train": Y, "x_test": X}, "only one of x_test and y_test"),
        (
            {"x_train": X, "y_train": Y, "x_test": X[:, 1:], "y_test": Y},
            r"\(5, 5, 1\) .* and \(4, 5, 1\)",
        ),
        ({"x_train": X.reshape(4, 25), "y_train": Y}, r"x_train has the shape \(4, 25\): expected"),
        ({"x_train": X[:0], "y_train": Y[:0]}, "no image"),
        ({"x_train": noise(4, 5, 5, 4), "y_train": Y}, "alpha"),
        ({"x_train": noise(4, 3, 5, 5), "y_train": Y}, "channels must come last"),
        ({"x_train": X - 1.5, "y_train": Y}, "pixels range over -"),
        (
            {"x_train": X.astype(int) * 9, "y_train": Y},
            r"pixels range over \d+\.\.",
        ),
        ({"x_train": X.astype("U"), "y_train": Y}, "not numbers"),
        ({"x_train": X, "y_train": Y + 0.5}, r"y_train: label 0\.5 \(index 0\)"),
        ({"x_train": X, "y_train": np.where(Y, np.nan, 1)}, r"label nan \(index 2\)"),
        ({"x_train": X, "y_train": Y * 1j}, "holds complex128"),
        ({"x_train": X, "y_train": np.eye(4)}, "argmax"),
        ({"x_train": X, "y_train": Y * 0}, "one class only"),
        (
            {"x_train": X, "y_train": [0, 0, 0, 1]},
            r"1 class has fewer than two images \('1'\)",
        ),
        (
            {"x_train": X, "y_train": Y, "x_test": X[:1], "y_test": [0]},
            r"no test image \('1'\)",
        ),
        (
            {"x_train": X[:1], "y_train": [0], "x_test": X, "y_test": Y},
            r"no training image \('1'\)",
        ),
        (
            {"x_train": X, "y_train": Y, "class_names": ["a"]},
            r"label 1 \(index 2\) is none of the 1 class_names",
        ),
        ({"x_train": X, "y_train": Y, "class_names": ["a", "a"]}, "the same name twice"),
        (
            {"x_train": X, "y_train": Y, "class_names": ["a", "b", "c"]},
            r"fewer than two images \('c'\)",
        ),
        ({"x_train": X, "y_train": np.array([{}, 0, 1, 1])}, "holds pickled objects"),
    ],
)
def test_npz_refused(tmp_path: Path, arrays: dict[str, object], says: str) -> None:
    source = saved(tmp_path, **arrays)
    message = refusal(source)
    assert source in message
    with pytest.raises(InputError, match=says):
        raise InputError(message)


def test_npz_with_other_arrays_says_what_it_leaves_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = load_dataset(saved(tmp_path, x_train=X, y_train=Y, X_test=X))
    assert data.provenance["ignored"] == ["X_test"]
    assert "ignoring the arrays X_test" in capsys.readouterr().err


@pytest.mark.parametrize("share", [0.0, 0.3, 0.97])
def test_truncated_npz_is_refused(tmp_path: Path, share: float) -> None:
    source = saved(tmp_path, x_train=X, y_train=Y)
    content = Path(source).read_bytes()
    Path(source).write_bytes(content[: int(share * len(content))])
    assert f"{source} is not a whole .npz file" in refusal(source)


def test_npz_that_is_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    with path.open("wb") as file:
        np.save(file, X)
    assert "holds one bare array" in refusal(str(path))
    path.write_bytes(pickle.dumps({"x_train": X}))
    assert "holds pickled objects" in refusal(str(path))


def test_problems_of_an_archive_are_said_together(tmp_path: Path) -> None:
    message = refusal(saved(tmp_path, x_train=X[..., None, None], y_train=np.eye(4), x_test=X))
    assert all(part in message for part in ("3 problems", "x_train", "y_train", "x_test and"))
    message = refusal(saved(tmp_path, x_train=HURT, y_train=[0, 0, 0, 1]))
    assert all(part in message for part in ("2 problems", "'1'", "NaN"))


def broken_member(source: str, name: str) -> str:
    """Damage the data of an array, so that its checksum is wrong."""
    with zipfile.ZipFile(source) as archive:
        start = archive.getinfo(f"{name}.npy").header_offset
    content = bytearray(Path(source).read_bytes())
    content[start + 300] ^= 1
    Path(source).write_bytes(content)
    return source


def test_arrays_that_nobody_needs_are_not_read(tmp_path: Path) -> None:
    source = saved(tmp_path, x_train=X, y_train=Y, other=noise(999), objects=np.array([{}, 1]))
    data = load_dataset(broken_member(source, "other"))
    assert np.array_equal(data.images[..., 0], X)
    source = saved(tmp_path, x_train=noise(4, 90, 90), y_train=Y)
    assert sum(count_images(broken_member(source, "x_train"))) == 4  # pixels are not read for that
    assert "not a whole .npz" in refusal(source)


def test_images_that_need_too_much_memory_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = {"descr": "<f8", "fortran_order": False, "shape": (4, 10**6, 10**6)}
    source = saved(tmp_path, y_train=Y)
    with zipfile.ZipFile(source, "a") as archive, archive.open("x_train.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, header)
    assert "36000.0 GB" in refusal(source)
    source = saved(tmp_path, x_train=X, y_train=Y)
    monkeypatch.setattr(image_pixels, "available_memory", lambda: X.nbytes)
    load_dataset(source)
    monkeypatch.setattr(image_pixels, "available_memory", lambda: X.nbytes - 1)
    assert "memory" in refusal(source)


@pytest.mark.parametrize("dtype", [">f4", "f2", ">i4", "u8", "g"])
def test_pixels_of_any_kind_of_number(tmp_path: Path, dtype: str) -> None:
    source = saved(tmp_path, x_train=np.asfortranarray(X.astype(dtype)), y_train=Y)
    assert np.array_equal(load_dataset(source).images[..., 0], X)
