"""Colours of the classes: distinguishable with every common kind of colour vision."""

from __future__ import annotations

RGB = tuple[int, int, int]

# M. A. Petroff, "Accessible Color Sequences for Data Visualization" (2021), arXiv:2107.02270:
# found under simulated deuteranopia, protanopia and tritanopia, each sequence for its own length.
PETROFF = {
    6: "5790fc f89c20 e42536 964a8b 9c9ca1 7a21dd",
    8: "1845fb ff5e02 c91f16 c849a9 adad7d 86c8dd 578dff 656364",
    10: "3f90da ffa90e bd1f01 94a4a2 832db6 a96b59 e76300 b9ac70 717581 92dadd",
}


def class_colors(n_classes: int) -> list[RGB]:
    """One colour a class, as 8-bit RGB.

    Up to ten classes get Petroff's shortest sequence that is long enough. No palette keeps more
    than about ten colours apart for colour-blind readers, so larger class sets take colorcet's
    Glasbey colours for white paper (cycled past 256), and the names in the panels and the legend
    carry what the colours cannot.

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
    import colorcet

    glasbey = colorcet.palette["glasbey_bw_minc_20_maxl_70"]
    return [_rgb(glasbey[i % len(glasbey)].lstrip("#")) for i in range(n_classes)]


def _rgb(color: str) -> RGB:
    red, green, blue = bytes.fromhex(color)
    return red, green, blue
