"""Do the benchmarks measure what they say, and do the pages say what was measured?"""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris

from bench.report import compare, plots
from bench.report import pages as report
from bench.run import machine, results, runner, worker
from bench.run.manifest import MANIFEST, Workload, load_manifest
from bench.run.task import Outcome, Task
from bench.what import measures as bench_measures
from bench.what import peers, study
from bench.what.inputs import load_images, load_input, mixture
from pipeline import store
from pipeline.config import ROOT
from pipeline.errors import InputError
from pipeline.neighbors.graph import Graph, knn_graph
from pipeline.report.runtimes import runtimes

LIMITS = {"sgemm_gflops": 100.0, "bandwidth_gb_s": 20.0}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The tiny profile, measured."""
    folder = tmp_path_factory.mktemp("bench")
    out = folder / "2026-01-01-test-tiny.json"
    runner.run(load_manifest(), "tiny", out=out, cache=folder / "cache", logs=folder)
    return out


def measure(tmp_path, **fields):
    """One workload, measured."""
    given = {"label": "x", "stage": "mds", "input": "mixture", "n": 200, "warm_up": 100}
    boss = runner.Worker(load_manifest(), tmp_path, tmp_path / "log")
    return boss.measure(Workload(**{**given, **fields}), LIMITS)


@pytest.mark.parametrize(
    ("name", "found"),
    [("AMD EPYC", "AMD EPYC (family 26, model 2)"), ("AMD EPYC 7763", "AMD EPYC 7763")],
)
def test_processors_of_one_name_are_told_apart(name, found, tmp_path, monkeypatch):
    told = tmp_path / "cpuinfo"
    core = f"model name\t: {name}\ncpu family\t: 26\nmodel\t\t: 2\n"
    told.write_text(f"processor\t: 0\n{core}\nprocessor\t: 1\n{core}")
    monkeypatch.setattr(machine, "CPUINFO", told)
    assert machine.cpu_name() == found
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "none")
    assert machine.cpu_name()


def test_another_input_is_laid_out_but_gives_no_images():
    rows = load_manifest().select("gpu", input="mixture1280")
    inputs = {(row.stage == "features", row.input) for row in rows}
    assert inputs == {(True, "mnist"), (False, "mixture1280")}
    with pytest.raises(InputError, match="no images to extract features from"):
        load_images(load_manifest().inputs["mixture"], 10)
    images, labels = load_images({"source": "digits"}, 100)
    assert images.shape == (100, 8, 8, 1)
    assert images.dtype == np.uint8
    assert (np.bincount(labels) >= 8).all()


# --- measuring ------------------------------------------------------------------------------------


def test_the_tiny_profile_measures_everything(tiny):
    found = results.read(tiny)
    assert found["machine"]["sgemm_gflops"] > 1
    assert found["machine"]["bandwidth_gb_s"] > 0.5
    assert [row["status"] for row in found["rows"]] == ["ok"] * 6, found["rows"]
    for row in found["rows"]:
        time_ = row["seconds"]
        assert 0 < time_["min"] <= time_["median"] <= time_["max"]
        assert time_["runs"] == 2
        assert time_["import"] >= 0
        assert row["memory"]["peak_mb"] >= row["memory"]["before_mb"] > 50
    by_stage = {row["workload"]["stage"]: row for row in found["rows"]}
    assert by_stage["graph"]["quality"]["recall"] == 1
    assert 0 < by_stage["graph"]["limits"]["of_sgemm"] < 1
    assert by_stage["mds"]["info"]["n_iter"] <= 50
    extraction = by_stage["features"]
    seconds = 300 / extraction["limits"]["images_per_second"]  # without the compiler's
    assert 0.98 * extraction["seconds"]["min"] <= seconds <= 1.02 * extraction["seconds"]["max"]
    assert extraction["quality"] == {"kept_neighbors": 1}  # float32 on a CPU
    assert extraction["info"]["precision"] == "float32"
    assert by_stage["mds"]["quality"]["stress_1"] < 0.5
    own, peer = (row for row in found["rows"] if row["workload"]["stage"] == "pca")
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
from bench.run.worker import _address_space, explain
try:
    with _address_space("cpu") as room:
        np.empty(int(1.05 * room), np.uint8)  # addresses, no memory
except MemoryError as error:
    print(*explain(error))
np.empty(int(1.05 * room), np.uint8)  # the limit is lifted afterwards
"""


