"""The verbs of the command line with valid arguments, and the files that these name."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline import artefacts, store

POINTS = 60
Value = str | Sequence[str] | None
CONTEXT = {"backbone": "MobileNet", "image_size": 32, "weights": "random", "warnings": []}

# {base} is the folder of valid files, {here} that of a case. The output is always --out.
ARGUMENTS: dict[str, dict[str, Value]] = {
    "dataset": {"--source": "digits", "--subset": str(POINTS), "--out": "{here}/images.npy"},
    "pair": {
        "--before": "{base}/features.npy",
        "--after": "{base}/after.npy",
        "--labels": "{base}/images.parquet",
        "--features-before": "{here}/before.npy",
        "--features-after": "{here}/after.npy",
        "--out": "{here}/images.parquet",
    },
    "backbone": {
        "--name": "MobileNet",
        "--images": "{base}/images.npy",
        "--image-size": "32",
        "--weights": "random",
        "--alpha": "0.25",
        "--out": "{here}/model.keras",
    },
    "finetune": {
        "--model": "{base}/model.keras",
        "--images": "{base}/images.npy",
        "--table": "{base}/images.parquet",
        "--params": '{"head_epochs": 1, "epochs": 1}',
        "--history": "{here}/history.csv",
        "--out": "{here}/tuned.keras",
    },
    "features": {
        "--model": "{base}/model.keras",
        "--images": "{base}/images.npy",
        "--out": "{here}/features.npy",
    },
    "graph": {
        "--features": "{base}/features.npy",
        "--n-neighbors": "15",
        "--out": "{here}/graph.npz",
    },
    "embed": {
        "--features": "{base}/features.npy",
        "--graph": "{base}/graph.npz",
        "--table": "{base}/images.parquet",
        "--method": "isomap",
        "--out": "{here}/layout.parquet",
    },
    "quality": {
        "--layout": ["{base}/pca.parquet"],
        "--features": "{base}/features.npy",
        "--graph": "{base}/graph.npz",
        "--table": "{base}/images.parquet",
        "--out": "{here}/quality.json",
    },
    "change": {
        "--before": "{base}/features.npy",
        "--after": "{base}/after.npy",
        "--graph-before": "{base}/graph.npz",
        "--table": "{base}/images.parquet",
        "--predictions": "{base}/predictions.parquet",
        "--measures": "{here}/change.json",
        "--out": "{here}/change.parquet",
    },
    "depth": {
        "--before": "{base}/model.keras",
        "--after": "{base}/model.keras",
        "--images": "{base}/images.npy",
        "--table": "{base}/images.parquet",
        "--out": "{here}/depth.json",
    },
    "figure": {
        "--layout": ["{base}/pca.parquet"],
        "--quality": ["{base}/quality.json"],
        "--predictions": "{base}/predictions.parquet",
        "--width": "1000",
        "--panel-size": "200",
        "--dpi": "72",
        "--panels": "{here}/panels",
        "--preview": "{here}/preview.png",
        "--classes": "{here}/classes.png",
        "--out": "{here}/figure.png",
    },
    "summary": {"--quality": ["{base}/quality.json"], "--out": "{here}/summary.csv"},
    "runtimes": {"--artefact": ["{base}/features.npy"], "--out": "{here}/runtimes.csv"},
    "study": {"": "{base}/study.yaml", "--dry-run": "", "--out": None},
}
# Options that name a file that is read.
FILES = {
    "pair": ["--before", "--after", "--labels"],
    "backbone": ["--images"],
    "finetune": ["--model", "--images", "--table"],
    "features": ["--model", "--images"],
    "graph": ["--features"],
    "embed": ["--features", "--graph", "--table"],
    "quality": ["--layout", "--features", "--graph", "--table"],
    "change": ["--before", "--after", "--graph-before", "--table", "--predictions"],
    "depth": ["--before", "--after", "--images", "--table"],
    "figure": ["--layout", "--quality", "--predictions"],
    "summary": ["--quality"],
    "runtimes": ["--artefact"],
}
NEED_KERAS = {"backbone", "finetune", "features", "depth"}
STUDY = {
    "study": "tortured",
    "dataset": {"source": "digits", "subset": 100},
    "image_size": 32,
    "backbones": {"MobileNet": {"weights": "random", "alpha": 0.25}},
    "finetune": {"head_epochs": 1, "epochs": 1},
    "methods": {"pca": {}},
}


def command_line(
    verb: str, change: Mapping[str, Value], *, base: Path, here: Path
) -> tuple[list[str], Path | None]:
    """The words of a command whose arguments were changed, and the file that it shall write."""
    options = {**ARGUMENTS[verb], **change}
    words = ["--threads", "1", verb] if verb != "study" else [verb]
    out = None
    for option, value in options.items():
        for each in [value] if isinstance(value, str) else value or []:
            text = each.replace("{base}", str(base)).replace("{here}", str(here))
            words += [text] if not option else [option] if option == "--dry-run" else [option, text]
            if option == "--out":
                out = here / text
    return words, out


def build(base: Path, run) -> None:
    """Write the valid files that no network of Keras is needed for.

    Parameters
    ----------
    base : Path
    run : callable
        Runs the words of a command, which must succeed.
    """

    def write(verb: str, **change: Value) -> None:
        change = {f"--{name}": value for name, value in change.items()}
        run(command_line(verb, change, base=base, here=base)[0])

    (base / "study.yaml").write_text(json.dumps(STUDY))  # which is YAML too
    write("dataset")
    images, table = base / "images.npy", base / "images.parquet"
    pixels, known = store.load_images(images), store.load_table(table)
    made = {"step": "features", "inputs": [images]}
    context = {**artefacts.context(images), **CONTEXT, "stage": "before"}
    features = pixels.reshape(len(pixels), -1).astype(np.float32)
    store.save_features(base / "features.npy", features, {**made, "context": context})
    after = {**context, "stage": "after"}
    store.save_features(base / "after.npy", features[:, ::-1] ** 2, {**made, "context": after})
    sure = np.eye(len(known.class_names), dtype=np.float32)[known.labels]
    store.save_predictions(base / "predictions.parquet", sure, known, made)
    write("graph", out="{base}/graph.npz")
    write("embed", method="pca", out="{base}/pca.parquet")
    write("quality", out="{base}/quality.json")


def build_model(base: Path, run) -> None:
    """Write the network too."""
    run(command_line("backbone", {"--out": "{base}/model.keras"}, base=base, here=base)[0])
