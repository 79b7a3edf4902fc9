"""Does every error end in one sentence and its own exit status?"""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.runtime.run import DEBUG, run


def failing(error):
    def command():
        raise error

    return command


@pytest.fixture(name="said")
def what_was_said(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv(DEBUG, raising=False)

    def end(error):
        with pytest.raises(SystemExit) as ended:
            run(failing(error))
        return ended.value.code, capsys.readouterr().err

    return end


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (InputError("no\nfile"), 2, ["no file"]),
        (OSError(errno.ENOSPC, "No space left on device", "a.npy"), 1, ["a.npy: No space left"]),
        (OSError("8000 requested and 4000 written"), 1, ["8000 requested and 4000 written"]),
        (OSError(), 1, ["the disk may be full"]),
        (MemoryError(), 1, ["out of memory"]),
        (KeyboardInterrupt(), 130, ["interrupted", "run the same command"]),
        (IndexError("list index\nout of range"), 70, ["IndexError", "report it", "--debug"]),
        (RecursionError("maximum recursion depth"), 70, ["RecursionError"]),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_an_error_is_one_sentence(said, error, status, words):
    code, sentence = said(error)
    assert code == status
    assert sentence.startswith("error: ")
    assert sentence.count("\n") == 1
    assert "Traceback" not in sentence
    for word in words:
        assert word in sentence


def test_a_library_s_error_names_the_file_of_the_user(said):
    error = OSError()
    error.filename = "out.npy"
    assert "out.npy: the disk may be full" in said(error)[1]


def test_an_unforeseen_error_leaves_its_traceback_in_a_file(said, tmp_path):
    said(IndexError("seven"))
    [report] = tmp_path.glob("tunescope-error-*.log")
    assert "Traceback" in report.read_text()
    assert "IndexError: seven" in report.read_text()


def test_debug_shows_the_traceback(said, tmp_path, monkeypatch):
    monkeypatch.setenv(DEBUG, "1")
    code, text = said(IndexError("seven"))
    assert code == 70
    assert "Traceback" in text
    assert not list(tmp_path.iterdir())


def test_a_reader_that_leaves_is_no_error():
    code = "from pipeline.runtime.run import run\nrun(lambda: print('a' * 10**6, flush=True))"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    child.stdout.read(1)
    child.stdout.close()
    assert child.stderr.read() == b""
    child.stderr.close()
    assert child.wait() == 141


@pytest.mark.parametrize("flag", [(), ("--debug",)])
def test_the_verbs_end_so(tmp_path, flag):
    code = (
        "import pipeline.report.summary as s\n"
        "def summarize(_): raise KeyError('nobody foresaw this')\n"
        "s.summarize = summarize\n"
        "from pipeline.cli import main\nmain()"
    )
    (tmp_path / "q.json").write_text('{"k": 1, "measures": []}')
    done = subprocess.run(
        [sys.executable, "-c", code, *flag, "summary", "--quality", "q.json", "--out", "s.csv"],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 70
    assert ("Traceback" in done.stderr) == bool(flag)
    assert not (tmp_path / "s.csv").exists()
