"""Which images does the pipeline take, which does it refuse, and in what words?"""

import gzip
import hashlib
import io
import json
import pickle
import tarfile
import time
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import InputError
from pipeline.images import folder as image_folder
from pipeline.images import published
from pipeline.images.arrays import array_sha256
from pipeline.images.dataset import load_dataset
from pipeline.images.subset import stratified_subset
from pipeline.runtime.downloads import RemoteFile

RNG = np.random.default_rng(0)


def noise(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def saved(path: Path, **arrays: object) -> str:
    np.savez(path / "data.npz", **arrays)
    return str(path / "data.npz")


def refusal(source: str, **options: object) -> str:
    """Return the sentence with which a source is refused."""
    with pytest.raises(InputError) as caught:
        load_dataset(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def put(path: Path, pixels: np.ndarray, mode: str | None = None, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def two_classes(root: Path, *shape: int, suffix: str = ".png", count: int = 3) -> Path:
    for name in ("a", "b"):
        for i in range(count):
            put(root / name / f"{i}{suffix}", noise(*shape))
    return root


# --- Which rows does a subset keep?


def test_subset_keeps_the_share_of_each_class_and_part() -> None:
    labels = np.repeat([0, 1, 2], [6000, 3000, 1000])
    split = np.where(np.arange(10_000) % 5 == 0, "test", "train")
    rows = stratified_subset(labels, 1000, seed=3, split=split)
    assert np.array_equal(rows, np.unique(rows))
    assert rows.dtype == np.int64
    kept = Counter(zip(labels[rows].tolist(), split[rows].tolist(), strict=True))
    assert kept == {
        **{(0, "train"): 480, (1, "train"): 240, (2, "train"): 80},
        **{(0, "test"): 120, (1, "test"): 60, (2, "test"): 20},
    }


def test_subset_depends_on_the_seed_and_grows_by_adding() -> None:
    labels = np.arange(500) % 7
    draw = partial(stratified_subset, labels)
    assert np.array_equal(draw(100, seed=1), draw(100, seed=1))
    assert not np.array_equal(draw(100, seed=1), draw(100, seed=2))
    assert set(draw(100, seed=1)) < set(draw(101, seed=1))


def test_subset_keeps_two_of_a_rare_class() -> None:
    labels = np.repeat([0, 1], [990, 10])
    split = np.where(np.arange(1000) % 2, "train", "test")
    assert np.bincount(labels[stratified_subset(labels, 20, seed=0)]).tolist() == [18, 2]
    rows = stratified_subset(labels, 20, seed=0, split=split)
    assert sorted(split[rows][labels[rows] == 1]) == ["test", "train"]


def test_subset_of_another_size_than_possible_is_refused() -> None:
    labels = np.repeat([0, 1], 10)
    assert len(stratified_subset(labels, 20, seed=0)) == 20
    with pytest.raises(InputError, match=r"a subset of 21 cannot be drawn from 20 images"):
        stratified_subset(labels, 21, seed=0)
    with pytest.raises(InputError, match=r"a subset of 3 is too small.* takes 4"):
        stratified_subset(labels, 3, seed=0)


def test_subset_of_70000_rows_takes_well_under_a_second() -> None:
    labels = RNG.integers(0, 10, 70_000)
    start = time.perf_counter()
    stratified_subset(labels, 2000, seed=0, split=np.where(labels < 9, "train", "test"))
    assert time.perf_counter() - start < 0.5


# --- digits, and the test part that is drawn


def test_digits_need_no_file_and_get_a_stratified_test_part() -> None:
    digits = load_dataset("digits")
    assert digits.images.shape == (1797, 8, 8, 1)
    assert digits.images.dtype == np.uint8
    assert (digits.images.min(), digits.images.max()) == (0, 255)
    assert digits.class_names == tuple("0123456789")
    tested = np.bincount(digits.labels[digits.split == "test"])
    assert np.allclose(tested / np.bincount(digits.labels), 0.2, atol=0.01)
    assert digits.split.dtype == np.dtype("<U5")
    assert digits.provenance["split"] == "drawn"
    assert not np.array_equal(digits.split, load_dataset("digits", seed=1).split)
    assert np.array_equal(digits.split, load_dataset("digits").split)


def test_subset_of_digits_are_rows_of_digits_in_their_order() -> None:
    whole, part = load_dataset("digits"), load_dataset("digits", subset=200)
    rows = stratified_subset(whole.labels, 200, seed=0, split=whole.split)
    assert np.array_equal(part.images, whole.images[rows])
    assert np.array_equal(part.labels, whole.labels[rows])
    assert np.array_equal(part.split, whole.split[rows])
    assert part.provenance["subset"] == {"size": 200, "of": 1797}


# --- an .npz file


def test_npz_rows_labels_and_provenance(tmp_path: Path) -> None:
    x, y = noise(6, 4, 5, 3), np.array(["cat", "dog", "cat", "dog", "dog", "cat"])
    source = saved(tmp_path, x_train=x[:4], y_train=y[:4, None], x_test=x[4:], y_test=y[4:])
    data = load_dataset(source)
    assert np.array_equal(data.images, x)
    assert data.class_names == ("cat", "dog")
    assert data.labels.dtype == np.int64
    assert data.labels.tolist() == [0, 1, 0, 1, 1, 0]
    assert data.split.tolist() == ["train"] * 4 + ["test"] * 2
    found = json.loads(json.dumps(data.provenance))
    assert found["files"] == {source: hashlib.sha256(Path(source).read_bytes()).hexdigest()}
    assert found["split"] == "given"
    assert found["image_shape"] == [4, 5, 3]
    assert found["counts"] == {"train": 4, "test": 2}
    assert found["classes"] == {"cat": {"train": 2, "test": 1}, "dog": {"train": 2, "test": 1}}


def test_npz_labels_become_positions(tmp_path: Path) -> None:
    x = noise(6, 4, 4)
    load = lambda **arrays: load_dataset(saved(tmp_path, x_train=x, **arrays))  # noqa: E731
    sparse = load(y_train=np.array([7.0, -3, 7, -3, 40, 40]))
    assert sparse.labels.tolist() == [1, 0, 1, 0, 2, 2]
    assert sparse.class_names == ("-3", "7", "40")
    named = load(y_train=np.array([0, 0, 1, 1, 2, 2]), class_names=np.array(["c", "b", "a"]))
    assert named.class_names == ("c", "b", "a")
    assert named.labels.tolist() == [0, 0, 1, 1, 2, 2]
    words = load(y_train=np.array(list("aabbcc")), class_names=np.array(["c", "b", "a"]))
    assert words.labels.tolist() == [2, 2, 1, 1, 0, 0]
    assert load(y_train=np.array([b"x", b"x", b"y", b"y", b"y", b"y"])).class_names == ("x", "y")


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


def test_npz_fractions_are_told_by_both_parts(tmp_path: Path) -> None:
    x, y = np.full((2, 2, 2), 0.9), [0, 1]
    source = saved(tmp_path, x_train=x, y_train=y, x_test=x * 200, y_test=y)
    assert load_dataset(source).images.max(axis=(1, 2, 3)).tolist() == [1, 1, 180, 180]


def test_image_size_resizes_arrays_without_aliasing(tmp_path: Path) -> None:
    stripes = np.tile(np.uint8([0, 255]), (4, 16, 8))  # 16 x 16, one pixel wide
    images = load_dataset(
        saved(tmp_path, x_train=stripes, y_train=[0, 0, 1, 1]), image_size=4
    ).images
    assert images.shape == (4, 4, 4, 1)
    assert np.all(np.abs(images.astype(int) - 128) < 30)
    assert "dataset.image_size is 0" in refusal("digits", image_size=0)


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
            r"\(5, 5, 1\) and .* \(4, 5, 1\)",
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
        ({"x_train": X, "y_train": Y + 0.5}, r"label 0\.5 \(number 0\) is not an integer"),
        ({"x_train": X, "y_train": np.where(Y, np.nan, 1)}, r"label nan \(number 2\)"),
        ({"x_train": X, "y_train": Y * 1j}, "labels are complex128"),
        ({"x_train": X, "y_train": np.eye(4)}, "argmax"),
        ({"x_train": X, "y_train": Y * 0}, "one class only"),
        (
            {"x_train": X, "y_train": [0, 0, 0, 1]},
            "class '1' of .* has 1 image: each class needs two",
        ),
        (
            {"x_train": X, "y_train": Y, "x_test": X[:1], "y_test": [0]},
            "class '1' of .* no test image",
        ),
        (
            {"x_train": X[:1], "y_train": [0], "x_test": X, "y_test": Y},
            "'1' of .* no training image",
        ),
        (
            {"x_train": X, "y_train": Y, "class_names": ["a"]},
            "label 1 is none of the 1 class_names",
        ),
        ({"x_train": X, "y_train": Y, "class_names": ["a", "a"]}, "same name twice"),
        (
            {"x_train": X, "y_train": Y, "class_names": ["a", "b", "c"]},
            "class 'c' of .* has no image",
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


def test_source_that_is_nothing_lists_what_there_is(tmp_path: Path) -> None:
    assert "'mnits' does not exist: give mnist, fashion_mnist, cifar10, digits" in refusal("mnits")
    (tmp_path / "data.csv").write_text("1,2")
    assert "is not an .npz file" in refusal(str(tmp_path / "data.csv"))


# --- an image folder


def test_folder_with_splits_classes_and_kinds_of_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = {
        name: noise(6, 4, 3)
        for name in [
            *("test/cat/2.bmp", "test/dog/1.png", "train/cat/10.bmp", "train/cat/9.PNG"),
            *("train/dog/1.bmp", "val/cat/1.png"),
        ]
    }
    for name, x in pixels.items():
        put(tmp_path / name, x)
    (tmp_path / "train/cat/notes.txt").write_text("not an image")
    (tmp_path / "train/cat/._9.png").write_text("hidden")
    (tmp_path / ".cache").mkdir()
    data = load_dataset(str(tmp_path))
    order = [
        *("train/cat/10.bmp", "train/cat/9.PNG", "train/dog/1.bmp", "val/cat/1.png"),
        *("test/cat/2.bmp", "test/dog/1.png"),
    ]
    assert np.array_equal(data.images, [pixels[name] for name in order])
    assert data.labels.tolist() == [0, 0, 1, 0, 0, 1]
    assert data.class_names == ("cat", "dog")
    assert data.split.tolist() == ["train"] * 4 + ["test"] * 2
    assert data.provenance["ignored"] == {".txt": 1}
    assert data.provenance["n_files"] == 6
    assert "1 files with .txt" in capsys.readouterr().err


def test_folder_without_splits_draws_them(tmp_path: Path) -> None:
    data = load_dataset(str(two_classes(tmp_path, 5, 5, 3, count=5)))
    assert data.provenance["split"] == "drawn"
    assert data.provenance["classes"] == {name: {"train": 4, "test": 1} for name in "ab"}


def test_class_called_train_beside_other_classes_is_a_class(tmp_path: Path) -> None:
    for name in ("train", "plane"):
        for i in range(2):
            put(tmp_path / name / f"{i}.png", noise(4, 4))
    assert load_dataset(str(tmp_path)).class_names == ("plane", "train")


def test_folder_digest_follows_names_and_contents(tmp_path: Path) -> None:
    digest = lambda: load_dataset(str(tmp_path)).provenance["files"][str(tmp_path)]  # noqa: E731
    two_classes(tmp_path, 4, 4)
    first = digest()
    assert digest() == first
    (tmp_path / "a/0.png").rename(tmp_path / "a/00.png")
    renamed = digest()
    put(tmp_path / "b/0.png", noise(4, 4))
    assert len({first, renamed, digest()}) == 3


def test_grey_folder_stays_grey_and_a_mixed_one_becomes_rgb(tmp_path: Path) -> None:
    two_classes(tmp_path, 4, 4)
    grey = put(tmp_path / "a/0.png", noise(4, 4))
    assert load_dataset(str(tmp_path)).images.shape == (6, 4, 4, 1)
    put(tmp_path / "b/2.png", noise(4, 4, 3))
    images = load_dataset(str(tmp_path)).images
    assert images.shape == (6, 4, 4, 3)
    assert np.array_equal(images[0], np.repeat(np.asarray(Image.open(grey))[..., None], 3, axis=2))


def test_unusual_images_are_converted_with_care(tmp_path: Path) -> None:
    two_classes(tmp_path, 2, 2, 3)
    ramp = np.uint16([[0, 300], [32768, 65535]])
    put(tmp_path / "a/16bit.png", ramp)
    half = np.dstack([np.full((2, 2, 3), 10, np.uint8), np.uint8([[255, 255], [0, 0]])])
    put(tmp_path / "a/alpha.png", half)
    put(tmp_path / "a/cmyk.jpg", np.full((2, 2, 3), [200, 100, 50], np.uint8), "CMYK", quality=100)
    palette = Image.fromarray(np.uint8([[0, 1], [1, 0]]), "P")
    palette.putpalette([9, 8, 7, 200, 100, 0])
    palette.save(tmp_path / "a/palette.png", transparency=0)
    palette.save(
        tmp_path / "a/moving.gif", save_all=True, append_images=[Image.new("P", (2, 2))], loop=0
    )
    exif = Image.Exif()
    exif[image_folder.ORIENTATION] = 6  # held upright: to be turned clockwise
    put(tmp_path / "a/turned.png", np.uint8([[1, 2], [3, 4]]), exif=exif)
    names = sorted(f.name for f in (tmp_path / "a").iterdir())
    images = dict(zip(names, load_dataset(str(tmp_path)).images, strict=False))
    assert images["16bit.png"][..., 1].tolist() == [[0, 1], [128, 255]]
    assert images["alpha.png"][..., 0].tolist() == [[10, 10], [255, 255]]
    assert np.allclose(images["cmyk.jpg"], [200, 100, 50], atol=3)
    assert images["palette.png"][0].tolist() == [[255, 255, 255], [200, 100, 0]]
    assert images["moving.gif"][0].tolist() == [[9, 8, 7], [200, 100, 0]]
    assert images["turned.png"][..., 2].tolist() == [[3, 1], [4, 2]]


def test_rotated_photographs_count_by_their_upright_size(tmp_path: Path) -> None:
    two_classes(tmp_path, 6, 4, 3, suffix=".jpg")
    exif = Image.Exif()
    exif[image_folder.ORIENTATION] = 8
    put(tmp_path / "a/turned.jpg", noise(4, 6, 3), exif=exif)
    assert load_dataset(str(tmp_path)).images.shape == (7, 6, 4, 3)


def test_images_of_different_sizes_need_image_size(tmp_path: Path) -> None:
    two_classes(tmp_path, 4, 5, 3)
    halves = np.zeros((90, 60, 3), np.uint8)
    halves[:, 30:] = 200
    put(tmp_path / "b/big.jpg", halves)
    message = refusal(str(tmp_path))
    assert (
        "2 sizes, such as 5 x 4 (6 images), 60 x 90 (1 images): set dataset.image_size" in message
    )
    images = load_dataset(str(tmp_path), image_size=8).images
    assert images.shape == (7, 8, 8, 3)
    assert np.allclose(images[-1, :, [0, 1, 2]], 0, atol=3)
    assert np.allclose(images[-1, :, [5, 6, 7]], 200, atol=3)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".gif"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.7])
def test_unreadable_image_is_named(tmp_path: Path, suffix: str, share: float) -> None:
    two_classes(tmp_path, 30, 30, 3)
    bad = put(tmp_path / f"b/bad{suffix}", noise(30, 30, 3))
    bad.write_bytes(bad.read_bytes()[: int(share * bad.stat().st_size)])
    assert f"{bad} cannot be read as an image" in refusal(str(tmp_path))


@pytest.mark.parametrize("end", [InputError, KeyboardInterrupt])
def test_error_or_interrupt_ends_the_reading_of_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: type[BaseException]
) -> None:
    two_classes(tmp_path, 4, 4, count=40)
    begun: list[Path] = []

    def slow(file: Path) -> tuple[int, int, int]:
        begun.append(file)
        time.sleep(0.005)
        if end is InputError:
            raise end
        return 4, 4, 1

    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(image_folder, "BATCH", 1)
    monkeypatch.setattr(image_folder, "cpu_count", lambda: 1)
    monkeypatch.setattr(image_folder, "_shape", slow)
    monkeypatch.setattr(image_folder.Progress, "update", interrupt)
    with pytest.raises(end):
        load_dataset(str(tmp_path))
    assert len(begun) < 20


def test_another_file_format_under_an_image_name_is_refused(tmp_path: Path) -> None:
    two_classes(tmp_path, 4, 4)
    Image.fromarray(noise(4, 4)).save(tmp_path / "a/x.png", format="TIFF")
    assert "x.png cannot be read as an image" in refusal(str(tmp_path))


def test_subset_of_a_folder_reads_only_its_files(tmp_path: Path) -> None:
    two_classes(tmp_path, 4, 4, count=10)
    whole = load_dataset(str(tmp_path))
    rows = stratified_subset(whole.labels, 6, seed=0, split=whole.split)
    unused = sorted(set(range(20)) - set(rows.tolist()))[0]
    sorted(tmp_path.glob("*/*.png"))[unused].write_bytes(b"broken, but not asked for")
    part = load_dataset(str(tmp_path), subset=6)
    assert np.array_equal(part.images, whole.images[rows])
    assert part.provenance["n_files"] == 6


def test_folder_that_needs_too_much_memory_is_refused_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_classes(tmp_path, 4, 4)
    monkeypatch.setattr(image_folder, "available_memory", lambda: 95)
    assert "need 0.0 GB of memory" in refusal(str(tmp_path))
    monkeypatch.setattr(image_folder, "available_memory", lambda: 96)
    load_dataset(str(tmp_path))


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([], "has no class folders"),
        (["1.png", "2.png"], "has no class folders"),
        (["train/1.png", "test/1.png"], "train has no class folders"),
        (["a/1.png", "a/2.png"], "one class only ('a')"),
        (["a/1.png", "a/2.png", "b/1.png"], "class 'b' of"),
        (
            ["a/1.png", "a/2.png", "b/notes.txt"],
            "b has no .png, .jpg, .jpeg, .bmp, .gif image (it holds",
        ),
        (["a/x/1.png", "a/x/2.png", "b/1.png"], "a holds the folder x"),
        (["train/a/1.png", "test/a/1.png", "extra/a/1.png"], "(extra, test, train): keep only"),
        (["train/a/1.png", "train/b/1.png", "test/a/1.png"], "class 'b' of"),
    ],
)
def test_folder_refused(tmp_path: Path, files: list[str], says: str) -> None:
    for name in files:
        put(tmp_path / name, noise(4, 4), format="PNG")
    assert says in refusal(str(tmp_path))


