"""Which image folders are taken, what is said of the others, and are all their troubles told?"""

import errno
import os
import re
import socket
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from image_sources import noise, put, refusal, two_classes
from PIL import Image

from pipeline.errors import InputError
from pipeline.images import folder as image_folder
from pipeline.images import pixels as image_pixels
from pipeline.images.dataset import count_images, load_dataset
from pipeline.images.decoding import ORIENTATION
from pipeline.images.subset import stratified_subset
from pipeline.runtime import temporary_array


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
    assert data.files == tuple(order)
    assert "1 file with .txt" in capsys.readouterr().err


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


def test_rotated_photographs_count_by_their_upright_size(tmp_path: Path) -> None:
    two_classes(tmp_path, 6, 4, 3, suffix=".jpg")
    exif = Image.Exif()
    exif[ORIENTATION] = 8
    put(tmp_path / "a/turned.jpg", noise(4, 6, 3), exif=exif)
    assert load_dataset(str(tmp_path)).images.shape == (7, 6, 4, 3)


def test_images_of_different_sizes_need_image_size(tmp_path: Path) -> None:
    two_classes(tmp_path, 4, 5, 3)
    halves = np.zeros((90, 60, 3), np.uint8)
    halves[:, 30:] = 200
    put(tmp_path / "b/big.jpg", halves)
    message = refusal(tmp_path)
    assert "2 sizes: 6 images of 5 x 4 and 1 of another (b/big.jpg 60 x 90)" in message
    assert "set image_size" in message
    data = load_dataset(str(tmp_path), image_size=8)
    assert "b/big.jpg 60 x 90" in data.warnings[0]
    images = data.images
    assert images.shape == (7, 8, 8, 3)
    assert np.allclose(images[-1, :, [0, 1, 2]], 0, atol=3)
    assert np.allclose(images[-1, :, [5, 6, 7]], 200, atol=3)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".gif"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.7])
def test_unreadable_image_is_named(tmp_path: Path, suffix: str, share: float) -> None:
    two_classes(tmp_path, 30, 30, 3)
    bad = put(tmp_path / f"b/bad{suffix}", noise(30, 30, 3))
    bad.write_bytes(bad.read_bytes()[: int(share * bad.stat().st_size)])
    assert f"1 image cannot be read: b/bad{suffix} (" in refusal(tmp_path)


