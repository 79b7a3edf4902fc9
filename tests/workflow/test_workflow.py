"""Does the workflow run whole, re-run only what it must, and survive being killed?"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml
from PIL import Image

from pipeline import store
from pipeline.config import ROOT
from pipeline.workflow.flags import flags

TINY = {
    "study": "tiny",
    "dataset": {"source": "digits", "subset": 200},
    "image_size": 32,
    "backbones": {"MobileNet": {"alpha": 0.25, "weights": "random"}},
    "finetune": {"head_epochs": 1, "epochs": 2, "batch_size": 32},
    "graph": {"n_neighbors": 30},
    "methods": {"pca": {}, "isomap": {"subset": 100}},
    "figure": {"panel_size": 300},
}
FOLDER = Path("results/tiny/MobileNet")

pytestmark = pytest.mark.slow


def copy_project(folder: Path) -> Path:
    """The project's code in another folder, so that a test can edit it."""
    for name in ("pipeline", "kernels", "config", "profiles"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.npz")
        )
    for name in ("Snakefile", "environment.yml"):
        shutil.copy(ROOT / name, folder)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY, sort_keys=False))
    return folder


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "snakemake", "--configfile", "tiny.yaml", "--cores", "all"]
    # A process group of its own: a signal to it reaches Snakemake and its jobs, as Ctrl-C does.
    return subprocess.Popen(
        [*command, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def snakemake(folder: Path, *arguments: str, status: int = 0) -> str:
    process = start(folder, *arguments)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == status, output
    return output


def planned(folder: Path, *arguments: str) -> dict[str, int]:
    """How many jobs of each rule a run would execute."""
    output = snakemake(folder, "--dry-run", *arguments)
    table = re.search(r"^job +count\n[- ]+\n(.*?)^total", output, re.MULTILINE | re.DOTALL)
    if table is None:
        assert "Nothing to be done" in output
        return {}
    rows = (line.split() for line in table[1].splitlines())
    return {rule: int(count) for rule, count in rows if rule != "all"}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = copy_project(tmp_path_factory.mktemp("study"))
    snakemake(folder)
    return folder


def size(picture: Path) -> tuple[int, int]:
    with Image.open(picture) as opened:
        return opened.size


def test_every_artefact_is_there_with_its_sidecar(study):
    results = study / FOLDER
    for stage in ("before", "after"):
        for name in ("model.keras", "features.npy", "graph.npz", "pca.parquet", "isomap.parquet"):
            assert (results / stage / name).is_file()
            assert (results / stage / f"{name}.json").is_file()
        for method in ("pca", "isomap"):
            assert size(results / "panels" / f"{stage}_{method}.png") == (300, 300)
    assert size(results / "figure.png")[0] >= 4000
    assert size(results / "preview.png")[0] <= 1600
    assert not list(study.rglob(".writing-*"))
    made = {
        name: store.read_sidecar(results / "after" / name)
        for name in ("features.npy", "pca.parquet")
    }
    assert re.match(r"tensorflow \d", made["features.npy"]["versions"]["keras-backend"])
    assert "keras-backend" not in made["pca.parquet"]["versions"]
    table = pd.read_csv(study / "results/tiny/summary.csv")
    assert list(table["points"]) == [200, 100, 200, 100]
    assert set(table["total_points"]) == {200}
    assert table["weights"].str.contains("random").all()
    for name in ("dataset", "MobileNet/finetune", "MobileNet/after/pca", "MobileNet/figure"):
        assert (study / "logs/tiny" / f"{name}.log").stat().st_size > 0
        assert (study / "benchmarks/tiny" / f"{name}.tsv").stat().st_size > 0


def test_a_second_run_does_nothing(study):
    assert planned(study) == {}


def test_a_parameter_of_one_method_re_runs_that_method_only(study):
    changed = {**TINY, "methods": {"pca": {}, "isomap": {"subset": 100, "n_neighbors": 7}}}
    (study / "changed.yaml").write_text(yaml.safe_dump(changed))
    assert planned(study, "--configfile", "changed.yaml") == {
        "embed": 2,
        "quality": 2,
        "figure": 1,
        "summary": 1,
        "runtimes": 1,
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "pipeline/methods/pca.py",
            {"embed": 2, "quality": 2, "figure": 1, "summary": 1, "runtimes": 1},
        ),
        (
            "kernels/cpu/squared_pairs.py",  # of Isomap
            {"embed": 2, "quality": 2, "figure": 1, "summary": 1, "runtimes": 1},
        ),
        ("pipeline/palette.py", {"figure": 1, "runtimes": 1}),
    ],
)
def test_the_code_of_a_stage_re_runs_what_depends_on_it(study, name, expected):
    path = study / name
    code = path.read_text()
    try:
        path.write_text(code + "\nNEW = 1\n")
        assert planned(study) == expected
        path.write_text(code + "\n# only a comment\n")
        assert planned(study) == {}
    finally:
        path.write_text(code)