# --- the published datasets: a file at hand, a download, neither


def small_mnist(path: Path) -> dict[str, np.ndarray]:
    arrays = {
        **{"x_train": noise(20, 28, 28), "y_train": np.arange(20, dtype=np.uint8) % 10},
        **{"x_test": noise(10, 28, 28), "y_test": np.arange(10, dtype=np.uint8)},
    }
    np.savez(path, **arrays)
    return arrays


@pytest.fixture
def mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """A small MNIST at `there/mnist.npz`, whose hashes and address stand in the table."""
    (tmp_path / "there").mkdir()
    arrays = small_mnist(tmp_path / "there/mnist.npz")
    sha256 = hashlib.sha256((tmp_path / "there/mnist.npz").read_bytes()).hexdigest()
    url = "http://127.0.0.1:9/mnist.npz"  # the discard port, closed
    entry = published.PUBLISHED["mnist"]._replace(
        files=(RemoteFile("mnist.npz", url, f"sha256:{sha256}"),),
        array_sha256={name: array_sha256(x) for name, x in arrays.items()},
    )
    monkeypatch.setitem(published.PUBLISHED, "mnist", entry)
    return arrays


def test_file_at_hand_is_used_whatever_its_container(
    mnist: dict[str, np.ndarray], tmp_path: Path
) -> None:
    flat = {name: x.reshape(len(x), -1) for name, x in mnist.items()}
    np.savez_compressed(tmp_path / "mnist.npz", **flat)
    data = load_dataset("mnist", resources=tmp_path)
    assert np.array_equal(data.images[..., 0], np.concatenate([mnist["x_train"], mnist["x_test"]]))
    assert data.labels.tolist() == [i % 10 for i in range(30)]
    assert data.split.tolist() == ["train"] * 20 + ["test"] * 10
    assert data.provenance["verified"] == "SHA-256 of arrays"


