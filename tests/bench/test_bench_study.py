"""Do the run times of a study arrive in a file of results?"""

import json

import pytest

from bench.run import results
from bench.what import study
from pipeline.artefacts import sidecar
from pipeline.errors import InputError

GPU = {"peak_memory_mb": 5000, "energy_j": 9000}


def test_run_times_of_a_study(tmp_path):
    for name, step, context, seconds, cpu, peak, gpu in (
        ("VGG16/after/quality.json", "quality", {"stage": "after"}, 2.0, 1.5, 200, None),
        (
            "VGG16/after/tsne.parquet",
            "embed",
            {"stage": "after", "method": "tsne"},
            *(90.0, 170.0, 900, {"peak_memory_mb": 3000}),  # a GPU without energy meter
        ),
        ("VGG16/before/features.npy", "features", {"stage": "before"}, 30.0, 60.0, 700, None),
        ("VGG16/preview.png", "figure", {}, 0.1, 0.1, 100, None),
        ("images.npy", "dataset", None, 0.5, 0.4, 90, None),
        ("VGG16/after/model.keras", "finetune", {}, 600, 1200.0, 2000, GPU),
        ("runtimes.csv", "runtimes", None, 1.0, 0.5, 100, None),  # itself is left out
    ):
        path = tmp_path / "results" / "trial" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        made = {"step": step, "process": {"seconds": seconds, "cpu_seconds": cpu}}
        made |= {"peak_memory_mb": peak} | ({"gpu": gpu} if gpu else {})
        made |= {} if context is None else {"context": {"backbone": "VGG16", **context}}
        sidecar(path).write_text(json.dumps(made))
    out = tmp_path / "s.json"
    study.record_study("trial", out=out, folder=tmp_path / "results")
    jobs = results.jobs(results.read(out))
    assert {job.pop("weights") for job in jobs} == {""}
    assert {job.pop("seed") for job in jobs} == {None}
    assert {job.pop("layout_seed") for job in jobs} == {None}
    assert [list(job.values()) for job in jobs] == [
        ["dataset", "", "", "", 0.5, 0.4, 90, None, None],
        ["finetune", "VGG16", "", "", 600, 1200, 2000, 5000, 9000],
        ["features", "VGG16", "before", "", 30, 60, 700, None, None],
        ["embed", "VGG16", "after", "tsne", 90, 170, 900, 3000, None],
        ["quality", "VGG16", "after", "", 2, 1.5, 200, None, None],
        ["figure", "VGG16", "", "", 0.1, 0.1, 100, None, None],
    ]
    assert list(jobs[0])[-3:] == ["peak_mb", "gpu_peak_mb", "gpu_energy_j"]
    assert sum(job["seconds"] for job in jobs) == pytest.approx(722.6)
    assert str(tmp_path) not in out.read_text()
    with pytest.raises(InputError, match="run the study first"):
        study.record_study("other", folder=tmp_path / "results")
