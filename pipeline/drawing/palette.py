"""Colours of the classes: distinguishable with every common kind of colour vision."""

from __future__ import annotations

from functools import lru_cache

RGB = tuple[int, int, int]

# M. A. Petroff, "Accessible Color Sequences for Data Visualization" (2021), arXiv:2107.02270:
# found under simulated deuteranopia, protanopia and tritanopia, each sequence for its own length.
PETROFF = {
    6: "5790fc f89c20 e42536 964a8b 9c9ca1 7a21dd",
    8: "1845fb ff5e02 c91f16 c849a9 adad7d 86c8dd 578dff 656364",
    10: "3f90da ffa90e bd1f01 94a4a2 832db6 a96b59 e76300 b9ac70 717581 92dadd",
}
DARKEST_LIGHTNESS = 30.0  # CIE L*: below it, small discs of any hue look black
FADED = 0.72  # share of white in the colour of what stands back


def class_colors(n_classes: int) -> list[RGB]:
    """One colour a class, as 8-bit RGB.

    Up to ten classes get Petroff's shortest sequence that is long enough. No palette keeps more
    than about ten colours apart for colour-blind readers, so larger class sets take colorcet's
    Glasbey colours for white paper without the near-black ones (`many_colors`, repeated where
    there are more classes), and the names in the panels and the legend carry what the colours
    cannot.

    Parameters
    ----------
    n_classes : int
        Number of classes, at least one.

    Returns
    -------
    list of (int, int, int)
        ``n_classes`` colours, 0 to 255.
    """
    for length, colors in PETROFF.items():
        if n_classes <= length:
            return [_rgb(color) for color in colors.split()[:n_classes]]
    many = many_colors()
    return [many[i % len(many)] for i in range(n_classes)]


@lru_cache
def many_colors() -> tuple[RGB, ...]:
    """Glasbey's sequence (Glasbey et al. 2007, by colorcet), as far as its colours are not dark."""
    import colorcet

    colors = [_rgb(color.lstrip("#")) for color in colorcet.palette["glasbey_bw_minc_20_maxl_70"]]
    return tuple(color for color in colors if lightness(color) >= DARKEST_LIGHTNESS)


def faded(color: RGB) -> RGB:
    """The colour of points that stand back: mostly white, with the hue still seen."""
    red, green, blue = (round(255 - (1 - FADED) * (255 - channel)) for channel in color)
    return red, green, blue


def lightness(color: RGB) -> float:
    """CIE 1976 L* of an sRGB colour: 0 is black, 100 is white."""
    shares = [channel / 255 for channel in color]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    y = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 116 * y ** (1 / 3) - 16 if y > 216 / 24389 else y * 24389 / 27


def _rgb(color: str) -> RGB:
    red, green, blue = bytes.fromhex(color)
    return red, green, blue
