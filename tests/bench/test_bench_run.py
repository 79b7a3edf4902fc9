"""Is each workload measured as it should be, whatever happens to it?"""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from bench_results import LIMITS

from bench.run import machine, results, runner, worker
from bench.run.manifest import Workload, load_manifest
from pipeline.errors import InputError
from pipeline.workflow.sources import ROOT


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The tiny profile, measured."""
    folder = tmp_path_factory.mktemp("bench")
    out = folder / "2026-01-01-test-tiny.json"
    runner.run(load_manifest(), "tiny", out=out, cache=folder / "cache", logs=folder)
    return out


def measure(tmp_path, **fields):
    """One workload, measured."""
    given = {"label": "x", "step": "mds", "input": "mixture", "n": 200, "warm_up": 100}
    boss = runner.Worker(load_manifest(), tmp_path, tmp_path / "log")
    return boss.measure(Workload(**{**given, **fields}), LIMITS)


@pytest.mark.parametrize(
    ("name", "full"),
    [("AMD EPYC", "AMD EPYC (family 26, model 2)"), ("AMD EPYC 7763", "AMD EPYC 7763")],
)
def test_processors_of_one_name_are_distinguished(name, full, tmp_path, monkeypatch):
    info = tmp_path / "cpuinfo"
    core = f"model name\t: {name}\ncpu family\t: 26\nmodel\t\t: 2\n"
    info.write_text(f"processor\t: 0\n{core}\nprocessor\t: 1\n{core}")
    monkeypatch.setattr(machine, "CPUINFO", info)
    assert machine.cpu_name() == full
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "none")
    assert machine.cpu_name()


def test_the_tiny_profile_measures_everything(tiny):
    found = results.read(tiny)
    assert found["machine"]["sgemm_gflops"] > 1
    assert found["machine"]["bandwidth_gb_s"] > 0.5
    assert [row["status"] for row in found["rows"]] == ["ok"] * 8, found["rows"]
    for row in found["rows"]:
        time_ = row["seconds"]
        assert 0 < time_["min"] <= time_["median"] <= time_["max"]
        assert time_["runs"] == 2
        assert time_["import"] >= 0
        assert row["memory"]["peak_mb"] >= row["memory"]["before_mb"] > 50
    by_step = {row["workload"]["step"]: row for row in found["rows"]}
    assert by_step["graph"]["quality"]["recall"] == 1
    assert 0 < by_step["graph"]["limits"]["of_sgemm"] < 1
    assert by_step["mds"]["info"]["n_iter"] <= 50
    extraction = by_step["features"]
    seconds = 300 / extraction["limits"]["images_per_second"]  # without the compiler's
    assert 0.98 * extraction["seconds"]["min"] <= seconds <= 1.02 * extraction["seconds"]["max"]
    assert extraction["quality"] == {"kept_neighbors": 1}  # float32 on a CPU
    assert extraction["info"]["precision"] == "float32"
    assert by_step["mds"]["quality"]["stress_1"] < 0.5
    quality = [row["quality"] for row in found["rows"] if row["workload"]["step"] == "quality"]
    assert 0.5 < quality[0]["features_knn_accuracy"] <= 1
    assert quality[1]["cka"] == pytest.approx(1)
    own, peer = (row for row in found["rows"] if row["workload"]["step"] == "pca")
    assert own["quality"]["explained_variance"] == pytest.approx(
        peer["quality"]["explained_variance"], rel=1e-4
    )


def test_results_tell_neither_the_host_nor_its_folders(tiny):
    text = tiny.read_text()
    for secret in (os.uname().nodename, str(ROOT), sys.prefix, os.path.expanduser("~") + "/"):
        assert f'"{secret}' not in text
        assert f"{secret}/" not in text


def test_a_second_run_refuses_or_resumes(tiny, tmp_path, capsys):
    with pytest.raises(InputError, match="--resume"):
        runner.run(load_manifest(), "tiny", out=tiny)
    before = json.loads(tiny.read_text())["rows"]
    short = tmp_path / "2026-01-01-test-tiny.json"
    # A file of some rows need not name the inputs of all.
    results.write(short, {**results.read(tiny), "rows": before[1:], "inputs": {}})
    options = {"out": short, "cache": tmp_path, "logs": tmp_path, "resume": True}
    runner.run(load_manifest(), "tiny", **options)
    assert results.read(short)["inputs"] == results.read(tiny)["inputs"]
    after = json.loads(short.read_text())["rows"]
    assert after[:-1] == before[1:]
    assert after[-1]["workload"] == before[0]["workload"]
    results.write(short, {**results.read(tiny), "versions": {"numpy": "1.0"}})
    with pytest.raises(InputError, match="other versions"):
        runner.run(load_manifest(), "tiny", **options)


def test_a_peer_that_wants_too_much_memory_is_refused_it(tmp_path):
    (tmp_path / "hog.py").write_text(HOG)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-m", "hog"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("memory out of memory: Unable to allocate"), done


HOG = """
import numpy as np
from bench.run.worker import _limited_memory, explain
try:
    with _limited_memory("cpu") as allowed:
        np.empty(int(1.05 * allowed), np.uint8)  # addresses, no memory
