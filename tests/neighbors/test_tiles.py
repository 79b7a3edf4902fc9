"""Does the sweep over tiles show every pair of rows, once?"""

import numpy as np
import pytest

from kernels.backend import get_backend, to_host
from pipeline.neighbors.tiles import strips, sweep_products, upper_tiles

CPU = get_backend("cpu")


def test_strips_cut_all_rows():
    assert strips(7, 3) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert strips(6, 3) == [slice(0, 3), slice(3, 6)]
    assert strips(0, 3) == []


def test_upper_tiles_hold_every_pair_once():
    counts = np.zeros((10, 10), int)
    for rows, columns in upper_tiles(10, 4):
        counts[rows, columns] += 1
    blocks = np.arange(10) // 4
    assert np.array_equal(counts, (blocks[:, None] <= blocks).astype(int))
    offsets = [columns.start - rows.start for rows, columns in upper_tiles(10, 4)]
    assert offsets == [0, 0, 0, 4, 4, 8]  # from the diagonal upwards


def swept(Z, size, backend):
    """All products, and how often each was seen."""
    products, counts = np.zeros((len(Z), len(Z))), np.zeros((len(Z), len(Z)), int)

    def consume(rows, columns, tile):
        assert tile.flags.c_contiguous
        products[rows, columns] = to_host(tile)
        counts[rows, columns] += 1
        if rows != columns:
            products[columns, rows] = to_host(tile).T
            counts[columns, rows] += 1

    sweep_products(backend.to_device(Z), consume, size=size, backend=backend, name="test")
    return products, counts


@pytest.mark.parametrize("size", [1, 4, 10, 64])
def test_every_pair_is_seen_once(size):
    Z = np.random.default_rng(0).normal(size=(10, 3))
    products, counts = swept(Z, size, CPU)
    assert (counts == 1).all()
    assert (np.diag(products) == -np.inf).all()
    np.fill_diagonal(products, 0)
    expected = Z @ Z.T
    np.fill_diagonal(expected, 0)
    assert np.allclose(products, expected, atol=1e-12)
