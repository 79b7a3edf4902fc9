"""Do the kernels of both devices look alike, load without a GPU, and compile for all GPUs?"""

import ast
import graphlib
import importlib
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import conftest
import pytest
from cuda_on_host import kernels_of

import kernels
from kernels.gpu import cuda

ROOT = Path(kernels.__file__).parent
TOPICS = sorted(
    path.stem for path in (ROOT / "gpu").glob("*.py") if path.stem not in ("__init__", "cuda")
)
# Merged by the host; one step after the other; placed by the host; cuML's on a GPU.
CPU_ONLY = {"candidates", "minimum_degree", "placement", "umap"}
ARCHITECTURES = ("75", "80", "86", "89", "90")  # of GPUs, Turing to Hopper
NVCC = shutil.which("nvcc")


def public_functions(module):
    """Parameter names of what a module defines, numba's functions included."""
    plain = {name: getattr(f, "py_func", f) for name, f in vars(module).items() if name[0] != "_"}
    return {
        name: list(inspect.signature(f).parameters)
        for name, f in plain.items()
        if inspect.isfunction(f) and f.__module__ == module.__name__
    }


def test_every_topic_is_on_both_devices():
    on_cpu = {path.stem for path in (ROOT / "cpu").glob("[!_]*.py")} - CPU_ONLY
    assert set(TOPICS) == on_cpu == {path.stem for path in (ROOT / "cuda").glob("*.cu")}


@pytest.mark.parametrize("topic", TOPICS)
def test_twins_have_the_same_functions_and_parameters(topic):
    here = public_functions(importlib.import_module(f"kernels.cpu.{topic}"))
    there = public_functions(importlib.import_module(f"kernels.gpu.{topic}"))
    assert here == there
    assert here


def imports_of(path):
    """Modules that a file imports anywhere, in functions and for annotations too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            yield node.module


def test_kernels_import_no_pipeline_and_not_in_a_circle():
    files = {
        ".".join(path.relative_to(ROOT.parent).with_suffix("").parts): path
        for path in ROOT.rglob("*.py")
        if path.stem != "__init__"
    }
    imports = {name: set(imports_of(path)) for name, path in files.items()}
    outside = {name.split(".")[0] for names in imports.values() for name in names} - {"kernels"}
    assert outside - set(sys.stdlib_module_names) <= {"numpy", "scipy", "numba", "llvmlite", "cupy"}
    order = graphlib.TopologicalSorter(
        {name: names & files.keys() for name, names in imports.items()}
    )
    assert len(list(order.static_order())) == len(files)  # raises CycleError


def test_no_module_needs_cupy_to_load():
    modules = ", ".join([*(f"kernels.gpu.{topic}" for topic in TOPICS), "pipeline.methods.embed"])
    code = f"import sys; sys.modules['cupy'] = None; import {modules}"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT.parent)


def test_the_tests_of_a_gpu_run_where_only_the_kernels_do():
    asks = re.compile(r"def test_\w+\([^)]*\bgpu\b|mark\.gpu\b")
    files = {
        path
        for path in Path(conftest.__file__).parent.rglob("test_*.py")
        if asks.search(path.read_text())
    }
    assert {path.name for path in files} <= conftest.files_without(["keras", "snakemake"])
    assert len(files) > 8


@pytest.mark.parametrize("topic", TOPICS)
def test_sources_have_64_bit_indices_and_names_that_are_launched(topic):
    source = (cuda.SOURCES / f"{topic}.cu").read_text()
    twin = (ROOT / "gpu" / f"{topic}.py").read_text()
    assert "typedef long long int64;" in source
    assert "#include" not in source  # the run-time compiler has no system headers
    assert kernels_of(topic)
    for name in kernels_of(topic):
        assert f'"{name}"' in twin, name


@pytest.mark.slow
@pytest.mark.skipif(NVCC is None, reason="no nvcc here")
@pytest.mark.parametrize("topic", TOPICS)
def test_sources_compile_for_all_architectures(topic, tmp_path):
    """Both precisions of what has them; warnings, spilled registers among them, are errors."""
    constants = importlib.import_module(f"kernels.gpu.{topic}").CONSTANTS
    for real, value in (("float", "unsigned short"), ("double", "double")):
        macros = {"REAL": real, "VALUE": value, "P": 2, "B": 8} | constants
        done = subprocess.run(
            [
                *(NVCC, "-std=c++17", "--fatbin", "--threads", "2", "-Werror", "all-warnings"),
                *(f"-gencode=arch=compute_{sm},code=sm_{sm}" for sm in ARCHITECTURES),
                *("-Xptxas", "-warn-spills", "-o", str(tmp_path / "out.fatbin")),
                *(f"-D{name}={text}" for name, text in macros.items()),
                str(cuda.SOURCES / f"{topic}.cu"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
