"""Things that users of such tools do, from start to end, and what must come out of them."""

import argparse
import json
import os
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial import procrustes

from pipeline import artefacts

from .bad_inputs import PIXELS, folder, png
from .outcome import EITHER, REFUSED, RIGHT, Outcome, fault, tunescope

ENGINES = {
    "pca": ["exact"],
    "tsne": ["opentsne", "exact"],
    "umap": ["tunescope"],
    "mds": ["exact", "sklearn"],
    "lle": ["exact", "sklearn"],
    "isomap": ["exact", "sklearn"],
}

STUDY_LIMIT = 900  # seconds of a whole study, a process a step, beside other work


@dataclass(frozen=True)
class Desk:
    """A folder to work in."""

    folder: Path

    def run(self, *words: object, expected: str = RIGHT) -> Outcome:
        """Run a command, which must end as expected."""
        texts = [str(word) for word in words]
        out = self.folder / texts[texts.index("--out") + 1] if "--out" in texts else None
        if texts[0] == "study":
            done = tunescope(texts, self.folder, limit=STUDY_LIMIT)
        else:
            done = tunescope(["--threads", "1", *texts], self.folder)
        wrong = fault(done, out, self.folder, expected)
        assert not wrong, f"{' '.join(texts)[:200]}: {wrong}; {done.said[-300:]}"
        return done

    def save(self, name: str, X: np.ndarray) -> None:
        """Write an array."""
        np.save(self.folder / name, X)

    def layout(self, name: str) -> np.ndarray:
        """The points of a layout."""
        return pd.read_parquet(self.folder / name)[["x", "y"]].to_numpy()

    def info(self, name: str) -> dict[str, Any]:
        """What the sidecar of a layout says."""
        return artefacts.load_sidecar(self.folder / name)["info"]


