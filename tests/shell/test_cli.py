"""Does each verb work alone on files, and turn bad input into one sentence?"""

import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from command_line import tunescope
from typer.testing import CliRunner

from pipeline import __version__, artefacts, store
from pipeline.cli import app

VERBS = [command.callback.__name__ for command in app.registered_commands]


def process(*arguments, status=0):
    """Run the command line in a process of its own; return what it printed on stderr."""
    command = [sys.executable, "-m", "pipeline", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == status, done.stderr
    return done.stderr


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
    done = CliRunner().invoke(app, [verb, "--help"])
    assert done.exit_code == 0
    assert "--" in done.output
    assert "Usage" in done.output


def test_nothing_that_starts_threads_is_imported_before_their_number_is_set():
    heavy = "{'numba', 'sklearn', 'keras', 'tensorflow', 'matplotlib', 'datashader', 'pandas'}"
    code = f"import sys, pipeline.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_embed_alone_on_a_users_file(features, tmp_path):
    out = tmp_path / "layout.parquet"
    process("embed", "--features", features, "--method", "pca", "--out", out)
    table = pd.read_parquet(out)
    assert list(table.columns) == ["row", "x", "y"]
    centred = np.load(features) - np.load(features).mean(axis=0)
    variances = np.linalg.svd(centred, compute_uv=False)[:2] ** 2
    made = artefacts.read_sidecar(out)
    unit = 2.0 ** made["info"]["exponent"]
    assert np.allclose(((unit * table[["x", "y"]]) ** 2).sum(), variances, rtol=1e-4)
    assert made["step"] == "embed"
    assert made["parameters"]["method"] == "pca"
    assert made["parameters"]["params"] == {}
    assert made["inputs"] == {str(features): artefacts.sha256(features)}
    assert made["seconds"] > 0
    assert made["process"]["seconds"] >= made["seconds"]
    assert made["process"]["cpu_seconds"] > 0
    assert made["peak_memory_mb"] > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--method", "sne"], ["'sne'", "pca, tsne, umap, mds, lle, isomap"]),
        (["--method", "pca", "--engine", "abacus"], ["'abacus'", "auto"]),
        (["--method", "tsne", "--params", '{"perplexty": 3}'], ["perplexty", "perplexity"]),
        (["--method", "pca", "--params", "{"], ["--params", "JSON"]),
        (["--method", "pca", "--table", "nowhere.parquet"], ["nowhere.parquet does not exist"]),
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


def test_a_graph_of_fewer_rows_than_neighbours_has_all_of_them(features, tmp_path):
    said = tunescope("graph", "--features", features, "--out", tmp_path / "g.npz")
    assert "59 is used" in said
    assert store.load_graph(tmp_path / "g.npz").indices.shape == (60, 59)


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
    started = subprocess.Popen(
        [
            sys.executable, "-m", "pipeline", "graph", "--features", tmp_path / "features.npy",
            "--out", tmp_path / "graph.npz",
        ],
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    line = started.stderr.readline()
    while "graph: started" not in line:
        assert line, "the step never started"
        line = started.stderr.readline()
    time.sleep(0.3)
    started.send_signal(signal.SIGINT)
    error = started.communicate(timeout=60)[1]
    assert started.returncode == 130
    assert "interrupted" in sentence(error)
    assert [path.name for path in tmp_path.iterdir()] == ["features.npy"]


@pytest.fixture
def digits(tmp_path):
    """A data set, its pixels as features, and their layouts by PCA, whole and of a subset."""
    paths = {name: tmp_path / file for name, file in FILES.items()}
    tunescope("dataset", "--source", "digits", "--subset", 300, "--out", paths["data"])
    np.save(paths["features"], store.load_images(paths["data"]).reshape(300, -1))
    given = ["--features", paths["features"], "--table", paths["table"], "--method", "pca"]
    tunescope("embed", *given, "--out", paths["whole"])
    tunescope("embed", *given, "--subset", 100, "--out", paths["part"])
    return paths


FILES = {
    "data": "data.npy",
    "table": "data.parquet",
    "features": "X.npy",
    "whole": "whole.parquet",
    "part": "part.parquet",
    "measures": "quality.json",
    "change": "change.parquet",
}


def quality(paths, *layouts, status=0):
    options = [word for path in layouts for word in ("--layout", path)]
    return tunescope(
        "quality", *options, "--features", paths["features"], "--n-neighbors", 5,
        "--out", paths["measures"], status=status,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["whole", "part"])
def test_layouts_are_measured_whole_and_in_part(digits, name):
    labels = store.load_table(digits["table"], points=300).labels
    table = store.load_layout(digits["part"])
    assert len(table) == 100
    assert sorted(table["label"].value_counts()) == sorted(np.bincount(labels[table["row"]]))
    quality(digits, digits[name])
    measures = store.load_measures(digits["measures"])
    assert measures["k"] == 5
    # Ten digits on the first two components: far better than the 0.1 of chance, far from solved.
    found = {row["measure"]: row["value"] for row in measures["measures"] if row["space"] == "pca"}
    assert 0.3 < found["knn_accuracy"] < 0.9
    assert 0.1 < found["neighborhood_preservation"] < 0.9
    context = artefacts.context(digits["measures"])["layouts"]["pca"]
    assert (context["points"], context["total_points"]) == ({"whole": 300, "part": 100}[name], 300)


def change(paths, after, *options, status=0):
    """Of the pixels against other features."""
    return tunescope(
        "change", "--before", paths["features"], "--after", after, "--table", paths["table"],
        "--out", paths["change"], "--measures", paths["measures"], *options, status=status,
    )  # fmt: skip


def test_the_change_between_two_feature_sets(digits, tmp_path):
    half = tmp_path / "half.npy"
    np.save(half, np.load(digits["features"])[:, ::2])
    change(digits, half)
    table = pd.read_parquet(digits["change"])
    assert len(table) == 300
    assert 0.1 < table["overlap"].mean() < 0.9
    assert (table["lost"].map(len) == table["gained"].map(len)).all()
    assert "prediction" not in table
    measures = store.load_measures(digits["measures"])
    assert len(measures["outliers"]) == 10
    assert {row["class"] for row in measures["classes"]} == set("0123456789")
    shown = {(row["measure"], row["split"]): row["value"] for row in measures["measures"]}
    assert shown["neighbors_overlap", "test"] == pytest.approx(
        table["overlap"][table["split"] == "test"].mean()
    )
    assert artefacts.context(digits["measures"])["stage"] == "change"


def test_a_group_that_is_no_class_is_written_by_id_and_name(digits, tmp_path):
    """Every seventh image goes to a place of its own; the head misses two of these in the test."""
    table = pd.read_parquet(digits["table"])
    member, test = np.arange(300) % 7 == 0, (table["split"] == "test").to_numpy()
    X = np.load(digits["features"]).astype(np.float32)
    X[member] = 100 + np.random.default_rng(0).normal(size=(member.sum(), X.shape[1]))
    np.save(digits["features"], X)
    predicted = table["label"].astype(str)
    missed = np.flatnonzero(member & test)[:2]
    predicted[missed] = np.where(predicted[missed] == "3", "4", "3")
    predictions = tmp_path / "predictions.parquet"
    columns = {"id": table["id"], "prediction": predicted, "confidence": 0.9}
    pd.DataFrame(columns).to_parquet(predictions)
    change(digits, digits["features"], "--predictions", predictions)
    (group,) = store.load_measures(digits["measures"])["groups"]
    assert group["ids"] == table["id"][member].tolist()
    counts = table["label"][member].astype(str).value_counts()
    assert {row["class"]: row["images"] for row in group["classes"]} == counts.to_dict()
    assert (group["test_images"], group["test_errors"]) == ((member & test).sum(), 2)
    assert group["all_test_errors"] == 2
    written = pd.read_parquet(digits["change"])
    for stage in ("before", "after"):
        number = group["communities"][stage]
        assert ((written[f"group_{stage}"] == number) == member).all()


def test_a_change_between_other_images_is_refused(digits, features, tmp_path):
    assert "60 rows but there are 300 labels" in sentence(change(digits, features, status=2))
    error = change(digits, digits["features"], "--measures", tmp_path / "m.csv", status=2)
    assert "--measures" in sentence(error)
    assert not digits["change"].exists()


def test_a_folder_without_results_has_no_report(tmp_path):
    error = process("report", tmp_path, "--out", tmp_path / "r.html", status=2)
    assert "holds no results of a study" in sentence(error)


def test_two_layouts_by_one_method_are_refused(digits):
    error = quality(digits, digits["whole"], digits["part"], status=2)
    assert "are both by pca" in sentence(error)


def test_a_layout_by_another_seed_is_measured_beside_the_first(digits, tmp_path):
    given = ["--features", digits["features"], "--table", digits["table"], "--method", "mds"]
    given += ["--params", '{"init": "random", "max_iter": 3}', "--subset", 100]
    paths = [tmp_path / f"mds_seed{seed}.parquet" for seed in (0, 1)]
    for seed, path in enumerate(paths):
        tunescope("embed", *given, "--seed", seed, "--subset-seed", 0, "--out", path)
    control = ["--control", paths[1]]
    tunescope(
        *("quality", "--layout", paths[0], *control, "--features", digits["features"]),
        *("--out", digits["measures"]),
    )
    measures = store.load_measures(digits["measures"])
    numbers = [
        {row["measure"]: row["value"] for row in rows if row["space"] == "mds"}
        for rows in (measures["measures"], measures["layout_seeds"]["1"])
    ]
    assert numbers[0].keys() == numbers[1].keys()
    assert numbers[0]["stress_1"] != numbers[1]["stress_1"]
    context = artefacts.context(digits["measures"])["layouts"]["mds"]
    assert context["layout_seed"] == 0
    (sentence_of_both,) = context["warnings"]  # neither converged: said once
    assert "max_iter = 3" in sentence_of_both

    summary = tmp_path / "summary.csv"
    tunescope(
        "summary", "--quality", digits["measures"], "--out", summary,
        "--measures", tmp_path / "measures.csv",
    )  # fmt: skip
    table = pd.read_csv(tmp_path / "measures.csv", dtype=str)
    assert set(table["layout_seed"][table["space"] == "mds"]) == {"0", "1"}
    assert table["layout_seed"][table["space"] == "features"].isna().all()
    assert len(pd.read_csv(summary)) == 1

    error = quality(digits, paths[0], *control, status=2)  # given as a second layout
    assert "are both by mds" in sentence(error)
    options = ["--features", digits["features"], "--out", digits["measures"]]
    twice = ["quality", "--layout", paths[0], "--control", paths[0], *options]
    assert "by mds and seed 0, as another" in sentence(tunescope(*twice, status=2))
    alone = ["quality", "--layout", digits["whole"], *control, *options]
    assert "give the layout mds of the same points" in sentence(tunescope(*alone, status=2))
    artefacts.sidecar(paths[1]).unlink()
    unknown = ["quality", "--layout", paths[0], *control, *options]
    assert "does not say by which seed" in sentence(tunescope(*unknown, status=2))


def test_what_only_another_seed_has_to_say_is_said_with_the_seed(digits, tmp_path):
    given = ["--features", digits["features"], "--table", digits["table"], "--method", "mds"]
    paths = [tmp_path / f"{passes}.parquet" for passes in (300, 1)]
    for seed, path in enumerate(paths):
        params = f'{{"init": "random", "eps": 0.01, "max_iter": {path.stem}}}'
        tunescope("embed", *given, "--params", params, "--seed", seed, "--out", path)
    tunescope(
        *("quality", "--layout", paths[0], "--control", paths[1]),
        *("--features", digits["features"], "--out", digits["measures"]),
    )
    (said,) = artefacts.context(digits["measures"])["layouts"]["mds"]["warnings"]
    assert "max_iter = 1 passes" in said
    assert said.endswith("(seed 1)")


def test_a_table_of_other_images_is_refused(digits, features, tmp_path):
    given = ["--method", "pca", "--out", tmp_path / "l.parquet"]
    error = tunescope("embed", "--features", features, "--table", digits["table"], *given, status=2)
    assert "has 300 images but the features have 60 rows" in sentence(error)


def test_a_graph_or_a_layout_of_other_features_is_refused(digits, features, tmp_path):
    graph = tmp_path / "graph.npz"
    tunescope("graph", "--features", features, "--n-neighbors", 5, "--out", graph)
    given = ["--method", "umap", "--out", tmp_path / "l.parquet"]
    error = tunescope("embed", "--features", digits["features"], "--graph", graph, *given, status=2)
    assert "graph.npz was not made from" in sentence(error)
    paths = {**digits, "features": features}
    assert "whole.parquet was not made from" in sentence(quality(paths, digits["whole"], status=2))


@pytest.mark.parametrize("name", ["G", "G.npy", "features.npy"])
def test_an_output_of_another_suffix_or_an_input_is_refused(features, tmp_path, name):
    before = features.read_bytes()
    error = tunescope("graph", "--features", features, "--out", tmp_path / name, status=2)
    assert "--out" in sentence(error)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["features.npy"]
    assert features.read_bytes() == before


def test_measures_of_an_earlier_version_are_refused(tmp_path):
    (tmp_path / "pca.quality.json").write_text('{"knn_accuracy": 0.5, "k": 15}')
    error = tunescope(
        "summary", "--quality", tmp_path / "pca.quality.json", "--out", tmp_path / "s.csv",
        status=2,
    )  # fmt: skip
    assert "tunescope quality" in sentence(error)


def test_the_version():
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.output) == (0, f"tunescope {__version__}\n")


def test_quiet_says_nothing(features, tmp_path):
    error = process(
        "--quiet", "graph", "--features", features, "--n-neighbors", 5, "--out", tmp_path / "g.npz"
    )
    assert error == ""