def test_a_peer_that_takes_too_long_is_stopped(tmp_path):
    row = measure(
        tmp_path, peer="sklearn_tsne", stage="tsne", n=4000, time_limit=0.5, warm_up=100, threads=1
    )
    assert (row["status"], row["reason"]) == ("time", "stopped after 0.5 s")
    assert "seconds" not in row


def test_what_is_not_installed_or_refused_is_a_row(tmp_path):
    row = measure(tmp_path, peer="cuml_pca", stage="pca", params={"n": 1})
    assert row["status"] in ("missing", "failed")  # failed on a machine that has cuML
    row = measure(tmp_path, engine="nobody", stage="graph")
    assert row["status"] == "refused"
    assert "nobody" in row["reason"]


def test_an_engine_that_died_is_not_tried_on_more_points():
    small = Workload(label="x", stage="mds", input="mixture", n=10, peer="sklearn_mds")
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
    workload = Workload(label="x", stage="mds", input="mixture", n=10)
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


# --- inputs and the manifest ----------------------------------------------------------------------


def test_inputs_are_reproducible_and_say_what_is_missing(tmp_path):
    X, labels = mixture(500, 32, classes=5, seed=1)
    again, _ = mixture(500, 32, classes=5, seed=1)
    other, _ = mixture(500, 32, classes=5, seed=2)
    assert np.array_equal(X, again)
    assert not np.array_equal(X, other)
    assert np.bincount(labels).tolist() == [100] * 5
    np.save(tmp_path / "f.npy", X)
    np.savez(tmp_path / "d.npz", labels=labels)
    spec = {"features": str(tmp_path / "f.npy"), "dataset": str(tmp_path / "d.npz")}
    part, classes = load_input(spec, 50)
    assert part.shape == (50, 32)
    assert np.bincount(classes).tolist() == [10] * 5
    with pytest.raises(InputError, match="500 rows but n is 501"):
        load_input(spec, 501)
    with pytest.raises(InputError, match="does not exist"):
        load_input({**spec, "features": "nowhere.npy"}, 5)


def test_every_row_of_the_manifest_names_something_that_exists():
    from bench.what import engines

    for workloads in load_manifest().profiles.values():
        for row in workloads:
            if row.peer:
                assert callable(getattr(peers, row.peer))
            else:
                assert callable(engines.find(row.stage, row.engine))
        keys = [row.key for row in workloads]
        assert len(keys) == len(set(keys))


def test_a_wrong_manifest_is_one_sentence(tmp_path):
    text = MANIFEST.read_text()
    for old, new, message in (
        ("repeats: 2", "repeat: 2", "unknown key 'repeat' in profile tiny"),
        ("peer: sklearn_pca}", "peer: sklearn_pca, engine: sklearn}", "engine or peer"),
        ("input: mixture\n", "input: mixtur\n", "unknown input 'mixtur'"),
    ):
        (tmp_path / "manifest.yaml").write_text(text.replace(old, new, 1))
        with pytest.raises(InputError, match=message):
            load_manifest(tmp_path / "manifest.yaml")
    with pytest.raises(InputError, match="matches 'nothing'"):
        load_manifest().select("tiny", only="nothing")
    assert {row.stage for row in load_manifest().select("peers", only="mds")} == {"mds"}


# --- measures of quality --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def iris():
    X, labels = load_iris(return_X_y=True)
    X = X.astype(np.float32) + np.random.default_rng(0).normal(0, 1e-3, X.shape).astype("f4")
    return X, labels, knn_graph(X, k=90)


def test_recall_counts_ties_and_misses(iris):
    X, _, graph = iris
    assert bench_measures.recall(X, graph) == 1
    wrong = graph.indices.copy()
    wrong[:, 0] = graph.indices[:, 1]  # the nearest missed, the second listed twice
    assert bench_measures.recall(X, Graph(wrong, graph.distances)) == pytest.approx(89 / 90)
    grid = np.array([[x, y] for x in range(5) for y in range(5)], np.float32)
    tied = knn_graph(grid, k=2)  # a corner has two at distance 1, others up to four
    swapped = tied.indices.copy()
    swapped[12] = [13, 17]  # the centre's four neighbours are equally near: any two will do
    assert bench_measures.recall(grid, Graph(swapped, tied.distances)) == 1