def blobs(n: int = 300, d: int = 8, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Features of some well separated classes."""
    random, labels = np.random.default_rng(0), np.arange(n) % classes
    return (random.normal(size=(classes, d)) * 5)[labels] + random.normal(size=(n, d)), labels


def save_table(path: Path, labels: object, n: int) -> None:
    split = np.where(np.arange(n) % 5, "train", "test")
    pd.DataFrame({"id": np.arange(n), "split": split, "label": labels}).to_parquet(path)


def far_apart(desk: Desk) -> None:
    """Features of 1e200 have the layout that features of 1 have, and finite distances."""
    X, _ = blobs(600, 32)
    desk.save("near.npy", X)
    desk.save("far.npy", X * 1e200)
    desk.run("graph", "--features", "far.npy", "--out", "graph.npz")
    for method in ("isomap", "mds"):
        for name in ("near", "far"):
            out = f"{name}-{method}.parquet"
            desk.run("embed", "--features", f"{name}.npy", "--method", method, "--out", out)
        near, far = (desk.layout(f"{name}-{method}.parquet") for name in ("near", "far"))
        assert procrustes(near, far)[2] < 1e-4, method


def output_without_suffix(desk: Desk) -> None:
    """An output whose name says no format is refused, and nothing is written."""
    desk.save("X.npy", blobs()[0])
    desk.run("graph", "--features", "X.npy", "--out", "G", expected=REFUSED)
    desk.run("dataset", "--source", "digits", "--out", "D.data", expected=REFUSED)
    assert [path.name for path in desk.folder.iterdir()] == ["X.npy"]


def tsne_of_few_points(desk: Desk) -> None:
    """t-SNE takes the perplexity that few points allow and says so, or refuses where strict."""
    for n in (1, 3, 16, 31, 90, 91):
        desk.save(f"{n}.npy", np.random.default_rng(0).normal(size=(n, 8)))
        words = ("embed", "--features", f"{n}.npy", "--method", "tsne", "--out", f"{n}.parquet")
        few = {1: REFUSED, 3: EITHER}
        desk.run(*words, expected=few.get(n, RIGHT))
        if n > 3:
            lowered = [each for each in desk.info(f"{n}.parquet")["warnings"] if "perplex" in each]
            assert bool(lowered) == (n < 91), (n, lowered)
        if n == 16:
            strict = ("--strict", *words[1:-1], "strict.parquet")
            desk.run(words[0], *strict, expected=REFUSED)


def own_features(desk: Desk) -> None:
    """Own features and labels are laid out and measured; labels alone are no data set."""
    X, labels = blobs()
    desk.save("X.npy", X)
    save_table(desk.folder / "labels.parquet", labels, 300)
    np.savez(desk.folder / "labels.npz", y_train=labels)
    desk.run("dataset", "--source", "labels.npz", "--out", "d.npy", expected=REFUSED)
    table = ("--table", "labels.parquet")
    desk.run("embed", "--features", "X.npy", *table, "--method", "pca", "--out", "l.parquet")
    given = ("--layout", "l.parquet", "--features", "X.npy")
    desk.run("quality", *given, *table, "--out", "q.json")
    measured = json.loads((desk.folder / "q.json").read_text())
    accuracies = {
        row["space"]: row["value"]
        for row in measured["measures"]
        if (row["measure"], row["split"]) == ("knn_accuracy", "test")
    }
    assert accuracies["pca"] > 0.9
    assert accuracies["features"] > 0.9
    assert measured["probe"]["test_accuracy"] > 0.9
    pages = ("--preview", "p.png", "--panels", "panels", "--out", "f.png")
    desk.run("figure", "--layout", "l.parquet", *pages, expected=EITHER)
    desk.run("embed", "--features", "X.npy", "--method", "pca", "--out", "bare.parquet")
    bare = ("--layout", "bare.parquet", "--features", "X.npy")
    desk.run("quality", *bare, "--out", "bare.json", expected=REFUSED)


def files_that_do_not_belong_together(desk: Desk) -> None:
    """A graph of other features, features of other images: refused, whatever their shapes."""
    X, labels = blobs()
    desk.save("A.npy", X)
    desk.save("B.npy", X[::-1])
    desk.run("graph", "--features", "B.npy", "--out", "B.npz")
    graph = ("--graph", "B.npz", "--out", "wrong.parquet")
    desk.run("embed", "--features", "A.npy", "--method", "umap", *graph, expected=REFUSED)
    save_table(desk.folder / "labels.parquet", labels, 300)
    table = ("--table", "labels.parquet", "--out", "l.parquet")
    desk.run("embed", "--features", "A.npy", "--method", "pca", *table)
    layout = ("--layout", "l.parquet", "--features")
    desk.run("quality", *layout, "B.npy", "--out", "q.json", expected=REFUSED)
    desk.run("quality", *layout, "A.npy", "--out", "q.json")


def wide_features(desk: Desk) -> None:
    """120 images of 30,000 pixels: PCA is that of the small covariance, t-SNE works."""
    X = np.random.default_rng(0).normal(size=(120, 30_000)).astype(np.float32)
    desk.save("W.npy", X)
    desk.run("embed", "--features", "W.npy", "--method", "pca", "--out", "p.parquet")
    centred = X - X.mean(axis=0, dtype=np.float64)
    expected = np.sqrt(np.linalg.eigvalsh(centred @ centred.T)[-2:])
    found = desk.layout("p.parquet") * 2.0 ** desk.info("p.parquet")["exponent"]
    assert np.allclose(np.sort(np.linalg.norm(found, axis=0)), expected, 1e-3)
    params = ("--params", '{"perplexity": 10}')
    desk.run("embed", "--features", "W.npy", "--method", "tsne", *params, "--out", "t.parquet")


def names_that_are_no_unicode(desk: Desk) -> None:
    """A folder whose names are no UTF-8 is read, or refused by one sentence."""
    names = [b"caf\xe9/%d.png", b"x/%d.png"]
    folder({name % i: png() for name in names for i in range(3)})(desk.folder, desk.folder)
    desk.run("dataset", "--source", "bad", "--out", "d.npy", expected=EITHER)


def class_names_on_figures(desk: Desk) -> None:
    """Names in many scripts, of two lines and of 150 letters are drawn."""
    names = ["猫", "हिन्दी", "ไทย", "long " * 30, "two\nlines", "$x_1", "<b>", "%s"]
    images = np.random.default_rng(0).integers(0, 256, (80, 8, 8), np.uint8)
    np.savez(desk.folder / "d.npz", x_train=images, y_train=np.array(names * 10))
    if desk.run("dataset", "--source", "d.npz", "--out", "d.npy", expected=EITHER).status:
        save_table(desk.folder / "d.parquet", names * 10, 80)
    desk.save("X.npy", images.reshape(80, -1))
    context = {"step": "features", "context": {"stage": "before", "backbone": "VGG16"}}
    artefacts.sidecar(desk.folder / "X.npy").write_text(json.dumps(context))
    table = ("--table", "d.parquet", "--out", "l.parquet")
    desk.run("embed", "--features", "X.npy", "--method", "pca", *table)
    pages = ("--preview", "p.png", "--panels", "panels", "--out", "f.png", "--classes", "c.png")
    desk.run("figure", "--layout", "l.parquet", *pages)


def parameters_and_seeds(desk: Desk) -> None:
    """Values that no method or seed takes are refused by one sentence each."""
    desk.save("X.npy", blobs()[0])
    wrong = [
        ("isomap", '{"landmarks": "many"}'),
        ("lle", '{"n_neighbors": 15.5}'),
        ("tsne", '{"perplexity": "30"}'),
    ]
    for method, params in wrong:
        words = ("--method", method, "--params", params, "--out", "o.parquet")
        desk.run("embed", "--features", "X.npy", *words, expected=REFUSED)
    words = ("--method", "tsne", "--params", '{"perplexity": 1e9}')
    desk.run("embed", "--features", "X.npy", *words, "--out", "o.parquet", expected=EITHER)
    seed = ("--seed", "-1", "--out", "d.npy")
    desk.run("dataset", "--source", "digits", *seed, expected=REFUSED)
    missing = ("--method", "pca", "--out", "m.parquet")
    done = desk.run("embed", "--features", "nosuch.npy", *missing, expected=REFUSED)
    assert done.errors[0].count("nosuch.npy") == 1


def scaled_features(desk: Desk) -> None:
    """Tiny, huge and integer features have the layouts of the same features near 1."""
    X, _ = blobs(600, 32, 5)
    near = {
        "tiny": (X, X * 1e-200),
        "float32": (X.astype("f4"), (X * 1e30).astype("f4")),
        "integers": (np.round(X * 1e6) / 1e6, np.round(X * 1e6).astype("i8") * 10**9),
    }
    for name, (plain, scaled) in near.items():
        desk.save("plain.npy", plain)
        desk.save(f"{name}.npy", scaled)
        for method, engine in [(m, e) for m, engines in ENGINES.items() for e in engines]:
            out = f"{name}-{method}-{engine}.parquet"
            words = ("--method", method, "--engine", engine, "--out", out)
            desk.run("embed", "--features", f"{name}.npy", *words)
            assert (desk.layout(out).std(axis=0) > 0).all(), out
            if method in ("pca", "mds", "isomap"):  # others amplify the last bit of an input
                desk.run("embed", "--features", "plain.npy", *words[:-1], "plain.parquet")
                distance = procrustes(desk.layout("plain.parquet"), desk.layout(out))[2]
                assert distance < 1e-4, (out, distance)
    both = [desk.info(f"integers-tsne-{e}.parquet")["kl_divergence"] for e in ENGINES["tsne"]]
    assert abs(both[0] - both[1]) < 0.1 * both[1], both


def file_formats(desk: Desk) -> None:
    """Features in another format than .npy are refused by one sentence."""
    X = np.random.default_rng(0).normal(size=(50, 4))
    np.savez(desk.folder / "X.npz", features=X)
    np.savetxt(desk.folder / "X.csv", X, delimiter=",")
    cells = "".join(f'{i},"{row.tolist()}"\n' for i, row in enumerate(X))
    (desk.folder / "list.csv").write_text("id,embedding\n" + cells)
    desk.save("b.npy", X > 0)
    for name in ("X.npz", "X.csv", "list.csv", "b.npy"):
        words = ("--n-neighbors", 5, "--out", "g.npz")
        desk.run("graph", "--features", name, *words, expected=REFUSED)


def training_and_validation(desk: Desk) -> None:
    """Folders train and val without test: val is the test part, or the sentence names it."""
    names = [f"{part}/{c}/{i}.png" for part in ("train", "val") for c in "ab" for i in range(3)]
    folder({name: png() for name in names})(desk.folder, desk.folder)
    done = desk.run("dataset", "--source", "bad", "--out", "d.npy", expected=EITHER)
    assert "val" in done.said
    if done.status == 0:
        split = pd.read_parquet(desk.folder / "d.parquet")["split"]
        assert (split == "test").sum() == 6


def perplexity(desk: Desk) -> None:
    """openTSNE has the perplexity that was asked for, however wide the features are."""
    random = np.random.default_rng(0)
    desk.save("noise.npy", random.integers(0, 256, (500, 784)).astype("u1"))
    clusters = random.normal(size=(6, 1536))[np.arange(600) % 6] + random.normal(size=(600, 1536))
    desk.save("clusters.npy", clusters.astype("f4"))
    for name in ("noise", "clusters"):
        info = []
        for engine in ENGINES["tsne"]:
            out = f"{name}-{engine}.parquet"
            words = ("--method", "tsne", "--engine", engine, "--out", out)
            desk.run("embed", "--features", f"{name}.npy", *words)
            info.append(desk.info(out))
        assert abs(np.diff([each["kl_divergence"] for each in info])[0]) < 0.1, name
        for each in info:
            assert abs(each["effective_perplexity"]["median"] - 30) < 0.5, each


def few_images(desk: Desk) -> None:
    """A study of 36 images and PCA alone needs no graph of 91 points and runs to its figure."""
    images = np.resize(PIXELS, (36, 32, 32, 3))
    np.savez(desk.folder / "few.npz", x_train=images, y_train=np.arange(36) % 3)
    config = {
        "study": "few",
        "dataset": {"source": "few.npz"},
        "image_size": 32,
        "backbones": {"MobileNet": {"weights": "random", "alpha": 0.25}},
        "finetune": {"epochs": 1, "head_epochs": 1},
        "methods": {"pca": {}},
    }
    (desk.folder / "few.yaml").write_text(json.dumps(config))
    desk.run("study", "few.yaml")
    assert (desk.folder / "results/few/MobileNet/figure.png").stat().st_size > 1000


TRIALS: list[Callable[[Desk], None]] = [
    far_apart,
    output_without_suffix,
    tsne_of_few_points,
    own_features,
    files_that_do_not_belong_together,
    wide_features,
    names_that_are_no_unicode,
    class_names_on_figures,
    parameters_and_seeds,
    scaled_features,
    file_formats,
    training_and_validation,
    perplexity,
    few_images,
]


def run_trials(root: Path, options: argparse.Namespace) -> list[str]:
    """Run all trials; faults as sentences."""
    chosen = [trial for trial in TRIALS if options.only in trial.__name__]

    def judge(trial: Callable[[Desk], None]) -> str | None:
        here = root / trial.__name__
        os.mkdir(here)
        try:
            trial(Desk(here))
        except Exception as error:  # a trial that breaks is at fault too
            where = traceback.extract_tb(error.__traceback__)[1].lineno
            return f"{trial.__name__}, line {where}: {type(error).__name__}: {error}"
        return None

    with ThreadPoolExecutor(options.jobs) as pool:
        faults = [each for each in pool.map(judge, chosen) if each]
    print(f"trials: {len(chosen)} tried, {len(faults)} at fault", flush=True)
    return faults
