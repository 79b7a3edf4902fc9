"""Is the memory that may be taken what the system says, or what a container leaves?"""

import psutil
import pytest

from pipeline.runtime import memory


@pytest.fixture(autouse=True)
def no_container(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "CGROUPS", tmp_path / "none")


@pytest.mark.parametrize("told", [True, False])
def test_free_memory_is_psutils(told, tmp_path, monkeypatch):
    if not told:
        monkeypatch.setattr(memory, "MEMINFO", tmp_path / "none")
    assert memory.available_memory() == pytest.approx(psutil.virtual_memory().available, rel=0.2)


def test_what_linux_tells_is_in_kib(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    memory.MEMINFO.write_text("MemTotal:       9000 kB\nMemFree:  1 kB\nMemAvailable:    300 kB\n")
    assert memory.available_memory() == 300 * 1024


V2 = {"memory.current": 400_000, "memory.max": "max", "memory.high": "max"}
V1 = {"memory.usage_in_bytes": 400_000, "memory.limit_in_bytes": 2**63 - 4096}


def cgroup(folder, files, **more):
    """Write the files of a cgroup."""
    folder.mkdir(parents=True, exist_ok=True)
    stat = more.pop("stat", {})
    for name, value in {**files, **more}.items():
        (folder / name).write_text(f"{value}\n")
    (folder / "memory.stat").write_text("".join(f"{k} {v}\n" for k, v in stat.items()))


@pytest.fixture(name="of")
def process(tmp_path, monkeypatch):
    """Let this process be in a cgroup of a machine with 1 GB free."""
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    memory.MEMINFO.write_text("MemAvailable: 1000000 kB\n")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path / "cgroup")
    for name in ("VERSION_1", "VERSION_2"):
        root = tmp_path / name
        monkeypatch.setattr(memory, name, getattr(memory, name)._replace(root=root))

    def enter(*lines):
        memory.CGROUPS.write_text("".join(f"{line}\n" for line in lines))
        return tmp_path

    return enter


@pytest.mark.parametrize(("limit", "left"), [(1_000_000, 600_000), ("max", 1_024_000_000), (9, 0)])
def test_a_container_leaves_less(of, limit, left):
    cgroup(of("0::/") / "VERSION_2", V2, **{"memory.max": limit})
    assert memory.available_memory() == left


@pytest.mark.parametrize("name", ["memory.max", "memory.high"])
def test_every_cgroup_above_this_process_has_a_limit(of, name):
    root = of("0::/slurm/job_7/step_0") / "VERSION_2"
    cgroup(root / "slurm/job_7/step_0", V2)
    cgroup(root / "slurm/job_7", V2, **{name: 1_000_000})
    cgroup(root / "slurm", V2, **{name: 5_000_000})
    assert memory.available_memory() == 600_000


def test_the_page_cache_is_given_back(of):
    stat = {"anon": 100_000, "file": 300_000, "active_file": 50_000, "inactive_file": 200_000}
    cgroup(of("0::/job") / "VERSION_2/job", V2, stat=stat, **{"memory.max": 1_000_000})
    assert memory.available_memory() == 850_000


def test_version_1_of_cgroups_has_names_of_its_own(of):
    root = of("5:cpu,cpuacct:/x", "4:memory:/slurm/uid_0/job_7") / "VERSION_1"
    stat = {"total_inactive_file": 100_000, "inactive_file": 1}
    cgroup(root / "slurm/uid_0", V1, stat=stat, **{"memory.limit_in_bytes": 1_000_000})
    cgroup(root / "slurm/uid_0/job_7", V1)
    assert memory.available_memory() == 700_000


def test_a_cgroup_by_its_name_outside_the_container(of):
    cgroup(of("0::/docker/abc") / "VERSION_2", V2, **{"memory.max": 1_000_000})
    assert memory.available_memory() == 600_000
