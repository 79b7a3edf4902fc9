"""A table of bad inputs: a verb, what is wrong with one of its arguments, how it must end."""

import contextlib
import io
import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from pipeline import artefacts, store

from .outcome import EITHER, REFUSED, RIGHT
from .verbs import ARGUMENTS, FILES, NEED_KERAS, POINTS, STUDY, Value

Make = Callable[[Path, Path], object]  # of a valid file and the place where the bad one goes


@dataclass(frozen=True)
class Case:
    """A verb with one argument that is wrong, or only strange."""

    verb: str
    name: str
    change: dict[str, Value]
    make: Callable[[Path, Path], object] = lambda base, here: None  # the files it names
    expected: str = REFUSED
    alone: bool = False  # in a process of its own only: it may load Keras, or not end

    def __str__(self) -> str:
        return f"{self.verb}: {self.name}"


def describe_as(valid: Path, bad: Path) -> None:
    """Give a file without a sidecar one with the context of a valid file, but no hash.

    Else it is refused for saying nothing of its study, before anybody reads it.
    """
    if bad.is_file() and not artefacts.sidecar(bad).exists():
        sidecar = {"step": "torture", "context": artefacts.context(valid)}
        artefacts.sidecar(bad).write_text(json.dumps(sidecar))


# ---- any file