except MemoryError as error:
    print(*explain(error))
np.empty(int(1.05 * allowed), np.uint8)  # the limit is lifted afterwards
"""


def test_a_peer_that_takes_too_long_is_stopped(tmp_path):
    row = measure(
        tmp_path, peer="sklearn_tsne", step="tsne", n=4000, time_limit=0.5, warm_up=100, threads=1
    )
    assert (row["status"], row["reason"]) == ("time", "stopped after 0.5 s")
    assert "seconds" not in row


def test_what_is_not_installed_or_refused_is_a_row(tmp_path):
    row = measure(tmp_path, peer="cuml_pca", step="pca", params={"n": 1})
    assert row["status"] in ("missing", "failed")  # failed on a machine that has cuML
    row = measure(tmp_path, engine="nobody", step="graph")
    assert row["status"] == "refused"
    assert "nobody" in row["reason"]


def test_an_engine_that_died_is_not_tried_on_more_points():
    small = Workload(label="x", step="mds", input="mixture", n=10, peer="sklearn_mds")
    large = dataclasses.replace(small, n=20)
    row = {"workload": dataclasses.asdict(small), "status": "time", "reason": "stopped after 9 s"}
    assert runner._skipped(large, [row])["reason"] == "not tried: stopped after 9 s at n = 10"
    assert runner._skipped(large, [{**row, "status": "missing"}]) is None
    assert runner._skipped(dataclasses.replace(large, seed=1), [row]) is None


def test_times_that_were_taken_count_even_if_the_quality_is_not_measured():
    events = [
        {"event": "loaded", "d": 3, "input_sha256": "ab"},
        {"event": "warm", "import_seconds": 1.0, "warm_up_seconds": 2.0},
        {"event": "start", "before_mb": 10.0},
        *(
            {
                "event": "run",
                "seconds": seconds,
                "transfer_seconds": 0.5,
                "cpu_seconds": 2 * seconds,
                "other_load": 0.0,
                "peak_mb": 20.0,
            }
            for seconds in (4.0, 2.0, 3.0)
        ),
        {"event": "result", "info": {}, "work": {"flops": 3e11, "bytes": None}, "rates": {}},
        {"event": "failed", "status": "time", "reason": "stopped after 9 s"},
    ]
    workload = Workload(label="x", step="mds", input="mixture", n=10)
    row = runner.assemble(events, {"resident": 30.0, "device": 0.0}, LIMITS, workload)
    assert row["status"] == "ok"
    assert row["reason"] == "quality not measured: stopped after 9 s"
    assert [row["seconds"][key] for key in ("min", "median", "max")] == [2, 3, 4]
    assert row["seconds"]["transfer"] == 0.5
    assert row["memory"]["peak_mb"] == 30
    assert row["limits"] == {"gflops": 100, "of_sgemm": 1}
    stopped = runner.assemble(
        [*events[:5], events[-1]], {"resident": 30.0, "device": 0.0}, LIMITS, workload
    )
    assert stopped["status"] == "time"


def test_a_worker_that_dies_without_a_word_is_a_row():
    assert runner._death(-signal.SIGKILL, 2e3) == {
        "status": "memory",
        "reason": "the process died (SIGKILL) with 2.0 GB resident",
    }
    assert runner._death(-signal.SIGSEGV, 1)["status"] == "failed"


def test_imports_are_timed_where_they_happen(tmp_path, monkeypatch):
    (tmp_path / "slow_to_load.py").write_text("import slow_too")
    (tmp_path / "slow_too.py").write_text("import time; time.sleep(0.2)")
    monkeypatch.syspath_prepend(tmp_path)
    with worker.ImportClock() as clock:
        start = time.perf_counter()
        import slow_to_load  # noqa: F401

        loaded = time.perf_counter() - start
        time.sleep(0.1)
    assert 0.2 <= clock.seconds <= loaded + 0.01
