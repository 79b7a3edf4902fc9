"""A study of a few seconds, in a copy of the project that a test may edit."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml
from sklearn.datasets import load_digits

from pipeline.workflow.sources import ROOT

IMAGES = "digits.npz"  # a file: for the name `digits`, every plan imports scikit-learn
TINY = {
    "study": "tiny",
    "dataset": {"source": IMAGES, "subset": 200},
    "image_size": 32,
    "backbones": {"MobileNet": {"alpha": 0.25, "weights": "random"}},
    "finetune": {"head_epochs": 1, "epochs": 2, "batch_size": 32},
    "graph": {"n_neighbors": 30},
    "methods": {"pca": {}, "isomap": {"subset": 100}},
    "figure": {"panel_size": 300},
}
BACKBONE = Path("results/tiny/MobileNet")
ON_ONE_CORE = ("--cores", "1")  # no two steps compile the same side by side


def write(path: Path, config: dict) -> None:
    """Write a configuration, and beside it the images of `TINY`."""
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    images = path.with_name(IMAGES)
    if not images.exists():
        digits = load_digits()
        pixels = (digits.images[:300] * (255 / 16)).astype(np.uint8)
        np.savez(images, x_train=pixels, y_train=digits.target[:300])


def copy_project(folder: Path) -> Path:
    """The project's code in another folder, with the study `tiny.yaml`.

    What numba compiles, which takes longer than the study, is compiled once for all folders: the
    cache of a function counts only for a file of the same size and time.
    """
    for name in ("pipeline", "kernels", "config", "profiles"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.npz")
        )
    compiled = "kernels/cpu/__pycache__"
    (ROOT / compiled).mkdir(exist_ok=True)
    (folder / compiled).symlink_to(ROOT / compiled)
    shutil.copy(ROOT / "Snakefile", folder)
    write(folder / "tiny.yaml", TINY)
    return folder


def start(folder: Path, *command: object) -> subprocess.Popen:
    """Start Python with arguments in a process group of its own, as a terminal does."""
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen, status: int = 0) -> str:
    """What a process printed, once it has ended with a status."""
    output, _ = process.communicate(timeout=600)
    assert process.returncode == status, output
    return output


def study(folder: Path, *arguments: str, status: int = 0) -> str:
    return finish(start(folder, "-m", "pipeline", "study", "tiny.yaml", *arguments), status)


def snakemake(folder: Path, *arguments: str, status: int = 0) -> str:
    command = ("-m", "snakemake", "--configfile", "tiny.yaml", "--cores", "all", *arguments)
    return finish(start(folder, *command), status)


def planned(folder: Path, *arguments: str) -> dict[str, int]:
    """How many jobs of each step a run would execute."""
    output = snakemake(folder, "--dry-run", *arguments)
    table = re.search(r"^job +count\n[- ]+\n(.*?)^total", output, re.MULTILINE | re.DOTALL)
    if table is None:
        assert "Nothing to be done" in output
        return {}
    rows = (line.split() for line in table[1].splitlines())
    return {rule: int(count) for rule, count in rows if rule not in ("all", "study")}
