"""One image file: what its header says, and its pixels."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.errors import InputError
from pipeline.images.names import printable
from pipeline.images.pixels import Size, resize

FORMATS = ("PNG", "JPEG", "BMP", "GIF")  # what the content may be, whatever the suffix says
GREY_MODES = ("1", "L", "LA", "I;16")  # Pillow's one-channel modes of these formats
ORIENTATION = 0x0112  # the EXIF tag by which a camera says how it was held


class UnreadableImageError(InputError):
    """A file that is no whole image; the message is the reason alone."""


class ImageHeader(NamedTuple):
    """What is known of an image before it is decoded.

    Attributes
    ----------
    size : (height, width)
        Upright, as the camera says.
    channels : int
        1 (grey) or 3 (RGB).
    animated, deep, transparent : bool
        It has more than one frame, 16 bits a channel, an alpha channel.
    """

    size: Size
    channels: int
    animated: bool
    deep: bool
    transparent: bool


def read_header(path: str) -> ImageHeader:
    """Read the header of an image file.

    Raises
    ------
    UnreadableImageError
    """
    with _decoding_errors(), Image.open(path, formats=FORMATS) as image:
        width, height = image.size
        if _has_exif(image) and image.getexif().get(ORIENTATION, 1) >= 5:  # turned by a quarter
            width, height = height, width
        return ImageHeader(
            (height, width),
            1 if image.mode in GREY_MODES else 3,
            animated=getattr(image, "is_animated", False),
            deep=any(";16" in str(tile.args) for tile in image.tile),  # such as "RGB;16B"
            transparent=image.has_transparency_data,
        )


def decode(content: bytes, *, grey: bool, size: Size) -> np.ndarray:
    """Decode an image file into pixels (h, w) or (h, w, 3) uint8, stretched to `size`.

    16-bit channels keep their upper 8 bits, palettes and CMYK become RGB, transparent pixels show
    white, a camera's rotation is applied, and of an animation the first frame counts.

    Raises
    ------
    UnreadableImageError
    """
    with _decoding_errors(), Image.open(io.BytesIO(content), formats=FORMATS) as opened:
        opened.draft(None, (2 * max(size), 2 * max(size)))  # a large JPEG decodes 4 times faster
        image = ImageOps.exif_transpose(opened) if _has_exif(opened) else opened
        if image.mode.startswith("I"):
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        if image.has_transparency_data:
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image.convert("RGBA"))
        return np.asarray(resize(image.convert("L" if grey else "RGB"), size))


def _has_exif(image: Image.Image) -> bool:
    # as known before decoding: asking a PNG for its EXIF data would decode it
    return "exif" in image.info


@contextmanager
def _decoding_errors() -> Iterator[None]:
    """Turn whatever a decoder raises into its reason."""
    try:
        yield
    except MemoryError:
        raise
    except UnidentifiedImageError as error:  # it names the file, or a buffer
        raise UnreadableImageError(f"it is no {', '.join(FORMATS)}") from error
    except OSError as error:
        raise UnreadableImageError(error.strerror or _reason(error)) from error
    except Exception as error:  # each decoder has its own
        raise UnreadableImageError(_reason(error)) from error


def _reason(error: Exception) -> str:
    return printable(" ".join(str(error).split()) or type(error).__name__)
