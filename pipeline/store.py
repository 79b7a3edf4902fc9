"""The formats of the artefacts: what each file holds, written and read in one place.

How an artefact is written whole, described and checked is in `pipeline.artefacts`.
"""

import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pipeline.artefacts import Metadata, context, verify, write
from pipeline.errors import InputError
from pipeline.runtime.disk import check_space, model_bytes
from pipeline.runtime.keras_import import import_keras

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.images.dataset import Dataset
    from pipeline.images.pair import Pair
    from pipeline.measures.change import Change
    from pipeline.neighbors.graph import Graph


# What reading a damaged archive raises, whatever is in it.
DAMAGED = (ValueError, OSError, TypeError, zipfile.BadZipFile, zlib.error)


FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet computes
ONE_SET = "all"  # the split of images that are not parted


class ImageTable(NamedTuple):
    """A data set without its pixels.

    Attributes
    ----------
    ids : (n,) int64
        Rows in the source.
    files : (n,) array of str or None
        Paths within the folder that the images came from.
    split : (n,) array of str
        "train" or "test"; or "all", of all images, where they are not parted.
    labels : (n,) int64
        Positions in `class_names`; zeros without labels.
    class_names : tuple of str
        Empty without labels.
    """

    ids: np.ndarray
    files: np.ndarray | None
    split: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]

    @property
    def classes(self) -> np.ndarray | None:
        """The labels; None without any."""
        return self.labels if self.class_names else None

    @property
    def parts(self) -> np.ndarray | None:
        """The split; None where the images are not parted."""
        return None if (self.split == ONE_SET).all() else self.split


def save_dataset(images: Path, table: Path, dataset: "Dataset", metadata: Metadata) -> None:
    """Write a data set: its pixels as a memory-mappable ``.npy``, all else as a ``.parquet``."""
    metadata = {**metadata, "provenance": dataset.provenance}
    write(images, _npy_writer(dataset.images), metadata)
    rows = ImageTable(
        dataset.ids,
        None if dataset.files is None else np.array(dataset.files, dtype=object),
        dataset.split,
        dataset.labels,
        dataset.class_names,
    )
    # The hash of the images in its sidecar tells which table belongs to which features.
    write(table, _parquet_writer(_columns(rows)), {**metadata, "inputs": [images]})


def save_pair(
    table: Path,
    before: Path,
    after: Path,
    images: Path | None,
    pair: "Pair",
    metadata: Metadata,
) -> None:
    """Write features of other programs as those of `tunescope features`, and their table.

    Parameters
    ----------
    table, before, after : Path
    images : Path, optional
        Where the pictures go, if there are any.
    pair : Pair
    metadata : dict
        Its inputs are those of all these files, by which they are known to belong together.
    """
    own = metadata.get("context", {})
    for stage, path in (("before", before), ("after", after)):
        context = {**own, "stage": stage}
        save_features(path, getattr(pair, stage), {**metadata, "context": context})
    if images is not None and pair.images is not None:
        write(images, _npy_writer(pair.images), metadata)
    rows = ImageTable(pair.ids, pair.files, pair.split, pair.labels, pair.class_names)
    write(table, _parquet_writer(_columns(rows)), metadata)


def load_images(path: Path) -> np.ndarray:
    """Memory-map the images of a data set, (n, h, w, c) uint8."""
    images = _load_npy(path)
    if images.ndim != 4 or images.dtype != np.uint8:
        raise InputError(
            f"{path} holds {images.dtype} values of shape {images.shape}: images are uint8 (n, h, "
            "w, c), as `tunescope dataset` writes them"
        )
    return images


def load_table(path: Path, *, points: int | None = None, labelled: bool = False) -> ImageTable:
    """Read what is known of each image.

    Parameters
    ----------
    path : Path
        A ``.parquet`` with the columns id and split, and where known file and label.
    points : int, optional
        How many images there must be.
    labelled : bool
        Whether there must be labels.

    Raises
    ------
    InputError
        The table cannot be read, lacks a column, or has another number of rows.
    """
    wanted = {"id", "split", *(["label"] if labelled else [])}
    table = _load_parquet(path, wanted, "a table of images")
    if table["id"].dtype.kind not in "iu":
        raise InputError(f"{path} has {table['id'].dtype} values in the column id: give integers")
    if points is not None and len(table) != points:
        raise InputError(
            f"{path} has {len(table):,} images but the features have {points:,} rows: give the "
            "table of the images that the features were extracted from"
        )
    parts = set(table["split"].unique())
    if (strange := parts - {"train", "test"}) and parts != {ONE_SET}:
        raise InputError(f"{path} has a split {min(map(repr, strange))}: it is train or test")
    codes, names = _classes(table, path)
    files = table["file"].to_numpy(object) if "file" in table.columns else None
    return ImageTable(table["id"].to_numpy(), files, table["split"].to_numpy(str), codes, names)


