"""The command line in this process: what it prints, and the status that it ends with.

A process of its own imports for seconds what this one has imported already; some tests start one.
"""

import io
import os
import signal
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.runtime.log import log
from pipeline.runtime.run import run

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def call(*words: object) -> None:
    """Run a command on the CPU; what it refuses is raised."""
    done = CliRunner().invoke(app, ["--device", "cpu", *map(str, words)])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output


def tunescope(*words: object, folder: Path = Path(), status: int = 0) -> str:
    """What a command prints in a folder, once it has ended with a status."""
    printed = io.StringIO()
    handlers = [signal.getsignal(number) for number in SIGNALS]
    logging = log.handlers, log.propagate, log.level
    try:
        with (
            chdir(folder),
            patch.dict(os.environ),
            redirect_stdout(printed),
            redirect_stderr(printed),
            pytest.raises(SystemExit) as ended,
        ):
            run(lambda: app([str(word) for word in words], prog_name="tunescope"))
    finally:
        log.handlers, log.propagate, log.level = logging
        for number, handler in zip(SIGNALS, handlers, strict=True):
            signal.signal(number, handler)
    assert ended.value.code == status, printed.getvalue()
    return printed.getvalue()
