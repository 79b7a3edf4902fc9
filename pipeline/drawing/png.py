"""Pictures as bytes of a PNG file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image


def encode(image: Image.Image, **options: Any) -> bytes:
    """The PNG of a picture; `options` are Pillow's."""
    file = io.BytesIO()
    image.save(file, "png", **options)
    return file.getvalue()


def reduce_colors(image: Image.Image) -> Image.Image:
    """The same picture in 256 colours: a third of the bytes, and no difference that one sees."""
    from PIL import Image

    return image.convert("RGB").quantize(
        256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
    )
