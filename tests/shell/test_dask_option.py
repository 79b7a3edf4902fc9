"""Do verbs share their work among the workers that an option, or a study, names?"""

import numpy as np
import pytest
from command_line import tunescope
from point_sets import blobs

from pipeline import store
from pipeline.config import parse_config
from pipeline.errors import InputError
from pipeline.runtime.cluster import DASK


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
    assert "error: no Dask scheduler answers at tcp://127.0.0.1:9: start one" in said
    assert not (tmp_path / "g.npz").exists()


def test_the_configuration_names_a_cluster():
    config = {
        "study": "s",
        "dataset": {"source": "digits"},
        "backbones": {"MobileNet": {}},
        "methods": {"pca": {}},
    }
    assert parse_config(config).dask == "none"
    assert parse_config(config | {"dask": "tcp://host:8786"}).dask == "tcp://host:8786"
    with pytest.raises(InputError, match=r"dask .*must be none, local, local-cuda, the address"):
        parse_config(config | {"dask": "lokal"})
