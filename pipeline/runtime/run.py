"""What every verb of the command line shares: signals, error sentences, and the record of a run."""

import json
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from pipeline.errors import InputError
from pipeline.runtime.gpus import metered


class Interrupted(BaseException):
    """Ctrl-C or a scheduler's SIGTERM: leaves through every `finally`, so no half file stays."""


def run(command: Callable[[], object]) -> None:
    """Call `command`; a mistake of the user becomes one sentence and a non-zero exit status."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        command()
    except InputError as error:
        _fail(str(error), 2)
    except OSError as error:
        place = f" {error.filename}" if error.filename else ""
        reason = error.strerror or str(error)
        _fail(f"cannot read or write{place}: {reason}; what was computed before is kept", 1)
    except MemoryError as error:
        _fail(f"out of memory ({error or 'no detail'}): lay out a smaller subset", 1)
    except Interrupted:
        _fail("interrupted: what was computed before is kept, run the same command to go on", 130)


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    raise Interrupted


def _fail(sentence: str, status: int) -> NoReturn:
    print(f"error: {' '.join(sentence.split())}", file=sys.stderr)
    sys.exit(status)


@contextmanager
def record(
    stage: str, device: str, inputs: list[Path], parameters: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield the metadata of an artefact; on leaving, add what was used.

    Wall seconds, peak resident memory and, on a GPU, what `pipeline.runtime.gpus.metered` tells.

    Parameters
    ----------
    stage : str
        The verb.
    device : str
        cpu or gpu, resolved.
    inputs : list of Path
        Files that the stage reads.
    parameters : dict
        Options that can change the result.
    """
    metadata: dict[str, Any] = {
        "stage": stage,
        "device": device,
        "parameters": parameters,
        "inputs": inputs,
    }
    start = time.perf_counter()
    print(f"{stage}: started on {device}", file=sys.stderr)
    with metered() if device == "gpu" else nullcontext() as figures:
        yield metadata
    if figures:
        metadata["gpu"] = figures
    metadata["seconds"] = round(time.perf_counter() - start, 3)
    # ru_maxrss is in KiB on Linux, in bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    metadata["peak_memory_mb"] = round(peak / 1e6)
    print(f"{stage}: {metadata['seconds']:.1f} s, peak memory {peak / 1e9:.2f} GB", file=sys.stderr)


def parse_params(text: str) -> dict[str, Any]:
    """Parse the JSON object of a ``--params`` option."""
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"--params {text!r} is not valid JSON ({error}): write an object"
        ) from None
    if not isinstance(values, dict):
        raise InputError(f"--params {text!r} must be a JSON object such as {{}}")
    return values
