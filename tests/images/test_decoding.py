"""Do unusual images show what a viewer would show?"""

from pathlib import Path

import numpy as np
import pytest
from image_sources import noise, put, two_classes
from PIL import Image

from pipeline.images.dataset import load_dataset
from pipeline.images.decoding import (
    ORIENTATION,
    UnreadableImageError,
    decode,
    read_header,
)


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
    exif[ORIENTATION] = 6  # held upright: to be turned clockwise
    put(tmp_path / "a/turned.png", np.uint8([[1, 2], [3, 4]]), exif=exif)
    names = sorted(f.name for f in (tmp_path / "a").iterdir())
    images = dict(zip(names, load_dataset(str(tmp_path)).images, strict=False))
    assert images["16bit.png"][..., 1].tolist() == [[0, 1], [128, 255]]
    assert images["alpha.png"][..., 0].tolist() == [[10, 10], [255, 255]]
    assert np.allclose(images["cmyk.jpg"], [200, 100, 50], atol=3)
    assert images["palette.png"][0].tolist() == [[255, 255, 255], [200, 100, 0]]
    assert images["moving.gif"][0].tolist() == [[9, 8, 7], [200, 100, 0]]
    assert images["turned.png"][..., 2].tolist() == [[3, 1], [4, 2]]


@pytest.mark.parametrize("factor", [1, 3, 8])
def test_a_large_jpeg_is_shrunk_like_its_pixels(tmp_path: Path, factor: int) -> None:
    ramp = np.add.outer(np.arange(64 * factor), np.arange(96 * factor)) / factor
    path = put(tmp_path / "ramp.jpg", np.rint(ramp).astype(np.uint8), quality=95)
    header = read_header(str(path))
    assert (header.size, header.channels) == ((64 * factor, 96 * factor), 1)
    small = decode(path.read_bytes(), grey=True, size=(32, 32))
    rows, columns = np.meshgrid(np.arange(32), np.arange(32), indexing="ij")
    assert np.allclose(small, 2 * rows + 3 * columns + 2, atol=3)


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM"])
def test_what_is_no_image_says_why_without_naming_a_buffer(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)
    for attempt in (
        lambda: read_header(str(path)),
        lambda: decode(content, grey=False, size=(4, 4)),
    ):
        with pytest.raises(UnreadableImageError) as caught:
            attempt()
        assert str(caught.value)
        assert "x.png" not in str(caught.value)
        assert "0x" not in str(caught.value)


def test_sixteen_bits_a_colour_are_seen(tmp_path: Path) -> None:
    path = put(tmp_path / "x.png", noise(4, 4, 3))
    assert not read_header(str(path)).deep
    path = put(tmp_path / "y.png", np.full((4, 4), 300, np.uint16))
    assert read_header(str(path)).deep