def test_an_interrupt_ends_the_reading_of_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_classes(tmp_path, 4, 4, count=40)
    begun: list[str] = []

    def slow(file: str) -> None:
        begun.append(file)
        time.sleep(0.005)

    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(image_folder, "BATCH", 1)
    monkeypatch.setattr(image_folder, "thread_count", lambda: 1)
    monkeypatch.setattr(image_folder, "read_header", slow)
    monkeypatch.setattr(image_folder.Progress, "update", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load_dataset(str(tmp_path))
    assert len(begun) < 20


def test_another_file_format_under_an_image_name_is_refused(tmp_path: Path) -> None:
    two_classes(tmp_path, 4, 4)
    Image.fromarray(noise(4, 4)).save(tmp_path / "a/x.png", format="TIFF")
    assert "a/x.png (it is no PNG, JPEG, BMP, GIF)" in refusal(str(tmp_path))


def test_subset_of_a_folder_reads_only_its_files(tmp_path: Path) -> None:
    two_classes(tmp_path, 4, 4, count=10)
    whole = load_dataset(str(tmp_path))
    rows = stratified_subset(whole.labels, 6, seed=0, split=whole.split)
    unused = sorted(set(range(20)) - set(rows.tolist()))[0]
    sorted(tmp_path.glob("*/*.png"))[unused].write_bytes(b"broken, but not asked for")
    part = load_dataset(str(tmp_path), subset=6)
    assert np.array_equal(part.images, whole.images[rows])
    assert part.provenance["n_files"] == 6


def test_images_that_memory_has_no_room_for_are_read_into_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, temporary = tmp_path / "images", tmp_path / "temporary"
    two_classes(folder, 4, 4)
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    whole = load_dataset(str(folder))
    assert not isinstance(whole.images, np.memmap)
    monkeypatch.setattr(image_pixels, "available_memory", lambda: 95)
    mapped = load_dataset(str(folder))
    assert isinstance(mapped.images, np.memmap)
    assert np.array_equal(mapped.images, whole.images)
    assert mapped.provenance == whole.provenance
    assert not list(temporary.iterdir())  # it has no name


def test_a_folder_that_fits_neither_into_memory_nor_on_the_disk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    two_classes(tmp_path, 4, 4)
    monkeypatch.setattr(image_pixels, "available_memory", lambda: 95)
    monkeypatch.setattr(temporary_array.os, "posix_fallocate", full)
    said = refusal(str(tmp_path))
    assert "the images need a temporary file" in said
    assert "set TMPDIR to a folder on a larger disk, or set a smaller image_size" in said
    put(tmp_path / "c/1.png", noise(4, 4))
    assert "('c')" in refusal(str(tmp_path))  # nothing is kept of what is refused anyway


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([], "has no class folders"),
        (["1.png", "2.png"], "has no class folders"),
        (["train/1.png", "test/1.png"], "train has no class folders"),
        (["a/1.png", "a/2.png"], "one class only ('a')"),
        (["a/1.png", "a/2.png", "b/1.png"], "fewer than two images ('b')"),
        (
            ["a/1.png", "a/2.png", "b/notes.txt"],
            "1 class folder has no .png, .jpg, .jpeg, .bmp, .gif image: b (1 file with .txt)",
        ),
        (["a/x/1.png", "a/x/2.png", "b/1.png"], "1 folder lies in a class folder: a/x;"),
        (["train/a/1.png", "test/a/1.png", "extra/a/1.png"], "(extra, test, train): keep only"),
        (["train/a/1.png", "train/b/1.png", "test/a/1.png"], "no test image ('b')"),
        ([" /1.png", " /2.png", "b/1.png", "b/2.png"], "blank name: ' ';"),
    ],
)
def test_folder_refused(tmp_path: Path, files: list[str], says: str) -> None:
    for name in files:
        put(tmp_path / name, noise(4, 4), format="PNG")
    assert says in refusal(str(tmp_path))


