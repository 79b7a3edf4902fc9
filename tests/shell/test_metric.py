"""Does the cosine reach every step, and is it named wherever its result goes?"""

import numpy as np
import pandas as pd
import pytest
from command_line import call

from pipeline import artefacts, store
from pipeline.errors import InputError

N = 80


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Directions that tell two classes, in rows of very different lengths."""
    folder = tmp_path_factory.mktemp("metric")
    rng = np.random.default_rng(0)
    labels = np.arange(N) % 2
    X = rng.normal(scale=0.2, size=(N, 6))
    X[np.arange(N), labels] += 1
    lengths = np.exp(rng.normal(scale=2, size=N))
    for name, values in (("long", X * lengths[:, None]), ("unit", X)):
        unit = values / np.linalg.norm(values, axis=1, keepdims=True)
        np.save(folder / f"{name}.npy", unit if name == "unit" else values)
    table = {"id": np.arange(N), "split": np.where(np.arange(N) < 50, "train", "test")}
    pd.DataFrame({**table, "label": labels}).to_parquet(folder / "table.parquet")
    return folder


@pytest.fixture(scope="module")
def by_metric(files):
    """What the verbs make of features by the cosine, and of unit features by Euclid."""
    table = files / "table.parquet"
    for name, metric in (("long", "cosine"), ("unit", "euclidean")):
        features, out, common = files / f"{name}.npy", files / name, ["--metric", metric]
        call("graph", "--features", features, "--out", out / "graph.npz", *common)
        for method in ("pca", "isomap"):
            call(
                *("embed", "--features", features, "--graph", out / "graph.npz", *common),
                *("--method", method, "--table", table, "--out", out / f"{method}.parquet"),
            )
        call(
            *("quality", "--features", features, "--graph", out / "graph.npz", "--table", table),
            *("--layout", out / "pca.parquet", "--layout", out / "isomap.parquet", *common),
            *("--out", out / "quality.json"),
        )
        call(
            *("change", "--before", features, "--after", features, "--table", table, *common),
            *("--out", out / "change.parquet", "--measures", out / "change.json"),
        )
    return files


def test_the_cosine_of_features_is_euclids_distance_of_unit_features(by_metric):
    cosine, euclid = by_metric / "long", by_metric / "unit"
    graphs = [store.load_graph(folder / "graph.npz") for folder in (cosine, euclid)]
    assert np.array_equal(graphs[0].indices, graphs[1].indices)
    for method in ("pca", "isomap"):
        layouts = [
            store.load_layout(folder / f"{method}.parquet")[["x", "y"]].to_numpy()
            for folder in (cosine, euclid)
        ]
        assert np.allclose(*layouts, atol=1e-5)
    measures = [
        {
            (row["space"], row["split"], row["measure"]): row["value"]
            for row in store.load_measures(folder / name)["measures"]
        }
        for name in ("quality.json", "change.json")
        for folder in (cosine, euclid)
    ]
    shared = [key for key in measures[0] if key in measures[1]]
    assert ("features", "test", "knn_accuracy") in shared
    assert {key[0] for key in measures[0]} == {"features", "pca", "isomap"}  # not twice
    assert "features, cosine" in {key[0] for key in measures[1]}
    for key in shared:
        assert measures[0][key] == pytest.approx(measures[1][key], abs=1e-5), key
    assert measures[2] == pytest.approx(measures[3], abs=1e-5, nan_ok=True)


def test_every_artefact_names_its_metric(by_metric):
    for name in ("graph.npz", "pca.parquet", "quality.json", "change.json", "change.parquet"):
        assert artefacts.context(by_metric / "long" / name)["metric"] == "cosine", name


@pytest.mark.parametrize(
    "arguments",
    [
        ["embed", "--method", "pca", "--graph", "long/graph.npz"],
        ["quality", "--layout", "unit/pca.parquet", "--graph", "long/graph.npz"],
        ["quality", "--layout", "long/pca.parquet"],
    ],
)
def test_artefacts_of_two_metrics_are_not_mixed(by_metric, monkeypatch, tmp_path, arguments):
    """What else would tell, the hash of the features, is the same."""
    monkeypatch.chdir(by_metric)
    monkeypatch.setattr(artefacts, "check_made_from", lambda path, source: None)
    out = tmp_path / ("out.parquet" if arguments[0] == "embed" else "out.json")
    with pytest.raises(InputError, match=r"computed by the cosine metric but .* the euclidean"):
        call(*arguments, "--features", "long.npy", "--out", out)
    assert not out.exists()


def test_a_row_of_zeros_has_no_cosine(tmp_path):
    np.save(tmp_path / "features.npy", np.eye(5)[:, :4])
    with pytest.raises(InputError, match=r"1 of 5 rows .* row 4"):
        call(
            *("graph", "--features", tmp_path / "features.npy", "--metric", "cosine"),
            *("--out", tmp_path / "graph.npz"),
        )
