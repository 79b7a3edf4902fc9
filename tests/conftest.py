"""The tests run as the command line does: see `pipeline.runtime.device.set_up_process`."""

from importlib.util import find_spec
from pathlib import Path

import cuda_on_host
import pytest

from kernels.backend import Backend
from kernels.gpu import cuda
from pipeline.runtime.device import resolve_device, set_up_process
from pipeline.runtime.log import log, set_up_logging

set_up_process(resolve_device("auto"), threads=None)
set_up_logging()
log.propagate = True  # to pytest's own handler


# Where only what the kernels and methods need is installed, the tests marked gpu run all the same:
# those of cuML too, where the libraries that they compare it with are there.
MISSING = [name for name in ("keras", "snakemake", "umap", "openTSNE") if find_spec(name) is None]


def files_without(missing):
    """Names of the test files that can run although some libraries are missing."""
    names = {path.name for path in Path(__file__).parent.rglob("test_*.py")}
    if not missing:
        return names
    cuml = set() if {"umap", "openTSNE"} & set(missing) else {"test_cuml.py"}
    lean = {
        "test_embed.py",
        "test_graph_proof.py",
        "test_pca.py",
        "test_principal_axes.py",
        "test_ranks.py",
    } | cuml
    return {name for name in names if name.startswith("test_gpu_") or name in lean}


collect_ignore_glob = [f"*/{name}" for name in files_without([]) - files_without(MISSING)]


def pytest_collection_modifyitems(items):
    """Files with slow tests first: begun last, one of them would keep a single process waiting."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_report_header():
    """Say what is not collected."""
    return f"only tests of a GPU: {', '.join(MISSING)} not installed" if MISSING else None


@pytest.fixture(params=["host", pytest.param("gpu", marks=pytest.mark.gpu)])
def gpu(request, monkeypatch):
    """The GPU's backend: on a GPU, and with the same kernels run on the host."""
    if request.param == "gpu":
        if problem := cuda.problem():
            pytest.fail(problem)
        return Backend("gpu", cuda.array_module())
    if cuda_on_host.COMPILER is None:
        pytest.skip("no C++ compiler for the kernels")
    monkeypatch.setattr(cuda, "array_module", lambda: cuda_on_host.xp)
    monkeypatch.setattr(cuda, "compiled", cuda_on_host.compiled)
    monkeypatch.setattr(cuda, "synchronize", lambda: None)
    monkeypatch.setattr(cuda, "free_memory", lambda: 10**9)
    monkeypatch.setattr(cuda, "release_memory", lambda: None)
    monkeypatch.setattr(cuda, "problem", lambda: None)
    return Backend("gpu", cuda_on_host.xp)
