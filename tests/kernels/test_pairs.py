"""Are all pairs kept, each once, where there is room for them?"""

import os
import tempfile

import numpy as np
import pytest

from kernels.pairs import STRIP, TOP, Pairs, pairs_bytes, strip_starts
from pipeline.errors import InputError
from pipeline.runtime import pair_storage as storage
from pipeline.runtime.pair_storage import choose_storage, new_pairs


@pytest.mark.parametrize("n", [1, 2, STRIP - 1, STRIP, STRIP + 1, 3 * STRIP + 7])
def test_strips_hold_every_pair_once(n):
    starts = strip_starts(n)
    pairs = Pairs(np.arange(starts[-1], dtype=np.uint32), starts, n, 1.0)
    seen = np.zeros((n, n), int)
    for s in range(len(starts) - 1):
        first, strip = pairs.strip(s)
        assert strip.shape == (min(STRIP, n - first), n - first)
        rows, columns = np.indices(strip.shape)
        seen[first + rows, first + columns] += 1
    assert (seen[np.triu_indices(n)] == 1).all()
    assert pairs_bytes(n) == 2 * seen.sum()


def test_seventy_thousand_points_need_half_of_all_in_16_bits():
    """5 GB, counted in 64 bits: N^2 does not fit 32."""
    assert strip_starts(70_000).dtype == np.int64
    assert 1.0 < pairs_bytes(70_000) / 70_000**2 < 1.005


@pytest.fixture
def room(monkeypatch):
    """Pretend that so many bytes of memory and of disk are free."""

    def set_room(memory, disk):
        usage = shutil_usage(total=disk, used=0, free=disk)
        monkeypatch.setattr(storage, "available_memory", lambda: memory)
        monkeypatch.setattr(storage.shutil, "disk_usage", lambda folder: usage)

    shutil_usage = type(storage.shutil.disk_usage("."))
    return set_room


def test_storage_is_where_there_is_room(room):
    need = pairs_bytes(1000)
    room(2 * need, 0)
    assert choose_storage(1000) == "memory"
    assert choose_storage(1000, spare=need) == "none"
    room(need, 2 * need)
    assert choose_storage(1000) == "disk"
    assert choose_storage(1000, storage="memory") == "memory"  # who asks knows
    with pytest.raises(InputError, match=r"'tape'.*auto, memory, disk"):
        choose_storage(1000, storage="tape")


@pytest.mark.parametrize("place", ["memory", "disk"])
def test_pairs_are_written_and_read(place, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pairs = new_pairs(300, step=0.5, storage=place, name="MDS")
    for s in range(2):
        first, strip = pairs.strip(s)
        strip[:] = (np.add.outer(np.arange(len(strip)), np.arange(strip.shape[1])) + first) % TOP
    assert pairs.values[pairs.starts[1]] == 256
    assert pairs.strip(1)[1][3, 5] == 264
    assert isinstance(pairs.values, np.memmap) == (place == "disk")
    assert os.listdir(tmp_path) == []  # a name would outlive a killed process
    words = "memory" if place == "memory" else str(tmp_path)
    assert words in capfd.readouterr().err
