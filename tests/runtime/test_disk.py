"""Is a full disk noticed before something is written, or mapped, that it has no room for?"""

import collections
import errno
import os

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.runtime import temporary_array
from pipeline.runtime.disk import check_space
from pipeline.runtime.pair_storage import new_pairs

Usage = collections.namedtuple("Usage", "total used free")


def test_what_fits_passes_and_what_does_not_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(10**9, 0, 10**6))
    check_space(tmp_path, 10**6, "a model")
    with pytest.raises(InputError, match=r"a model needs 2\.0 MB in .* but 1\.0 MB are free"):
        check_space(tmp_path, 2 * 10**6, "a model")


def test_pairs_on_disk_have_their_room_from_the_start():
    pairs = new_pairs(300, step=1.0, storage="disk", name="test")
    file = pairs.values.base if isinstance(pairs.values.base, np.memmap) else pairs.values
    assert isinstance(file, np.memmap)
    pairs.values[:] = 7
    assert (pairs.values == 7).all()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_pairs_that_the_disk_has_no_room_for_are_refused(tmp_path, monkeypatch, number):
    def full(descriptor, offset, length):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(temporary_array.os, "posix_fallocate", full)
    with pytest.raises(InputError, match=rf"GB but {tmp_path} has .* set TMPDIR"):
        new_pairs(300, step=1.0, storage="disk", name="test")
    assert not list(tmp_path.iterdir())


def test_a_limit_on_the_size_of_files_is_noticed(tmp_path):
    """The real call, in a process that may write small files only."""
    import subprocess
    import sys

    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "from pipeline.runtime.pair_storage import new_pairs\n"
        "new_pairs(3000, step=1.0, storage='disk', name='test')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "InputError: the pairs need a temporary file" in done.stderr
