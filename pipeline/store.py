"""Atomic, checksummed artefacts with a JSON sidecar.

An artefact ``layout.parquet`` has a sidecar ``layout.parquet.json`` that says what it is, how it
was made (step, parameters, seed, device, versions, seconds), from what (SHA-256 of every input)
and in which context (dataset, backbone, stage), which later artefacts inherit. Both are written
under temporary names and renamed, so that a reader sees a whole artefact or none.
"""

import contextlib
import datetime
import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pipeline.errors import InputError
from pipeline.runtime.keras_import import import_keras
from pipeline.runtime.versions import versions

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.images.dataset import Dataset
    from pipeline.neighbors.graph import Graph

Metadata = dict[str, Any]


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces it on success and vanishes on failure."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays: Keras, Pillow and NumPy choose their format by it.
    handle, name = tempfile.mkstemp(
        prefix=".writing-", suffix="".join(path.suffixes), dir=path.parent
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes files private
        temporary.replace(path)
    except OSError as error:
        error.filename = str(path)  # what the user asked for, not the temporary name
        raise
    finally:
        temporary.unlink(missing_ok=True)


def sidecar(path: Path) -> Path:
    """The path of an artefact's sidecar."""
    return Path(f"{path}.json")


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(path: Path, writer: Callable[[Path], object], metadata: Metadata) -> None:
    """Write an artefact and its sidecar.

    Parameters
    ----------
    path : Path
        Where the artefact goes; missing folders are made.
    writer : callable
        Called with a temporary path of the same suffix; writes the artefact there.
    metadata : dict
        JSON-able facts for the sidecar; ``inputs`` lists the paths of the inputs.
    """
    with atomic(path) as temporary, atomic(sidecar(path)) as temporary_sidecar:
        writer(temporary)
        record = {
            "artefact": Path(path).name,
            "sha256": sha256(temporary),
            "bytes": temporary.stat().st_size,
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            **metadata,
            "inputs": {str(source): _known_sha256(source) for source in metadata.get("inputs", [])},
            "versions": versions(),
        }
        temporary_sidecar.write_text(json.dumps(record, indent=2, default=_plain) + "\n")


def read_sidecar(path: Path) -> Metadata:
    """An artefact's sidecar; empty for a file that came without one."""
    try:
        text = sidecar(path).read_text()
    except FileNotFoundError:
        return {}
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{sidecar(path)} is not valid JSON ({error}): delete {path} and run its step again"
        ) from None
    if "stage" in record:  # as the step was called before version 0.2
        record["step"] = record.pop("stage")
    return record


def load_sidecar(path: Path) -> Metadata:
    """An artefact's sidecar, which must be there."""
    record = read_sidecar(path)
    if "step" not in record:
        raise InputError(f"{sidecar(path)} does not say which step wrote {path}: run it again")
    return record


def context(path: Path) -> Metadata:
    """What an artefact's sidecar says of its study, dataset, backbone and stage."""
    return read_sidecar(path).get("context", {})


def shared_context(paths: Sequence[Path]) -> Metadata:
    """What the contexts of some artefacts have in common."""
    first, *others = map(context, paths)
    return {k: v for k, v in first.items() if all(other.get(k) == v for other in others)}


def verify(path: Path) -> Path:
    """Check that an artefact exists and is the one its sidecar describes (if it has one)."""
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"{path} does not exist: give an existing file or run the step that writes it"
        )
    expected = read_sidecar(path).get("sha256")
    if expected is not None and expected != sha256(path):
        raise InputError(
            f"{path} is damaged, it does not match the SHA-256 in its sidecar: "
            "delete both and run its step again"
        )
    return path


class Labels(NamedTuple):
    """A data set without its images: labels (n,) into the class names, split (n,)."""

    labels: np.ndarray
    class_names: tuple[str, ...]
    split: np.ndarray


def save_dataset(path: Path, dataset: "Dataset", metadata: Metadata) -> None:
    """Write a data set as ``.npz``: its arrays as in `Dataset`, and the class names."""
    arrays = {
        "images": dataset.images,
        "labels": dataset.labels,
        "split": dataset.split,
        "class_names": np.array(dataset.class_names),
    }
    write(path, _npz_writer(arrays), {**metadata, "provenance": dataset.provenance})


def load_dataset(path: Path) -> "Dataset":
    """Read a data set that `save_dataset` wrote."""
    from pipeline.images.dataset import Dataset

    arrays = _load_npz(path, ("images", "labels", "split", "class_names"), "tunescope dataset")
    return Dataset(
        images=arrays["images"],
        labels=arrays["labels"],
        class_names=tuple(str(name) for name in arrays["class_names"]),
        split=arrays["split"],
        provenance=read_sidecar(path).get("provenance", {}),
    )


def load_labels(path: Path, *, points: int) -> Labels:
    """Read a data set that `save_dataset` wrote, all but its images.

    Raises
    ------
    InputError
        The data set has not as many images as there are points.
    """
    arrays = _load_npz(path, ("labels", "class_names", "split"), "tunescope dataset")
    if len(arrays["labels"]) != points:
        raise InputError(
            f"{path} has {len(arrays['labels']):,} images but the features have {points:,} rows: "
            "give the data set that the features were extracted from"
        )
    names = tuple(str(name) for name in arrays["class_names"])
    return Labels(arrays["labels"], names, arrays["split"])


def load_image_shape(path: Path) -> tuple[int, int, int]:
    """Height, width and channels of the images of a data set that `save_dataset` wrote."""
    shape = context(verify(path)).get("image_shape")
    height, width, channels = shape or load_dataset(path).images.shape[1:]
    return height, width, channels