def test_stress_is_that_of_its_definition(iris, monkeypatch):
    from scipy.spatial.distance import pdist

    monkeypatch.setattr(bench_measures, "BLOCK", 40)  # blocks on and beside the diagonal
    X, _, _ = iris
    layout = X[:, :2].astype(np.float64)
    given, drawn = pdist(X.astype(np.float64)), pdist(layout)
    scales = np.linspace(0.5, 5, 9001)
    direct = min(
        np.sqrt(((given - a * drawn) ** 2).sum() / ((a * drawn) ** 2).sum()) for a in scales
    )
    assert bench_measures.stress_1(X, None, layout) == pytest.approx(direct, rel=1e-4)
    assert bench_measures.stress_1(X, None, 7 * layout) == pytest.approx(direct, rel=1e-4)
    flat = np.pad(X[:, :2], ((0, 0), (0, 2)))
    assert bench_measures.stress_1(flat, None, layout) < 1e-3


def test_kl_divergence_agrees_with_openTSNE_where_that_is_exact(iris):  # noqa: N802
    from openTSNE import TSNEEmbedding, affinity, nearest_neighbors

    X, _, graph = iris
    layout = X[:, :2].astype(np.float64)
    P = affinity.PerplexityBasedNN(
        perplexity=30, knn_index=nearest_neighbors.PrecomputedNeighbors(*graph)
    )
    embedding = TSNEEmbedding(layout.copy(), P, negative_gradient_method="bh", theta=0)
    embedding.optimize(1, learning_rate=1e-12, inplace=True)
    ours = bench_measures.kl_divergence(X, graph, layout)
    assert ours == pytest.approx(float(embedding.kl_divergence), rel=1e-6)


def test_kl_divergence_is_measured_where_openTSNE_is_not_installed(iris, monkeypatch):  # noqa: N802
    X, _, graph = iris
    monkeypatch.setitem(sys.modules, "openTSNE", None)  # importing it fails
    assert bench_measures.kl_divergence(X, graph, X[:, :2].astype(np.float64)) > 0


def test_the_objective_of_lle_is_the_sum_of_its_eigenvalues(iris):
    from sklearn.manifold import LocallyLinearEmbedding

    X, _, graph = iris
    engine = LocallyLinearEmbedding(n_neighbors=12, eigen_solver="dense")
    layout = engine.fit_transform(X.astype(np.float64))
    ours = bench_measures.reconstruction_error(X, graph, layout)
    assert ours == pytest.approx(engine.reconstruction_error_, rel=1e-6)
    assert bench_measures.reconstruction_error(X, graph, X[:, :2].astype(float)) > 10 * ours


def test_residual_variance_prefers_isomap(iris):
    from sklearn.manifold import Isomap

    X, labels, graph = iris
    setosa = labels == 0  # one piece: the classes do not join
    X, graph = X[setosa], knn_graph(X[setosa], k=20)
    layout = Isomap(n_neighbors=12).fit_transform(X)
    good = bench_measures.residual_variance(X, graph, layout)
    chance = np.random.default_rng(0).normal(size=layout.shape)
    assert good < 0.3 < 0.9 < bench_measures.residual_variance(X, graph, chance)


def test_every_stage_gets_its_chief_measure(iris):
    from bench.report.tables import CHIEF

    X, labels, graph = iris
    for stage, measure_ in CHIEF.items():
        task = Task(stage, X, labels, graph, X[:, :2], 0, 1, "cpu")
        outcome = {
            "features": Outcome(values={"kept_neighbors": 0.9}),
            "graph": Outcome(graph=graph),
        }.get(stage, Outcome(layout=X[:, :2]))
        assert measure_ in bench_measures.quality(task, outcome)


