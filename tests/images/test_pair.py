"""Are features of other programs read alike from every format, matched by id, or refused?"""

import socket
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors.numpy import save_file

from pipeline.errors import InputError
from pipeline.images.pair import load_pair
from pipeline.images.tables import parse_place, read_role

N = 30
RNG = np.random.default_rng(0)
BEFORE = RNG.normal(size=(N, 5)).astype(np.float32)
AFTER = RNG.normal(size=(N, 3)).astype(np.float32)
IDS = np.arange(N) + 700
LABELS = np.array(["cat", "dog", "猫"])[np.arange(N) % 3]
SPLIT = np.where(np.arange(N) % 5, "train", "test")


def table(values=BEFORE, **columns):
    frame = pd.DataFrame(values, columns=[f"f{i}" for i in range(values.shape[1])])
    return frame.assign(**columns)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("before.npy", BEFORE)
    np.save("after.npy", AFTER)
    return tmp_path


def save_h5(name, **arrays):
    with h5py.File(name, "w") as file:
        for key, array in arrays.items():
            file[key.replace("__", "/")] = array


FORMATS = {
    "x.npy": lambda X: np.save("x.npy", X),
    "x.npz": lambda X: np.savez("x.npz", features=X),
    "x.npz::b": lambda X: np.savez("x.npz", a=X + 1, b=X),
    "x.csv": lambda X: table(X).to_csv("x.csv", index=False),
    "x.tsv": lambda X: table(X).to_csv("x.tsv", index=False, sep="\t"),
    "headless.csv": lambda X: table(X).to_csv("headless.csv", index=False, header=False),
    "x.parquet": lambda X: table(X).to_parquet("x.parquet", index=False),
    "x.h5": lambda X: save_h5("x.h5", layer4__pooled=X),
    "x.h5::layer4/pooled": lambda X: save_h5("x.h5", layer4__pooled=X, layer3__pooled=X + 1),
    "x.hdf5": lambda X: save_h5("x.hdf5", x=X),
    "x.safetensors": lambda X: save_file({"x": X}, "x.safetensors"),
    "x.safetensors::b": lambda X: save_file({"a": X + 1, "b": X}, "x.safetensors"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_bits(name):
    FORMATS[name](BEFORE)
    found = load_pair(name, "after.npy")
    assert found.before.dtype == np.float32
    assert found.before.tobytes() == BEFORE.tobytes()
    assert found.after.tobytes() == AFTER.tobytes()
    assert list(found.ids) == list(range(N))


@pytest.mark.parametrize("dtype", ["f2", "<f4", ">f4", "f8", "i1", "i4", "u2", "i8"])
def test_every_number_becomes_float32(dtype):
    numbers = (10 * BEFORE).clip(0, 20).astype(dtype)
    np.save("x.npy", np.asfortranarray(numbers))
    assert np.array_equal(load_pair("x.npy", "after.npy").before, numbers.astype(np.float32))
    table(numbers.astype(np.float64)).to_csv("x.csv", index=False)
    assert np.array_equal(load_pair("x.csv", "after.npy").before, numbers.astype(np.float32))


WITH_ROLES = {
    "x.csv": lambda frame: frame.to_csv("x.csv", index=False),
    "x.parquet": lambda frame: frame.to_parquet("x.parquet", index=False),
    "x.npz": lambda frame: np.savez("x.npz", **arrays_of(frame)),
    "x.h5": lambda frame: save_h5(
        "x.h5",
        **{
            f"g__{name}": list(map(str, each)) if each.dtype.kind in "OU" else each
            for name, each in arrays_of(frame).items()
        },
    ),
}


def arrays_of(frame):
    roles = {
        name: frame[name].to_numpy() if name == "id" else frame[name].to_numpy().astype("U")
        for name in ("id", "label", "split")
    }
    return {"x": frame.filter(regex="^f").to_numpy(np.float32), **roles}


@pytest.mark.parametrize("name", WITH_ROLES)
def test_columns_and_arrays_of_ids_labels_and_split_are_what_they_are_called(name):
    order = np.random.default_rng(1).permutation(N)
    shuffled = table(id=IDS, label=LABELS, split=SPLIT).iloc[order]
    WITH_ROLES[name](shuffled)
    table(AFTER, id=IDS).to_csv("after.csv", index=False)
    found = load_pair("after.csv", name)  # in the order of the first
    assert np.array_equal(found.before, AFTER)
    assert np.array_equal(found.after, BEFORE)
    assert np.array_equal(found.ids, IDS)
    assert list(np.array(found.class_names)[found.labels]) == list(LABELS)
    assert list(found.split) == list(SPLIT)
    assert found.warnings == ()


LABEL_FILES = {
    "l.txt": lambda: Path("l.txt").write_text("\n".join(LABELS) + "\n", encoding="utf-8"),
    "l.csv": lambda: pd.DataFrame({"label": LABELS}).to_csv("l.csv", index=False),
    "none.csv": lambda: pd.Series(LABELS).to_csv("none.csv", index=False, header=False),
    "l.csv::kind": lambda: pd.DataFrame({"a": 1, "kind": LABELS}).to_csv("l.csv", index=False),
    "l.parquet": lambda: pd.DataFrame({"label": pd.Categorical(LABELS)}).to_parquet("l.parquet"),
    "l.npy": lambda: np.save("l.npy", LABELS),
    "l.npz::y": lambda: np.savez("l.npz", x=AFTER, y=LABELS),
    "l.h5": lambda: save_h5("l.h5", label=list(map(str, LABELS))),
}


@pytest.mark.parametrize("name", LABEL_FILES)
def test_labels_come_from_every_format(name):
    LABEL_FILES[name]()
    found = load_pair("before.npy", "after.npy", labels=name)
    assert found.class_names == ("cat", "dog", "猫")
    assert list(np.array(found.class_names)[found.labels]) == list(LABELS)
    assert set(found.split) == {"all"}
    assert "no split" in " ".join(found.warnings)


def test_numbers_as_labels_are_in_their_order():
    numbers = np.array([10, 2, 0])[np.arange(N) % 3]
    for name, write in {
        "n.npy": lambda: np.save("n.npy", numbers.astype(float)),
        "n.txt": lambda: np.savetxt("n.txt", numbers, fmt="%d"),
        "n.csv": lambda: np.savetxt("n.csv", numbers, fmt="%d"),
    }.items():
        write()
        found = load_pair("before.npy", "after.npy", labels=name)
        assert found.class_names == ("0", "2", "10")
        assert list(np.array([0, 2, 10])[found.labels]) == list(numbers)


def test_labels_and_split_are_matched_by_id_too():
    table(id=IDS).to_csv("b.csv", index=False)
    order = np.random.default_rng(2).permutation(N)
    pd.DataFrame({"id": IDS, "label": LABELS, "split": SPLIT}).iloc[order].to_csv(
        "l.csv", index=False
    )
    found = load_pair("b.csv", "after.npy", labels="l.csv")
    assert list(np.array(found.class_names)[found.labels]) == list(LABELS)
    assert list(found.split) == list(SPLIT)
    assert any("b.csv and after.npy are matched by their order" in each for each in found.warnings)


def test_ids_that_are_texts_are_names():
    names = [f"a/{i:03}.png" for i in range(N)]
    table(id=names).to_csv("b.csv", index=False)
    table(AFTER, id=names).iloc[::-1].to_csv("a.csv", index=False)
    found = load_pair("b.csv", "a.csv")
    assert np.array_equal(found.after, AFTER)
    assert list(found.files) == names
    assert list(found.ids) == list(range(N))


def test_a_named_column_of_the_features_is_no_feature():
    table(species=LABELS).to_csv("b.csv", index=False)
    found = load_pair("b.csv", "after.npy", labels="b.csv::species")
    assert np.array_equal(found.before, BEFORE)
    assert found.class_names == ("cat", "dog", "猫")


def test_whatever_the_order_of_both_the_first_keeps_its_own():
    first, second = (np.random.default_rng(seed).permutation(N) for seed in (3, 4))
    table(id=IDS).iloc[first].to_csv("b.csv", index=False)
    table(AFTER, id=IDS, label=LABELS).iloc[second].to_parquet("a.parquet", index=False)
    found = load_pair("b.csv", "a.parquet")
    assert np.array_equal(found.before, BEFORE[first])
    assert np.array_equal(found.after, AFTER[first])
    assert np.array_equal(found.ids, IDS[first])
    assert list(np.array(found.class_names)[found.labels]) == list(LABELS[first])


def test_both_may_lie_in_one_file():
    np.savez("both.npz", before=BEFORE, after=AFTER, label=LABELS)
    found = load_pair("both.npz::before", "both.npz::after")
    assert np.array_equal(found.before, BEFORE)
    assert np.array_equal(found.after, AFTER)
    assert len(found.class_names) == 3


def test_without_labels_there_are_no_classes_and_that_is_said():
    found = load_pair("before.npy", "after.npy")
    assert found.class_names == ()
    assert not found.labels.any()
    assert set(found.split) == {"all"}
    assert ["no labels" in each for each in found.warnings] == [True]


def test_features_that_are_equal_are_said():
    assert "equal in every number" in load_pair("before.npy", "before.npy").warnings[0]


def test_a_file_wins_over_a_key():
    np.save("odd::name.npy", BEFORE)
    assert parse_place("odd::name.npy").key is None
    assert parse_place("a::b.npz::c::d") == (
        parse_place("a::b.npz::c").path.parent / "a::b.npz::c",
        "d",
    )
    assert np.array_equal(load_pair("odd::name.npy", "after.npy").before, BEFORE)


# ---- pictures


@pytest.mark.parametrize("shape", [(N, 8, 6), (N, 8, 6, 1), (N, 8, 6, 3), (N, 200, 150, 3)])
def test_arrays_of_images_are_kept_in_the_size_they_are_looked_at(shape):
    pictures = RNG.integers(0, 256, shape, dtype=np.uint8)
    np.savez("i.npz", x=pictures, y=BEFORE)
    found = load_pair("before.npy", "after.npy", images="i.npz::x").images
    if shape[1] == 8:
        assert np.array_equal(found, pictures.reshape(N, 8, 6, -1))
    else:
        assert found.shape == (N, 96, 96, 3)


def test_a_folder_shows_the_images_that_are_named(tmp_path):
    (tmp_path / "shots").mkdir()
    for i in range(N):
        Image.new("L", (9 + i % 2, 9), 8 * i).save(tmp_path / "shots" / f"{i}.png")
    table(file=[f"{N - 1 - i}.png" for i in range(N)]).to_csv("b.csv", index=False)
    found = load_pair("b.csv", "after.npy", images="shots")
    assert list(found.images[:, 0, 0, 0]) == [8 * (N - 1 - i) for i in range(N)]
    assert any("sizes" in each for each in found.warnings)
    (tmp_path / "shots/3.png").unlink()
    with pytest.raises(InputError, match=r"1 image cannot be read: 3\.png"):
        load_pair("b.csv", "after.npy", images="shots")


STRANGE = ["a.png", "b\tc.png", "d\\x09e.png", "猫.png", "-f.png", "g/../a.png"]


@pytest.fixture
def shots(tmp_path):
    """A folder of pictures with names of all kinds, and one beside it."""
    (tmp_path / "shots/g").mkdir(parents=True)
    for i, name in enumerate(STRANGE[:-1]):
        Image.new("L", (9, 9), 8 * i).save(tmp_path / "shots" / name)
    Image.new("L", (9, 9)).save(tmp_path / "secret.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("shots/socket.png")
    return tmp_path / "shots"


def shown(names, folder="shots"):
    files = [names[i % len(names)] for i in range(N)]
    save_h5("b.h5", x=BEFORE, file=np.array(files, object))
    return load_pair("b.h5", "after.npy", images=folder)


def test_whatever_files_are_called_and_however_often_their_pictures_are_shown(shots):
    found = shown(STRANGE)
    assert list(found.images[: len(STRANGE), 0, 0, 0]) == [0, 8, 16, 24, 32, 0]
    assert list(found.files[:3]) == ["a.png", "b\\x09c.png", "d\\x5cx09e.png"]


@pytest.mark.parametrize("name", ["../secret.png", "/dev/zero", "", ".", "g/../../secret.png"])
def test_nothing_outside_of_the_folder_of_images_is_read(name, shots):
    with pytest.raises(InputError, match="1 name of no file in this folder"):
        shown(["a.png", name])


@pytest.mark.parametrize("name", ["socket.png", "g"])
def test_what_is_no_file_is_not_opened(name, shots):
    with pytest.raises(InputError, match=f"15 images cannot be read: {name} .it is no file"):
        shown(["a.png", name])


@pytest.mark.parametrize("column", ["file", "id"])
def test_absolute_paths_are_named_without_the_folders_they_share(column, shots):
    names = [str(shots / each) for each in ("a.png", "猫.png")]
    assert set(shown(names).files) == {"a.png", "猫.png"}
    paths = [f"{shots}/x{i // 20}/{i}.png" for i in range(N)]
    table(**{column: paths}).to_csv("b.csv", index=False)
    assert list(load_pair("b.csv", "after.npy").files[[0, -1]]) == ["x0/0.png", f"x1/{N - 1}.png"]


# ---- numbers that are one number


def test_ids_and_labels_are_the_same_as_integers_and_as_floats():
    table(id=IDS, label=np.arange(N) % 3).to_csv("b.csv", index=False)
    after = table(AFTER, id=IDS.astype(float), label=np.arange(N) % 3 * 1.0)
    after.sample(frac=1, random_state=0).to_parquet("a.parquet", index=False)
    for found in (load_pair("b.csv", "a.parquet"), load_pair("a.parquet", "b.csv")):
        assert sorted(found.ids) == list(IDS)
        assert found.files is None
        assert found.class_names == ("0", "1", "2")


def test_line_breaks_within_quotes_end_no_row():
    n = 60_000  # more than the block that is parsed at a time
    labels = ["a" + "\n" * (i % 50) + "b" for i in range(n)]
    pd.DataFrame({"label": labels}).to_csv("many.csv", index=False)
    rows = read_role(parse_place("many.csv"), "label")
    assert rows.roles["label"].tolist() == labels


def test_lines_of_labels_end_where_lines_end():
    text("l.txt", "".join(f"a\x0b\u2028{i % 2}\r\n" for i in range(N)))()
    found = load_pair("before.npy", "after.npy", labels="l.txt")
    assert found.class_names == ("a\\x0b\\u20280", "a\\x0b\\u20281")


# ---- what is refused, in one sentence that says where and what to do


def edited(row, column, value):
    numbers = AFTER.astype(np.float64)
    numbers[row, column] = value
    np.save("bad.npy", numbers)


def cells(value, rows=slice(4, 5)):
    frame = table(AFTER).astype(object)
    frame.iloc[rows, 1] = value
    frame.to_csv("bad.csv", index=False)


def text(name, content):
    return lambda: Path(name).write_text(content, encoding="utf-8")


def both_ids(after_ids):
    table(id=IDS).to_csv("before.csv", index=False)
    table(AFTER, id=after_ids).to_csv("bad.csv", index=False)


BAD_AFTER = {
    "other lengths": ("bad.npy", lambda: np.save("bad.npy", AFTER[1:]), ["29 rows", "has 30 rows"]),
    "NaN": ("bad.npy", lambda: edited(3, 2, np.nan), ["row 3, column 2", "NaN"]),
    "infinity": ("bad.npy", lambda: edited(7, 0, -np.inf), ["row 7, column 0", "infinite"]),
    "beyond float32": ("bad.npy", lambda: edited(7, 0, 1e39), ["row 7", "1e+39", "float32"]),
    "beyond float32 in a table": ("bad.csv", lambda: cells("1e39"), ["1e+39", "float32"]),
    "NaN in a table": ("bad.csv", lambda: cells("nan"), ["row 4, column 'f1'", "NaN"]),
    "an empty cell": ("bad.csv", lambda: cells(""), ["row 4, column 'f1'", "missing"]),
    "an empty column": ("bad.csv", lambda: cells("", slice(None)), ["row 0, column 'f1'"]),
    "mixed types": ("bad.csv", lambda: cells("n/k"), ["row 4, column 'f1'", "'n/k'"]),
    "a list in a cell": ("bad.csv", lambda: cells("[0.1, 0.2]"), ["row 4", "several numbers"]),
    "a text column": ("bad.csv", lambda: cells("x", slice(None)), ["column 'f1'", "'x'", "label"]),
    "a header of numbers": (
        "bad.csv",
        lambda: pd.DataFrame(AFTER).to_csv("bad.csv", index=False),
        ["begins with the row 0,1,2", "counts its columns"],
    ),
    "an index of pandas": ("bad.csv", lambda: table(AFTER).to_csv("bad.csv"), ["index=False"]),
    "an index in parquet": (
        "bad.parquet",
        lambda: table(AFTER).sample(frac=1, random_state=0).to_parquet("bad.parquet"),
        ["__index_level_0__", "call it id"],
    ),
    "another separator": (
        "bad.csv",
        lambda: table(AFTER).to_csv("bad.csv", index=False, sep=";"),
        ["separator ';'"],
    ),
    "decimal commas": (
        "bad.csv",
        lambda: table(AFTER).to_csv("bad.csv", index=False, header=False, sep=";", decimal=","),
        ["separator ';'"],
    ),
    "quoted decimal commas": ("bad.csv", lambda: cells("1,5", slice(None)), ["with a point"]),
    "what np.savetxt writes": (
        "bad.csv",
        lambda: np.savetxt("bad.csv", AFTER),
        ["separator ' '"],
    ),
    "an offset beyond float32": (
        "bad.npy",
        lambda: np.save("bad.npy", AFTER.astype(np.float64) + 1e8),
        ["loses", "up to 1e+08", "subtract the mean"],
    ),
    "numbers below float32": (
        "bad.npy",
        lambda: np.save("bad.npy", AFTER.astype(np.float64) * 1e-200),
        ["loses 99 %", "power of ten"],
    ),
    "an empty dataset": (
        "bad.h5",
        lambda: save_h5("bad.h5", x=h5py.Empty("f")),
        ["bad.h5::x holds nothing"],
    ),
    "ragged rows": ("bad.csv", text("bad.csv", "a,b\n1,2\n3\n"), ["no table", "Expected 2"]),
    "one name twice": ("bad.csv", text("bad.csv", "a,a\n1,2\n"), ["several columns called 'a'"]),
    "no rows": ("bad.csv", text("bad.csv", "a,b\n"), ["no row"]),
    "nothing": ("bad.csv", text("bad.csv", ""), ["empty line"]),
    "other ids": ("bad.csv", lambda: both_ids(IDS + 2), ["lacks 2 ids", "700, 701", "730, 731"]),
    "an id twice": ("bad.csv", lambda: both_ids([700, *IDS[:-1]]), ["1 id more than once (700)"]),
    "ids of texts": (
        "bad.csv",
        lambda: both_ids([f"x{i}" for i in IDS]),
        ["such as 700", "such as x700"],
    ),
    "no such key": (
        "bad.npz::c",
        lambda: np.savez("bad.npz", a=AFTER, b=AFTER),
        ["no array 'c'", "it holds a, b"],
    ),
    "no such dataset": ("bad.h5::g/y", lambda: save_h5("bad.h5", g__x=AFTER), ["'g/y'", "g/x"]),
    "several arrays": ("bad.npz", lambda: np.savez("bad.npz", a=AFTER, b=AFTER), ["bad.npz::a"]),
    "constant features": ("bad.npy", lambda: np.save("bad.npy", np.ones((N, 3))), ["are equal"]),
    "objects": (
        "bad.npy",
        lambda: np.save("bad.npy", np.array([{}] * N, object)),
        ["pickled objects"],
    ),
    "objects in an archive": (
        "bad.npz",
        lambda: np.savez("bad.npz", x=np.array([{}] * N, object)),
        ["pickled objects"],
    ),
    "a pickle": ("bad.pt", text("bad.pt", "x"), ["pickle", "np.save"]),
    "one dimension": ("bad.npy", lambda: np.save("bad.npy", AFTER[:, 0]), ["shape (30,)"]),
    "feature maps": (
        "bad.npy",
        lambda: np.save("bad.npy", AFTER[:, None]),
        ["shape (30, 1, 3)", "average"],
    ),
    "complex numbers": ("bad.npy", lambda: np.save("bad.npy", AFTER * 1j), ["complex64"]),
    "texts": ("bad.npy", lambda: np.save("bad.npy", AFTER.astype(str)), ["real numbers"]),
    "truth values": ("bad.npy", lambda: np.save("bad.npy", AFTER > 0), ["bool"]),
    "another suffix": ("bad.mat", text("bad.mat", "x"), ["'.mat'", ".safetensors"]),
    "no file": ("gone.npy", lambda: None, ["gone.npy does not exist"]),
    "a damaged array": ("bad.npy", text("bad.npy", "junk"), ["bad.npy"]),
    "a damaged archive": ("bad.npz", text("bad.npz", "junk"), ["bad.npz"]),
    "a damaged HDF5": ("bad.h5", text("bad.h5", "junk"), ["HDF5"]),
    "a damaged safetensors": (
        "bad.safetensors",
        text("bad.safetensors", "j" * 99),
        ["safetensors"],
    ),
    "a damaged parquet": ("bad.parquet", text("bad.parquet", "junk"), ["parquet"]),
    "a key of a .npy": ("after.npy::x", lambda: None, ["leave out ::x"]),
}


@pytest.mark.parametrize("what", BAD_AFTER)
def test_bad_features_are_refused(what, tmp_path):
    name, make, words = BAD_AFTER[what]
    make()
    before = "before.csv" if (tmp_path / "before.csv").exists() else "before.npy"
    with pytest.raises(InputError) as error:
        load_pair(before, name)
    for word in words:
        assert word in str(error.value)
    assert "\n" not in str(error.value)


BAD_ROLES = {
    "a line too many": (
        {"labels": "bad.txt"},
        "\n".join(["kind", *LABELS]),
        ["31 labels", "header"],
    ),
    "a line too few": ({"labels": "bad.txt"}, "\n".join(LABELS[1:]), ["29 labels"]),
    "a blank line": ({"labels": "bad.txt"}, "\n".join(["", *LABELS[1:]]), ["line 1 is blank"]),
    "a blank line too many": ({"labels": "bad.txt"}, "\n".join([*LABELS, "", ""]), ["line 31"]),
    "one class": ({"labels": "bad.txt"}, "a\n" * N, ["one class only ('a')", "leave the labels"]),
    "several columns": ({"labels": "bad.csv"}, "a,b\n" + "1,2\n" * N, ["'label'", "::column"]),
    "no labels": ({"labels": "bad.txt"}, "", ["line 1 is blank"]),
    "an unknown part": ({"split": "bad.txt"}, "train\nholdout\n" * (N // 2), ["'holdout'"]),
    "test images alone": ({"split": "bad.txt"}, "test\n" * N, ["no training image"]),
    "too few images": ({"images": "after.npy"}, "", ["float32", "uint8"]),
    "a folder without names": ({"images": "."}, "", ["which image is which"]),
}


@pytest.mark.parametrize("what", BAD_ROLES)
def test_bad_labels_splits_and_images_are_refused(what):
    given, content, words = BAD_ROLES[what]
    (name,) = given.values()
    if name.startswith("bad"):
        text(name, content)()
    with pytest.raises(InputError) as error:
        load_pair("before.npy", "after.npy", **given)
    for word in words:
        assert word in str(error.value)


def test_labels_that_contradict_each_other_are_refused():
    table(label=LABELS, id=IDS).to_csv("b.csv", index=False)
    table(AFTER, label=LABELS[::-1], id=IDS).to_csv("a.csv", index=False)
    with pytest.raises(InputError, match="another label in row 0"):
        load_pair("b.csv", "a.csv")


def test_two_points_are_refused():
    np.save("two.npy", BEFORE[:2])
    with pytest.raises(InputError, match=r"2 images but a comparison needs 4"):
        load_pair("two.npy", "two.npy")
