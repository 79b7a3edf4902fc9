"""Images from a folder: `[split/]class/*.{png,jpg,jpeg,bmp,gif}`."""

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image, ImageOps

from pipeline.errors import InputError
from pipeline.runtime.device import cpu_count
from pipeline.runtime.log import Progress, log
from pipeline.runtime.memory import available_memory

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
FORMATS = ("PNG", "JPEG", "BMP", "GIF")  # what the content may be, whatever the suffix says
SPLITS = {"train": "train", "val": "train", "validation": "train", "test": "test"}
GREY_MODES = ("1", "L", "LA", "I;16")  # Pillow's one-channel modes of these formats
ORIENTATION = 0x0112  # the EXIF tag by which a camera says how it was held
BATCH = 128  # files a thread takes at once: small images cost less than a hand-over

Item = TypeVar("Item")
Result = TypeVar("Result")


class ImageFolder(NamedTuple):
    """The files of an image folder, not yet read.

    Attributes
    ----------
    files : list of Path, (n,)
    labels : ndarray, (n,) int64
        Positions in `class_names`.
    class_names : tuple of str
    split : ndarray, (n,) of "train" and "test", or None
        None where the folder has no split folders.
    ignored : dict
        How many files are not images, by suffix.
    """

    files: list[Path]
    labels: np.ndarray
    class_names: tuple[str, ...]
    split: np.ndarray | None
    ignored: dict[str, int]


def list_folder(root: Path) -> ImageFolder:
    """Find the images of `root` and their classes.

    The folders of `root` are classes, in sorted order; or splits of classes, where all are called
    train, test, val or validation (validation images count as training images: the pipeline draws
    its own validation part). Hidden files and folders are left out; so are files of other kinds,
    which are counted.

    Raises
    ------
    InputError
        The folder has no classes, a class has no image, or folders are nested otherwise.
    """
    folders = _subfolders(root)
    named = [folder for folder in folders if folder.name.lower() in SPLITS]
    if named != folders and any(_subfolders(folder) for folder in named):
        raise InputError(
            f"{root} mixes split folders and others ({', '.join(f.name for f in folders)}): "
            "keep only train, test, val or validation there, each with one folder for each class"
        )
    # Training images come first, as in an .npz. Other folders beside "train" make it a class.
    splits = (
        sorted(named, key=lambda f: SPLITS[f.name.lower()] == "test") if named == folders else []
    )
    images: list[tuple[Path, str, str]] = []  # file, class, split
    ignored: Counter[str] = Counter()
    for parent in splits or [root]:
        classes = _subfolders(parent)
        if not classes:
            raise InputError(
                f"{parent} has no class folders: "
                "put the images of each class into a folder of its own"
            )
        split = SPLITS[parent.name.lower()] if splits else ""
        for folder in classes:
            images += [(file, folder.name, split) for file in _images(folder, ignored)]
    class_names = tuple(sorted({name for _, name, _ in images}))
    positions = {name: i for i, name in enumerate(class_names)}
    if ignored:
        log.info(f"{root}: ignoring {_count_text(ignored)}")
    return ImageFolder(
        [file for file, _, _ in images],
        np.array([positions[name] for _, name, _ in images], np.int64),
        class_names,
        np.array([split for _, _, split in images]) if splits else None,
        dict(ignored),
    )


def read_images(files: list[Path], *, root: Path, image_size: int | None) -> tuple[np.ndarray, str]:
    """Decode images into one array.

    They become one channel where every image is stored as grey, else RGB. 16-bit greys keep their
    upper 8 bits, palettes and CMYK become RGB, transparent pixels show white, a camera's rotation
    is applied, and of an animation the first frame counts.

    Parameters
    ----------
    files : list of Path, (n,)
    root : Path
        The folder that the names in the digest are relative to.
    image_size : int or None
        Side of the square that every image is stretched to, antialiased; None keeps the sizes,
        which must then be equal.

    Returns
    -------
    images : ndarray, (n, h, w, 1 or 3) uint8
    digest : str
        SHA-256 over each file's relative name, a zero byte and the SHA-256 of its content.

    Raises
    ------
    InputError
        An unreadable image, images of different sizes, or more pixels than memory.
    """
    log.info(f"reading {len(files):,} images from {root}")
    shapes = _in_threads(_shape, files, "image headers")
    channels = max(c for _, _, c in shapes)
    height, width = (image_size, image_size) if image_size else _common_size(shapes, root)
    _check_memory(len(files) * height * width * channels, root)
    images = np.empty((len(files), height, width, channels), np.uint8)

    def decode(row: int) -> bytes:
        content = files[row].read_bytes()
        image = _decode(content, files[row], grey=channels == 1, image_size=image_size)
        images[row] = np.asarray(image).reshape(height, width, channels)
        return hashlib.sha256(content).digest()

    digest = hashlib.sha256()
    for file, content_digest in zip(
        files, _in_threads(decode, range(len(files)), "images"), strict=True
    ):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + content_digest)
    return images, digest.hexdigest()