def truncated(valid: Path, bad: Path) -> None:
    content = valid.read_bytes()
    bad.write_bytes(content[: len(content) // 2])


def damaged(valid: Path, bad: Path) -> None:
    """One bit is another than when the sidecar was written."""
    content = bytearray(valid.read_bytes())
    content[len(content) // 2] ^= 1
    bad.write_bytes(content)
    shutil.copy(f"{valid}.json", f"{bad}.json")


def beside(sidecar: bytes) -> Make:
    """A valid file beside a sidecar with such a content."""

    def make(valid: Path, bad: Path) -> None:
        shutil.copy(valid, bad)
        Path(f"{bad}.json").write_bytes(sidecar)

    return make


def garbage(valid: Path, bad: Path) -> None:
    bad.write_bytes(np.random.default_rng(0).bytes(5000))


ANY_FILE: dict[str, Make] = {
    "missing": lambda valid, bad: None,
    "a folder": lambda valid, bad: bad.mkdir(),
    "empty": lambda valid, bad: bad.touch(),
    "truncated": truncated,
    "one bit flipped": damaged,
    "random bytes": garbage,
    "a text": lambda valid, bad: bad.write_text("1,2,3\n" * 99),
    "a named pipe": lambda valid, bad: os.mkfifo(bad),
    "a link to itself": lambda valid, bad: bad.symlink_to(bad),
    "a sidecar that is no JSON": beside(b'{"step": '),
    "a sidecar that is no text": beside(b"\xff\xfe\x00"),
    "a sidecar that is a list": beside(b"[1, 2]"),
    "a sidecar whose context is a text": beside(b'{"context": "before", "step": "x"}'),
}
NAMES = {"a name of 300 letters": "x" * 300, "blank": ""}


def bad_file(name: str, make: Make) -> Make:
    """Make a bad one of a valid file, beside a sidecar that says as much as the valid one's."""

    def make_both(base: Path, here: Path) -> None:
        bad = here / f"bad{Path(name).suffix}"
        make(base / name, bad)
        describe_as(base / name, bad)

    return make_both


def any_file() -> Iterator[Case]:
    for verb, options in FILES.items():
        for option in options:
            given = ARGUMENTS[verb][option]
            valid_name = (given if isinstance(given, str) else given[0]).removeprefix("{base}/")
            suffix = Path(valid_name).suffix
            for name, make in ANY_FILE.items():
                if verb == "runtimes" and "sidecar" not in name:
                    continue  # it reads the sidecar alone
                yield Case(
                    verb,
                    f"{option} is {name}",
                    {option: "{here}/bad" + suffix},
                    bad_file(valid_name, make),
                    alone=verb in NEED_KERAS,
                )
            for name, value in NAMES.items():
                yield Case(
                    verb,
                    f"{option} is {name}",
                    {option: value + suffix * bool(value)},
                    alone=verb in NEED_KERAS,
                )


# ---- features


def cloud(n: int = POINTS, d: int = 8) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.normal(size=(n, d)) + 6 * np.eye(d)[np.arange(n) % 3]


def with_value(value: float) -> np.ndarray:
    X = cloud()
    X[7, 3] = value
    return X


FEATURES: dict[str, tuple[Callable[[], np.ndarray], str]] = {
    "NaN": (lambda: with_value(np.nan), REFUSED),
    "infinite": (lambda: with_value(-np.inf), REFUSED),
    "one-dimensional": (lambda: cloud().ravel(), REFUSED),
    "three-dimensional": (lambda: cloud()[None], REFUSED),
    "no rows": (lambda: cloud()[:0], REFUSED),
    "no columns": (lambda: cloud()[:, :0], REFUSED),
    "one row": (lambda: cloud()[:1], REFUSED),
    "complex": (lambda: cloud() * 1j, REFUSED),
    "texts": (lambda: cloud().astype("U9"), REFUSED),
    "bytes": (lambda: cloud().astype("S9"), REFUSED),
    "booleans": (lambda: cloud() > 0, REFUSED),
    "dates": (lambda: cloud().astype("M8[s]"), REFUSED),
    "objects": (lambda: cloud().astype(object), REFUSED),
    "records": (lambda: np.zeros(9, [("x", float), ("y", float)]), REFUSED),
    "times 1e200": (lambda: cloud() * 1e200, RIGHT),
    "times 1e-200": (lambda: cloud() * 1e-200, RIGHT),
    "float32 times 1e30": (lambda: (cloud() * 1e30).astype("f4"), RIGHT),
    "float32 below the normal numbers": (lambda: (cloud() * 1e-41).astype("f4"), RIGHT),
    "integers of 1e16": (lambda: (cloud() * 1e15).astype("i8"), RIGHT),
    "unsigned": (lambda: np.abs(cloud() * 9).astype("u8"), RIGHT),
    "float16": (lambda: cloud().astype("f2"), RIGHT),
    "of another byte order": (lambda: cloud().astype(">f8"), RIGHT),
    "in columns": (lambda: np.asfortranarray(cloud()), RIGHT),
    "wider than tall": (lambda: cloud(60, 3000), RIGHT),
    "an offset of 1e12": (lambda: cloud() + 1e12, RIGHT),
    "duplicates": (lambda: np.repeat(cloud(20), 3, axis=0), RIGHT),
    "one huge row": (lambda: np.vstack([cloud(), np.full((1, 8), 1e165)]), REFUSED),
    "one column": (lambda: cloud()[:, :1], EITHER),  # of which there is no second component
    "constant columns": (lambda: cloud() * (np.arange(8) < 2), RIGHT),
}
METHODS = ("pca", "tsne", "umap", "mds", "lle", "isomap")


def features() -> Iterator[Case]:
    for name, (values, expected) in FEATURES.items():

        def make(base: Path, here: Path, values=values) -> None:
            np.save(here / "bad.npy", values())

        change: dict[str, Value] = {"--features": "{here}/bad.npy"}
        yield Case("graph", f"features {name}", change, make, expected)
        alone = {**change, "--graph": None, "--table": None}
        methods = METHODS[-1:] if expected == REFUSED else METHODS
        for method in methods:
            yield Case(
                "embed",
                f"{method} of features {name}",
                {**alone, "--method": method},
                make,
                expected,
            )
        if expected == REFUSED:
            yield Case("quality", f"features {name}", {**change, "--graph": None}, make)
            yield Case("change", f"features {name}", {"--after": "{here}/bad.npy"}, make)
    for n in (2, 3, 5, 12):
        for method in METHODS:
            yield Case(
                "embed",
                f"{method} of {n} points",
                {
                    "--features": "{here}/few.npy",
                    "--graph": None,
                    "--table": None,
                    "--method": method,
                },
                lambda base, here, n=n: np.save(here / "few.npy", cloud(n)),
                RIGHT if n == 12 else EITHER,
            )
    yield Case(
        "embed",
        "features that are all equal",
        {"--features": "{here}/one.npy", "--graph": None, "--table": None},
        lambda base, here: np.save(here / "one.npy", np.ones((30, 4))),
    )


# ---- graphs


def changed_graph(**change: Callable[[np.ndarray], np.ndarray]) -> Make:
    def make(base: Path, here: Path) -> None:
        with np.load(base / "graph.npz") as archive:
            arrays = {name: archive[name] for name in archive.files}
        arrays |= {name: edit(arrays[name].copy()) for name, edit in change.items()}
        np.savez(here / "bad.npz", **arrays)

    return make


def put(value: float, row: int = 5, column: int = 2) -> Callable[[np.ndarray], np.ndarray]:
    def edit(array: np.ndarray) -> np.ndarray:
        array[row, column] = value
        return array

    return edit


GRAPHS: dict[str, Make] = {
    "an index of a million": changed_graph(indices=put(10**6)),
    "a negative index": changed_graph(indices=put(-1)),
    "itself as a neighbour": changed_graph(indices=put(5)),
    "a neighbour twice": changed_graph(
        indices=lambda array: array[:, [0, 0, 1, 2]], distances=lambda array: array[:, [0, 0, 1, 2]]
    ),
    "a NaN": changed_graph(distances=put(np.nan)),
    "an infinite distance": changed_graph(distances=put(np.inf)),
    "a negative distance": changed_graph(distances=put(-1, column=0)),
    "distances that descend": changed_graph(distances=lambda array: array[:, ::-1] + 1),
    "indices that are no integers": changed_graph(indices=lambda array: array + 0.5),
    "distances that are texts": changed_graph(distances=lambda array: array.astype("U9")),
    "fewer points": changed_graph(
        indices=lambda array: array[:9] % 9, distances=lambda array: array[:9]
    ),
    "no neighbours": changed_graph(
        indices=lambda array: array[:, :0], distances=lambda array: array[:, :0]
    ),
    "distances of another shape": changed_graph(distances=lambda array: array[:, 1:]),
    "one dimension": changed_graph(indices=np.ravel, distances=np.ravel),
}


def graphs() -> Iterator[Case]:
    for name, make in GRAPHS.items():
        change: dict[str, Value] = {"--graph": "{here}/bad.npz"}
        for verb in ("embed", "quality"):
            yield Case(verb, f"graph with {name}", change, make)
        yield Case("change", f"graph with {name}", {"--graph-before": "{here}/bad.npz"}, make)
    for array in ("indices", "distances"):
        yield Case(
            "embed",
            f"graph without {array}",
            {"--graph": "{here}/bad.npz"},
            lambda base, here, array=array: np.savez(here / "bad.npz", **{array: np.ones((60, 9))}),
        )


# ---- tables


def edited(name: str, edit: Callable[[pd.DataFrame], pd.DataFrame]) -> Make:
    """A parquet file of the valid ones, edited."""
    return bad_file(
        name, lambda valid, bad: edit(pd.read_parquet(valid)).to_parquet(bad, index=False)
    )


TABLES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "without labels": (lambda table: table.drop(columns="label"), RIGHT),
    "without a split": (lambda table: table.drop(columns="split"), REFUSED),
    "of fewer images": (lambda table: table[:9], REFUSED),
    "without rows": (lambda table: table[:0], REFUSED),
    "with a part val": (lambda table: table.assign(split="val"), REFUSED),
    "without a label in a row": (
        lambda table: table.assign(label=table["label"].where(table["id"] != table["id"][3])),
        REFUSED,
    ),
    "of numbers as labels": (lambda table: table.assign(label=np.arange(len(table)) % 3), RIGHT),
    "of texts as labels": (lambda table: table.assign(label=["猫", "a\nb"] * 30), RIGHT),
    "of a label an image": (lambda table: table.assign(label=np.arange(len(table))), EITHER),
    "of one class": (lambda table: table.assign(label="a"), EITHER),
    "of training images alone": (lambda table: table.assign(split="train"), EITHER),
}
LAYOUTS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "without x": lambda table: table.drop(columns="x"),
    "without rows": lambda table: table[:0],
    "of one point": lambda table: table[:1],
    "with NaN": lambda table: table.assign(x=np.nan),
    "with an infinite coordinate": lambda table: table.assign(y=np.inf),
    "of texts": lambda table: table.assign(x="left"),
    "without labels": lambda table: table.drop(columns="label"),
    "without a label in a row": lambda table: table.assign(
        label=table["label"].where(table["row"] != 3)
    ),
}
ROWS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "of a row that is not there": lambda table: table.assign(row=table["row"] + 1),
    "of negative rows": lambda table: table.assign(row=-1),
    "of rows and a half": lambda table: table.assign(row=table["row"] + 0.5),
    "of one row again and again": lambda table: table.assign(row=3),
    "without row numbers": lambda table: table.drop(columns="row"),
}