def _classes(table: "pd.DataFrame", path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """The codes of the column label, and the names of all classes, used or not.

    Zeros and no names where there is no such column.
    """
    if "label" not in table.columns:
        return np.zeros(len(table), np.int64), ()
    try:
        categories = table["label"].astype("category").cat
    except TypeError:  # of lists or mappings
        raise InputError(
            f"{path} has labels that are neither names nor numbers: give one a row"
        ) from None
    codes = categories.codes.to_numpy(np.int64)
    if (codes < 0).any():
        raise InputError(f"{path} has no label in row {int(np.argmin(codes))}: give one a row")
    return codes, tuple(map(str, categories.categories))


def _columns(table: ImageTable, rows: np.ndarray | slice = slice(None)) -> dict[str, Any]:
    """Columns of a file: id, file where there are any, split, label where there are any."""
    import pandas as pd

    files = {} if table.files is None else {"file": table.files[rows]}
    columns = {"id": table.ids[rows], **files, "split": table.split[rows]}
    if not table.class_names:
        return columns
    labels = pd.Categorical.from_codes(table.labels[rows], categories=list(table.class_names))
    return {**columns, "label": labels}


def save_predictions(
    path: Path, probabilities: np.ndarray, table: ImageTable, metadata: Metadata
) -> None:
    """Write what the head says of every image: the columns of its table, prediction, confidence.

    Parameters
    ----------
    path : Path
    probabilities : (n, classes) float array
    table : ImageTable
    metadata : dict
    """
    import pandas as pd

    predicted = pd.Categorical.from_codes(
        probabilities.argmax(axis=1), categories=list(table.class_names)
    )
    columns = {"prediction": predicted, "confidence": probabilities.max(axis=1)}
    write(path, _parquet_writer({**_columns(table), **columns}), metadata)


def load_errors(path: Path) -> "pd.Series":
    """Whether the head takes an image for another class, by the image's id."""
    table = _load_parquet(path, {"id", "label", "prediction"}, "a table of predictions")
    wrong = table["prediction"].astype(str) != table["label"].astype(str)
    return wrong.set_axis(table["id"])


def load_predictions(path: Path, table: ImageTable) -> dict[str, Any]:
    """The columns prediction and confidence of what `save_predictions` wrote of these images."""
    given = _load_parquet(path, {"id", "prediction", "confidence"}, "a table of predictions")
    if not np.array_equal(given["id"].to_numpy(), table.ids):
        raise InputError(
            f"{path} has other images than the table: give the predictions for the same images"
        )
    return {name: given[name].to_numpy() for name in ("prediction", "confidence")}


def is_wrong(head: dict[str, Any], table: ImageTable) -> np.ndarray | None:
    """Whether predictions that `load_predictions` read miss an image's class.

    None without predictions, and where the classes are not known.
    """
    if not head or table.classes is None:
        return None
    return head["prediction"].astype(str) != np.array(table.class_names, object)[table.labels]


def save_change(
    path: Path, change: "Change", table: ImageTable, head: dict[str, Any], metadata: Metadata
) -> None:
    """Write what changed as ``.parquet``, a row an image.

    The columns of its table; those of `Change.images`, neighbours by id and predicted classes by
    name; prediction and confidence of the head, if given.
    """
    import pandas as pd

    columns: dict[str, Any] = dict(change.images)
    for name in columns.keys() & {"predicted_before", "predicted_after"}:
        names = list(table.class_names)
        columns[name] = pd.Categorical.from_codes(columns[name], categories=names)
    for name in ("lost", "gained"):
        columns[name] = [table.ids[rows] for rows in columns[name]]
    write(path, _parquet_writer({**_columns(table), **columns, **head}), metadata)


def load_change(path: Path) -> "pd.DataFrame":
    """Read what `save_change` wrote."""
    columns = {"id", "split", "overlap"}
    return _load_parquet(path, columns, "a table of changes")


def describe_change(change: "Change", table: ImageTable) -> Metadata:
    """What changed as a whole and by class, classes by name and images by id."""
    return {
        "k": change.k,
        "measures": change.measures,
        "classes": _by_name(change.classes, table),
        "communities": change.communities,
        "groups": [
            {
                **{key: value for key, value in group.items() if key != "rows"},
                "classes": _by_name(group["classes"], table),
                "ids": table.ids[group["rows"]].tolist(),
            }
            for group in change.groups
        ],
        "outliers": [int(number) for number in table.ids[change.outliers]],
        "warnings": change.warnings,
    }


def _by_name(rows: list[dict[str, Any]], table: ImageTable) -> list[dict[str, Any]]:
    """Rows that have a class, with its name for its number."""
    return [{**row, "class": table.class_names[row["class"]]} for row in rows]


def save_features(path: Path, features: np.ndarray, metadata: Metadata) -> None:
    """Write features as a memory-mappable float32 ``.npy`` of shape (n, d)."""
    write(path, _npy_writer(features), metadata)


def load_features(path: Path) -> np.ndarray:
    """Memory-map features (n, d) of any real dtype; who uses them checks the values."""
    features = _load_npy(path)
    if features.ndim != 2:
        raise InputError(f"{path} must hold one two-dimensional array (points, features)")
    if not np.issubdtype(features.dtype, np.number) or np.iscomplexobj(features):
        raise InputError(f"{path} holds {features.dtype} values: features must be real numbers")
    return features


def save_graph(path: Path, graph: "Graph", metadata: Metadata) -> None:
    """Write a neighbour graph as ``.npz``: indices (n, k) int32, distances (n, k) float32."""
    write(path, _npz_writer(graph._asdict()), metadata)


def load_graph(path: Path) -> "Graph":
    """Read a graph that `save_graph` wrote; who uses it checks the values."""
    from pipeline.neighbors.graph import Graph

    return Graph(**_load_npz(path, Graph._fields, "tunescope graph"))


def save_layout(
    path: Path, rows: np.ndarray, xy: np.ndarray, table: ImageTable | None, metadata: Metadata
) -> None:
    """Write a layout as ``.parquet``: row, where known id, file, split and label, x and y.

    Parameters
    ----------
    path : Path
    rows : (m,) int array
        Rows of the features that were laid out.
    xy : (m, 2) array
    table : ImageTable, optional
        Of all rows of the features.
    metadata : dict
    """
    known = {} if table is None else _columns(table, rows)
    x, y = xy.T
    write(path, _parquet_writer({"row": rows, **known, "x": x, "y": y}), metadata)


def load_layout(path: Path) -> "pd.DataFrame":
    """Read a layout that `save_layout` wrote; who uses it checks the values."""
    table = _load_parquet(path, {"row", "x", "y"}, "a layout")
    for name, kinds in (("row", "iu"), ("x", "iuf"), ("y", "iuf")):
        if table[name].dtype.kind not in kinds:
            raise InputError(
                f"{path} has {table[name].dtype} values in the column {name}: write the layout "
                "with `tunescope embed`"
            )
    return table


class LabelledLayout(NamedTuple):
    """A layout with its classes.

    Attributes
    ----------
    rows, ids : (m,) int arrays
        Rows of the features, and of the source of the images.
    xy : (m, 2) array
    labels : (m,) int64
        Positions in `class_names`; zeros without labels.
    split : (m,) array of str
    class_names : tuple of str
        Empty without labels.
    """

    rows: np.ndarray
    ids: np.ndarray
    xy: np.ndarray
    labels: np.ndarray
    split: np.ndarray
    class_names: tuple[str, ...]

    @property
    def classes(self) -> np.ndarray | None:
        """The labels; None without any."""
        return self.labels if self.class_names else None


def load_labelled_layout(path: Path) -> LabelledLayout:
    """Read a layout that `save_layout` wrote with the table of its images."""
    table = load_layout(path)
    if missing := {"id", "split"} - set(table.columns):
        raise InputError(
            f"{path} has no column {', '.join(sorted(missing))}: give --table to `tunescope embed`"
        )
    labels, names = _classes(table, path)
    return LabelledLayout(
        table["row"].to_numpy(),
        table["id"].to_numpy(),
        table[["x", "y"]].to_numpy(),
        labels,
        table["split"].to_numpy(str),
        names,
    )


def method_of(path: Path) -> str:
    """The method of a layout, by its sidecar or else by the name of its file."""
    return context(path).get("method", Path(path).stem)


def save_json(path: Path, value: Metadata, metadata: Metadata) -> None:
    """Write measures as ``.json``."""
    text = json.dumps(value, indent=2) + "\n"
    write(path, lambda temporary: temporary.write_text(text), metadata)


def save_csv(path: Path, table: "pd.DataFrame", metadata: Metadata) -> None:
    """Write a table as ``.csv``, see `csv_text`."""
    write(path, lambda temporary: temporary.write_text(csv_text(table), "utf-8"), metadata)


def csv_text(table: "pd.DataFrame") -> str:
    """A table as CSV, an apostrophe before each text that a spreadsheet would compute as a formula.

    Names of classes and files come from outside: ``=HYPERLINK(...)`` stays a name.
    """
    import pandas as pd

    cells = table.copy()
    for name in table.select_dtypes(exclude=["number", "bool"]).columns:
        cells[name] = pd.Series(map(_no_formula, table[name]), table.index, dtype=object)
    return cells.to_csv(index=False)


def _no_formula(cell: Any) -> Any:
    if not isinstance(cell, str) or not cell.startswith(FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def load_csv(path: Path) -> "pd.DataFrame":
    """Read a table that `save_csv` wrote."""
    import pandas as pd

    try:
        return pd.read_csv(verify(path))
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no readable table ({error}): run its step again") from None


def load_measures(path: Path) -> Metadata:
    """Read what `tunescope quality` or `tunescope change` measured, see `pipeline.measures`."""
    verify(path)
    try:
        measures = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:  # of JSON, or of what is no text
        raise InputError(f"{path} is not valid JSON ({error}): run its step again") from None
    if not _are_measures(measures):
        raise InputError(
            f"{path} does not hold measures: measure all layouts of a feature set together by "
            "`tunescope quality`"
        )
    return measures


def _are_measures(value: Any) -> bool:
    """Whether it is built like what `pipeline.measures.quality.measure_layouts` returns."""
    if not isinstance(value, dict) or not isinstance(value.get("k"), int):
        return False
    measures, probe, warnings = (value.get(key) for key in ("measures", "probe", "warnings"))
    by_seed = value.get("layout_seeds", {})
    tables = [measures, *by_seed.values()] if isinstance(by_seed, dict) else [None]
    numbers = _has_numbers(probe) and all(
        isinstance(table, list) and all(map(_is_measure, table)) for table in tables
    )
    sentences = isinstance(warnings, list | None) and all(
        isinstance(each, str) for each in warnings or []
    )
    return numbers and sentences


def _is_measure(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and all(isinstance(row.get(key), str) for key in ("space", "split", "measure"))
        and _has_numbers({key: row.get(key) for key in ("value", "low", "high")})
    )


def _has_numbers(table: Any) -> bool:
    """Whether it is nothing, or a mapping to numbers."""
    return table is None or (
        isinstance(table, dict)
        and all(isinstance(number, int | float | None) for number in table.values())
    )


def save_model(path: Path, model: Any, metadata: Metadata) -> None:
    """Write a Keras model as ``.keras``."""

    def save(temporary: Path) -> None:
        # Twice: Keras writes the weights apart before it packs them.
        check_space(temporary.parent, 2 * model_bytes(model), str(path))
        model.save(temporary)

    write(path, save, metadata)


def load_model(path: Path) -> Any:
    """Read a Keras model that `pipeline` wrote."""
    keras = import_keras()
    verify(path)
    try:
        return keras.saving.load_model(path, compile=False)
    except (*DAMAGED, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{path} is not a readable .keras model ({reason}): write it again"
        ) from None


def _npy_writer(array: np.ndarray) -> Callable[[Path], None]:
    def write_array(temporary: Path) -> None:
        with open(temporary, "wb") as file:  # to a name without its suffix NumPy would add that
            np.save(file, array)

    return write_array


def _npz_writer(arrays: dict[str, np.ndarray]) -> Callable[[Path], None]:
    def write_arrays(temporary: Path) -> None:
        with open(temporary, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    return write_arrays


def _parquet_writer(columns: dict[str, Any]) -> Callable[[Path], None]:
    import pandas as pd

    table = pd.DataFrame(columns)
    return lambda temporary: table.to_parquet(temporary, index=False)


def _load_npy(path: Path) -> np.ndarray:
    verify(path)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    # A damaged header is a text that Python cannot take apart, or a shape that is none.
    except (ValueError, EOFError, OSError, OverflowError, SyntaxError, TokenError) as error:
        if path.suffix.lower() != ".npy":
            raise _other_format(path) from None
        raise InputError(f"{path} is not a readable .npy file ({error}): write it again") from None
    if isinstance(array, np.ndarray):
        return array
    raise _other_format(path)


def _other_format(path: Path) -> InputError:
    return InputError(
        f"{path} is not a .npy file, which single steps read: save the array as one, or give the "
        "file to `tunescope compare`, which reads tables and archives, too"
    )


def _load_npz(path: Path, names: tuple[str, ...], verb: str) -> dict[str, np.ndarray]:
    verify(path)
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in names}
    except KeyError as error:
        raise InputError(f"{path}: {error.args[0]}; write it with `{verb}`") from None
    except (*DAMAGED, EOFError, AttributeError) as error:
        raise InputError(
            f"{path} is not a readable .npz file ({error}): write it with `{verb}`"
        ) from None


def _load_parquet(path: Path, columns: set[str], what: str) -> "pd.DataFrame":
    import pandas as pd

    verify(path)
    try:
        table = pd.read_parquet(path)
    except (ValueError, OSError, TypeError) as error:
        raise InputError(f"{path} is not a readable .parquet file ({error})") from None
    if missing := columns - set(table.columns):
        raise InputError(f"{path} has no column {', '.join(sorted(missing))}: it is not {what}")
    return table
