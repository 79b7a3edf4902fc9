"""The tests run as the command line does: see `pipeline.device.set_up_process`."""

import cuda_on_host
import numpy as np
import pytest

from kernels.backend import Backend
from kernels.gpu import cuda
from pipeline.device import resolve_device, set_up_process

set_up_process(resolve_device("auto"), threads=None)


@pytest.fixture(params=["host", pytest.param("gpu", marks=pytest.mark.gpu)])
def gpu(request, monkeypatch):
    """The GPU's backend: on a GPU, and with the same kernels run on the host."""
    if request.param == "gpu":
        if problem := cuda.problem():
            pytest.fail(problem)
        return Backend("gpu", cuda.array_module())
    if cuda_on_host.COMPILER is None:
        pytest.skip("no C++ compiler for the kernels")
    monkeypatch.setattr(cuda, "array_module", lambda: np)
    monkeypatch.setattr(cuda, "compiled", cuda_on_host.compiled)
    monkeypatch.setattr(cuda, "synchronize", lambda: None)
    monkeypatch.setattr(cuda, "free_memory", lambda: 10**9)
    monkeypatch.setattr(cuda, "problem", lambda: None)
    return Backend("gpu", np)