def tables() -> Iterator[Case]:
    bad: dict[str, Value] = {"--table": "{here}/bad.parquet"}
    for name, (edit, expected) in TABLES.items():
        make = edited("images.parquet", edit)
        for verb in ("embed", "quality", "change"):
            yield Case(verb, f"table {name}", bad, make, expected)
        if expected == REFUSED or name == "without labels":
            yield Case("finetune", f"table {name}", bad, make, alone=True)
    layout: dict[str, Value] = {"--layout": "{here}/bad.parquet"}
    fine = {"without labels": RIGHT}
    for name, edit in {**LAYOUTS, **ROWS}.items():
        expected = fine.get(name, REFUSED)
        yield Case("quality", f"layout {name}", layout, edited("pca.parquet", edit), expected)
    for name, edit in LAYOUTS.items():
        expected = {**fine, "of one point": EITHER}.get(name, REFUSED)
        yield Case("figure", f"layout {name}", layout, edited("pca.parquet", edit), expected)
    for column in ("id", "label", "prediction"):
        make = edited("predictions.parquet", lambda table, name=column: table.drop(columns=name))
        yield Case(
            "figure", f"predictions without {column}", {"--predictions": "{here}/bad.parquet"}, make
        )
    twice: dict[str, Value] = {"--layout": ["{base}/pca.parquet"] * 2}
    for verb in ("quality", "figure"):
        yield Case(verb, "a layout twice", twice)