def test_file_with_other_content_is_refused(mnist: dict[str, np.ndarray], tmp_path: Path) -> None:
    mnist["y_test"][3] = 4
    np.savez(tmp_path / "mnist.npz", **mnist)
    message = refusal("mnist", resources=tmp_path)
    assert f"{tmp_path / 'mnist.npz'}: the array y_test is not the published one" in message


def test_no_file_and_no_network_says_what_to_put_where(
    mnist: dict[str, np.ndarray], tmp_path: Path
) -> None:
    message = refusal("mnist", resources=tmp_path / "new")
    known_hash = published.PUBLISHED["mnist"].files[0].known_hash
    assert "Connection refused" in message
    assert f"put by hand {tmp_path / 'new/mnist.npz'} ({known_hash})" in message


def test_download_happens_once(
    mnist: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = published.PUBLISHED["mnist"]
    url = (tmp_path / "there/mnist.npz").as_uri()
    files = (entry.files[0]._replace(url=url),)
    monkeypatch.setitem(published.PUBLISHED, "mnist", entry._replace(files=files))
    for _ in range(2):
        data = load_dataset("mnist", resources=tmp_path / "new")
        assert np.array_equal(data.images[:20, ..., 0], mnist["x_train"])
        (tmp_path / "there/mnist.npz").unlink(missing_ok=True)
    assert [f.name for f in (tmp_path / "new").iterdir()] == ["mnist.npz"]


def with_files(
    monkeypatch: pytest.MonkeyPatch, resources: Path, name: str, contents: list[bytes]
) -> list[Path]:
    """Place the files of a published dataset, and their hashes into the table."""
    entry = published.PUBLISHED[name]
    files = []
    for file, content in zip(entry.files, contents, strict=True):
        (resources / file.path).parent.mkdir(exist_ok=True)
        (resources / file.path).write_bytes(content)
        known_hash = f"sha256:{hashlib.sha256(content).hexdigest()}"
        files.append(file._replace(url="http://127.0.0.1:9/", known_hash=known_hash))
    monkeypatch.setitem(published.PUBLISHED, name, entry._replace(files=tuple(files)))
    return [resources / file.path for file in files]


def test_fashion_mnist_from_its_four_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = noise(30, 28, 28), np.arange(30, dtype=np.uint8) % 10
    parts = [bytes(8) + y[:20].tobytes(), bytes(16) + x[:20].tobytes()]
    parts += [bytes(8) + y[20:].tobytes(), bytes(16) + x[20:].tobytes()]
    paths = with_files(monkeypatch, tmp_path, "fashion_mnist", [gzip.compress(p) for p in parts])
    data = load_dataset("fashion_mnist", resources=tmp_path)
    assert np.array_equal(data.images[..., 0], x)
    assert np.array_equal(data.labels, y)
    assert data.class_names[9] == "Ankle boot"
    assert list(data.provenance["files"]) == [str(path) for path in paths]

    paths[1].unlink()
    paths[3].unlink()
    message = refusal("fashion_mnist", resources=tmp_path)
    assert [str(path) in message for path in paths] == [False, True, False, True]


def test_cifar10_from_its_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, x = io.BytesIO(), noise(60, 32, 32, 3)
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for i in range(6):
            planes = x[10 * i : 10 * i + 10].transpose(0, 3, 1, 2).reshape(10, -1)
            batch = pickle.dumps({b"data": planes, b"labels": list(range(10))}, protocol=2)
            name = f"data_batch_{i + 1}" if i < 5 else "test_batch"
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(batch)
            archive.addfile(info, io.BytesIO(batch))
    (path,) = with_files(monkeypatch, tmp_path, "cifar10", [content.getvalue()])
    data = load_dataset("cifar10", resources=tmp_path)
    assert np.array_equal(data.images, x)
    assert data.labels.tolist() == list(range(10)) * 6
    assert data.provenance["counts"] == {"train": 50, "test": 10}

    path.write_bytes(content.getvalue() + b"0")
    monkeypatch.setattr(published.pickle, "load", lambda *args, **options: pytest.fail("unpickled"))
    assert f"{path}: the file is not the published one" in refusal("cifar10", resources=tmp_path)
