"""Do names of files and classes survive every format, whatever bytes they are made of?"""

import os

import numpy as np
import pandas as pd
import pytest
from image_sources import noise, refusal, saved

from pipeline import store
from pipeline.images.dataset import load_dataset
from pipeline.images.names import examples, printable
from pipeline.runtime.log import log

STRANGE = [
    *(b"caf\xe9", b"\xff\xfe", "a\nb", "a\tb", "a\x07b", "a\u2028b", "a\x85b"),
    *("x" * 120, "猫", "हिन्दी", "<b>$x_1$", "%s {0}", "a\\xe9", "--out", "'\"", "con.png"),
]


def strange_folder(root):
    """Every class, and every file, has a name of its own kind."""
    content = []
    for i, name in enumerate(STRANGE):
        os.makedirs(folder := os.path.join(os.fsencode(root), os.fsencode(name)))
        for j in range(3):
            path = os.path.join(folder, os.fsencode(STRANGE[(i + j) % len(STRANGE)]) + b".png")
            content.append(noise(4, 4))
            with open(path, "wb") as file:
                store_png(content[-1], file)
    return root


def store_png(pixels, file):
    from PIL import Image

    Image.fromarray(pixels).save(file, "PNG")


@pytest.fixture(scope="module")
def strange(tmp_path_factory):
    return strange_folder(tmp_path_factory.mktemp("strange") / "img")


def test_a_folder_of_strange_names_is_read(strange, tmp_path, caplog):
    caplog.set_level("INFO", log.name)
    data = load_dataset(str(strange))
    assert len(data.class_names) == len(STRANGE)
    assert len(set(data.files)) == len(data.files) == 3 * len(STRANGE)
    for text in (*data.class_names, *data.files, *data.warnings, caplog.text.replace("\n", "")):
        text.encode()
        assert text.replace("\u200d", "").isprintable()
    assert {"caf\\xe9", "a\\x0ab", "x" * 120, "猫", "a\\x5cxe9"} <= set(data.class_names)
    store.save_dataset(tmp_path / "i.npy", tmp_path / "i.parquet", data, {})
    table = store.load_table(tmp_path / "i.parquet", points=len(data.images))
    assert table.files.tolist() == list(data.files)
    assert table.class_names == data.class_names
    assert set(pd.read_parquet(tmp_path / "i.parquet")["label"]) == set(data.class_names)


def test_a_strange_name_is_told_in_a_sentence(tmp_path):
    root = os.path.join(os.fsencode(tmp_path), b"caf\xe9")
    for name in (b"a\n\xe9", b"b"):
        os.makedirs(os.path.join(root, name))
        for i in range(2):
            with open(os.path.join(root, name, b"%d\t\xe9.png" % i), "wb") as file:
                file.write(b"no image")
    message = refusal(os.fsdecode(root))
    assert "caf\\xe9" in message
    assert "a\\x0a\\xe9/0\\x09\\xe9.png" in message


@pytest.mark.parametrize("name", ["caf\udce9", "a\nb", "nothing\udcff.npz"])
def test_a_strange_source_that_is_not_there_is_refused(name):
    assert "does not exist" in refusal(name)


def test_an_archive_of_a_strange_name_is_read(tmp_path):
    os.makedirs(folder := os.path.join(os.fsencode(tmp_path), b"caf\xe9\n"))
    source = saved(tmp_path, x_train=noise(4, 4, 4), y_train=["a\nb", "a\nb", "x", "x"], odd_=[1])
    os.rename(source, path := os.path.join(folder, b"data.npz"))
    data = load_dataset(os.fsdecode(path))
    assert data.class_names == ("a\\x0ab", "x")
    data.provenance["source"].encode()


def test_escapes_are_unambiguous():
    texts = [
        "\u202e",
        "\\u202e",
        "\u2066",
        "\udce9",
        "\\xe9",
        "\xe9",
        "é",
        "\u2028",
        "\\u2028",
        "\\",
        "\\x",
        "a\\xe",
        "\x85",
    ]
    assert len({printable(text) for text in texts}) == len(set(texts))
    assert printable("C:\\x\\y") == "C:\\x\\y"
    for text in map(printable, texts):
        text.encode()
        assert text.isprintable()


def test_a_few_examples_stand_for_many():
    assert examples(list("abc")) == "a, b, c"
    assert examples([str(i) for i in range(2000)]) == "0, 1, 2, 3, 4 and 1,995 more"
    assert np.array_equal(examples([]), "")
