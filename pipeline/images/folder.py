"""Images of a folder, read: all that is wrong with them is said together."""

import hashlib
import os
import stat
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from pipeline.images.decoding import ImageHeader, UnreadableImageError, decode, read_header
from pipeline.images.labels import class_problems
from pipeline.images.listing import OTHER_IMAGES, SUFFIXES, Listing, count_text, list_folder
from pipeline.images.names import counted, examples, printable
from pipeline.images.pixels import Size, describe_sizes, final_size, room_for
from pipeline.images.source import Pixels, Source, refuse
from pipeline.images.splits import assign_splits
from pipeline.runtime.device import thread_count
from pipeline.runtime.log import Progress, log

BATCH = 128  # files a thread takes at once: small images cost less than a hand-over

Item = TypeVar("Item")
Result = TypeVar("Result")


ODDITIES = {  # attributes of an `ImageHeader`: what such images are, and what is done with them
    "animated": ("has several frames", "have several frames", "only the first is read"),
    "deep": ("has 16-bit channels", "have 16-bit channels", "the upper 8 bits are kept"),
    "transparent": ("has alpha", "have alpha", "transparent pixels become white"),
}


def open_folder(root: Path) -> Source:
    """List an image folder, see `listing.list_folder`; what its parts are for is said in `splits`.

    Raises
    ------
    InputError
        There is no image, or none to train on.
    """
    listing = list_folder(root)
    trainable = not listing.parts or {None, "train"} & set(listing.parts)
    if not listing.files or not trainable:
        refuse(root, listing.problems)
    class_names, labels = np.unique(listing.classes, return_inverse=True)
    parts = [part for part in listing.parts if part]
    splits, notes = assign_splits(parts) if parts else (None, ())
    split = np.array([splits[part] for part in parts]) if splits else None
    if listing.ignored:
        log.info(f"{printable(root)}: ignoring {count_text(listing.ignored)}")
    others = Counter({each: n for each, n in listing.ignored.items() if each in OTHER_IMAGES})
    if others:
        listing.warnings.append(
            f"{count_text(others)} left out: of images, only {', '.join(SUFFIXES)} are read"
        )
    names = tuple(class_names.tolist())
    return Source(
        labels.astype(np.int64),
        names,
        split,
        partial(read_listed, root, listing),
        files=[printable(file) for file in listing.files],
        problems=(*listing.problems, *class_problems(labels, names, split)),
        warnings=(*notes, *listing.warnings),
    )


def read_listed(
    root: Path,
    listing: Listing,
    rows: np.ndarray,
    image_size: int | None,
    problems: Sequence[str],
) -> Pixels:
    """Read some images of a folder.

    They become one channel where every image is stored as grey, else RGB; see `decoding.decode` and
    `pixels.final_size`. Where something is wrong all files are still read, to find all of it.
    """
    log.info(f"reading {counted(len(rows), 'image')} from {printable(root)}")
    files = [listing.files[row] for row in rows]
    shown = [printable(file) for file in files]
    paths = [os.path.join(root, file) for file in files]
    headers = _each(_header, paths, "image headers")
    readable = {
        file: header
        for file, header in zip(shown, headers, strict=True)
        if isinstance(header, ImageHeader)
    }
    sizes = [header.size for header in readable.values()]
    size = final_size(sizes, image_size) if sizes else None
    channels = max((header.channels for header in readable.values()), default=3)
    images: np.ndarray | None = None
    if size and all(isinstance(header, ImageHeader) for header in headers) and not problems:
        shape = (len(files), *size, channels)
        images = room_for(shape)
    contents = _decode_all(paths, headers, size, grey=channels == 1, out=images)
    found = [*problems, *_unreadable(shown, contents)]
    if sizes and size is None:
        advice = "set image_size to the side in pixels of the square that each is to be resized to"
        found.append(f"{describe_sizes(sizes, list(readable))}: {advice}")
    refuse(root, found)
    assert images is not None
    provenance = {
        "files": {printable(root): _digest(files, contents)},
        "n_files": len(files),
        "ignored": dict(listing.ignored),
    }
    return Pixels(images, provenance, tuple(_oddities(readable, images.shape[1:])))


