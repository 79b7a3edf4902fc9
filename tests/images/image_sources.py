"""Small sources of images for the tests, and the sentences with which some are refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import InputError
from pipeline.images.dataset import load_dataset

RNG = np.random.default_rng(0)


def noise(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def saved(path: Path, **arrays: object) -> str:
    np.savez(path / "data.npz", **arrays)
    return str(path / "data.npz")


def refusal(source: object, **options: object) -> str:
    """Return the sentence with which a source is refused."""
    with pytest.raises(InputError) as caught:
        load_dataset(str(source), **options)
    message = str(caught.value)
    message.encode()  # no byte of a name that is not UTF-8
    assert message.isprintable()
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
