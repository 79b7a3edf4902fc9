"""Does bad input end in one sentence, whatever verb it is given to? Here in one process."""

import contextlib
import os

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import InputError

from .bad_inputs import cases, prepare
from .outcome import RIGHT, Outcome, fault
from .verbs import build, command_line

# Layouts of strange but valid features take longest, and have tests of their own.
CASES = [
    case
    for case in cases()
    if not (case.alone or case.verb == "study" or (case.verb == "embed" and case.expected == RIGHT))
]
IN_ONE_TEST = 25
GROUPS = [CASES[first : first + IN_ONE_TEST] for first in range(0, len(CASES), IN_ONE_TEST)]


def tunescope(words, folder):
    """The outcome of a command, whose exceptions are judged as `pipeline.runtime.run` does."""
    with contextlib.chdir(folder):
        done = CliRunner().invoke(app, words[2:])  # without --threads 1
    error = done.exception
    if isinstance(error, InputError | OSError | MemoryError):
        return Outcome(1, f"error: {error}".replace("\n", " "))
    if error is not None and not isinstance(error, SystemExit):
        return Outcome(1, f"Traceback: {error!r}")
    return Outcome(done.exit_code, done.output)


@pytest.fixture(scope="module", name="base")
def valid_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("valid")

    def succeed(words):
        done = tunescope(words, folder)
        assert done.status == 0, done.said

    build(folder, succeed)
    return folder


def test_names_of_cases_are_distinct():
    names = [str(case) for case in cases()]
    assert len(set(names)) == len(names) > 250


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: str(group[0]))
def test_bad_inputs_end_in_one_sentence(base, tmp_path, group):
    faults = []
    for number, case in enumerate(group):
        here = tmp_path / str(number)
        prepare(case, base=base, here=here)
        words, out = command_line(case.verb, case.change, base=base, here=here)
        new = out is not None and not os.path.lexists(out)
        done = tunescope(words, here)
        if wrong := fault(done, out if new else None, here, case.expected):
            faults.append(f"{case}: {wrong}; {done.said[-300:]}")
    assert not faults, "\n".join(faults)