def test_peers_give_graphs_without_the_points_themselves(iris):
    X, labels, _graph = iris
    task = Task("graph", X, labels, None, X[:, :2], 0, 1, "cpu")
    pytest.importorskip("faiss")
    found = peers.faiss_flat(task, k=5).graph
    assert bench_measures.recall(X, found) > 0.99
    assert not (found.indices == np.arange(len(X))[:, None]).any()


# --- reports --------------------------------------------------------------------------------------


def row(stage, n, seconds, *, own, label=None, status="ok", quality=None, device="cpu"):
    made = Workload(
        label=label or ("ours" if own else "theirs"),
        stage=stage,
        input="mixture",
        n=n,
        engine="e" if own else None,
        peer=None if own else "p",
        device=device,
    )
    found = {"workload": dataclasses.asdict(made), "started": "", "commit": None, "status": status}
    found |= {"reason": None if status == "ok" else "stopped after 300 s"}
    found |= {"memory": {"peak_mb": 1e3 + n, "before_mb": 100.0, "device_mb": None}}
    if status != "ok":
        return found
    times = {"median": seconds, "min": 0.95 * seconds, "max": 1.05 * seconds, "runs": 3}
    return found | {
        "seconds": {**times, "import": 1.0, "warm_up": 0.1, "transfer": 0.0},
        "cpu_seconds": seconds,
        "other_load": 0.0,
        "d": 64,
        "input_sha256": f"sha{n}",
        "quality": quality or {},
        "limits": {},
        "info": {},
    }


def file_of(rows, **more):
    machine = {"cpu": "Test CPU", "cores": 2, "memory_gb": 24.0, "gpu": None, "driver": None}
    return {
        "schema": results.SCHEMA,
        "profile": "cpu",
        "date": "2026-01-02",
        "commit": "abc1234",
        "machine": {**machine, **LIMITS},
        "versions": {"numpy": "2.4"},
        "rows": rows,
        **more,
    }


@pytest.fixture
def site(tmp_path):
    """A repository with results and two pages to fill."""
    (tmp_path / "bench" / "results").mkdir(parents=True)
    for page in (tmp_path / "README.md", tmp_path / "bench" / "README.md"):
        page.write_text(f"# Title\n{report.START}\nold\n{report.END}\nend\n")
    rows = [
        *(
            row("mds", n, n**2 / 1e6, own=True, quality={"stress_1": 0.30})
            for n in (1000, 2000, 4000)
        ),
        *(
            row("mds", n, n**3 / 1e8, own=False, quality={"stress_1": 0.25})
            for n in (1000, 2000, 4000)
        ),
        row("mds", 8000, 0, own=False, status="time"),
        row("pca", 4000, 2.0, own=True, quality={"explained_variance": 0.5}),
        row("pca", 4000, 0.5, own=False, quality={"explained_variance": 0.5}),
        row("pca", 4000, 0.1, own=False, label="on GPU", device="gpu"),
    ]
    jobs = [
        {"rule": rule, "backbone": "VGG16", "stage": stage, "method": method, "seconds": s}
        for rule, stage, method, s in (
            ("finetune", "", "", 600.0),
            ("embed", "before", "tsne", 120.0),
            ("embed", "after", "tsne", 130.0),
            ("figure", "", "", 20.0),
        )
    ]
    jobs = [{**job, "cpu_seconds": None, "peak_mb": 500.0} for job in jobs]
    folder = tmp_path / "bench" / "results"
    results.write(folder / "2026-01-02-test-cpu.json", file_of(rows))
    results.write(
        folder / "2026-01-02-test-study-s.json",
        file_of([], profile="study-s", study="s", runtimes=jobs),
    )
    return tmp_path


