"""Do verbs share their work among the workers that an option, or a study, names?"""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from command_line import tunescope
from point_sets import blobs

from pipeline import store
from pipeline.config import parse_config
from pipeline.errors import InputError
from pipeline.runtime.cluster import DASK
from pipeline.workflow.checks import check_study, locate


@pytest.fixture
def features(tmp_path):
    np.save(tmp_path / "features.npy", blobs(300, 8))
    return tmp_path / "features.npy"


@pytest.mark.slow
def test_verbs_on_local_workers(features, tmp_path):
    graphs, layouts = [], []
    for dask in ("none", "local"):
        graph, layout = tmp_path / f"{dask}.npz", tmp_path / f"{dask}.parquet"
        given = ("--features", features, "--dask", dask)
        said = tunescope("--threads", 2, "graph", *given, "--n-neighbors", 20, "--out", graph)
        assert ("dask: dashboard at http://" in said) == (dask == "local")
        tunescope("embed", *given, "--graph", graph, "--method", "mds", "--out", layout)
        graphs.append(store.load_graph(graph))
        layouts.append(store.load_layout(layout)[["x", "y"]].to_numpy())
    assert all(np.array_equal(a, b) for a, b in zip(*graphs, strict=True))
    assert np.array_equal(*layouts)


def test_only_who_asks_for_it_is_told_that_a_method_computes_alone(features, tmp_path, monkeypatch):
    given = ("embed", "--features", features, "--method", "pca", "--out", tmp_path / "pca.parquet")
    said = tunescope(*given, "--dask", "local", status=2)
    assert "error: pca with engine auto computes alone: leave --dask out" in said
    monkeypatch.setenv(DASK, "tcp://127.0.0.1:9")  # by a study, for all its steps
    tunescope(*given)


def test_a_cluster_that_does_not_answer_is_a_sentence(features, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.runtime.cluster.SECONDS", 1)
    monkeypatch.setenv(DASK, "tcp://127.0.0.1:9")
    said = tunescope("graph", "--features", features, "--out", tmp_path / "g.npz", status=2)
    assert "error: no Dask scheduler answers at tcp://127.0.0.1:9 (" in said
    assert not (tmp_path / "g.npz").exists()


@pytest.mark.slow
def test_an_interrupt_of_a_terminal_is_a_sentence_and_leaves_nothing(features, tmp_path):
    command = ("embed", "--method", "tsne", "--engine", "exact", "--params", '{"max_iter": 99999}')
    files = ("--features", features, "--out", tmp_path / "tsne.parquet", "--dask", "local")
    (tmp_path / "temporary").mkdir()
    said = []
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline", *command, *files],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},
        start_new_session=True,
    ) as process:
        for line in process.stderr:  # until the workers have ended, too
            said.append(line)
            if "dask: dashboard" in line:
                os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    assert process.returncode == 130
    assert said[-1].startswith("error: interrupted: ")
    assert "Traceback" not in "".join(said)
    assert list((tmp_path / "temporary").glob("tunescope*")) == []


CONFIG = {
    "study": "s",
    "dataset": {"source": "digits"},
    "backbones": {"MobileNet": {}},
    "methods": {"pca": {}},
}


def test_the_configuration_names_a_cluster():
    assert parse_config(CONFIG).dask == "none"
    assert parse_config(CONFIG | {"dask": "tcp://host:8786"}).dask == "tcp://host:8786"
    with pytest.raises(InputError, match=r"dask .*must be none, local, local-cuda, the address"):
        parse_config(CONFIG | {"dask": "lokal"})


def test_a_scheduler_file_is_looked_for_beside_the_configuration_before_anything_runs(tmp_path):
    study = parse_config(CONFIG | {"dask": "scheduler.json"})
    with pytest.raises(InputError, match=r"there is no scheduler file scheduler\.json: start"):
        locate(study, tmp_path)
    (tmp_path / "scheduler.json").touch()
    assert locate(study, tmp_path).dask == str(tmp_path / "scheduler.json")
    assert locate(parse_config(CONFIG), tmp_path).dask == "none"
    with pytest.raises(InputError, match=r"no Dask scheduler answers at tcp://127"):
        check_study(parse_config(CONFIG | {"dask": "tcp://127.0.0.1:9"}))