# ---- measures


ROW = {"space": "pca", "split": "test", "measure": "knn_accuracy"}
MEASURES = {
    "a list": [],
    "a text": "text",
    "null": None,
    "a number": 1,
    "without rows": {"k": 15},
    "whose rows are a mapping": {"k": 15, "measures": {}},
    "whose row is a number": {"k": 15, "measures": [3]},
    "without a split": {"k": 15, "measures": [{"space": "pca", "measure": "knn_accuracy"}]},
    "whose accuracy is a text": {"k": 15, "measures": [{**ROW, "value": "high"}]},
    "whose probe is a list": {"k": 15, "measures": [], "probe": [1]},
    "without k": {"measures": [{**ROW, "value": 0.5}]},
}


def measures() -> Iterator[Case]:
    for name, value in MEASURES.items():
        make = bad_file(
            "quality.json", lambda valid, bad, value=value: bad.write_text(json.dumps(value))
        )
        for verb in ("figure", "summary"):
            yield Case(verb, f"measures {name}", {"--quality": "{here}/bad.json"}, make)


# ---- data sets


def archive(**arrays: object) -> Make:
    def make(base: Path, here: Path) -> None:
        np.savez(here / "bad.npz", **arrays)  # type: ignore[arg-type]

    return make


PIXELS = np.random.default_rng(0).integers(0, 256, (12, 9, 9, 3)).astype(np.uint8)
CLASSES = np.arange(12) % 2


def labels(values: object) -> Make:
    return archive(x_train=PIXELS, y_train=np.asarray(values))


ARCHIVES: dict[str, tuple[Make, str]] = {
    "without labels": (archive(x_train=PIXELS), REFUSED),
    "without images": (archive(y_train=CLASSES), REFUSED),
    "of no arrays": (archive(), REFUSED),
    "of pickles": (archive(x_train=PIXELS.astype(object), y_train=CLASSES), REFUSED),
    "with half a test part": (archive(x_train=PIXELS, y_train=CLASSES, x_test=PIXELS), REFUSED),
    "of flat images": (archive(x_train=PIXELS.reshape(12, -1), y_train=CLASSES), REFUSED),
    "of four channels": (archive(x_train=np.zeros((12, 9, 9, 4), "u1"), y_train=CLASSES), REFUSED),
    "of images without pixels": (archive(x_train=PIXELS[:, :0], y_train=CLASSES), REFUSED),
    "of no images": (archive(x_train=PIXELS[:0], y_train=CLASSES[:0]), REFUSED),
    "of NaN pixels": (archive(x_train=PIXELS * np.nan, y_train=CLASSES), REFUSED),
    "of infinite pixels": (
        archive(x_train=np.full(PIXELS.shape, np.inf), y_train=CLASSES),
        REFUSED,
    ),
    "of pixels above 255": (archive(x_train=PIXELS * 300.0, y_train=CLASSES), REFUSED),
    "of negative pixels": (archive(x_train=-1.0 - PIXELS, y_train=CLASSES), REFUSED),
    "of complex pixels": (archive(x_train=PIXELS * 1j, y_train=CLASSES), REFUSED),
    "of texts as pixels": (archive(x_train=PIXELS.astype("U3"), y_train=CLASSES), REFUSED),
    "of one label too few": (archive(x_train=PIXELS, y_train=CLASSES[1:]), REFUSED),
    "of labels of two dimensions": (labels(np.eye(12)), REFUSED),
    "of one class": (labels(np.zeros(12, int)), REFUSED),
    "of a class an image": (labels(np.arange(12)), REFUSED),
    "of labels that are NaN": (labels(np.where(CLASSES, np.nan, 1)), REFUSED),
    "of infinite labels": (labels(np.where(CLASSES, np.inf, 1)), REFUSED),
    "of labels of 1e300": (labels(np.where(CLASSES, 1e300, 1)), REFUSED),
    "of labels and a half": (labels(CLASSES + 0.5), REFUSED),
    "of negative labels": (labels(-1 - CLASSES), REFUSED),
    "of complex labels": (labels(CLASSES * 1j), REFUSED),
    "of labels that are no Unicode": (labels(np.where(CLASSES, b"\xe9", b"x")), REFUSED),
    "of blank labels": (labels(np.where(CLASSES, "", "x")), EITHER),
    "of labels with line breaks": (labels(np.where(CLASSES, "a\nb", "x")), EITHER),
    "of very long labels": (labels(np.where(CLASSES, "a" * 500, "x")), EITHER),
    "of labels with markup": (labels(np.where(CLASSES, "<b>$x_1", "猫")), RIGHT),
    "of labels of 64 bits": (labels(CLASSES + 2**60), EITHER),
    "of unsigned labels": (labels(CLASSES.astype("u1")), RIGHT),
    "of booleans": (archive(x_train=PIXELS > 99, y_train=CLASSES > 0), EITHER),
    "of two class names for three classes": (
        archive(x_train=PIXELS, y_train=np.arange(12) % 3, class_names=np.array(["a", "b"])),
        REFUSED,
    ),
    "of one class name for both classes": (
        archive(x_train=PIXELS, y_train=CLASSES, class_names=np.array(["a", "a"])),
        REFUSED,
    ),
}


