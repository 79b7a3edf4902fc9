"""Does a study run whole with few words, and does the workflow re-run only what it must?"""

import html
import os
import re
import subprocess
import sys
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from tiny_study import (
    BACKBONE,
    ON_ONE_CORE,
    TINY,
    copy_project,
    finish,
    planned,
    snakemake,
    start,
    write,
)
from tiny_study import study as run_study

from pipeline.artefacts import read_sidecar
from pipeline.measures.table import MEASURES

TABLES_AND_PAGES = {"summary": 1, "runtimes": 1, "report": 1}
AFTER_EMBED = {"quality": 2, "figure": 1, "explorer": 1, **TABLES_AND_PAGES}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def first_run(tmp_path_factory):
    """A folder with a finished study, and what the run said."""
    folder = copy_project(tmp_path_factory.mktemp("study"))
    return folder, run_study(folder, *ON_ONE_CORE)


@pytest.fixture(scope="module")
def study(first_run):
    return first_run[0]


def size(picture):
    with Image.open(picture) as opened:
        return opened.size


def test_a_line_a_step_and_at_the_end_where_to_look(first_run):
    folder, output = first_run
    steps = re.findall(r"^\[ *(\d+)/20\] (\w+)", output, re.MULTILINE)
    assert [int(number) for number, _ in steps] == list(range(1, 21))
    assert {name for _, name in steps} >= {"dataset", "finetune", "embed", "quality", "figure"}
    assert "left" in output
    *_, last = output.split("tiny: done in ")
    for path in re.findall(r"^  (\S+)  ", last, re.MULTILINE):
        assert (folder / path).is_file()
    assert "results/tiny/MobileNet/preview.png" in last
    assert "results/tiny/workflow-report.html" in last
    for noise in ("localrule", "jobid", "oneDNN", "Warning", "coroutine", "Building DAG"):
        assert noise not in output
    assert "localrule" in (folder / "logs/tiny/study.log").read_text()


def test_every_artefact_is_there_with_its_sidecar(study):
    results = study / BACKBONE
    names = ("model.keras", "features.npy", "graph.npz", "pca.parquet", "isomap.parquet")
    for stage in ("before", "after"):
        for name in (*names, "quality.json"):
            assert (results / stage / name).is_file()
            assert (results / stage / f"{name}.json").is_file()
        for method in ("pca", "isomap"):
            assert size(results / "panels" / f"{stage}_{method}.png") == (300, 300)
    assert size(results / "figure.png")[0] >= 4000
    assert size(results / "preview.png")[0] <= 1600
    assert not list(study.rglob(".writing-*"))
    made = {
        name: read_sidecar(results / "after" / name) for name in ("features.npy", "pca.parquet")
    }
    assert re.match(r"tensorflow \d", made["features.npy"]["versions"]["keras-backend"])
    assert "keras-backend" not in made["pca.parquet"]["versions"]
    assert made["pca.parquet"]["step"] == "embed"
    assert made["pca.parquet"]["context"]["stage"] == "after"


def test_logs_and_benchmarks_mirror_the_steps(study):
    for name in ("dataset", "MobileNet/finetune", "MobileNet/after/pca", "MobileNet/figure"):
        assert (study / "logs/tiny" / f"{name}.log").stat().st_size > 0
        assert (study / "benchmarks/tiny" / f"{name}.tsv").stat().st_size > 0


def test_the_tables_have_a_row_a_layout_and_a_row_a_job(study):
    table = pd.read_csv(study / "results/tiny/summary.csv")
    assert list(table["method"]) == ["pca", "isomap"] * 2
    assert list(table["stage"]) == ["before", "before", "after", "after"]
    assert list(table["points"]) == [200, 100, 200, 100]
    assert set(table["total_points"]) == {200}
    assert table["weights"].str.contains("random").all()
    assert table["knn_accuracy"].between(0, 1).all()
    measures = pd.read_csv(study / "results/tiny/measures.csv")
    assert set(measures["stage"]) == {"before", "after", "change"}
    assert set(measures["measure"]) == set(MEASURES)
    assert set(measures["split"]) == {"test", "train", "all"}
    times = pd.read_csv(study / "results/tiny/runtimes.csv", keep_default_na=False)
    steps = ["dataset", "backbone", "finetune", "features", "features", "graph", "graph"]
    steps += ["embed"] * 4 + ["quality"] * 2 + ["change", "depth", "figure", "summary"]
    assert list(times["step"]) == steps
    assert (times["seconds"] > 0).all()
    assert (times["cpu_seconds"] > 0).all()
    assert (times["peak_mb"] > 50).all()


def test_the_change_of_every_image_names_its_neighbours(study):
    table = pd.read_parquet(study / BACKBONE / "change.parquet")
    layout = pd.read_parquet(study / BACKBONE / "after/pca.parquet")
    assert list(table["id"]) == list(layout["id"])
    for column in ("lost", "gained"):
        sizes = table[column].map(len)
        np.testing.assert_allclose(table["overlap"], 1 - sizes / 15)
        assert {number for ids in table[column] for number in ids} <= set(table["id"])
    assert set(table["predicted_after"]) <= set(table["label"].cat.categories)
    assert table["confidence"].between(0, 1).all()


