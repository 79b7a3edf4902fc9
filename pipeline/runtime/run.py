"""What every verb shares: signals, errors as sentences, and the record of what it took."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import reprlib
import resource
import shlex
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from pipeline.errors import InputError
from pipeline.runtime.gpus import metered
from pipeline.runtime.log import log
from pipeline.runtime.versions import versions

DEBUG = "TUNESCOPE_DEBUG"  # not empty: unforeseen errors show their traceback
PARENT = "TUNESCOPE_WORKFLOW"  # process number of the workflow that started this process


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
    except BrokenPipeError:  # who read the output has left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        place = f" {error.filename}" if error.filename else ""
        _fail(f"cannot read or write{place}: {_reason(error)}; what was computed before is kept", 1)
    except MemoryError as error:
        _fail(f"out of memory ({error or 'no detail'}): lay out a smaller subset", 1)
    except (Interrupted, KeyboardInterrupt):
        _fail("interrupted: what was computed before is kept, run the same command to go on", 130)
    except Exception as error:
        _report(error)


def _reason(error: OSError) -> str:
    """Why a file cannot be read or written; libraries raise errors without a number, too."""
    if error.strerror:
        return error.strerror
    words = " ".join(str(each) for each in error.args if each is not None)
    return words or "the disk may be full"


def _report(error: Exception) -> NoReturn:
    """End with what to report about an error that nobody foresaw, status 70 (EX_SOFTWARE)."""
    text = traceback.format_exc()
    if os.environ.get(DEBUG):
        print(text, file=sys.stderr, end="")
        where = "above"
    else:
        handle, name = tempfile.mkstemp(".log", "tunescope-error-")
        with open(handle, "w", errors="backslashreplace") as file:
            file.write(f"{platform.platform()}\n{versions()}\n{shlex.join(sys.argv)}\n{text}")
        where = f"in {name}, or with --debug here"
    words = reprlib.repr(" ".join(str(error).split()))
    _fail(
        f"unexpected {type(error).__name__} {words}: a fault of Tunescope, please report it "
        f"with the traceback that is {where}; what was computed before is kept",
        os.EX_SOFTWARE,
    )


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    raise Interrupted


def _fail(sentence: str, status: int) -> NoReturn:
    print(f"error: {' '.join(sentence.split())}", file=sys.stderr)
    sys.exit(status)


def end_with_workflow() -> None:
    """End this process when the workflow that started it is gone, as after its `kill -9`.

    Else the step would go on beside the same step of the next run.
    """
    if parent := os.environ.get(PARENT):
        threading.Thread(target=_watch, args=(int(parent),), daemon=True).start()


def _watch(workflow: int) -> None:
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(workflow)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def record(
    step: str, device: str, inputs: list[Path], parameters: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield the metadata of an artefact; on leaving, add what was used.

    Wall seconds of the block; wall and CPU seconds of the whole process so far; peak resident
    memory; on a GPU, what `pipeline.runtime.gpus.metered` tells.

    Parameters
    ----------
    step : str
        The verb.
    device : str
        cpu or gpu, resolved.
    inputs : list of Path
        Files that the step reads.
    parameters : dict
        Options that can change the result.
    """
    metadata: dict[str, Any] = {
        "step": step,
        "device": device,
        "parameters": parameters,
        "inputs": inputs,
    }
    start = time.perf_counter()
    log.info(f"{step}: started on {device}")
    with metered() if device == "gpu" else nullcontext() as meter:
        yield metadata
    if meter:
        metadata["gpu"] = meter
    metadata["seconds"] = round(time.perf_counter() - start, 3)
    metadata["process"] = {
        "seconds": round(time.time() - _process_start(), 2),
        "cpu_seconds": round(sum(os.times()[:2]), 2),
    }
    # ru_maxrss is in KiB on Linux, in bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    metadata["peak_memory_mb"] = round(peak / 1e6)
    log.info(f"{step}: {metadata['seconds']:.1f} s, peak memory {peak / 1e9:.2f} GB")


def _process_start() -> float:
    """When this process started, seconds since 1970."""
    import psutil

    return psutil.Process().create_time()


def parse_params(text: str) -> dict[str, Any]:
    """Parse the JSON object of a ``--params`` option."""
    try:
        values = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"--params {text[:200]!r} is not valid JSON ({error}): write an object"
        ) from None
    if not isinstance(values, dict):
        raise InputError(f"--params {text!r} must be a JSON object such as {{}}")
    return values


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")
