"""Run the CUDA kernels without a GPU: their sources as C++, and arrays as strict as CuPy's.

Chosen over a simulator because the very sources run that a GPU gets, with their indices, types
and barriers, and over rewriting them because nothing can diverge. Types of arguments, which a
launch on a GPU does not check, are checked, and ThreadSanitizer can watch (`kernel_calls`). Not
covered: a GPU's caches, its approximate instructions, and speed.

`Array` computes as NumPy does but, like CuPy's arrays, neither mixes with NumPy's nor converts to
one implicitly, so that what would fail on a GPU fails here.
"""

from __future__ import annotations

import ctypes
import functools
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np

from kernels.gpu import cuda

COMPILER = shutil.which("g++")
FOLDER = Path(__file__).parent
BUILDS = tempfile.TemporaryDirectory(prefix="kernels-")  # until Python ends
OPTIONS = ["-std=c++17", "-O1", "-U_FORTIFY_SOURCE", "-shared", "-fPIC"]


class Array(np.lib.mixins.NDArrayOperatorsMixin):
    """A stand-in for a device array, in host memory."""

    def __init__(self, inner):
        self.inner = np.asarray(inner)

    def get(self):
        return self.inner.copy()

    def __array__(self, *_, **__):
        raise TypeError("a device array does not convert to NumPy's implicitly")

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        options = _bare_options(options)
        if out:
            options["out"] = tuple(map(_bare, out))
        result = getattr(ufunc, method)(*_bare(inputs), **options)
        return out[0] if out else _wrapped(result)

    def __array_function__(self, function, types, arguments, options):
        return _wrapped(function(*_bare(arguments), **_bare_options(options)))

    def __getattr__(self, name):
        value = getattr(self.inner, name)
        return _method(value) if callable(value) else _wrapped(value)

    def __getitem__(self, index):
        return _wrapped(self.inner[_bare(index)])

    def __setitem__(self, index, value):
        self.inner[_bare(index)] = _bare(value)

    def __iter__(self):
        return map(_wrapped, self.inner)

    def __len__(self):
        return len(self.inner)

    def __float__(self):
        return float(self.inner)

    def __int__(self):
        return int(self.inner)

    def __bool__(self):
        return bool(self.inner)


class ArrayModule(ModuleType):
    """NumPy's functions, for `Array`."""

    ndarray = Array

    def __init__(self, module):
        super().__init__(module.__name__)
        self.module = module

    def asarray(self, array, dtype=None):
        if isinstance(array, Array):
            return array if dtype is None else array.astype(dtype)
        return Array(np.array(array, dtype))

    def __getattr__(self, name):
        value = getattr(self.module, name)
        if isinstance(value, ModuleType):
            return ArrayModule(value)
        return value if isinstance(value, type) or not callable(value) else _method(value)


def _method(function):
    return lambda *arguments, **options: _wrapped(
        function(*_bare(arguments), **_bare_options(options))
    )


def _bare(value):
    if isinstance(value, Array):
        return value.inner
    if isinstance(value, np.ndarray):
        raise TypeError(f"NumPy's array of shape {value.shape} among device arrays")
    return type(value)(map(_bare, value)) if type(value) in (tuple, list) else value


def _bare_options(options):
    return {name: _bare(value) for name, value in options.items()}


def _wrapped(value):
    if isinstance(value, np.ndarray | np.generic):
        return Array(value)
    if isinstance(value, tuple):
        return tuple(map(_wrapped, value))  # a named one, too: nobody asks for its names
    return value


xp = ArrayModule(np)


def kernels_of(topic: str) -> list[str]:
    """Names of the kernels of a source."""
    source = (cuda.SOURCES / f"{topic}.cu").read_text()
    return re.findall(r"__global__ void\s+(?:__launch_bounds__\(.*?\)\s+)?(\w+)\(", source)


@functools.cache
def library(source: str, definitions: tuple[str, ...]) -> ctypes.CDLL:
    """All kernels of a source, compiled: function `start_<name>` for each."""
    folder = Path(tempfile.mkdtemp(dir=BUILDS.name))
    program, built = folder / "kernels.cpp", folder / "kernels.so"
    starts = (
        f'extern "C" int start_{name}(unsigned x, unsigned y, unsigned threads, void** given,\n'
        "                     const char** names, int n) {\n"
        f"    return host::launch({name}, x, y, threads, given, names, n);\n}}\n"
        for name in kernels_of(source)
    )
    program.write_text(
        f'#include "{FOLDER / "cuda_on_host.h"}"\n'
        f'#include "{cuda.SOURCES / source}.cu"\n'
        f"{''.join(starts)}"
    )
    macros = [f"-D{one}" for one in definitions]
    done = subprocess.run(
        [COMPILER, *OPTIONS, *macros, str(program), "-o", str(built)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(built))


def compiled(source: str, name: str, definitions: tuple[str, ...]):
    """What `kernels.gpu.cuda.compiled` returns, for `Array`."""
    start = library(source, definitions)[f"start_{name}"]

    def run(grid, block, arguments):
        values = [_c_value(argument) for argument in arguments]
        given = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))
        names = [argument.dtype.name for argument in arguments]
        texts = (ctypes.c_char_p * len(names))(*(text.encode() for text in names))
        x, y = (*grid, 1)[:2]
        status = start(x, y, block[0], given, texts, len(values))
        assert status != -2, f"{name} got {len(values)} arguments"
        assert status != -1, f"{name}: only some threads of a block reach a barrier"
        assert status == 0, f"{name}: argument {status} is {names[status - 1]}"

    return run


def _c_value(argument):
    """An argument as a C value: arrays by their address."""
    if isinstance(argument, Array):
        return ctypes.c_void_p(argument.inner.ctypes.data)
    assert isinstance(argument, np.int64 | np.float64), type(argument)
    kind = ctypes.c_int64 if isinstance(argument, np.int64) else ctypes.c_double
    return kind(argument)