def png(size: tuple[int, int] = (9, 9)) -> bytes:
    """The bytes of a black image."""
    buffer = io.BytesIO()
    Image.new("RGB", size).save(buffer, "PNG")
    return buffer.getvalue()


def folder(files: dict[str | bytes, bytes]) -> Make:
    """An image folder, each file with its content."""

    def make(base: Path, here: Path) -> None:
        root = os.fsencode(here / "bad")
        os.mkdir(root)
        for name, content in files.items():
            path = os.path.join(root, os.fsencode(name))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)

    return make


def two_classes(**more: bytes) -> dict[str | bytes, bytes]:
    files = {f"{name}/{i}.png": png() for name in "ab" for i in range(3)}
    return {**files, **{name.replace("__", "/").replace("_", "."): b for name, b in more.items()}}


def with_bomb(base: Path, here: Path) -> None:
    """A header that promises a billion pixels."""
    content = png()
    header = b"IHDR" + struct.pack(">II", 40_000, 30_000) + content[24:29]
    checksum = struct.pack(">I", zlib.crc32(header))
    folder(two_classes(a__x_png=content[:12] + header + checksum + content[33:]))(base, here)


def with_pipe(base: Path, here: Path) -> None:
    folder(two_classes())(base, here)
    os.mkfifo(here / "bad/a/pipe.png")


def with_loop(base: Path, here: Path) -> None:
    folder(two_classes())(base, here)
    (here / "bad/a/loop").symlink_to(here / "bad")


FOLDERS: dict[str, tuple[Make, str]] = {
    "without anything": (folder({}), REFUSED),
    "without images": (folder({"a/readme.txt": b"", "b/readme.txt": b""}), REFUSED),
    "without classes": (folder({"1.png": png(), "2.png": png()}), REFUSED),
    "of one class": (folder({"a/1.png": png(), "a/2.png": png()}), REFUSED),
    "of one image a class": (folder({"a/1.png": png(), "b/1.png": png()}), REFUSED),
    "with an empty image": (folder(two_classes(a__x_png=b"")), REFUSED),
    "with half an image": (folder(two_classes(a__x_png=png((200, 200))[:-40])), REFUSED),
    "with a text called image": (folder(two_classes(a__x_png=b"text" * 99)), REFUSED),
    "with a large image": (folder(two_classes(a__x_png=png((90, 90)))), REFUSED),
    "with an image of a billion pixels": (with_bomb, REFUSED),
    "with a named pipe": (with_pipe, EITHER),
    "with a link to itself": (with_loop, EITHER),
    "of train and val": (
        folder(
            {
                f"{part}/{c}/{i}.png": png()
                for part in ("train", "val")
                for c in "ab"
                for i in range(3)
            }
        ),
        EITHER,
    ),
    "of train alone": (
        folder({f"train/{c}/{i}.png": png() for c in "ab" for i in range(3)}),
        EITHER,
    ),
    "of train and test of other classes": (
        folder(
            {
                f"{part}/{c}/{i}.png": png()
                for part, c in (("train", "a"), ("train", "b"), ("test", "c"), ("test", "b"))
                for i in range(3)
            }
        ),
        REFUSED,
    ),
    "whose names are no Unicode": (
        folder(
            {b"caf\xe9/%d.png" % i: png() for i in range(3)}
            | {b"x/\xff%d.png" % i: png() for i in range(3)}
        ),
        EITHER,
    ),
    "whose names have line breaks": (
        folder({f"{c}/{i}\n.png": png() for c in ("a\nb", "c") for i in range(3)}),
        EITHER,
    ),
    "whose names are long": (
        folder({f"{c * 120}/{i}.png": png() for c in "ab" for i in range(3)}),
        EITHER,
    ),
    "of a class written in two ways": (
        folder({f"{c}/{i}.png": png() for c in ("\u00e9", "e\u0301", "x") for i in range(3)}),
        EITHER,
    ),
}


def datasets() -> Iterator[Case]:
    for name, (make, expected) in ARCHIVES.items():
        change: dict[str, Value] = {"--source": "{here}/bad.npz", "--subset": None}
        yield Case("dataset", f"archive {name}", change, make, expected)
    for name, (make, expected) in FOLDERS.items():
        change = {"--source": "{here}/bad", "--subset": None}
        alone = "pipe" in name
        yield Case("dataset", f"folder {name}", change, make, expected, alone)
    for name, make in ANY_FILE.items():
        if "sidecar" in name or name == "one bit flipped":
            continue
        yield Case(
            "dataset",
            f"source is {name}",
            {"--source": "{here}/bad.npz", "--subset": None},
            lambda base, here, make=make: make(base / "graph.npz", here / "bad.npz"),
        )
    for value in ("", " ", "MNIST2", "/", "x" * 5000, "a\nb"):
        yield Case("dataset", f"source is {value[:9]!r}", {"--source": value, "--subset": None})


