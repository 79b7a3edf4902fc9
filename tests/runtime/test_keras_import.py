"""Does Keras start without what it does not need and without noise, or say what is missing?"""

import logging
import os
import subprocess
import sys

import pytest

from pipeline.runtime.keras_import import stderr_to_log

START = """
import logging, sys
from pipeline.runtime.device import set_up_process
from pipeline.runtime.log import log, set_up_logging
from pipeline.runtime.keras_import import UNUSED, import_keras
set_up_process("cpu", None)
set_up_logging(quiet=True)
keras = import_keras()
assert not set(UNUSED) & set(sys.modules)
import sklearn, matplotlib.pyplot
assert import_keras() is keras
assert set(UNUSED) <= set(sys.modules)
print(float(keras.ops.ones(1)[0]))
"""


def test_keras_starts_without_what_it_does_not_need_and_without_a_word():
    done = subprocess.run(
        [sys.executable, "-c", START], capture_output=True, text=True, timeout=300
    )
    assert (done.stdout, done.stderr, done.returncode) == ("1.0\n", "", 0)


IMPORT = """
import sys

class Uninstalled:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)

sys.meta_path.insert(0, Uninstalled())
from pipeline.errors import InputError
from pipeline.runtime.keras_import import import_keras
try:
    import_keras()
except InputError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("backend", "uninstalled", "reason"),
    [
        ("tensorflow", "keras", "No module named 'keras'"),
        ("tensorflow", "tensorflow", "No module named 'tensorflow'"),
        ("jax", "jax", "No module named 'jax'"),
        ("cntk", None, "Unable to import backend : cntk"),
    ],
)
def test_a_missing_keras_or_backend_is_one_sentence(backend, uninstalled, reason):
    done = subprocess.run(
        [sys.executable, "-c", IMPORT.format(name=uninstalled)],
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout == (
        f"Keras cannot be imported ({reason}): pip install 'tunescope[cpu]', or 'tunescope[gpu]' "
        "for an NVIDIA GPU, and unset KERAS_BACKEND where it names another backend than "
        "TensorFlow\n"
    )
    assert (done.stderr, done.returncode) == ("", 0)


def test_what_is_written_to_stderr_becomes_records_of_the_log(caplog, capfd):
    with caplog.at_level(logging.DEBUG, logger="tunescope"), stderr_to_log():
        os.write(2, b"I0000 first\nsecond \xff\n")
        print("third", file=sys.__stderr__)
    assert [record.message for record in caplog.records] == [
        "I0000 first",
        "second \ufffd",
        "third",
    ]
    os.write(2, b"after\n")
    lines = capfd.readouterr().err.splitlines()
    assert lines == ["debug: I0000 first", "debug: second \ufffd", "debug: third", "after"]
