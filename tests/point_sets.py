"""Point sets that a neighbour search finds hard."""

import numpy as np


def blobs(n=400, d=20, seed=0):
    """Points around five centres, a third of the coordinates cut to zero as by a ReLU."""
    random = np.random.default_rng(seed)
    centres = 3 * random.normal(size=(5, d))
    X = centres[random.integers(0, 5, n)] + random.normal(size=(n, d))
    return np.maximum(X, -0.5).astype(np.float32)


def lattice():
    """Integer points: every distance is shared by many pairs."""
    axis = np.arange(-4, 5)
    points = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    return np.random.default_rng(0).permutation(points).astype(np.float32)


def duplicates():
    """300 rows of three kinds among 200 others, shuffled."""
    X = np.vstack([blobs(200), np.repeat(blobs(3, seed=1), 100, axis=0)])
    return np.random.default_rng(1).permutation(X)


def far_away():
    """Unit-sized structure at a distance of 10^4: |a|^2 + |b|^2 - 2ab keeps no digit of it."""
    return (blobs().astype(np.float64) + 1e4).astype(np.float32)


def two_scales():
    """Tight clusters far apart: float32 scores cannot order the points of a cluster."""
    random = np.random.default_rng(2)
    centres = 1000 * random.normal(size=(4, 30))
    return centres[np.arange(400) % 4] + 1e-3 * random.normal(size=(400, 30))


def low_rank():
    """Most of the variance in few of the dimensions, a little in all, as features have it."""
    random = np.random.default_rng(5)
    leading = blobs(d=6).astype(np.float64) @ random.normal(size=(6, 80))
    return (leading + 0.2 * random.normal(size=(400, 80))).astype(np.float32)


def islands(sizes, seed=0):
    """Gaussian blobs of these sizes, far apart, rows mixed."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return 30 * random.normal(size=(len(sizes), 6))[labels] + random.normal(size=(len(labels), 6))


CASES = {
    "blobs": blobs(),
    "lattice": lattice(),
    "duplicates": duplicates(),
    "far from the origin": far_away(),
    "two scales, float64": two_scales(),
    "all rows equal": np.ones((150, 7), np.float32),
    "constant columns": np.hstack([blobs(), np.full((400, 30), 3.0, np.float32)]),
    "one column": np.random.default_rng(3).normal(size=(300, 1)).astype(np.float32),
    "huge values": blobs() * np.float32(1e30),
    "tiny values": blobs() * np.float32(1e-30),
    "integers": lattice().astype(np.int16),
    "half precision": blobs().astype(np.float16),
    "low rank and a little more": low_rank(),
    "every other row": np.repeat(blobs(), 2, axis=0)[::2],
}
