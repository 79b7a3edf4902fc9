"""Does each verb work alone on files, and turn bad input into one sentence?"""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from pipeline import store

VERBS = [
    "dataset",
    "backbone",
    "finetune",
    "features",
    "graph",
    "embed",
    "quality",
    "figure",
    "summary",
    "runtimes",
]


def tunescope(*arguments, status=0):
    """Run the command line in a process of its own; return what it printed on stderr."""
    command = [sys.executable, "-m", "pipeline", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 and "--help" in arguments else done.stderr


def sentence(error: str) -> str:
    """The error sentence of a failed run, which must be alone: no traceback."""
    assert "Traceback" not in error
    (line,) = (line for line in error.splitlines() if line.startswith("error: "))
    return line


@pytest.fixture
def features(tmp_path):
    path = tmp_path / "features.npy"
    rng = np.random.default_rng(0)
    np.save(path, rng.normal(size=(60, 8)).astype(np.float32))
    return path


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb):
    text = tunescope(verb, "--help")
    assert "--" in text
    assert "Usage" in text


def test_nothing_that_starts_threads_is_imported_before_their_number_is_set():
    heavy = "{'numba', 'sklearn', 'keras', 'tensorflow', 'matplotlib', 'datashader', 'pandas'}"
    code = f"import sys, pipeline.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_embed_alone_on_a_users_file(features, tmp_path):
    out = tmp_path / "layout.parquet"
    params = '{"svd_solver": "full"}'
    tunescope("embed", "--features", features, "--method", "pca", "--params", params, "--out", out)
    table = pd.read_parquet(out)
    assert list(table.columns) == ["id", "x", "y"]
    centred = np.load(features) - np.load(features).mean(axis=0)
    variances = np.linalg.svd(centred, compute_uv=False)[:2] ** 2
    assert np.allclose((table[["x", "y"]] ** 2).sum(), variances, rtol=1e-4)
    made = store.read_sidecar(out)
    assert made["stage"] == "embed"
    assert made["parameters"]["method"] == "pca"
    assert made["parameters"]["params"] == {"svd_solver": "full"}
    assert made["inputs"] == {str(features): store.sha256(features)}
    assert made["seconds"] > 0
    assert made["peak_memory_mb"] > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--method", "sne"], ["'sne'", "pca, tsne, umap, mds, lle, isomap"]),
        (["--method", "pca", "--engine", "abacus"], ["'abacus'", "auto"]),
        (["--method", "tsne", "--params", '{"perplexty": 3}'], ["perplexty", "perplexity"]),
        (["--method", "pca", "--params", "{"], ["--params", "JSON"]),
        (["--method", "pca", "--dataset", "nowhere.npz"], ["nowhere.npz does not exist"]),
        (["--method", "pca", "--subset", "1"], ["subset of 1", "too small"]),
    ],
)
def test_a_mistake_is_one_sentence(features, tmp_path, arguments, words):
    out = tmp_path / "layout.parquet"
    error = tunescope("embed", "--features", features, "--out", out, *arguments, status=2)
    for word in words:
        assert word in sentence(error)
    assert not out.exists()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda X: X.__setitem__((3, 0), np.nan), ["NaN"]),
        (lambda X: X.__setitem__((3, 0), np.inf), ["inf"]),
    ],
)
def test_features_that_are_not_finite_are_refused(tmp_path, spoil, words):
    X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    spoil(X)
    np.save(tmp_path / "bad.npy", X)
    error = tunescope(
        "graph", "--features", tmp_path / "bad.npy", "--n-neighbors", 5,
        "--out", tmp_path / "graph.npz", status=2,
    )  # fmt: skip
    for word in words:
        assert word in sentence(error)


def test_fewer_rows_than_neighbours(features, tmp_path):
    error = tunescope("graph", "--features", features, "--out", tmp_path / "g.npz", status=2)
    assert "60" in sentence(error)
    assert "90" in sentence(error)


def test_a_place_that_cannot_be_written_is_named(features, tmp_path):
    (tmp_path / "results").write_text("a file, not a folder")
    out = tmp_path / "results" / "graph.npz"
    error = tunescope("graph", "--features", features, "--n-neighbors", 5, "--out", out, status=1)
    assert "cannot read or write" in sentence(error)
    assert str(tmp_path / "results") in sentence(error)


def test_a_layout_without_labels_cannot_be_drawn(features, tmp_path):
    out = tmp_path / "layout.parquet"
    tunescope("embed", "--features", features, "--method", "pca", "--out", out)
    error = tunescope(
        "figure", "--layout", out, "--out", tmp_path / "f.png", "--preview", tmp_path / "p.png",
        "--panels", tmp_path / "panels", status=2,
    )  # fmt: skip
    assert "layout.parquet" in sentence(error)
    assert not (tmp_path / "f.png").exists()


def test_ctrl_c_leaves_nothing_half_written(tmp_path):
    X = np.random.default_rng(0).normal(size=(20_000, 256)).astype(np.float32)
    np.save(tmp_path / "features.npy", X)
    process = subprocess.Popen(
        [
            sys.executable, "-m", "pipeline", "graph", "--features", tmp_path / "features.npy",
            "--out", tmp_path / "graph.npz",
        ],
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    line = process.stderr.readline()
    while "graph: started" not in line:
        assert line, "the stage never started"
        line = process.stderr.readline()
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "interrupted" in sentence(error)
    assert [path.name for path in tmp_path.iterdir()] == ["features.npy"]


def test_quality_of_a_subset_uses_its_own_neighbours(tmp_path):
    out, layout = tmp_path / "data.npz", tmp_path / "pca.parquet"
    tunescope("dataset", "--source", "digits", "--subset", 300, "--out", out)
    data = store.load_dataset(out)
    np.save(tmp_path / "X.npy", data.images.reshape(300, -1).astype(np.float32))
    tunescope(
        "embed", "--features", tmp_path / "X.npy", "--dataset", out, "--method", "pca",
        "--subset", 100, "--out", layout,
    )  # fmt: skip
    table = store.load_layout(layout)
    assert len(table) == 100
    assert sorted(table["label"].value_counts()) == sorted(np.bincount(data.labels[table["id"]]))
    tunescope(
        "quality", "--layout", layout, "--features", tmp_path / "X.npy", "--n-neighbors", 5,
        "--out", tmp_path / "q.json",
    )  # fmt: skip
    measures = json.loads((tmp_path / "q.json").read_text())
    # Ten digits on the first two components: far better than the 0.1 of chance, far from solved.
    assert 0.3 < measures["knn_accuracy"] < 0.9
    assert 0.1 < measures["neighborhood_preservation"] < 0.9