def save_features(path: Path, features: np.ndarray, metadata: Metadata) -> None:
    """Write features as a memory-mappable float32 ``.npy`` of shape (n, d)."""
    write(path, lambda temporary: np.save(temporary, features), metadata)


def load_features(path: Path) -> np.ndarray:
    """Memory-map features (n, d) of any real dtype; who uses them checks the values."""
    try:
        features = np.load(verify(path), mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise InputError(f"{path} is not a readable .npy file ({error}): write it again") from None
    if not isinstance(features, np.ndarray) or features.ndim != 2:
        raise InputError(f"{path} must hold one two-dimensional array (points, features)")
    if not np.issubdtype(features.dtype, np.number) or np.iscomplexobj(features):
        raise InputError(f"{path} holds {features.dtype} values: features must be real numbers")
    return features


def save_graph(path: Path, graph: "Graph", metadata: Metadata) -> None:
    """Write a neighbour graph as ``.npz``: indices (n, k) int32, distances (n, k) float32."""
    write(path, _npz_writer(graph._asdict()), metadata)


def load_graph(path: Path) -> "Graph":
    """Read a graph that `save_graph` wrote."""
    from pipeline.neighbors.graph import Graph

    return Graph(**_load_npz(path, Graph._fields, "tunescope graph"))


def save_layout(
    path: Path, rows: np.ndarray, xy: np.ndarray, labels: Labels | None, metadata: Metadata
) -> None:
    """Write a layout as ``.parquet`` with columns id, x, y and, where known, split and label.

    Parameters
    ----------
    path : Path
    rows : (m,) int array
        Rows of the features, and of the data set, that were laid out.
    xy : (m, 2) array
    labels : Labels, optional
        Of the whole data set.
    metadata : dict
    """
    import pandas as pd

    table = pd.DataFrame({"id": rows})
    if labels is not None:
        table["split"] = labels.split[rows]
        table["label"] = pd.Categorical.from_codes(
            labels.labels[rows], categories=list(labels.class_names)
        )
    table["x"], table["y"] = xy.T
    write(path, lambda temporary: table.to_parquet(temporary, index=False), metadata)


def load_layout(path: Path) -> "pd.DataFrame":
    """Read a layout that `save_layout` wrote."""
    import pandas as pd

    try:
        table = pd.read_parquet(verify(path))
    except (ValueError, OSError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path} is not a readable .parquet layout ({error}): write it again"
        ) from None
    missing = {"id", "x", "y"} - set(table.columns)
    if missing:
        raise InputError(f"{path} has no column {', '.join(sorted(missing))}: it is not a layout")
    return table


class LabelledLayout(NamedTuple):
    """A layout with its classes: rows (m,), xy (m, 2), labels (m,) into the class names."""

    rows: np.ndarray
    xy: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]


def load_labelled_layout(path: Path) -> LabelledLayout:
    """Read a layout that `save_layout` wrote with labels."""
    table = load_layout(path)
    if "label" not in table.columns:
        raise InputError(f"{path} has no column label: give --dataset to `tunescope embed`")
    return LabelledLayout(
        table["id"].to_numpy(),
        table[["x", "y"]].to_numpy(),
        table["label"].cat.codes.to_numpy(),
        tuple(table["label"].cat.categories),
    )


def method_of(path: Path) -> str:
    """The method of a layout, by its sidecar or else by the name of its file."""
    return context(path).get("method", Path(path).stem)


def save_json(path: Path, value: Metadata, metadata: Metadata) -> None:
    """Write measures as ``.json``."""
    text = json.dumps(value, indent=2) + "\n"
    write(path, lambda temporary: temporary.write_text(text), metadata)


def save_csv(path: Path, table: "pd.DataFrame", metadata: Metadata) -> None:
    """Write a table as ``.csv``."""
    write(path, lambda temporary: table.to_csv(temporary, index=False), metadata)


def load_measures(path: Path) -> Metadata:
    """Read the measures of the layouts of a feature set, see `pipeline.measures.quality`."""
    measures = load_json(path)
    if "layouts" not in measures:
        raise InputError(
            f"{path} holds the measures of one layout, as earlier versions wrote them: measure "
            "all layouts of a feature set together by `tunescope quality`"
        )
    return measures


def load_json(path: Path) -> Metadata:
    """Read a ``.json`` artefact such as the measures of a layout."""
    try:
        return json.loads(verify(path).read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid JSON ({error}): run its step again") from None


def load_model(path: Path) -> Any:
    """Read a Keras model that `pipeline` wrote."""
    keras = import_keras()
    try:
        return keras.saving.load_model(verify(path), compile=False)
    except (ValueError, OSError, TypeError, KeyError) as error:
        if isinstance(error, InputError):
            raise
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{path} is not a readable .keras model ({reason}): write it again"
        ) from None


def _npz_writer(arrays: dict[str, np.ndarray]) -> Callable[[Path], None]:
    return lambda temporary: np.savez(temporary, **arrays)  # type: ignore[arg-type]


def _load_npz(path: Path, names: tuple[str, ...], verb: str) -> dict[str, np.ndarray]:
    try:
        with open(verify(path), "rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in names}
    except KeyError as error:
        raise InputError(f"{path}: {error.args[0]}; write it with `{verb}`") from None
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path} is not a readable .npz file ({error}): write it with `{verb}`"
        ) from None


def _known_sha256(path: Path) -> str:
    """The hash in an input's sidecar, which `verify` has compared, else computed."""
    return read_sidecar(path).get("sha256") or sha256(path)


def _plain(value: object) -> object:
    """JSON for NumPy scalars and arrays, paths and tuples."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