def test_snakemake_finds_nothing_to_improve_but_environments(study):
    """One environment serves all: the Snakefile itself imports the package."""
    output = finish(start(study, "-m", "snakemake", "--configfile", "tiny.yaml", "--lint"), 1)
    found = set(re.findall(r"^    \* (.+)$", output, re.MULTILINE))
    assert found == {"Specify a conda environment or container for each rule.:"}


def test_a_second_run_does_nothing(study):
    assert planned(study) == {}
    output = run_study(study)
    assert not re.search(r"^\[", output, re.MULTILINE)
    assert "tiny: everything is up to date" in output


def test_a_preview_that_is_gone_is_drawn_again(study):
    preview = study / BACKBONE / "preview.png"
    content = preview.read_bytes()
    preview.unlink()
    assert planned(study) == {"figure": 1, "runtimes": 1, "report": 1}
    snakemake(study)
    assert preview.read_bytes() == content


def test_a_parameter_of_one_method_re_runs_that_method_only(study):
    methods = {"pca": {}, "isomap": {"subset": 100, "n_neighbors": 7}}
    write(study / "changed.yaml", {**TINY, "methods": methods})
    assert planned(study, "--configfile", "changed.yaml") == {"embed": 2, **AFTER_EMBED}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pipeline/methods/pca/exact.py", {"embed": 2, **AFTER_EMBED}),
        ("kernels/cpu/squared_pairs.py", {"embed": 2, **AFTER_EMBED}),  # of Isomap
        ("kernels/cuda/knn.cu", {"graph": 2, "embed": 4, "change": 1, "depth": 1, **AFTER_EMBED}),
        ("pipeline/drawing/palette.py", {"figure": 1, "runtimes": 1, "explorer": 1, "report": 1}),
        ("pipeline/report/explorer/web/pane.js", {"explorer": 1, "report": 1}),
        ("pipeline/report/summary.py", TABLES_AND_PAGES),
        ("pipeline/runtime/log.py", {}),
        ("pipeline/cli/measures.py", {}),
        ("pipeline/methods/isomap/resources.py", {}),
    ],
)
def test_an_edit_of_code_re_runs_what_it_decides(study, name, expected):
    path = study / name
    code = path.read_text()
    try:
        path.write_text(f"{code}\n")
        assert planned(study) == expected
    finally:
        path.write_text(code)


def test_newer_code_with_the_same_content_re_runs_nothing(study):
    path = study / "kernels/cpu/squared_pairs.py"
    path.write_text(path.read_text())
    assert planned(study) == {}


def test_the_report_shows_the_figure_and_the_answer(study):
    page = (study / "results/tiny/workflow-report.html").read_text()
    for name in ("preview.png", "summary.csv", "report.html", "methods.txt"):
        assert name in page


def test_the_answer_has_its_tables_beside_it_and_no_absolute_path(study):
    results = study / "results/tiny"
    page = (results / "report.html").read_text()
    links = {unquote(link) for link in re.findall(r'href="([^"]+)"', page)}
    written = {path.relative_to(results).as_posix() for path in results.glob("report_tables/*.csv")}
    assert links == written | {"methods.txt", "explorer/MobileNet.html"}
    assert "report_tables/MobileNet_class_pairs.csv" in links
    assert (results / "methods.txt").read_text().strip() in html.unescape(page)
    pages = (results / "report.html", results / "explorer/MobileNet.html")
    for path in (*pages, *results.glob("report_tables/*.csv")):
        assert str(study) not in path.read_text()
    assert re.search(r"batches of 32, 1?\d optimiser steps", page)
    assert "optimiser steps only" in page
    assert "Isomap before fine-tuning: distances of 4,950 pairs" in page
    assert "eigen residual" in page


def test_a_wrong_configuration_is_one_sentence(study):
    write(study / "wrong.yaml", {**TINY, "imagesize": 32})
    output = snakemake(study, "--configfile", "wrong.yaml", status=1)
    assert "unknown key 'imagesize'" in output
    assert "Traceback" not in output


def test_an_edited_image_folder_re_runs_from_the_data_set_on(tmp_path):
    folder = copy_project(tmp_path)
    images = folder / "odd {name} 'quoted' <x>"
    for label in ("cat", "dog"):
        (images / label).mkdir(parents=True)
        for number in range(8):
            pixels = (40 * number + 100 * (label == "dog")) % 256
            Image.new("L", (16, 16), pixels).save(images / label / f"{number}.png")
    config = yaml.safe_load(yaml.safe_dump(TINY))
    write(folder / "tiny.yaml", {**config, "dataset": {"source": images.name}})
    target = "results/tiny/images.npy"
    snakemake(folder, target)
    assert planned(folder, target) == {}
    Image.new("L", (16, 16), 7).save(images / "cat/0.png")
    assert planned(folder, target) == {"dataset": 1}
    snakemake(folder, target)
    (images / "dog/7.png").unlink()
    assert planned(folder, target) == {"dataset": 1}


def test_gpu_jobs_share_the_cores_and_take_a_gpu_each(tmp_path):
    """A dry run before a driver that shows two GPUs."""
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
        features = re.search(r"rule features:.*?(?=\n\[|\n\n)", done.stdout, re.DOTALL)[0]
        shown = re.search(r"threads: (\d+)", features)  # left out where it is 1
        assert int(shown[1] if shown else 1) == threads
        assert "gpu=1" in features
        figure = re.search(r"rule figure:.*?(?=\n\[|\n\n)", done.stdout, re.DOTALL)[0]
        assert "gpu=1" not in figure