def _header(path: str) -> ImageHeader:
    """The header of a file; what is none is not opened: a pipe waits, a device may never end."""
    try:
        kind = os.stat(path).st_mode
    except ValueError:  # a zero byte, which no name has
        raise UnreadableImageError("no file has such a name") from None
    if not stat.S_ISREG(kind):
        raise UnreadableImageError("it is no file")
    return read_header(path)


def _decode_all(
    paths: list[str],
    headers: Sequence[ImageHeader | UnreadableImageError],
    size: Size | None,
    *,
    grey: bool,
    out: np.ndarray | None,
) -> list[bytes | UnreadableImageError]:
    """Decode images into `out`, or nowhere, to see whether they can be read.

    Returns
    -------
    list of bytes or UnreadableImageError
        SHA-256 of each content, or why it is no image.
    """

    def read(row: int) -> bytes:
        header = headers[row]
        if isinstance(header, UnreadableImageError):
            raise header
        content = Path(paths[row]).read_bytes()
        pixels = decode(content, grey=grey, size=size or header.size)
        if out is not None:
            out[row] = pixels.reshape(out.shape[1:])
        return hashlib.sha256(content).digest()

    return _each(read, range(len(paths)), "images")


def _each(
    function: Callable[[Item], Result], items: Sequence[Item], name: str
) -> list[Result | UnreadableImageError]:
    """Return `function` of each item, in order, or why its image cannot be read."""

    def attempt(item: Item) -> Result | UnreadableImageError:
        try:
            return function(item)
        except UnreadableImageError as error:
            return error
        except OSError as error:
            return UnreadableImageError(error.strerror)

    def batch(start: int) -> list[Result | UnreadableImageError]:
        return [attempt(item) for item in items[start : start + BATCH]]

    results: list[Result | UnreadableImageError] = []
    with (
        warnings.catch_warnings(),
        ThreadPoolExecutor(min(8, thread_count())) as pool,
        Progress(name, len(items)) as progress,
    ):
        warnings.simplefilter("ignore")  # Pillow's, of odd metadata and of large images
        # map, unlike submit, drops the batches not yet begun when this loop is left early
        for part in pool.map(batch, range(0, len(items), BATCH)):
            results += part
            progress.update(len(part))
    return results


def _unreadable(files: list[str], contents: Sequence[bytes | UnreadableImageError]) -> list[str]:
    """Say which images cannot be read."""
    bad = [
        f"{file} ({content})"
        for file, content in zip(files, contents, strict=True)
        if isinstance(content, UnreadableImageError)
    ]
    if not bad:
        return []
    them = "it" if len(bad) == 1 else "them"
    return [
        f"{counted(len(bad), 'image')} cannot be read: {examples(bad)}; repair or remove {them}"
    ]


def _oddities(headers: dict[str, ImageHeader], shape: tuple[int, ...]) -> Iterator[str]:
    """Say which images were changed, and how.

    Parameters
    ----------
    headers : dict of file to ImageHeader
    shape : (h, w, c)
        Of all images, as they are kept.
    """
    sizes = [header.size for header in headers.values()]
    if len(set(sizes)) > 1:
        differing = describe_sizes(sizes, list(headers))
        yield f"{differing}: all are stretched to {shape[1]} x {shape[0]}"
    grey = [file for file, header in headers.items() if header.channels == 1]
    if grey and shape[-1] == 3:
        yield _about(grey, "is grey", "are grey", "the others are in colour, so all become RGB")
    for name, (is_so, are_so, what) in ODDITIES.items():
        if odd := [file for file, header in headers.items() if getattr(header, name)]:
            yield _about(odd, is_so, are_so, what)


def _about(files: list[str], is_so: str, are_so: str, what: str) -> str:
    return (
        f"{counted(len(files), f'image {is_so}', f'images {are_so}')} ({examples(files)}): {what}"
    )


def _digest(files: list[str], contents: Sequence[bytes | UnreadableImageError]) -> str:
    """Return the SHA-256 over each file's name, a zero byte and the SHA-256 of its content."""
    digest = hashlib.sha256()
    for file, content in zip(files, contents, strict=True):
        assert isinstance(content, bytes)
        digest.update(os.fsencode(file) + b"\0" + content)
    return digest.hexdigest()
