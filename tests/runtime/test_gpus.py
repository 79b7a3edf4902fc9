"""Does every job get a GPU of its own, and does its record say what it took of it?"""

import os
import subprocess
import sys
import time
import types

import pytest

from pipeline.errors import InputError
from pipeline.runtime import device, gpus
from pipeline.runtime.run import record


class Driver(types.ModuleType):
    """NVML for four GPUs, of which this process fills one more and more."""

    NVMLError = type("NVMLError", (Exception,), {})

    def __init__(self, count=4, tells_processes=True, has_meter=True):
        super().__init__("pynvml")
        self.count, self.tells, self.has_meter = count, tells_processes, has_meter
        self.looks = self.started = 0

    def nvmlInit(self):  # noqa: N802
        if not self.count:
            raise self.NVMLError("driver not loaded")
        self.started += 1

    def nvmlShutdown(self):  # noqa: N802
        self.started -= 1

    def nvmlDeviceGetCount(self):  # noqa: N802
        return self.count

    def nvmlDeviceGetName(self, gpu):  # noqa: N802
        return f"GPU {gpu}"

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid):  # noqa: N802
        return uuid

    def nvmlDeviceGetComputeRunningProcesses(self, gpu):  # noqa: N802
        self.looks += 1
        mine = types.SimpleNamespace(pid=os.getpid(), usedGpuMemory=1e9 if self.looks == 2 else 5e8)
        return [types.SimpleNamespace(pid=-1, usedGpuMemory=9e9)] + ([mine] if self.tells else [])

    def nvmlDeviceGetMemoryInfo(self, gpu):  # noqa: N802
        return types.SimpleNamespace(used=9.5e9)

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu):  # noqa: N802
        if not self.has_meter:
            raise self.NVMLError("not supported")
        return 1000 * self.looks


@pytest.fixture
def drive(monkeypatch, tmp_path):
    """Call with options of `Driver`; locks of GPUs are kept apart from the machine's."""
    monkeypatch.setattr(gpus.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(gpus, "_locks", [])
    monkeypatch.setattr(gpus, "SAMPLE", 0.01)
    for name in (gpus.VISIBLE, "CUDA_DEVICE_ORDER"):
        monkeypatch.setenv(name, "")  # so that it is restored, whatever the test does
        monkeypatch.delenv(name)

    def start(visible=None, **options):
        driver = Driver(**options)
        monkeypatch.setitem(sys.modules, "pynvml", driver)
        if visible is not None:
            monkeypatch.setenv(gpus.VISIBLE, visible)
        return driver

    yield start
    for lock in gpus._locks:
        lock.release()


@pytest.mark.parametrize(
    ("visible", "shown"),
    [
        (None, ["0", "1", "2", "3"]),
        ("", []),
        ("-1", []),
        ("2", ["2"]),
        ("3,1", ["3", "1"]),
        ("1,7,2", ["1"]),
        ("GPU-5ebe9f43,1", ["GPU-5ebe9f43", "1"]),
    ],
)
def test_the_variable_of_a_scheduler_is_respected(drive, visible, shown):
    driver = drive(visible)
    assert gpus.visible_gpus() == shown
    assert driver.started == 0  # shut down as often as started


def test_without_a_driver_there_is_no_gpu(drive, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))  # nor its program
    drive(count=0)
    assert gpus.visible_gpus() == []
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert gpus.visible_gpus() == []
    with gpus.metered() as figures:
        pass
    assert figures == {}
    with pytest.raises(InputError, match="no NVIDIA"):
        device.resolve_device("gpu")
    assert device.resolve_device("auto") == "cpu"


def test_without_its_library_the_driver_is_asked_by_its_program(drive, monkeypatch, tmp_path):
    drive()
    monkeypatch.setitem(sys.modules, "pynvml", None)
    program = tmp_path / "nvidia-smi"
    program.write_text(
        '#!/bin/sh\n[ "$1" = -L ] && printf "GPU 0: H200 (UUID: GPU-1)\\nGPU 1: H200\\n"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus.visible_gpus() == ["0", "1"]
    program.write_text("#!/bin/sh\necho No devices were found\nexit 6\n")
    assert gpus.visible_gpus() == []


def test_a_single_gpu_is_left_as_it_is(drive):
    drive("2")
    gpus.take_gpu()
    assert os.environ[gpus.VISIBLE] == "2"
    assert os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


def test_jobs_take_different_gpus_while_there_are_free_ones(drive, tmp_path, capsys):
    drive("1,3")
    other = (
        "import fcntl, os, sys\n"
        "file = open(sys.argv[1], 'a')\n"
        "fcntl.flock(file, fcntl.LOCK_EX)\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    file = tmp_path / f"tunescope-{os.getuid()}-gpu-1.lock"
    with subprocess.Popen(
        [sys.executable, "-c", other, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as job:
        assert job.stdout.readline() == b"locked\n"
        gpus.take_gpu()
        assert os.environ[gpus.VISIBLE] == "3"
        os.environ[gpus.VISIBLE] = "1,3"
        gpus.take_gpu()  # both are taken now
        assert os.environ[gpus.VISIBLE] in ("1", "3")
        assert "all 2 GPUs are taken" in capsys.readouterr().err
        job.stdin.close()
        job.wait()
    os.environ[gpus.VISIBLE] = "1,3"
    gpus.take_gpu()
    assert os.environ[gpus.VISIBLE] == "1"


def test_the_record_of_a_job_says_what_it_took_of_its_gpu(drive):
    driver = drive("3")
    with record("graph", "gpu", [], {}) as made:
        while driver.looks < 4:
            time.sleep(0.01)
    assert made["gpu"]["name"] == "GPU 3"
    assert made["gpu"]["peak_memory_mb"] == 1000  # of this process
    assert made["gpu"]["energy_j"] >= 3
    assert "shared" not in made["gpu"]
    with record("graph", "cpu", [], {}) as made:
        pass
    assert "gpu" not in made


def test_what_a_driver_does_not_tell_is_not_made_up(drive):
    drive(tells_processes=False, has_meter=False)
    with gpus.metered() as figures:
        pass
    assert figures == {"name": "GPU 0", "peak_memory_mb": 9500, "shared": True}
