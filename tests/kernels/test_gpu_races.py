"""Are the kernels free of data races, within a block and between blocks?

ThreadSanitizer judges by accesses and what orders them, not by a wrong result: a missing barrier is
reported even if the order in which the host runs the threads hides it.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cuda_on_host import COMPILER, kernels_of

from kernels.gpu import cuda

CALLS = Path(__file__).parent.parent / "kernel_calls.py"
RACE = 66  # exit status


def started(*command):
    """Run Python under ThreadSanitizer."""
    environment = {
        "PYTHONPATH": str(CALLS.parent.parent),
        "LD_PRELOAD": library(),
        "TSAN_OPTIONS": f"exitcode={RACE} ignore_noninstrumented_modules=1",
    }
    return subprocess.run(
        [sys.executable, *map(str, command)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def library():
    asked = [COMPILER, "-print-file-name=libtsan.so"]  # the name as it is, where there is none
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module", autouse=True)
def sanitizer():
    if COMPILER is None or not Path(library()).is_absolute():
        pytest.skip("no ThreadSanitizer beside the C++ compiler")
    if started("-c", "").returncode:
        pytest.skip("ThreadSanitizer does not start here")


@pytest.fixture
def changed(tmp_path):
    """Copy the sources, with a change in one of them."""

    def change(topic, before, after):
        folder = shutil.copytree(cuda.SOURCES, tmp_path / "sources")
        text = (folder / f"{topic}.cu").read_text()
        assert before in text
        (folder / f"{topic}.cu").write_text(text.replace(before, after, 1))
        return folder

    return change


@pytest.mark.slow
def test_no_kernel_races():
    done = started(CALLS)
    assert done.returncode == 0, done.stderr
    topics = [path.stem for path in cuda.SOURCES.glob("*.cu")]
    assert set(done.stdout.split()) == {name for topic in topics for name in kernels_of(topic)}


def test_a_missing_barrier_is_seen(changed):
    before = "        __syncthreads();\n        REAL sum[3]"
    done = started(CALLS, changed("tsne", before, before.split("\n")[1]), "tsne")
    assert done.returncode == RACE
    assert "data race" in done.stderr
    assert "in repulsive_sums" in done.stderr


def test_blocks_that_write_to_one_place_are_seen(changed):
    done = started(CALLS, changed("squared_pairs", "sums[s] = ", "sums[0] = "), "squared_pairs")
    assert done.returncode == RACE
    assert "in fourth_powers" in done.stderr
