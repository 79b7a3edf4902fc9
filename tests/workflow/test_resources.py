"""Does a plan give each job the device, cores and memory that it computes with?"""

import os
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from pipeline.config import parse_config
from pipeline.errors import InputError
from pipeline.runtime.device import MOST_THREADS, planned_device, set_up_process
from pipeline.workflow.resources import StudyResources
from pipeline.workflow.sources import ROOT

STUDY = {
    "study": "a",
    "device": "gpu",
    "dataset": {"source": "digits"},
    "backbones": {"VGG16": None},
    "methods": {"lle": {"engine": "sklearn"}, "mds": None, "tsne": None},
}


def job(method, features=""):
    return SimpleNamespace(method=method), SimpleNamespace(features=str(features))


def test_a_gpu_that_is_asked_for_is_planned_with_where_there_is_none():
    resources = StudyResources(parse_config(STUDY), 4, {}, {})
    assert planned_device("gpu") == resources.device == "gpu"
    assert resources.engine("tsne") == "exact"
    with pytest.raises(InputError, match="'tpu'"):
        planned_device("tpu")


def test_a_layout_on_the_cpu_takes_no_gpu():
    resources = StudyResources(parse_config(STUDY), 4, {}, {})
    found = {name: resources.embed_device(job(name)[0]) for name in STUDY["methods"]}
    assert found == {"lle": "cpu", "mds": "gpu", "tsne": "gpu"}
    assert [resources.embed_gpu(job(name)[0]) for name in STUDY["methods"]] == [0, 1, 1]


def test_memory_is_that_of_the_parameters_that_few_points_allow(tmp_path):
    study = parse_config({**STUDY, "device": "cpu", "methods": {"tsne": {"perplexity": 1000}}})
    resources = StudyResources(study, 4, {}, {})
    np.save(tmp_path / "f.npy", np.zeros((40, 8), np.float32))
    assert resources.embed_memory(*job("tsne", tmp_path / "f.npy")) < 1000
    assert resources.embed_memory(*job("tsne", tmp_path / "not there yet.npy")) > 0


def test_more_threads_than_any_machine_has_are_refused():
    with pytest.raises(InputError, match=r"--threads is 1,025 .* at most 1,024"):
        set_up_process("cpu", MOST_THREADS + 1)


def test_measures_have_room_for_each_layout(tmp_path):
    """Its 15 neighbours in int64, their ranks and scores: 36 bytes each, of 2,000 points."""
    np.save(tmp_path / "f.npy", np.zeros((2000, 8), np.float32))
    resources = StudyResources(parse_config(STUDY), 4, {}, {})

    def memory(layouts, controls):
        given = {"layouts": ["l"] * layouts, "controls": ["c"] * controls}
        features = str(tmp_path / "f.npy")
        return resources.quality_memory(None, SimpleNamespace(features=features, **given))

    least = 100 * 15 * 36 * 2000 / 1e6
    assert memory(6, 94) - memory(0, 0) >= least
    assert memory(6, 94) == memory(100, 0)


def test_a_depth_profile_has_room_for_its_sums_and_its_sample(tmp_path):
    np.save(tmp_path / "images.npy", np.zeros((40_000, 1, 1, 1), np.uint8))
    backbones = {"VGG16": None, "MobileNetV2": {"alpha": 1.4}}
    resources = StudyResources(parse_config({**STUDY, "backbones": backbones}), 4, {}, {})
    given = SimpleNamespace(images=str(tmp_path / "images.npy"))
    for name, widest, total in (("VGG16", 512, 1472), ("MobileNetV2", 1792, 2834)):
        job = SimpleNamespace(backbone=name)
        least = 3 * 8 * widest**2 + 2 * 4 * 10_000 * total
        found = resources.depth_memory(job, given)
        assert 1e6 * found > least + 2e9  # of TensorFlow and the networks
        assert found < 8000
        assert resources.depth_memory(job, SimpleNamespace(images="not there yet.npy")) < found


def test_a_scheduler_gives_a_job_three_times_its_forecast():
    resources = StudyResources(parse_config(STUDY), 4, {}, {"finetune": 40.5})
    assert resources.runtime("finetune") == 20 + 122


def test_a_cluster_is_asked_for_gpus_memory_and_minutes_of_each_job(tmp_path):
    """From a machine that needs no GPU; steps that compute on none ask for none."""
    config = {**STUDY, "methods": {"umap": {"engine": "tunescope"}, "mds": {}}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    profile = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text())
    defaults = [f"{name}={value}" for name, value in profile["default-resources"].items()]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--dry-run"),
            *("--configfile", "config.yaml", "--workflow-profile", "none", "--cores", "2"),
            *("--default-resources", *defaults),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = re.findall(r"^rule (\w+):\n(?:    .*\n)*?    resources: (.*)$", done.stdout, re.M)
    asked = {rule: dict(each.split("=") for each in line.split(", ")) for rule, line in jobs}
    on_gpu = {rule for rule, each in asked.items() if int(each.get("gpu", 0))}
    assert {"finetune", "features", "graph", "quality", "change", "depth"} <= on_gpu
    assert not {"dataset", "backbone", "figure", "summary", "report"} & on_gpu
    assert all(int(each["mem_mb"]) > 0 and each["runtime"] for each in asked.values())
    assert int(asked["finetune"]["runtime"]) > int(asked["graph"]["runtime"])