def test_all_that_is_wrong_is_said_together(tmp_path: Path) -> None:
    two_classes(tmp_path, 30, 30, 3, count=20)
    for i in range(7):
        (tmp_path / f"a/{i}.png").write_bytes(b"text")
    half = (tmp_path / "b/0.png").read_bytes()
    (tmp_path / "b/0.png").write_bytes(half[: len(half) // 2])
    put(tmp_path / "b/large.png", noise(40, 40, 3))
    (tmp_path / "c").mkdir()
    put(tmp_path / "d/nested/1.png", noise(30, 30))
    put(tmp_path / "d/1.png", noise(30, 30))
    message = refusal(tmp_path)
    assert "5 problems" in message
    assert "8 images cannot be read: a/0.png (" in message
    assert "and 3 more" in message
    assert "b/large.png 40 x 40" in message
    assert "image: c; add" in message
    assert "d/nested" in message
    assert "('d')" in message


def test_what_was_changed_in_images_is_said_with_their_files(tmp_path: Path) -> None:
    two_classes(tmp_path, 4, 4, 3)
    assert load_dataset(str(tmp_path)).warnings == ()
    put(tmp_path / "a/16.png", np.full((4, 4), 300, np.uint16))
    put(tmp_path / "a/alpha.png", noise(4, 4, 4))
    put(
        tmp_path / "b/moving.gif",
        noise(4, 4, 3),
        save_all=True,
        append_images=[Image.new("RGB", (4, 4))],
    )
    put(tmp_path / "b/large.png", noise(8, 8, 3))
    warnings = load_dataset(str(tmp_path), image_size=4).warnings
    for words in (
        "b/large.png 8 x 8",
        r"1 image is grey \(a/16.png\)",
        r"1 image has 16-bit channels \(a/16.png\)",
        r"1 image has alpha \(a/alpha.png\)",
        r"1 image has several frames \(b/moving.gif\)",
        r"1 image of one colour \(a/16.png\)",
    ):
        assert any(re.search(words, sentence) for sentence in warnings), (words, warnings)
    assert len(warnings) == 6


def test_images_that_are_left_out_are_mentioned(tmp_path: Path) -> None:
    two_classes(tmp_path, 4, 4)
    put(tmp_path / "beside.png", noise(4, 4))
    put(tmp_path / "a/x.tif", noise(4, 4))
    (tmp_path / "a/notes.txt").write_text("text")
    warnings = load_dataset(str(tmp_path)).warnings
    assert len(warnings) == 2
    assert "(beside.png)" in warnings[0]
    assert "1 file with .tif" in warnings[1]


def pipe(path: Path) -> None:
    os.mkfifo(path)


def bound_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(path))


SPECIAL = {
    "named pipe": pipe,
    "socket": bound_socket,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "link that leads nowhere": lambda path: path.symlink_to("nothing"),
    "lies in a class folder": Path.mkdir,
}


@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_no_regular_file_is_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(two_classes(tmp_path, 4, 4))  # the path of a socket must be short
    SPECIAL[kind](Path("a/x.png"))
    for check in (refusal, refused_count):
        message = check(".")
        assert "x.png" in message
        assert kind in message
    os.rename("a/x.png", "a/x.fifo")
    if kind != "lies in a class folder":
        assert load_dataset(".").provenance["ignored"] == {".fifo": 1}


def test_a_thousand_faults_of_a_kind_are_one_problem(tmp_path: Path) -> None:
    two_classes(tmp_path, 4, 4)
    for i in range(1000):
        (tmp_path / f"a/{i:04}.png").symlink_to("nothing")
        (tmp_path / f"c{i:04}").mkdir()
    message = refusal(tmp_path)
    assert "2 problems" in message
    assert "1,000 files are no images: a/0000.png (link" in message
    assert "c0004 and 995 more" in message
    assert len(message) < 1000


def refused_count(source: str) -> str:
    with pytest.raises(InputError) as caught:
        count_images(source)
    return str(caught.value)


def test_links_to_images_and_to_folders_of_them_are_followed(tmp_path: Path) -> None:
    two_classes(tmp_path / "there", 4, 4)
    (tmp_path / "here").mkdir()
    (tmp_path / "here/a").symlink_to(tmp_path / "there/a")
    (tmp_path / "here/b").mkdir()
    for i in range(3):
        (tmp_path / f"here/b/{i}.png").symlink_to(tmp_path / f"there/b/{i}.png")
    here, there = (load_dataset(str(tmp_path / name)) for name in ("here", "there"))
    assert np.array_equal(here.images, there.images)
    (tmp_path / "here/b/loop.png").symlink_to(tmp_path / "here/b/loop.png")
    assert "b/loop.png (link" in refusal(tmp_path / "here")


def test_a_header_that_promises_a_billion_pixels_is_named(tmp_path: Path) -> None:
    two_classes(tmp_path, 4, 4)
    content = (tmp_path / "a/0.png").read_bytes()
    header = b"IHDR" + (40_000).to_bytes(4) + (30_000).to_bytes(4) + content[24:29]
    crc = zlib.crc32(header).to_bytes(4)
    (tmp_path / "a/0.png").write_bytes(content[:12] + header + crc + content[33:])
    assert "a/0.png (" in refusal(tmp_path)


def test_only_an_image_without_permission_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_classes(tmp_path, 4, 4)
    read = Path.read_bytes

    def denied(path: Path) -> bytes:
        if path.name == "1.png":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", denied)
    message = refusal(tmp_path)
    assert "a/1.png (Permission denied), b/1.png (Permission denied)" in message
