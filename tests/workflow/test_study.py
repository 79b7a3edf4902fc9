"""Does `tunescope study` stop with one sentence, and go on?"""

import os
import re
import signal
import time

import pandas as pd
import psutil
import pytest
from command_line import tunescope
from filelock import FileLock
from tiny_study import BACKBONE, TINY, start, study, write

TRAINED = str(BACKBONE / "after/model.keras")

pytestmark = pytest.mark.slow


def test_a_failed_step_is_one_sentence_with_its_log(tmp_path):
    write(tmp_path / "tiny.yaml", {**TINY, "features": {"layer": "nowhere"}})
    output = study(tmp_path, str(BACKBONE / "before/features.npy"), status=2)
    (line,) = (line for line in output.splitlines() if line.startswith("error: "))
    assert line.startswith("error: features: layer 'nowhere' is not in the model")
    assert "logs/tiny/study.log" in line
    assert "Traceback" not in output
    assert "RuleException" not in output


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dataset": {"source": "digts"}}, ["'digts' does not exist", "digits"]),
        (
            {"backbones": {"VGG16": {"weights": "gone.h5"}}},
            ["backbones.VGG16.weights 'gone.h5' does not exist"],
        ),
        ({"methods": {"tsne": {}}}, ["methods.tsne needs 90", "graph.n_neighbors is 30"]),
        ({"methods": {"umap": {"n_neighbors": 32}}}, ["methods.umap needs 31"]),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_lost(tmp_path, change, words):
    write(tmp_path / "tiny.yaml", {**TINY, **change})
    kept = tmp_path / "results/tiny/images.npy"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"of an earlier run")
    for option in ([], ["--dry-run"]):
        output = tunescope("study", "tiny.yaml", *option, folder=tmp_path, status=2)
        (line,) = output.splitlines()
        assert all(word in line for word in ["error: ", *words])
    assert kept.read_bytes() == b"of an earlier run"


def test_a_subset_needs_no_large_graph(tmp_path):
    methods = {"tsne": {"subset": 150}}
    write(tmp_path / "tiny.yaml", {**TINY, "methods": methods})
    assert "jobs would run" in study(tmp_path, "--dry-run")


def test_an_argument_that_snakemake_does_not_know_is_named(tmp_path):
    write(tmp_path / "tiny.yaml", TINY)
    assert "unrecognized arguments: --nope" in study(tmp_path, "--nope", status=2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("study: [", ["tiny.yaml", "not valid YAML"]),
        ("study: x\nimagesize: 3\n", ["imagesize"]),
    ],
)
def test_a_wrong_configuration_is_one_sentence(tmp_path, text, words):
    (tmp_path / "tiny.yaml").write_text(text)
    output = study(tmp_path, status=2)
    (line,) = output.splitlines()
    assert line.startswith("error: ")
    assert all(word in line for word in words)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


def test_two_runs_in_a_folder_do_not_meet(tmp_path):
    write(tmp_path / "tiny.yaml", TINY)
    (tmp_path / ".snakemake").mkdir()
    with FileLock(tmp_path / ".snakemake/tunescope.lock"):
        assert "another run works in" in study(tmp_path, status=2)


def test_a_dry_run_says_what_would_run(tmp_path):
    write(tmp_path / "tiny.yaml", TINY)
    forecast, plan = study(tmp_path, "--dry-run").splitlines()[:2]
    assert forecast.startswith("tiny: 200 images: about ")
    assert plan.startswith("tiny: 20 jobs would run: ")
    assert not (tmp_path / "results").exists()
    (tmp_path / "results/tiny").mkdir(parents=True)  # as of a study that goes on
    assert study(tmp_path, "-n").startswith("tiny: 20 jobs would run: ")


def test_a_study_without_a_depth_profile_plans_none(tmp_path):
    write(tmp_path / "tiny.yaml", {**TINY, "depth": False})
    assert "\ntiny: 19 jobs would run: " in study(tmp_path, "--dry-run")


def test_further_arguments_are_snakemakes(tmp_path):
    write(tmp_path / "tiny.yaml", TINY)
    study(tmp_path, "--dry-run", "--printshellcmds")
    assert "python -m pipeline --threads" in (tmp_path / "logs/tiny/study.log").read_text()


@pytest.mark.parametrize("cores", ["0", "-1", "two"])
def test_a_number_of_cores_that_is_none_is_refused(tmp_path, cores):
    write(tmp_path / "tiny.yaml", TINY)
    output = tunescope("study", "tiny.yaml", "--cores", cores, folder=tmp_path, status=2)
    assert output == f"error: --cores is '{cores}' but must be all, or an integer of at least 1\n"


@pytest.mark.parametrize("option", [("--threads", "1"), ("--device", "cpu")])
def test_options_of_single_steps_are_refused(tmp_path, option):
    output = tunescope(*option, "study", "tiny.yaml", folder=tmp_path, status=2)
    assert output.startswith(f"error: {option[0]} is an option of single steps")


def test_a_gpu_that_is_not_there_is_refused_at_once(tmp_path):
    write(tmp_path / "tiny.yaml", {**TINY, "device": "gpu"})
    output = tunescope("study", "tiny.yaml", folder=tmp_path, status=2)
    assert output.startswith("error: device is 'gpu' but no NVIDIA GPU answers here")
    assert len(output.splitlines()) == 1


def test_a_plan_for_a_gpu_needs_none(tmp_path):
    write(tmp_path / "tiny.yaml", {**TINY, "device": "gpu"})
    study(tmp_path, "--dry-run", "--printshellcmds")
    log = (tmp_path / "logs/tiny/study.log").read_text()
    assert re.search("--device gpu embed .*--method isomap .*--engine exact", log)


def training(folder, *, until, after=""):
    """Start a study up to its training; return once that has logged a line after what it held."""
    log = folder / "logs/tiny/MobileNet/finetune.log"
    process = start(folder, "-m", "pipeline", "study", "tiny.yaml", TRAINED)
    deadline = time.monotonic() + 300
    while not (log.exists() and until in log.read_text().removeprefix(after)):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process, log


def test_an_interrupted_and_then_killed_run_goes_on_where_it_was(tmp_path):
    config = {**TINY, "finetune": {**TINY["finetune"], "epochs": 12, "patience": 12}}
    write(tmp_path / "tiny.yaml", config)
    process, log = training(tmp_path, until="full epoch 2/12")
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "error: interrupted: what was computed before is kept" in output
    assert "Traceback" not in output
    assert not (tmp_path / TRAINED).exists()
    before = (tmp_path / BACKBONE / "before/model.keras").stat().st_mtime_ns

    # A killed workflow leaves no step behind, which would train on beside the next.
    process, log = training(tmp_path, until="full epoch 6/12", after=log.read_text())
    steps = [
        p for p in psutil.Process(process.pid).children(recursive=True) if "finetune" in p.cmdline()
    ]
    assert steps
    process.kill()
    _, alive = psutil.wait_procs(steps, timeout=30)
    assert not alive
    process.communicate(timeout=60)
    assert "resumed after" in log.read_text()

    study(tmp_path, TRAINED)
    assert "resumed after" in log.read_text()
    assert (tmp_path / BACKBONE / "before/model.keras").stat().st_mtime_ns == before
    history = pd.read_csv(tmp_path / BACKBONE / "after/history.csv")
    full = history[history["phase"] == "full"]
    assert list(full["epoch"]) == list(range(1, 13))
    assert not list(tmp_path.rglob("*.checkpoint"))