# ---- values of options


OPTIONS: dict[str, dict[str, list[str]]] = {
    "dataset": {
        "--subset": ["0", "-1", "9", "1000000000000", "1e2", "many", ""],
        "--seed": ["-1", "4294967296", "0.5", "1e400"],
        "--image-size": ["0", "-3", "1000000000"],
        "--out": ["{here}/images", "{here}/images.npz", "{here}", "", "digits/images.txt"],
        "--table": ["{here}/table", "{here}/table.csv", "{here}", ""],
    },
    "backbone": {
        "--name": ["", "ResNet", "mobilenet"],
        "--image-size": ["0", "31", "-96", "100000"],
        "--weights": ["", "nothing", "{here}", "{base}/features.npy", "{base}/study.yaml"],
        "--alpha": ["0", "-1", "nan", "inf", "3", "0.001"],
        "--out": ["{here}/model", "{here}/model.h5", "{here}"],
    },
    "finetune": {
        "--params": [
            "",
            "[]",
            "1",
            "null",
            "{",
            '{"epochs": 0, "epoch": 3}',
            '{"epochs": -1}',
            '{"epochs": "3"}',
            '{"epochs": NaN}',
            '{"learning_rate": Infinity}',
            '{"batch_size": 0}',
            '{"batch_size": 1e400}',
            '{"precision": "float8"}',
        ],
        "--seed": ["-1", "99999999999"],
        "--out": ["{here}/model", "{base}/model.keras"],
        "--history": ["{here}/history", "{here}"],
    },
    "features": {
        "--layer": ["", "nothing"],
        "--batch-size": ["0", "-1"],
        "--precision": ["", "float8"],
        "--out": ["{here}/f", "{here}/f.npz", "{here}"],
        "--predictions": ["{here}/p.parquet"],
    },
    "graph": {
        "--n-neighbors": ["0", "-1", "1.5", "x"],
        "--out": ["{here}/g", "{here}/g.npy", "{here}", "", "{base}/features.npy"],
    },
    "embed": {
        "--method": ["", "sne", "PCA"],
        "--engine": ["", "nothing", "cuml"],
        "--subset": ["0", "-1", "x"],
        "--seed": ["-1", "4294967296"],
        "--out": ["{here}/l", "{here}/l.csv", "{here}", ""],
        "--params": [
            "",
            "[]",
            "1",
            "{",
            '{"n_neighbors": "12"}',
            '{"n_neighbors": 12.5}',
            '{"n_neighbors": 0}',
            '{"n_neighbors": -3}',
            '{"neighbors": 12}',
            '{"tol": NaN}',
            '{"landmarks": "many"}',
            '{"landmarks": 1}',
            '{"max_iter": -1}',
            '{"n_neighbors": null}',
            '{"n_neighbors": 1e400}',
            '{"n_neighbors": true}',
            "{" * 3000,
        ],
    },
    "quality": {
        "--n-neighbors": ["0", "-1", "x"],
        "--out": ["{here}/q", "{here}/q.csv", "{here}", "{base}/quality.json/q.json"],
    },
    "change": {
        "--n-neighbors": ["0", "-1", "x"],
        "--measures": ["{here}/m", "{here}/m.csv", "{here}"],
        "--out": ["{here}/c", "{here}/c.csv", "{here}", "{base}/after.npy"],
    },
    "figure": {
        "--mark": ["", "both"],
        "--width": ["0", "-1", "999", "x"],
        "--panel-size": ["0", "199"],
        "--dpi": ["0", "-300"],
        "--out": ["{here}/f", "{here}/f.jpg", "{here}"],
        "--preview": [
            "{here}/p",
            "{here}/p.pdf",
            "{here}/figure.png",
            "{here}/panels/before_x.png",
        ],
        "--classes": ["{here}/c", "{here}/c.pdf", "{here}/figure.png"],
        "--panels": ["{base}/pca.parquet"],
    },
    "summary": {"--out": ["{here}/s", "{here}/s.xlsx", "{here}", "{base}/quality.json"]},
    "runtimes": {"--out": ["{here}/r", "{here}/r.json", "{here}"]},
}
OTHER_PARAMETERS = {
    "tsne": [
        '{"perplexity": 0}',
        '{"perplexity": -5}',
        '{"perplexity": "x"}',
        '{"max_iter": 0}',
        '{"early_exaggeration": 0}',
        '{"init": "x"}',
        '{"angle": 2}',
    ],
    "umap": ['{"n_neighbors": 1}', '{"min_dist": -1}', '{"spread": 0}', '{"n_epochs": 0}'],
    "mds": ['{"metric": "x"}', '{"n_init": 0}', '{"eps": -1}', '{"storage": "x"}'],
    "lle": ['{"reg": 0}', '{"reg": -1}', '{"n_neighbors": 0}', '{"tol": -1}'],
    "pca": ['{"svd_solver": "full"}', '{"n_components": 2}'],
}