def test_pages_and_plots_follow_the_results(site):
    folder = site / "bench" / "results"
    assert report.stale(folder, site)
    report.write(folder, site)
    assert report.stale(folder, site) == []
    assert report.write(folder, site) == []
    detail = (site / "bench" / "README.md").read_text()
    main = (site / "README.md").read_text()
    assert detail.startswith("# Title\n")
    assert detail.endswith("\nend\n")
    assert "old" not in detail + main
    # 4,000 points: ours 16 s, theirs 640 s; theirs has the better stress.
    assert (
        "| MDS | 4,000 | ours | 16 | 5 | stress-1 0.3 | theirs: 640 s, stress-1 0.25 | 40 |" in main
    )
    assert "| MDS: theirs | 4,000 | better | 640 | 16 (ours) | 40 |" in detail
    assert "| PCA: theirs | 4,000 | faster | 0.5 | 2 (ours) | 0.25 |" in detail
    assert "| MDS: theirs | 8,000 | time | stopped after 300 s |" in detail
    assert "| embed tsne | VGG16 | after | 130 |" in detail
    assert "In all 14.5 minutes" in detail
    names = {path.name for path in (site / "bench" / "plots").iterdir()}
    assert names == {f"test-{name}.png" for name in ("time", "memory", "quality", "gpu", "study-s")}
    for name in names:
        assert f"(plots/{name})" in detail

    path = folder / "2026-01-02-test-cpu.json"
    path.write_text(path.read_text().replace("16.0", "17.0"))
    wrong = {path.name for path in report.stale(folder, site)}
    assert wrong == {"README.md", *names}


def test_an_engine_that_is_given_a_graph_pays_for_it(site):
    folder = site / "bench" / "results"
    own = row("tsne", 4000, 10.0, own=True)
    own["workload"]["engine"] = "opentsne"
    peer = row("tsne", 4000, 12.0, own=False)
    results.write(folder / "2026-03-01-test-cpu.json", file_of([own, peer]))
    (machine,) = report.machines(folder)
    assert [r["cost"] for r in machine.rows] == [None, 12]
    assert list(machine.pairs()) == []
    graph = row("graph", 4000, 5.0, own=True)
    results.write(folder / "2026-03-01-test-cpu.json", file_of([own, peer, graph]))
    report.write(folder, site)
    main = (site / "README.md").read_text()
    assert "| t-SNE | 4,000 | ours | 10 + 5 graph | 5 |  | theirs: 12 s | 0.8 |" in main
    assert "| t-SNE: theirs | 4,000 | faster |" in (site / "bench" / "README.md").read_text()


def test_each_network_is_a_task_of_its_own(site):
    folder = site / "bench" / "results"
    rows = [
        row("features", n, n / 1e4, own=True, label=label, quality={"kept_neighbors": kept})
        for label, n, kept in (("VGG16", 2000, 0.5), ("VGG16", 70000, 0.91), ("Mobile", 70000, 0.9))
    ]
    for made in rows:
        made["limits"] = {"images_per_second": 1e4, "of_matrix_rate": 0.25}
    results.write(folder / "2026-03-01-test-cpu.json", file_of(rows))
    report.write(folder, site)
    main, detail = ((site / page / "README.md").read_text() for page in ("", "bench"))
    title = report.tables.TITLES["features"]
    assert f"| {title} | 70,000 | VGG16 | 7 | 71 | kept neighbors 0.91 |" in main
    assert "|  | 70,000 | Mobile | 7 | 71 | kept neighbors 0.9 |" in main
    assert "10,000 | 25 % | 0.91 |" in detail
    names = {path.name for path in (site / "bench" / "plots").iterdir()}
    assert "test-quality.png" not in names


def test_a_page_without_markers_is_one_sentence(site):
    (site / "README.md").write_text("no markers")
    with pytest.raises(InputError, match="must have one line"):
        report.write(site / "bench" / "results", site)


def test_the_newest_file_of_a_profile_counts(site):
    folder = site / "bench" / "results"
    newer = file_of([row("pca", 4000, 9.0, own=True)], date="2026-02-01")
    results.write(folder / "2026-02-01-test-cpu.json", newer)
    (machine,) = report.machines(folder)
    assert [r["seconds"]["median"] for r in machine.rows] == [9.0]
    assert len(machine.studies) == 1


def test_the_committed_pages_are_those_of_the_committed_results():
    assert report.stale() == [], "run python -m bench report"


def test_the_exponent_is_the_slope_of_the_largest_sizes():
    n = [100, 1000, 2000, 4000, 8000]
    assert plots.exponent(n, [99, *(x**2.5 for x in n[1:])]) == pytest.approx(2.5)
    assert plots.exponent(n[:2], n[:2]) is None


