"""Does the log have one line format, and does progress stay out of it as long as it is short?"""

import logging
import re

import pytest

from pipeline.runtime.log import LineFormatter, Progress, log, set_up_logging


@pytest.fixture
def logged():
    yield
    set_up_logging()
    log.propagate = True


def test_a_record_is_one_line():
    record = logging.LogRecord("tunescope", logging.INFO, "", 0, "two\n  lines: %d", (3,), None)
    assert LineFormatter().format(record) == "two lines: 3"
    record.levelno, record.levelname = logging.WARNING, "WARNING"
    assert LineFormatter().format(record) == "warning: two lines: 3"


@pytest.mark.usefixtures("logged")
def test_quiet_keeps_warnings_alone(capsys):
    set_up_logging(quiet=True)
    log.info("how it goes")
    log.warning("something to know")
    for _ in range(3):
        progress = Progress("loop", 10, interval=0)
        progress.update(5)
    assert capsys.readouterr().err == "warning: something to know\n"


def test_progress_is_a_line_of_the_log_where_there_is_no_terminal(capsys):
    with Progress("loop", 10, interval=0) as progress:
        progress.update(5)
        progress.postfix = "error 0.5"
        progress.update(2)
        progress.update(3)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2  # the last step needs none
    assert re.fullmatch(r"loop: 50 %, about \d+ s left", lines[0])
    assert re.fullmatch(r"loop: 70 %, about \d+ s left, error 0.5", lines[1])


def test_a_short_loop_is_silent(capsys):
    with Progress("loop", 3) as progress:
        for _ in range(3):
            progress.update()
    assert capsys.readouterr().err == ""
