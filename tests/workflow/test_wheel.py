"""Does an installed package work, in an environment and a folder of its own?"""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from tiny_study import ON_ONE_CORE

from pipeline import __version__
from pipeline.workflow.sources import ROOT
from pipeline.workflow.study import DEMO

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in ("pipeline", "kernels", "bench"):
        ignore = shutil.ignore_patterns("__pycache__", "results", "plots")
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", folder, source], check=True, capture_output=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder of programs of an environment with the wheel, and with these tests' libraries."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    programs = folder / "bin"
    site = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    # Read after this environment's own packages; what is only linked here stays unseen.
    Path(site, "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    command = [sys.executable, "-m", "pip", "--python", programs / "python", "install"]
    subprocess.run([*command, "--no-deps", "--no-index", wheel], check=True, capture_output=True)
    return programs


def run(folder, *command):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_wheel_holds_all_that_a_study_needs(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    cuda = {f"kernels/cuda/{path.name}" for path in (ROOT / "kernels/cuda").glob("*.cu")}
    files = {
        path.relative_to(ROOT).as_posix()
        for folder in ("pipeline", "kernels")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert cuda
    assert {"pipeline/workflow/Snakefile", "pipeline/workflow/rules/layouts.smk"} <= files
    assert cuda | files | {"bench/manifest.yaml"} <= names
    assert not {name for name in names if name.startswith(("tests/", "bench/results/"))}


def test_the_version(installed, tmp_path):
    assert run(tmp_path, installed / "tunescope", "--version") == f"tunescope {__version__}\n"


def test_a_study_of_ones_own_in_an_empty_folder(installed, tmp_path):
    """Of given features: they need no network, which takes most of a study's time."""
    labels = np.arange(60) % 3
    noise = np.random.default_rng(0).normal(size=(2, 60, 4))
    for name, X, distance in zip(("before", "after"), noise, (1, 9), strict=True):
        np.save(tmp_path / f"{name}.npy", X + distance * np.eye(4)[labels])
    pd.DataFrame({"label": labels}).to_csv(tmp_path / "labels.csv", index=False)
    given = {"before": "before.npy", "after": "after.npy", "labels": "labels.csv::label"}
    config = {"study": "own", "compare": given, "methods": {"pca": {}}}
    config |= {"figure": {"panel_size": 300}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(config))
    output = run(tmp_path, installed / "tunescope", "study", "own.yaml", *ON_ONE_CORE)
    assert "own: done in" in output
    assert len(pd.read_csv(tmp_path / "results/own/summary.csv")) == 2
    assert "Fine-tuning separates" in (tmp_path / "results/own/report.html").read_text()


def test_the_demo_is_planned(installed, tmp_path):
    """It runs whole by `make demo` and `make torture`."""
    output = run(tmp_path, installed / "tunescope", "study", "--dry-run", DEMO)
    assert output.startswith("demo: ")
    assert " 12 embed" in output


def test_the_cuda_sources_on_the_host(installed, tmp_path):
    """A graph by the GPU's kernels, compiled for the host, from the wheel's sources."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import numpy as np, cuda_on_host\n"
        "from kernels.backend import Backend, get_backend\n"
        "from kernels.gpu import cuda\n"
        "assert sys.prefix in cuda.__file__, cuda.__file__\n"
        "cuda.array_module, cuda.compiled = lambda: cuda_on_host.xp, cuda_on_host.compiled\n"
        "X = np.random.default_rng(0).normal(size=(70, 5)).astype(np.float32)\n"
        "rows, starts = np.arange(70), np.arange(71) * 69\n"
        "others = np.concatenate([np.delete(rows, i) for i in rows]).astype(np.int32)\n"
        "found = []\n"
        "for backend in (Backend('gpu', cuda_on_host.xp), get_backend('cpu')):\n"
        "    to, knn = backend.to_device, backend.kernels('knn')\n"
        "    found.append(knn.rank_candidates(to(X), to(rows), to(starts), to(others), 7)[0])\n"
        "assert (found[0].get() == found[1]).all()\n"
    )
    run(tmp_path, installed / "python", "-c", code, TESTS)