def options() -> Iterator[Case]:
    for verb, values in OPTIONS.items():
        for option, words in values.items():
            for word in words:
                yield Case(verb, f"{option} {word[:40]}", {option: word}, alone=verb in NEED_KERAS)
    for method, values in OTHER_PARAMETERS.items():
        for word in values:
            yield Case("embed", f"{method} {word}", {"--method": method, "--params": word})
    for verb in ARGUMENTS:
        if verb == "study":
            continue
        yield Case(verb, "an option that is not there", {"--nothing": "1"})
        yield Case(verb, "no --out", {"--out": None})
    for method in METHODS:
        yield Case(
            "embed",
            f"{method}: a perplexity or neighbours of a billion",
            {
                "--method": method,
                "--params": json.dumps(
                    {"perplexity": 1e9} if method == "tsne" else {"n_neighbors": 10**9}
                ),
            },
            expected=EITHER,
        )


# ---- configurations of studies


def study(**change: object) -> str:
    return json.dumps({**STUDY, **change})


CONFIGURATIONS: dict[str, str | bytes] = {
    "empty": "",
    "a list": "[1, 2]",
    "a text": "study",
    "no YAML": "a: [1, 2",
    "with tabs": "study:\n\tname: x",
    "no Unicode": b"study: caf\xe9\n",
    "of zeros": b"\0" * 200,
    "of another encoding": "study: x".encode("utf-16"),
    "that names itself": "a: &a [*a]\nstudy: *a",
    "that doubles itself": "a: &a [x,x]\nb: &b [*a,*a]\n" + study()[1:-1],
    "with a key twice": "study: a\nstudy: b\n",
    "with a tag of Python": "study: !!python/object/apply:os.getcwd []",
    "with a key of another type": "1: 2",
    "without a data set": json.dumps({k: v for k, v in STUDY.items() if k != "dataset"}),
    "with an unknown key": study(sead=1),
    "with a name that is a path": study(study="../x"),
    "with a name that is too long": study(study="x" * 101),
    "with a blank name": study(study=""),
    "with a name that is a number": study(study=3),
    "with a seed that is a text": study(seed="0"),
    "with a negative seed": study(seed=-1),
    "with a seed that is NaN": study(seed=float("nan")),
    "with a device that is not there": study(device="gpu"),
    "with an unknown device": study(device="tpu"),
    "with a data set that is not there": study(dataset={"source": "nothing"}),
    "with a data set of two lines": study(dataset={"source": "a\nb"}),
    "with a subset of zero": study(dataset={"source": "digits", "subset": 0}),
    "with a subset that is true": study(dataset={"source": "digits", "subset": True}),
    "with a subset of an unknown part": study(dataset={"source": "digits", "subset": {"val": 9}}),
    "with a subset above what is there": study(dataset={"source": "digits", "subset": 10**6}),
    "with images of one pixel": study(image_size=1),
    "with images of half a pixel": study(image_size=32.5),
    "without backbones": study(backbones={}),
    "with an unknown backbone": study(backbones={"ResNet": {}}),
    "with a list of backbones": study(backbones=["MobileNet"]),
    "with weights that are not there": study(backbones={"VGG16": {"weights": "nothing.h5"}}),
    "with a width of a network that has none": study(backbones={"VGG16": {"alpha": 0.5}}),
    "without methods": study(methods={}),
    "with an unknown method": study(methods={"som": {}}),
    "with an unknown parameter": study(methods={"tsne": {"perplexty": 3}}),
    "with a perplexity of zero": study(methods={"tsne": {"perplexity": 0}}),
    "with a perplexity that is a text": study(methods={"tsne": {"perplexity": "30"}}),
    "with more neighbours than its graph": study(
        methods={"isomap": {"n_neighbors": 50}}, graph={"n_neighbors": 10}
    ),
    "that is strict with few points": study(
        strict=True, methods={"tsne": {"perplexity": 90}}, graph={"n_neighbors": 300}
    ),
    "with epochs of minus one": study(finetune={"epochs": -1}),
    "with a learning rate of infinity": study(finetune={"learning_rate": float("inf")}),
    "with a figure of one pixel": study(figure={"width": 1}),
    "with an unknown mark": study(figure={"mark": "all"}),
    "with a precision of eight bits": study(features={"precision": "float8"}),
}