def resize(image: Image.Image, size: int) -> Image.Image:
    """Stretch an image to size x size; Pillow widens the filter when it shrinks (antialiasing)."""
    return image.resize((size, size), Image.Resampling.BILINEAR)


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(f for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))
    except OSError as error:
        raise InputError(
            f"{folder} cannot be listed ({error.strerror}): check its permissions"
        ) from error


def _images(folder: Path, ignored: Counter[str]) -> list[Path]:
    """Return the sorted images of a class folder, adding what else there is to `ignored`."""
    if nested := _subfolders(folder):
        raise InputError(
            f"the class folder {folder} holds the folder {nested[0].name}: "
            "the images of a class must lie directly in its folder"
        )
    files = sorted(f for f in folder.iterdir() if not f.name.startswith("."))
    images = [f for f in files if f.suffix.lower() in SUFFIXES]
    others = Counter(
        f.suffix.lower() or "no suffix" for f in files if f.suffix.lower() not in SUFFIXES
    )
    if not images:
        besides = f" (it holds {_count_text(others)})" if others else ""
        raise InputError(
            f"the class folder {folder} has no {', '.join(SUFFIXES)} image{besides}: "
            "add images or remove the folder"
        )
    ignored.update(others)
    return images


def _count_text(counts: Counter[str]) -> str:
    return ", ".join(f"{n:,} files with {suffix}" for suffix, n in sorted(counts.items()))


def _in_threads(
    function: Callable[[Item], Result], items: Sequence[Item], name: str
) -> list[Result]:
    """Return `function` of each item, in order; the first failure ends the rest."""

    def batch(start: int) -> list[Result]:
        return [function(item) for item in items[start : start + BATCH]]

    results: list[Result] = []
    with (
        ThreadPoolExecutor(min(8, cpu_count())) as pool,
        Progress(name, len(items)) as progress,
    ):
        # map, unlike submit, drops the batches not yet begun when this loop is left early
        for part in pool.map(batch, range(0, len(items), BATCH)):
            results += part
            progress.update(len(part))
    return results


@contextmanager
def _decoding_errors(file: Path) -> Iterator[None]:
    """Turn whatever a decoder raises into one sentence with the name of the file."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        raise InputError(
            f"{file} cannot be read as an image ({error}): repair or remove it"
        ) from error


def _shape(file: Path) -> tuple[int, int, int]:
    """Return height, width and channels of an image from its header."""
    with _decoding_errors(file), Image.open(file, formats=FORMATS) as image:
        width, height = image.size
        if _has_exif(image) and image.getexif().get(ORIENTATION, 1) >= 5:  # turned by a quarter
            width, height = height, width
        return height, width, 1 if image.mode in GREY_MODES else 3


def _decode(content: bytes, file: Path, *, grey: bool, image_size: int | None) -> Image.Image:
    with _decoding_errors(file), Image.open(io.BytesIO(content), formats=FORMATS) as opened:
        if image_size:
            # A large JPEG decodes 4 times faster.
            opened.draft(None, (2 * image_size, 2 * image_size))
        image = ImageOps.exif_transpose(opened) if _has_exif(opened) else opened
        if image.mode.startswith("I"):
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        if image.has_transparency_data:
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image.convert("RGBA"))
        image = image.convert("L" if grey else "RGB")
        return resize(image, image_size) if image_size else image


def _has_exif(image: Image.Image) -> bool:
    # as known before decoding: asking a PNG for its EXIF data would decode it
    return "exif" in image.info


def _common_size(shapes: list[tuple[int, int, int]], root: Path) -> tuple[int, int]:
    """Return the height and width that all images share."""
    sizes = Counter((height, width) for height, width, _ in shapes)
    if len(sizes) == 1:
        return next(iter(sizes))
    common = ", ".join(f"{w} x {h} ({n:,} images)" for (h, w), n in sizes.most_common(3))
    raise InputError(
        f"the images of {root} have {len(sizes):,} sizes, such as {common}: "
        "set dataset.image_size to the side in pixels of the square that each is to be resized to"
    )


def _check_memory(needed: int, root: Path) -> None:
    free = available_memory()
    if needed > free:
        raise InputError(
            f"the images of {root} need {needed / 1e9:.1f} GB of memory and "
            f"{free / 1e9:.1f} GB are free: set a smaller dataset.image_size or dataset.subset"
        )
