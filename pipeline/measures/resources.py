"""Memory that the steps of this chapter need."""

from collections.abc import Sequence

DEPTH_IMAGES = 10_000  # of a depth profile, at most: a sample by class and split


def quality_memory(n: int, d: int, layouts: int) -> int:
    """Bytes of `measure_layouts`: features in float64 and normalised, tiles of ranks.

    Of each layout its neighbours, and their ranks in feature space, of all points up to 20,000.
    """
    features = 24 * n * d + 24 * min(n, d) ** 2
    of_layouts = layouts * (120 * n + 420 * min(n, 20_000))
    return int(features + 3 * 8 * min(n, 4096) ** 2 + 1500 * n + of_layouts + 200e6)


def change_memory(n: int, d: int) -> int:
    """Bytes of `measure_change`: two feature sets, scaled, and products of features."""
    return int(20 * n * d + 12 * 8 * d**2 + 2000 * n + 200e6)


def depth_memory(n: int, widths: Sequence[int]) -> int:
    """Bytes of `measure_depth` and of the networks that it is fed by.

    The sample; sums of products, a graph and a probe of the widest block; what a chunk takes;
    TensorFlow, two networks and their feature maps.
    """
    m, widest = min(n, DEPTH_IMAGES), max(widths)
    products = 96 * widest**2
    return int(products + 8 * m * sum(widths) + 24 * m * widest + 16 * 2048 * sum(widths) + 3e9)