def test_the_report_shows_the_figure(study):
    snakemake(study, "--report", "report.html")
    page = (study / "report.html").read_text()
    assert "preview.png" in page
    assert "summary.csv" in page


def test_a_wrong_configuration_is_one_sentence(study):
    (study / "wrong.yaml").write_text(yaml.safe_dump({**TINY, "imagesize": 32}))
    output = snakemake(study, "--configfile", "wrong.yaml", status=1)
    assert "unknown key 'imagesize'" in output
    assert "Traceback" not in output


def test_an_interrupted_run_goes_on_where_it_was(tmp_path):
    folder = copy_project(tmp_path)
    config = {**TINY, "finetune": {**TINY["finetune"], "epochs": 12, "patience": 12}}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(config))
    target = str(FOLDER / "after/model.keras")
    log = folder / "logs/tiny/MobileNet/finetune.log"

    process = start(folder, target)
    deadline = time.monotonic() + 300
    while not (log.exists() and "full epoch 2/12" in log.read_text()):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert "interrupted: what was computed before is kept" in log.read_text()
    assert not (folder / target).exists()
    before = (folder / FOLDER / "before/model.keras").stat().st_mtime_ns

    snakemake(folder, target)
    assert "resumed after" in log.read_text()
    assert (folder / FOLDER / "before/model.keras").stat().st_mtime_ns == before
    history = pd.read_csv(folder / FOLDER / "after/history.csv")
    full = history[history["phase"] == "full"]
    assert list(full["epoch"]) == list(range(1, 13))
    assert not list(folder.rglob("*.checkpoint"))


def test_flags_quote_and_leave_out():
    assert flags(source="my images", subset=None, params={"b": 1, "a": "x y"}) == (
        """--source 'my images' --params '{"a": "x y", "b": 1}'"""
    )


def test_gpu_jobs_share_the_cores_and_take_a_gpu_each(tmp_path):
    """A dry run before a driver that shows two cards."""
    copy_project(tmp_path)
    (tmp_path / "drivers").mkdir()
    (tmp_path / "drivers" / "pynvml.py").write_text(
        "class NVMLError(Exception): pass\n"
        "nvmlInit = nvmlShutdown = lambda: None\n"
        "nvmlDeviceGetCount = lambda: 2\n"
    )
    for given, threads in (("1", 4), ("2", 2), ("8", 1)):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "snakemake", "--configfile", "tiny.yaml", "--dry-run"),
                *("--cores", "4", "--resources", f"gpu={given}"),
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": "drivers", "CUDA_VISIBLE_DEVICES": "0,1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        graph = re.search(r"rule graph:.*?(?=\n\[|\n\n)", done.stdout, re.DOTALL)[0]
        assert f"threads: {threads}" in graph or threads == 1, graph
        assert "gpu=1" in graph
        quality = re.search(r"rule quality:.*?(?=\n\[|\n\n)", done.stdout, re.DOTALL)[0]
        assert "threads: 4" in quality
        assert "gpu=1" not in quality
