"""Where is a source looked for, how many images will it give, and which rows are they?"""

import os
from pathlib import Path

import numpy as np
import pytest
from image_sources import noise, put, refusal, saved, two_classes

from pipeline.errors import InputError
from pipeline.images import dataset
from pipeline.images.dataset import (
    check_source,
    count_images,
    load_dataset,
    look_at,
    resolve_source,
)


@pytest.fixture(name="places")
def working_directory_and_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory, and beside it the folder of a configuration, which is returned."""
    for name in ("here", "base"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "base"


def test_paths_start_at_the_working_directory_or_else_at_the_base(places: Path) -> None:
    two_classes(places / "img", 4, 4)
    saved(places, x_train=[1])
    assert resolve_source("img", places) == str(places / "img")
    assert resolve_source("data.npz", places) == str(places / "data.npz")
    assert resolve_source("../base/img", Path("nowhere")) == "../base/img"
    assert resolve_source(str(places / "img"), Path("nowhere")) == str(places / "img")
    two_classes(Path("img"), 4, 4)
    assert resolve_source("img", places) == "img"
    Path("data.npz").mkdir()
    assert resolve_source("data.npz", places) == "data.npz"
    (places / "digits").mkdir()
    assert resolve_source("digits", places) == "digits"
    assert resolve_source("./digits", places) == os.path.join(places, "./digits")


def test_the_home_folder_is_understood(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(places))
    two_classes(places / "img", 4, 4)
    assert resolve_source("~/img", Path()) == str(places / "img")


@pytest.mark.parametrize("source", ["mnits", "x.npz", "", " ", "x" * 5000, "~nobodys/img", "a\0b"])
def test_what_is_nowhere_is_refused_with_the_places_that_were_tried(
    places: Path, source: str
) -> None:
    with pytest.raises(InputError) as caught:
        resolve_source(source, places)
    message = str(caught.value)
    assert message.isprintable()
    assert repr(source) in message
    assert str(places) in message
    assert os.getcwd() in message
    assert all(name in message for name in ("mnist", "fashion_mnist", "cifar10", "digits"))


def test_what_is_there_but_no_source_is_refused(places: Path) -> None:
    Path("data.csv").write_text("1,2")
    os.mkfifo("pipe.npz")
    os.symlink("nothing", "link.npz")
    for name in ("data.csv", "pipe.npz", "link.npz"):
        with pytest.raises(InputError, match=r"neither an \.npz file nor a folder"):
            check_source(name)


def test_ids_are_rows_of_the_source(tmp_path: Path) -> None:
    source = saved(tmp_path, x_train=noise(40, 4, 4), y_train=np.arange(40) % 4)
    whole = load_dataset(source)
    assert whole.ids.tolist() == list(range(40))
    for subset in (12, {"train": 9}):
        part = load_dataset(source, subset=subset)
        assert part.ids.dtype == np.int64
        assert np.array_equal(part.images, whole.images[part.ids])
        assert np.array_equal(part.labels, whole.labels[part.ids])
        assert np.array_equal(part.split, whole.split[part.ids])
        assert len(part.ids) == sum(count_images(source, subset=subset))
    assert part.provenance["subset"] == {"train": 9, "of": 40}
    assert part.provenance["counts"] == {"train": 9, "test": 8}


def test_files_of_a_subset_are_those_of_its_rows(tmp_path: Path) -> None:
    two_classes(tmp_path, 4, 4, count=10)
    whole, part = load_dataset(str(tmp_path)), load_dataset(str(tmp_path), subset={"train": 4})
    assert part.files == tuple(whole.files[row] for row in part.ids)
    assert np.array_equal(part.images, whole.images[part.ids])


def test_images_are_counted_without_reading_them(tmp_path: Path) -> None:
    two_classes(tmp_path, 4, 4, count=10)
    for file in tmp_path.glob("a/*"):
        file.write_bytes(b"broken")
    assert count_images(str(tmp_path)) == (16, 4)
    assert sum(count_images(str(tmp_path), subset=6)) == 6
    assert count_images(str(tmp_path), subset={"train": 6}) == (6, 4)


def test_a_look_sees_what_a_data_set_is_warned_of(tmp_path: Path) -> None:
    two_classes(tmp_path, 4, 5, count=10)
    put(tmp_path / "a/plain.png", np.zeros((4, 5), np.uint8))
    look = look_at(str(tmp_path))
    assert (look.images, look.seen, look.size) == (21, 21, (4, 5))
    assert look.warnings == load_dataset(str(tmp_path)).warnings
    assert "a/plain.png" in str(look.warnings)


def test_a_look_at_a_large_folder_reads_a_part_and_counts_all_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_classes(tmp_path, 4, 4, count=10)
    for i in range(100):
        put(tmp_path / f"c/{i}.png", noise(4, 4))
    monkeypatch.setattr(dataset, "PROBE", 6)
    assert look_at(str(tmp_path)).seen == 120  # in less than `TIME_LIMIT` seconds
    monkeypatch.setattr(dataset, "TIME_LIMIT", 0.0)
    look = look_at(str(tmp_path))
    assert (look.images, look.seen) == (120, 6)
    assert "the largest class, c, has 80 training images and the smallest, a, 8" in str(
        look.warnings
    )
    assert look_at(str(tmp_path), subset=24).images == 24


def test_a_look_finds_all_unreadable_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_classes(tmp_path, 4, 4, count=10)
    for file in tmp_path.glob("a/*"):
        file.write_bytes(b"broken")
    monkeypatch.setattr(dataset, "PROBE", 6)
    with pytest.raises(InputError, match="10 images cannot be read"):
        look_at(str(tmp_path))


def test_a_count_refuses_what_is_known_to_be_wrong(tmp_path: Path) -> None:
    put(tmp_path / "a/1.png", noise(4, 4))
    put(tmp_path / "b/1.png", noise(4, 4))
    with pytest.raises(InputError, match=r"fewer than two images \('a', 'b'\)"):
        count_images(str(tmp_path))
    for subset in (70_001, {"train": 60_001}, 19, {"train": 9}, {"test": 9}):
        with pytest.raises(InputError, match="subset"):
            count_images("mnist", subset=subset)


def test_a_subset_that_does_not_fit_is_one_of_the_problems(tmp_path: Path) -> None:
    two_classes(tmp_path, 4, 4)
    (tmp_path / "c").mkdir()
    message = refusal(tmp_path, subset=100)
    assert "2 problems" in message
    assert "100 cannot be drawn from 6 images" in message
