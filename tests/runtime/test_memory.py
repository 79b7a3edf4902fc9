"""Is the memory that may be taken what the system says, or what a container leaves?"""

import psutil
import pytest

from pipeline.runtime import memory


@pytest.fixture(autouse=True)
def no_container(monkeypatch):
    monkeypatch.setattr(memory, "CGROUPS", ())


@pytest.mark.parametrize("told", [True, False])
def test_free_memory_is_psutils(told, tmp_path, monkeypatch):
    if not told:
        monkeypatch.setattr(memory, "MEMINFO", tmp_path / "none")
    assert memory.available_memory() == pytest.approx(psutil.virtual_memory().available, rel=0.2)


def test_what_linux_tells_is_in_kib(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    memory.MEMINFO.write_text("MemTotal:       9000 kB\nMemFree:  1 kB\nMemAvailable:    300 kB\n")
    assert memory.available_memory() == 300 * 1024


@pytest.mark.parametrize(("limit", "left"), [("1000000", 600_000), ("max", 2048), ("300000", 0)])
def test_a_container_leaves_less(limit, left, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    free = 2048 if limit == "max" else 10**9
    memory.MEMINFO.write_text(f"MemAvailable: {free // 1024} kB\n")
    (tmp_path / "max").write_text(f"{limit}\n")
    (tmp_path / "current").write_text("400000\n")
    monkeypatch.setattr(memory, "CGROUPS", ((tmp_path / "max", tmp_path / "current"),))
    assert memory.available_memory() == left
