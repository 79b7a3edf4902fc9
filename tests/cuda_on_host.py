"""Run the CUDA kernels without a GPU: their sources as C++, NumPy in CuPy's place.

Chosen over a simulator because the very sources run that a GPU gets, with their indices, types
and barriers, and over re-writing them because nothing can drift apart. Types of arguments, which
a launch on a GPU takes on trust, are checked. What it cannot show: races between blocks, memory
that caches of different processors see differently, and speed.
"""

from __future__ import annotations

import ctypes
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from kernels.gpu import cuda

COMPILER = shutil.which("g++")
FOLDER = Path(__file__).parent


@functools.cache
def compiled(source: str, name: str, definitions: tuple[str, ...]):
    """What `kernels.gpu.cuda.compiled` returns, for NumPy's arrays."""
    folder = Path(tempfile.mkdtemp(prefix="kernels-"))
    try:
        program, library = folder / "kernel.cpp", folder / "kernel.so"
        program.write_text(
            f'#include "{FOLDER / "cuda_on_host.h"}"\n'
            f'#include "{cuda.SOURCES / source}.cu"\n'
            'extern "C" int start(unsigned x, unsigned y, unsigned threads, void** given,\n'
            "                     const char** names, int n) {\n"
            f"    return host::launch({name}, x, y, threads, given, names, n);\n}}\n"
        )
        options = ["-std=c++17", "-O1", "-U_FORTIFY_SOURCE", "-shared", "-fPIC", *(f"-D{one}" for one in definitions)]
        done = subprocess.run(
            [COMPILER, *options, str(program), "-o", str(library)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        start = ctypes.CDLL(str(library)).start
    finally:
        shutil.rmtree(folder)

    def run(grid, block, arguments):
        room = [_room(argument) for argument in arguments]
        given = (ctypes.c_void_p * len(room))(*(ctypes.addressof(one) for one in room))
        names = [argument.dtype.name for argument in arguments]
        texts = (ctypes.c_char_p * len(names))(*(text.encode() for text in names))
        x, y = (*grid, 1)[:2]
        status = start(x, y, block[0], given, texts, len(room))
        assert status != -2, f"{name} was given {len(room)} arguments"
        assert status != -1, f"{name}: only some threads of a block reach a barrier"
        assert status == 0, f"{name}: argument {status} is {names[status - 1]}"

    return run


def _room(argument):
    """An argument where C++ finds it: arrays by their address."""
    if isinstance(argument, np.ndarray):
        return ctypes.c_void_p(argument.ctypes.data)
    assert isinstance(argument, np.int64 | np.float64), type(argument)
    kind = ctypes.c_int64 if isinstance(argument, np.int64) else ctypes.c_double
    return kind(argument)