def test_compare_tells_noise_from_change():
    def changed(**more):
        new = row("mds", 1000, 1.0, own=True, quality={"stress_1": 0.3})
        new["seconds"] |= more.pop("seconds", {})
        new |= more
        return compare.compare(file_of([old]), file_of([new]))

    old = row("mds", 1000, 1.0, own=True, quality={"stress_1": 0.3})
    assert changed() == (["1 workloads in both", "nothing changed beyond noise"], False)
    # Slower by a half, but the ranges overlap.
    assert not changed(seconds={"median": 1.5, "min": 1.0, "max": 1.6})[1]
    lines, worse = changed(seconds={"median": 1.5, "min": 1.4, "max": 1.6})
    assert worse
    assert "slower, 1 s before and 1.5 s now, x 1.50" in lines[1]
    assert not changed(seconds={"median": 0.5, "min": 0.4, "max": 0.6})[1]
    # A single run needs more than a quarter.
    assert not changed(seconds={"median": 1.2, "min": 1.2, "max": 1.2, "runs": 1})[1]
    lines, worse = changed(quality={"stress_1": 0.31})
    assert worse
    assert "stress_1 worse" in lines[1]
    lines, worse = changed(status="memory", reason="out of memory")
    assert worse
    assert "was ok, is memory (out of memory)" in lines[1]


# --- run times of a study -------------------------------------------------------------------------

TSV = (
    "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    "{s}\t0:00:01\t{rss}\t1\t1\t1\t0\t0\t99.0\t{cpu}\n"
)


def test_run_times_of_a_study(tmp_path):
    folder = tmp_path / "benchmarks" / "trial"
    for name, s, rss, cpu in (
        ("VGG16/after/tsne.quality", 2.0, 200, 1.5),
        ("VGG16/after/tsne", 90.0, 900, 170),
        ("VGG16/before/features", 30.0, 700, 60),
        ("VGG16/figure", 0.1, "NA", "NA"),
        ("dataset", 0.5, "-", "-"),
        ("VGG16/finetune", 600, 2000, 1200),
        ("runtimes", 1.0, 100, 0.5),
    ):
        path = folder / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TSV.format(s=s, rss=rss, cpu=cpu))
    artefacts = []
    for name, rule, method, gpu in (
        ("after/model.keras", "finetune", None, {"peak_memory_mb": 5000, "energy_j": 9000}),
        ("after/tsne.parquet", "embed", "tsne", {"peak_memory_mb": 3000}),  # a card without meter
        ("before/features.npy", "features", None, None),  # on a CPU
    ):
        path = tmp_path / "results" / "trial" / "VGG16" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        made = {"stage": rule, "parameters": {"method": method} if method else {}}
        store.sidecar(path).write_text(json.dumps(made | ({"gpu": gpu} if gpu else {})))
        artefacts.append(path)
    table = runtimes(folder.rglob("*.tsv"), artefacts)
    assert list(table)[-3:] == ["peak_mb", "gpu_peak_mb", "gpu_energy_j"]
    assert table.fillna(-1).to_numpy().tolist() == [
        ["dataset", "", "", "", 0.5, -1, -1, -1, -1],
        ["finetune", "VGG16", "", "", 600, 1200, 2000, 5000, 9000],
        ["features", "VGG16", "before", "", 30, 60, 700, -1, -1],
        ["embed", "VGG16", "after", "tsne", 90, 170, 900, 3000, -1],
        ["quality", "VGG16", "after", "tsne", 2, 1.5, 200, -1, -1],
        ["figure", "VGG16", "", "", 0.1, -1, -1, -1, -1],
        ["runtimes", "", "", "", 1, 0.5, 100, -1, -1],
    ]
    out = study.take("trial", out=tmp_path / "s.json", benchmarks=tmp_path / "benchmarks")
    found = results.read(out)
    assert pd.DataFrame(found["runtimes"])["seconds"].sum() == pytest.approx(723.6)
    assert str(tmp_path) not in out.read_text()
    (folder / "dataset.tsv").write_text("nothing")
    with pytest.raises(InputError, match="is not a benchmark file"):
        runtimes(folder.rglob("*.tsv"))
    with pytest.raises(InputError, match="run the study with snakemake first"):
        study.take("other", benchmarks=tmp_path)
