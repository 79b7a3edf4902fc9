"""Are features of other programs studied as those of a backbone, by one command?"""

import re

import numpy as np
import pandas as pd
import pytest
from command_line import tunescope
from tiny_study import ON_ONE_CORE, finish, start, write

from pipeline.artefacts import read_sidecar

pytestmark = pytest.mark.slow
N = 120
LABELS = np.arange(N) % 3


def features(d, distance, seed):
    return np.random.default_rng(seed).normal(size=(N, d)) + distance * np.eye(d)[LABELS]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A matrix, and the same images in another order in a table with ids, classes and a split."""
    folder = tmp_path_factory.mktemp("inputs")
    ids = np.arange(N) + 500
    names = np.array(["<b>cat", "dog", "\u732b"])[LABELS]
    split = np.where(np.arange(N) % 4, "train", "test")
    for name, X in (("before", features(12, 1.5, 0)), ("after", features(8, 6, 1))):
        table = pd.DataFrame(X, columns=[f"f{i}" for i in range(X.shape[1])])
        table = table.assign(id=ids, kind=names, split=split)
        table.sample(frac=1, random_state=len(name)).to_csv(folder / f"{name}.csv", index=False)
        np.save(folder / f"{name}.npy", X.astype(np.float32))
    shades = np.repeat(np.arange(N, dtype=np.uint8), 48).reshape(N, 8, 6)
    np.save(folder / "images.npy", shades)
    return folder


@pytest.fixture(scope="module")
def studied(inputs):
    command = (
        *("compare", "--before", "before.csv", "--after", "after.csv"),
        *("--labels", "before.csv::kind", "--methods", "pca,mds,isomap"),
        *("--name", "timm", "--out", "a study", *ON_ONE_CORE),
    )
    return inputs / "a study", finish(start(inputs, "-m", "pipeline", *command))


def test_one_command_ends_by_naming_the_page(studied):
    folder, output = studied
    assert re.search(r"\[17/17\] report", output)
    assert "a study/results/a-study/report.html" in output.split("Look at")[1]
    assert "a study/results/a-study/explorer/timm.html" in output.split("Look at")[1]
    page = (folder / "results/a-study/report.html").read_text()
    assert "timm on a-study" in page
    assert "120 images (90 training, 30 test) · 3 classes · features computed by another" in page
    assert "Fine-tuning separates the classes in feature space" in page
    assert "<b>cat" not in page
    assert str(folder) not in page


def test_everything_downstream_is_there(studied):
    results = studied[0] / "results/a-study"
    for name in ("figure.png", "classes.png", "preview.png", "change.parquet", "change.json"):
        assert (results / "timm" / name).is_file()
    summary = pd.read_csv(results / "summary.csv")
    assert list(summary["method"]) == ["pca", "mds", "isomap"] * 2
    assert summary["test_accuracy"].isna().all()
    assert (summary["probe_test_accuracy"] > 0.5).all()
    assert set(pd.read_csv(results / "measures.csv")["split"]) == {"test", "train", "all"}
    times = pd.read_csv(results / "runtimes.csv", keep_default_na=False)
    steps = ["pair", *["graph"] * 2, *["embed"] * 6, *["quality"] * 2, "change", "figure"]
    assert list(times["step"]) == [*steps, "summary"]
    assert not (results / "images.npy").exists()


def test_rows_of_both_are_those_of_one_image(studied):
    results = studied[0] / "results/a-study"
    table = pd.read_parquet(results / "images.parquet")
    assert sorted(table["id"]) == list(range(500, 620))
    for stage, original in (("before", features(12, 1.5, 0)), ("after", features(8, 6, 1))):
        stored = np.load(results / "timm" / stage / "features.npy")
        assert np.array_equal(stored, original.astype(np.float32)[table["id"] - 500])
        context = read_sidecar(results / "timm" / stage / "features.npy")["context"]
        assert (context["backbone"], context["stage"]) == ("timm", stage)
        assert not {"weights", "image_size"} & set(context)


def test_no_network_is_loaded(studied):
    for path in studied[0].rglob("*.json"):
        assert "keras-backend" not in read_sidecar(path.with_suffix("")).get("versions", {})


def test_a_second_run_does_nothing_and_an_edit_runs_from_the_first_step_on(studied):
    folder, _ = studied
    config = ("-m", "pipeline", "study", "compare.yaml", "--dry-run")
    assert "nothing to do" in finish(start(folder, *config))
    path = folder.parent / "after.csv"
    path.write_text(path.read_text() + "\n")
    assert "17 jobs would run: 1 pair" in finish(start(folder, *config))


def test_without_labels_and_split_a_study_runs_whole(inputs):
    config = {
        "study": "bare",
        "compare": {"before": "before.npy", "after": "after.npy", "images": "images.npy"},
        "methods": {"pca": {}},
        "figure": {"panel_size": 300},
    }
    write(inputs / "bare.yaml", config)
    output = finish(start(inputs, "-m", "pipeline", "study", "bare.yaml", *ON_ONE_CORE))
    assert "there are no labels" in output
    results = inputs / "results/bare"
    page = (results / "report.html").read_text()
    assert "120 images · no labels" in page
    assert page.count("<img") > 18 * 13
    assert "Claims" not in page
    assert not (results / "features/classes.png").exists()
    explorer = (results / "explorer/features.html").read_text()
    assert "Neighbours are the 15 nearest images in feature space" in explorer
    assert "nearest class are" not in explorer
    columns = set(pd.read_parquet(results / "features/change.parquet").columns)
    assert columns == {"id", "split", "overlap", "lost", "gained"}
    assert set(pd.read_csv(results / "measures.csv")["split"]) == {"all"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--before", "before.npy", "--after", "gone.npy"), ["compare.after", "gone.npy"]),
        (("--before", "before.npy", "--after", "images.npy"), ["images.npy", "(120, 8, 6)"]),
        (
            ("--before", "before.npy", "--after", "after.npy", "--methods", "pca,tsme"),
            ["'tsme'", "did you mean tsne?"],
        ),
    ],
)
def test_bad_input_is_one_sentence_before_anything_runs(inputs, arguments, words):
    output = tunescope("compare", *arguments, "--out", "bad", folder=inputs, status=2)
    (line,) = output.splitlines()
    assert line.startswith("error: ")
    assert all(word in line for word in words)
    assert not (inputs / "bad/results").exists()


def test_two_models_of_the_users_own_extract_the_features_of_a_data_set(tmp_path):
    for name in ("a.keras", "b.keras"):
        (tmp_path / name).touch()
    config = {
        "study": "own",
        "dataset": {"source": "digits", "subset": 100},
        "compare": {"before_model": "a.keras", "after_model": "b.keras", "name": "mine"},
        "methods": {"pca": {}},
    }
    write(tmp_path / "own.yaml", config)
    output = finish(start(tmp_path, "-m", "pipeline", "study", "own.yaml", "--dry-run", "-p"))
    assert "15 jobs would run: 1 dataset, " in output
    assert "2 features" in output
    log = (tmp_path / "logs/own/study.log").read_text()
    assert "--model b.keras --stage after --name mine" in log
    (tmp_path / "b.keras").unlink()
    output = tunescope("study", "own.yaml", folder=tmp_path, status=2)
    assert "compare.after_model 'b.keras' does not exist" in output
