"""Atomic, checksummed artefacts with a JSON sidecar.

An artefact ``layout.parquet`` has a sidecar ``layout.parquet.json`` that says what it is, how it
was made (step, parameters, seed, device, versions, seconds), from what (SHA-256 of every input)
and in which context (dataset, backbone, stage), which later artefacts inherit. Both are written
under temporary names and renamed, so that a reader sees a whole artefact or none.
"""

import contextlib
import datetime
import errno
import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.runtime.versions import versions

Metadata = dict[str, Any]

# With the number of the process that writes: what a killed one left is told from what is written.
_TEMPORARY = f".writing-{platform.node()}-"
LONGEST_NAME = 255 - len(".json")  # bytes that file systems give a name, less those of the sidecar


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces it on success and vanishes on failure.

    What processes of this machine that were killed left in the folder is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path.parent)
    # The suffix stays: Keras and Pillow choose their format by it.
    handle, name = tempfile.mkstemp(path.suffix, f"{_TEMPORARY}{os.getpid()}-", path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes files private
        temporary.replace(path)
    except OSError as error:
        if error.filename is None or Path(error.filename) == temporary:
            error.filename = str(path)  # what the user asked for
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _remove_leftovers(folder: Path) -> None:
    for left in folder.glob(f"{_TEMPORARY}*"):
        writer = left.name.removeprefix(_TEMPORARY).partition("-")[0]
        if writer.isdecimal() and not _is_running(int(writer)):
            left.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def check_folder(path: Path, *, option: str) -> None:
    """Check that files can be written into a folder, which is made where it is missing.

    Raises
    ------
    InputError
        A file of this name.
    OSError
        It cannot be written to.
    """
    if os.path.lexists(path) and not path.is_dir():
        raise InputError(f"{option} {path} is a file: give the name of a folder")
    check_output(path / "file.png", [".png"], option=option)


def check_outputs_differ(outputs: Mapping[str, Path | None]) -> None:
    """Refuse two outputs of one name, of which the later would overwrite the earlier.

    Parameters
    ----------
    outputs : mapping of option to path
        None where an option was left out.

    Raises
    ------
    InputError
    """
    options: dict[str, str] = {}
    for option, path in outputs.items():
        if path is None:
            continue
        if other := options.get(place := os.path.realpath(path)):
            raise InputError(f"{other} and {option} are both {path}: give different names")
        options[place] = option


def check_output(
    path: Path, suffixes: Sequence[str], *, inputs: Sequence[Path] = (), option: str = "--out"
) -> None:
    """Check that an artefact can be written, before hours are spent on computing it.

    Parameters
    ----------
    path : Path
        Where it shall go.
    suffixes : sequence of str
        Those that its format may have, such as ``[".npz"]``.
    inputs : sequence of Path
        Files that the step reads.
    option : str
        Named in messages.

    Raises
    ------
    InputError
        Another suffix; a folder, or an input, of this name.
    OSError
        Its folder cannot be made or written to.
    """
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise InputError(f"{option} {path} must end in {' or '.join(suffixes)}")
    if len(os.fsencode(path.name)) > LONGEST_NAME:
        raise InputError(
            f"{option} ...{path.name[-40:]} has a name of {len(os.fsencode(path.name))} bytes but "
            f"at most {LONGEST_NAME} leave room for that of its sidecar: give a shorter one"
        )
    if path.is_dir():
        raise InputError(f"{option} {path} is a folder: give the name of a file")
    for given in inputs:
        if os.path.realpath(path) == os.path.realpath(given):
            raise InputError(f"{option} {path} is an input too: give another name")
        if os.path.realpath(path) == os.path.realpath(sidecar(given)):
            raise InputError(f"{option} {path} is the sidecar of an input: give another name")
    if sidecar(path).is_dir():
        raise InputError(f"{sidecar(path)}, for the sidecar of {option}, is a folder: remove it")
    folder = next(parent for parent in path.absolute().parents if os.path.lexists(parent))
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


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
    # The inner one is renamed first: no sidecar describes an artefact that is not there.
    with atomic(sidecar(path)) as temporary_sidecar, atomic(path) as temporary:
        writer(temporary)
        record = {
            "artefact": Path(path).name,
            "sha256": sha256(temporary),
            "bytes": temporary.stat().st_size,
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            **metadata,
            "inputs": {str(source): known_sha256(source) for source in metadata.get("inputs", [])},
            "versions": versions(),
        }
        temporary_sidecar.write_text(json.dumps(record, indent=2, default=_plain) + "\n")


def read_sidecar(path: Path) -> Metadata:
    """An artefact's sidecar; empty for a file that came without one."""
    try:
        text = sidecar(path).read_text()
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        raise _not_a_sidecar(path, str(error)) from None
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _not_a_sidecar(path, str(error)) from None
    if not isinstance(record, dict):
        raise _not_a_sidecar(path, "it holds no object")
    for key, kind in (("context", dict), ("inputs", dict), ("sha256", str)):
        if not isinstance(record.get(key, kind()), kind):
            raise _not_a_sidecar(path, f"its {key!r} is {type(record[key]).__name__}")
    return record


def _not_a_sidecar(path: Path, reason: str) -> InputError:
    return InputError(
        f"{sidecar(path)} is not valid JSON of Tunescope ({reason}): delete {path} and run its "
        "step again"
    )


def load_sidecar(path: Path) -> Metadata:
    """An artefact's sidecar, which must be there."""
    record = read_sidecar(path)
    if "step" not in record:
        raise InputError(f"{sidecar(path)} does not say which step wrote {path}: run it again")
    return record


def described(path: Path) -> Path:
    """An artefact that must have its sidecar, with its step and its hash.

    Raises
    ------
    InputError
    """
    if "sha256" not in load_sidecar(path):
        raise _not_a_sidecar(path, "it has no 'sha256'")
    return path


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


def check_made_from(path: Path, source: Path) -> None:
    """Refuse an artefact that was computed from something else than `source`.

    A file without a sidecar came from elsewhere: its shape and values are all that can be checked.

    Raises
    ------
    InputError
    """
    origins = read_sidecar(path).get("inputs")
    if origins and known_sha256(source) not in origins.values():
        raise InputError(
            f"{path} was not made from {source} but from {_listed(origins)}: give files that "
            "belong together"
        )


def check_one_run(path: Path, sources: Sequence[Path], metric: str) -> None:
    """Refuse an artefact of a study that is not of one run with what it was computed from.

    It must have its sidecar, else nobody knows what it is.

    Raises
    ------
    InputError
    """
    for source in sources:
        check_made_from(described(path), source)
    check_same_metric(path, metric)


def check_same_metric(path: Path, metric: str) -> None:
    """Refuse an artefact that was computed by another metric; one that says none is Euclidean.

    Raises
    ------
    InputError
    """
    if (own := context(path).get("metric", "euclidean")) != metric:
        raise InputError(
            f"{path} was computed by the {own} metric but this step takes the {metric}: give the "
            "same --metric to both"
        )


def check_measured(layout: Path, measures: Path) -> None:
    """Refuse measures of other layouts than this one; what has no sidecar came from elsewhere.

    Raises
    ------
    InputError
    """
    measured, known = read_sidecar(measures).get("inputs"), read_sidecar(layout).get("sha256")
    if measured and known and known not in measured.values():
        raise InputError(
            f"{measures} does not measure {layout}: give the measures of the layouts that are drawn"
        )


def check_same_images(path: Path, table: Path) -> None:
    """Refuse an artefact that was computed from other images than those of a table.

    The table was written with the images: its sidecar has their hash.

    Raises
    ------
    InputError
    """
    described, images = read_sidecar(path), read_sidecar(table).get("inputs")
    origins = described.get("inputs", {})
    known = {*origins.values(), described.get("sha256")} - {None}  # it may be the images itself
    if known and images and not known & set(images.values()):
        what = f"was made from {_listed(origins)}, not from" if origins else "is not"
        raise InputError(
            f"{path} {what} {_listed(images)}, which {table} describes: give the table of the same "
            "images"
        )


def _listed(names: dict[str, str]) -> str:
    return " and ".join(names)


def known_sha256(path: Path) -> str:
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
