"""The published data sets: a file at hand, a download, neither; and one that needs none."""

import gzip
import hashlib
import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from image_sources import noise, refusal

from pipeline.images import published
from pipeline.images.arrays import array_sha256
from pipeline.images.dataset import count_images, load_dataset
from pipeline.images.subset import stratified_subset
from pipeline.runtime.downloads import RemoteFile


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


def test_the_numbers_of_images_are_known_before_a_download() -> None:
    assert count_images("mnist") == count_images("fashion_mnist") == (60_000, 10_000)
    assert count_images("cifar10") == (50_000, 10_000)
    assert count_images("mnist", subset={"train": 200}) == (200, 10_000)
    assert count_images("mnist", subset=700) == (600, 100)
    assert sum(count_images("digits")) == 1797


def test_an_incomplete_file_is_named(mnist: dict[str, np.ndarray], tmp_path: Path) -> None:
    del mnist["y_test"]
    np.savez(tmp_path / "mnist.npz", **mnist)
    assert "lacks y_test" in refusal("mnist", resources=tmp_path)