def studies() -> Iterator[Case]:
    bad: dict[str, Value] = {"": "{here}/bad.yaml"}
    for name, text in CONFIGURATIONS.items():
        content = text if isinstance(text, bytes) else text.encode()
        yield Case(
            "study",
            f"configuration {name}",
            bad,
            lambda base, here, content=content: (here / "bad.yaml").write_bytes(content),
        )
    for name in ("missing", "a folder", "a named pipe", "a link to itself", "random bytes"):
        yield Case(
            "study",
            f"configuration is {name}",
            bad,
            lambda base, here, make=ANY_FILE[name]: make(base / "study.yaml", here / "bad.yaml"),
        )
    for option, value in (
        ("--cores", "0"),
        ("--cores", "many"),
        ("--gpus", "0"),
        ("--nothing", "1"),
    ):
        yield Case("study", f"{option} {value}", {option: value})


# ---- files that do not belong together


def other_features(base: Path, here: Path) -> None:
    X = np.load(base / "features.npy")
    store.save_features(
        here / "other.npy",
        X[::-1].copy(),
        {
            "step": "features",
            "inputs": [base / "study.yaml"],
            "context": artefacts.context(base / "features.npy"),
        },
    )


def other_images(base: Path, here: Path) -> None:
    """Images of the same shape, with a sidecar of their own."""
    pixels = store.load_images(base / "images.npy")
    made = {"step": "dataset", "context": artefacts.context(base / "images.npy")}
    artefacts.write(here / "images.npy", lambda path: np.save(path, 255 - pixels), made)


def relaid(base: Path, here: Path) -> None:
    """The layout with its axes exchanged, which its measures do not describe."""
    layout = store.load_labelled_layout(base / "pca.parquet")
    made = {"step": "embed", "context": artefacts.context(base / "pca.parquet")}
    known = store.load_table(base / "images.parquet")
    store.save_layout(here / "pca.parquet", layout.rows, layout.xy[:, ::-1], known, made)


def mismatches() -> Iterator[Case]:
    other: dict[str, Value] = {"--features": "{here}/other.npy"}
    yield Case("embed", "graph of other features", {**other, "--table": None}, other_features)
    yield Case("embed", "table of other images", {**other, "--graph": None}, other_features)
    yield Case("quality", "layout of other features", other, other_features)
    yield Case(
        "quality",
        "layout of other features, without their graph",
        {**other, "--graph": None, "--table": None},
        other_features,
    )
    yield Case("quality", "no layout", {"--layout": []}, expected=RIGHT)
    yield Case("quality", "nothing to measure", {"--layout": [], "--table": None})
    yield Case("figure", "no layout", {"--layout": []})
    yield Case("figure", "measures twice", {"--quality": ["{base}/quality.json"] * 2})
    yield Case("figure", "measures of another layout", {"--layout": "{here}/pca.parquet"}, relaid)
    for column, edit in {
        "of other images": lambda table: table.assign(id=table["id"] + 1000),
        "of an image twice": lambda table: table.assign(id=7),
        "of ids that are texts": lambda table: table.assign(id=table["id"].astype(str)),
    }.items():
        make = edited("predictions.parquet", edit)
        yield Case("figure", f"predictions {column}", {"--predictions": "{here}/bad.parquet"}, make)
    yield Case(
        "finetune",
        "table of other images",
        {"--images": "{here}/images.npy"},
        other_images,
        alone=True,
    )
    yield Case(
        "features",
        "predictions without a head",
        {"--table": "{base}/images.parquet", "--predictions": "{here}/p.parquet"},
        alone=True,
    )
    for what, shape in {"RGB": (20, 8, 8, 3), "of another size": (20, 64, 64, 1)}.items():
        yield Case(
            "features",
            f"images {what}",
            {"--images": "{here}/images.npy"},
            lambda base, here, shape=shape: np.save(here / "images.npy", np.zeros(shape, "u1")),
            alone=True,
        )
    yield Case(
        "figure",
        "a layout of features from elsewhere",
        {"--layout": "{here}/pca.parquet", "--quality": None, "--predictions": None},
        lambda base, here: shutil.copy(base / "pca.parquet", here / "pca.parquet"),
    )


def valid() -> Iterator[Case]:
    """What is right: else no case would say anything."""
    for verb in ARGUMENTS:
        yield Case(verb, "nothing is wrong", {}, expected=RIGHT, alone=verb in NEED_KERAS)


def cases() -> list[Case]:
    """All of them, in the order of the table."""
    parts = (
        valid,
        any_file,
        features,
        graphs,
        tables,
        measures,
        datasets,
        options,
        studies,
        mismatches,
    )
    return [case for part in parts for case in part()]


def prepare(case: Case, *, base: Path, here: Path) -> None:
    """Write the files that a case names into its folder."""
    with contextlib.suppress(FileExistsError):
        here.mkdir(parents=True)
    case.make(base, here)
