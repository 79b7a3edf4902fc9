"""Is the device that Keras computes on recognised on every backend, and what suits it chosen?"""

import os
import sys
import types

import keras
import pytest

from pipeline.runtime import keras_device
from pipeline.runtime.device import set_up_process


@pytest.mark.parametrize(
    ("device", "on_gpu"),
    [
        ("/job:localhost/replica:0/task:0/device:CPU:0", False),  # TensorFlow
        ("/job:localhost/replica:0/task:0/device:GPU:0", True),
        ("TFRT_CPU_0", False),  # JAX
        ("cuda:0", True),  # JAX, PyTorch
        ("cpu", False),  # PyTorch
    ],
)
def test_a_gpu_is_where_new_tensors_lie(monkeypatch, device, on_gpu):
    monkeypatch.setattr(keras.ops, "zeros", lambda shape: types.SimpleNamespace(device=device))
    assert keras_device.has_gpu() == on_gpu


def test_this_machine_has_the_device_that_the_process_was_given():
    assert keras_device.has_gpu() == (os.environ.get("CUDA_VISIBLE_DEVICES") != "-1")


def fake_backends(monkeypatch, backend, capability):
    """A GPU of this capability under a backend; `capability` None is a GPU that has none."""
    major, minor = capability or (0, 0)
    details = {"compute_capability": capability} if capability else {}
    config = types.SimpleNamespace(
        get_visible_devices=lambda kind: ["first", "second"],
        experimental=types.SimpleNamespace(
            get_device_details=lambda gpu: details if gpu == "first" else {}
        ),
    )
    gpu = types.SimpleNamespace()
    if capability:
        gpu.compute_capability = f"{major}.{minor}"
    modules = {
        "tensorflow": types.SimpleNamespace(config=config),
        "jax": types.SimpleNamespace(devices=lambda: [gpu, None]),
        "torch": types.SimpleNamespace(
            cuda=types.SimpleNamespace(get_device_capability=lambda: (major, minor))
        ),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    monkeypatch.setattr(keras_device, "has_gpu", lambda: True)


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
@pytest.mark.parametrize(
    ("capability", "expected"),
    [((9, 0), "bfloat16"), ((8, 0), "bfloat16"), ((12, 1), "bfloat16"), ((7, 5), "float16")],
)
def test_the_precision_is_what_the_gpu_is_fast_in(monkeypatch, backend, capability, expected):
    fake_backends(monkeypatch, backend, capability)
    assert keras_device.compute_capability() == capability
    assert keras_device.suitable_precision(training=True, depthwise=False) == expected
    assert keras_device.suitable_precision(training=False, depthwise=False) == "float16"
    assert keras_device.compiler_options() == {"jit_compile": "auto"}


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch", "another"])
def test_a_gpu_without_a_capability_is_no_error(monkeypatch, backend):
    fake_backends(monkeypatch, backend, None)
    assert keras_device.suitable_precision(training=True, depthwise=False) == "float16"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu avx2 avx512f avx512_bf16 avx512_fp16", True),
        ("fpu avx2 amx_bf16 amx_tile", True),
        ("fpu avx2 avx512f avx512_bf16x", False),
        (None, False),
    ],
)
def test_a_cpu_trains_in_bfloat16_if_it_multiplies_in_it(monkeypatch, tmp_path, flags, expected):
    path = tmp_path / "cpuinfo"
    if flags is not None:
        path.write_text(f"processor : 0\nflags\t\t: {flags}\nbugs : avx512_bf16\n\nprocessor : 1\n")
    monkeypatch.setattr(keras_device, "CPU_INFO", path)
    monkeypatch.setattr(keras_device, "has_gpu", lambda: False)
    assert keras_device.cpu_multiplies_bfloat16() is expected
    for backend in ("tensorflow", "jax"):  # measured with TensorFlow alone
        monkeypatch.setattr(keras.backend, "backend", lambda backend=backend: backend)
        for depthwise in (True, False):
            found = keras_device.suitable_precision(training=True, depthwise=depthwise)
            fast = expected and backend == "tensorflow" and not depthwise
            assert found == ("bfloat16" if fast else "float32")
            assert keras_device.suitable_precision(training=False, depthwise=depthwise) == "float32"


def test_a_cpu_computes_in_smaller_batches_and_chunks(monkeypatch):
    monkeypatch.setattr(keras_device, "has_gpu", lambda: False)
    assert {keras_device.batch_size(2**power) for power in (0, 22, 40)} == {256}
    assert keras_device.chunk_bytes() == 2**27


def test_a_gpu_gets_larger_batches_and_chunks_within_its_memory(monkeypatch):
    monkeypatch.setattr(keras_device, "has_gpu", lambda: True)
    sizes = [keras_device.batch_size(number) for number in (1, 2**19, 2**20, 2**20 + 1, 2**40)]
    assert sizes == [1024, 1024, 512, 256, 1]
    assert keras_device.chunk_bytes() == 2**30


@pytest.mark.parametrize(
    ("backend", "on_gpu", "jit_compile"),
    [("tensorflow", False, False), ("tensorflow", True, "auto"), ("jax", False, "auto")],
)
def test_xla_compiles_unless_tensorflow_computes_on_a_cpu(
    monkeypatch, backend, on_gpu, jit_compile
):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    monkeypatch.setattr(keras_device, "has_gpu", lambda: on_gpu)
    assert keras_device.compiler_options() == {"jit_compile": jit_compile}


def test_a_process_leaves_the_gpu_to_others_and_float32_as_it_is(monkeypatch):
    wanted = {
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "NVIDIA_TF32_OVERRIDE": "0",
    }
    for name in (*wanted, "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "JAX_PLATFORMS"):
        monkeypatch.setenv(name, "")  # so that it is restored, whatever happens
        monkeypatch.delenv(name)
    set_up_process("gpu", None)
    assert {name: os.environ.get(name) for name in wanted} == wanted
    assert "JAX_PLATFORMS" not in os.environ
    os.environ["NVIDIA_TF32_OVERRIDE"] = "1"
    set_up_process("cpu", None)
    assert os.environ["NVIDIA_TF32_OVERRIDE"] == "1"  # the user's word counts
    assert (os.environ["CUDA_VISIBLE_DEVICES"], os.environ["JAX_PLATFORMS"]) == ("-1", "cpu")
