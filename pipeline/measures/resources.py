"""Memory that the steps of this chapter need."""


def quality_memory(n: int, d: int) -> int:
    """Bytes of `measure_layouts`: features in float64 and normalised, tiles of ranks."""
    return int(24 * n * d + 3 * 8 * min(n, 4096) ** 2 + 1500 * n + 24 * min(n, d) ** 2 + 200e6)


def change_memory(n: int, d: int) -> int:
    """Bytes of `measure_change`: two feature sets, scaled, and products of features."""
    return int(20 * n * d + 12 * 8 * d**2 + 2000 * n + 200e6)
