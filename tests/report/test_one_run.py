"""Is a page made of one whole run, and is everything else refused before a file is written?"""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from command_line import call

from pipeline import artefacts
from pipeline.errors import InputError
from pipeline.report.provenance import trace
from pipeline.results import read_sidecars

pytestmark = pytest.mark.slow
N = 60


def study(folder, seed):
    """What the steps of a comparison write, without the page."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    labels = np.arange(N) % 3
    split = np.where(np.arange(N) % 4, "train", "test")
    pd.DataFrame({"label": labels, "split": split}).to_csv(folder / "labels.csv", index=False)
    for stage in ("before", "after"):
        np.save(folder / f"{stage}.npy", rng.normal(size=(N, 5)) + 2 * np.eye(5)[labels])
    out, table = folder / "features", folder / "images.parquet"
    call(
        *("pair", "--before", folder / "before.npy", "--after", folder / "after.npy"),
        *("--labels", folder / "labels.csv", "--split", folder / "labels.csv", "--out", table),
        *("--features-before", out / "before/features.npy"),
        *("--features-after", out / "after/features.npy"),
    )
    for stage in ("before", "after"):
        graph = out / stage / "graph.npz"
        given = ["--features", out / stage / "features.npy", "--graph", graph, "--table", table]
        call("graph", *given[:2], "--out", graph)
        call("embed", *given, "--method", "pca", "--out", out / stage / "pca.parquet")
        layout = ["--layout", out / stage / "pca.parquet"]
        call("quality", *given, *layout, "--out", out / stage / "quality.json")
    call(
        *("change", "--before", out / "before/features.npy"),
        *("--after", out / "after/features.npy", "--table", table),
        *("--graph-before", out / "before/graph.npz", "--graph-after", out / "after/graph.npz"),
        *("--out", out / "change.parquet", "--measures", out / "change.json"),
    )
    measured = [("--quality", out / stage / "quality.json") for stage in ("before", "after")]
    layouts = [("--layout", out / stage / "pca.parquet") for stage in ("before", "after")]
    call(
        *("figure", *sum([*layouts, *measured], ()), "--out", out / "figure.png"),
        *("--preview", out / "preview.png", "--panels", out / "panels", "--panel-size", 200),
    )
    call("runtimes", "--artefact", out / "change.parquet", "--out", folder / "runtimes.csv")
    return folder


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    root = tmp_path_factory.mktemp("studies")
    return study(root / "one", 0), study(root / "other", 1)


def report(folder, *options):
    call("report", folder, "--out", folder / "report.html", *options)


def replaced(name):
    def replace(folder, other):
        for suffix in ("", ".json"):
            shutil.copy(other / f"features/{name}{suffix}", folder / f"features/{name}{suffix}")

    return replace


def drawn(name):
    return lambda folder, other: shutil.copy(
        other / f"features/{name}", folder / f"features/{name}"
    )


def halved(name):
    def halve(folder, other):
        path = folder / "features" / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return halve


def alone(name):
    return lambda folder, other: artefacts.sidecar(folder / "features" / name).unlink()


def by_cosine(folder, other):
    path = artefacts.sidecar(folder / "features/change.json")
    record = json.loads(path.read_text())
    record["context"]["metric"] = "cosine"
    path.write_text(json.dumps(record))


def without_groups(folder, other):
    """As of a version that had none, with the right hash."""
    path = folder / "features/change.json"
    change = json.loads(path.read_text())
    del change["groups"]
    path.write_text(json.dumps(change))
    record = json.loads(artefacts.sidecar(path).read_text())
    record["sha256"] = artefacts.sha256(path)
    artefacts.sidecar(path).write_text(json.dumps(record))


def no_table(folder, other):
    path = folder / "runtimes.csv"
    path.write_text("")
    record = json.loads(artefacts.sidecar(path).read_text())
    record["sha256"] = artefacts.sha256(path)
    artefacts.sidecar(path).write_text(json.dumps(record))


MADE = ["change.json", "change.parquet", *(f"{s}/quality.json" for s in ("before", "after"))]
DAMAGES = {
    **{f"{name} of another study": (replaced(name), "was not made from") for name in MADE},
    "a graph of another study": (replaced("after/graph.npz"), "was not made from"),
    "a figure of another study": (replaced("figure.png"), "was not made from"),
    "a layout of another study": (replaced("after/pca.parquet"), "does not measure"),
    **{f"{name} without its sidecar": (alone(name), "does not say which step") for name in MADE},
    "a layout without its sidecar": (alone("after/pca.parquet"), "does not say which step"),
    **{f"half of {name}": (halved(name), f"{name} is damaged") for name in MADE},
    "a picture of another study": (drawn("preview.png"), "was not drawn with"),
    "a panel of another study": (drawn("panels/after_pca.png"), "was not drawn with"),
    "half of a picture": (halved("preview.png"), "is no whole picture"),
    "half of a panel": (halved("panels/after_pca.png"), "is no whole picture"),
    "measures of another version": (without_groups, "has no groups, as of another version"),
    "an empty table of run times": (no_table, "is no readable table"),
    "another metric": (by_cosine, "computed by the cosine metric but"),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_what_is_not_of_one_run_has_no_page(what, studies, tmp_path):
    damage, words = DAMAGES[what]
    folder = shutil.copytree(studies[0], tmp_path / "one")
    damage(folder, studies[1])
    with pytest.raises(InputError, match=words) as error:
        report(folder)
    assert "JSON" not in str(error.value)
    assert "\n" not in str(error.value)
    assert not {path.name for path in folder.iterdir()} & {"methods.txt", "report_tables"}
    assert not list(folder.glob("report.html*"))


# What an explorer does not show.
OF_THE_PAGE = ("figure", "picture", "panel", "run times", "half of before/q", "half of after/q")


@pytest.mark.parametrize(
    "what", [what for what in DAMAGES if not any(word in what for word in OF_THE_PAGE)]
)
@pytest.mark.parametrize(("verb", "out"), [("explorer", "e.html"), ("export", "t.parquet")])
def test_what_is_not_of_one_run_is_not_explored(verb, out, what, studies, tmp_path):
    damage, words = DAMAGES[what]
    folder = shutil.copytree(studies[0], tmp_path / "one")
    damage(folder, studies[1])
    with pytest.raises(InputError, match=words):
        call(verb, folder, "--out", tmp_path / out)
    assert not list(tmp_path.glob(f"{out}*"))


def test_a_whole_run_is_explored_exported_and_linked(studies, tmp_path):
    folder = shutil.copytree(studies[0], tmp_path / "one")
    out = folder / "explorer/features.html"
    call("explorer", folder, "--out", out)
    assert f'"points": {N}' in out.read_text("utf-8")
    assert artefacts.read_sidecar(out)["step"] == "explorer"
    report(folder)
    assert 'href="explorer/features.html"' in (folder / "report.html").read_text("utf-8")
    call("export", folder, "--to", "parquet", "--out", folder / "all.parquet")
    table, change = (
        pd.read_parquet(folder / name) for name in ("all.parquet", "features/change.parquet")
    )
    assert list(table["id"]) == list(change["id"])
    np.testing.assert_array_equal(table["overlap"], change["overlap"])
    layout = pd.read_parquet(folder / "features/after/pca.parquet")
    np.testing.assert_array_equal(table["pca_after_y"], layout["y"])


@pytest.mark.parametrize(
    "name", ["images.parquet", "features/change.parquet", "features/after/pca.parquet"]
)
def test_an_export_overwrites_nothing_of_the_study(name, studies, tmp_path):
    folder = shutil.copytree(studies[0], tmp_path / "one")
    before = (folder / name).read_bytes()
    with pytest.raises(InputError, match="is an input too"):
        call("export", folder, "--out", folder / name)
    assert (folder / name).read_bytes() == before


def test_of_several_backbones_one_is_named(studies, tmp_path):
    folder = shutil.copytree(studies[0], tmp_path / "one")
    shutil.copytree(folder / "features", folder / "others")
    with pytest.raises(InputError, match="has the backbones features, others: name one by"):
        call("explorer", folder, "--out", tmp_path / "e.html")
    call("explorer", folder, "--backbone", "others", "--out", tmp_path / "e.html")
    assert (tmp_path / "e.html").is_file()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--control", "features_seed9"], "--control features_seed9 is no folder in"),
        (
            ["--claim", '{"claim": "c", "measure": "cka", "comparison": "above", "threshold": 1}'],
            "--claim: stage is 'after' but cka is measured of what changed",
        ),
        (["--backbone", "VGG16"], "holds no results of VGG16"),
    ],
)
def test_options_that_name_nothing_are_refused(options, words, studies):
    with pytest.raises(InputError, match=words):
        report(studies[0], *options)


def test_pictures_of_other_images_are_not_shown(studies, tmp_path):
    folder = shutil.copytree(studies[0], tmp_path / "one")
    np.save(folder / "images.npy", np.zeros((N, 4, 4, 1), np.uint8))
    made = {"sha256": artefacts.sha256(folder / "images.npy"), "step": "dataset", "inputs": {}}
    artefacts.sidecar(folder / "images.npy").write_text(json.dumps(made))
    with pytest.raises(InputError, match=r"images\.npy is not"):
        report(folder)


def test_controls_are_of_the_same_run(studies, tmp_path):
    folder = shutil.copytree(studies[0], tmp_path / "one")
    made, other = folder / "features", studies[1] / "features"
    control = folder / "controls/features_seed1"
    shutil.copytree(made / "after", control / "after")
    for suffix in ("", ".json"):
        shutil.copy(made / f"change.json{suffix}", control)
    report(folder)
    assert "2 fine-tunings" in (folder / "report.html").read_text("utf-8")
    for suffix in ("", ".json"):
        shutil.copy(other / f"change.json{suffix}", control)
    with pytest.raises(InputError, match=r"seed1/change\.json was not made from"):
        report(folder)
    artefacts.sidecar(control / "after/quality.json").unlink()
    with pytest.raises(InputError, match=r"seed1/after/quality\.json\.json does not say"):
        report(folder)


def test_a_whole_run_has_its_page(studies, tmp_path):
    folder = shutil.copytree(studies[0], tmp_path / "one")
    report(folder)
    assert "features on images" in (folder / "report.html").read_text("utf-8")


def test_provenance_has_the_layouts_by_other_seeds_that_were_measured(studies, tmp_path):
    results = tmp_path / "with seeds"
    shutil.copytree(studies[0], results)
    of_stage = results / "features/after"
    given = ["--features", of_stage / "features.npy", "--graph", of_stage / "graph.npz"]
    given += ["--table", results / "images.parquet"]
    names = {0: "umap", 5: "controls/umap_seed5", 6: "controls/umap_seed6"}
    for seed, name in names.items():
        out = of_stage / f"{name}.parquet"
        call("embed", *given, "--method", "umap", "--seed", seed, "--out", out)
    measured = ["--layout", of_stage / "umap.parquet"]
    measured += ["--control", of_stage / "controls/umap_seed5.parquet"]
    call("quality", *given, *measured, "--out", of_stage / "quality.json")
    sidecars = read_sidecars(results, {results / "features": []})
    seeds = [row["seed"] for row in trace(sidecars) if row["method"] == "umap"]
    assert seeds == [0, 5]  # what is left of another study is none of this one
