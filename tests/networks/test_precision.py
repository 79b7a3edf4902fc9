"""Is the device that Keras computes on, and what it can do, told right on every backend?"""

import os
import sys
import types

import keras
import pytest

from pipeline.networks import flops, precision
from pipeline.networks.backbone import build_backbone
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
    assert precision.has_gpu() == on_gpu


def test_this_machine_has_the_device_that_the_process_was_given():
    assert precision.has_gpu() == (os.environ.get("CUDA_VISIBLE_DEVICES") != "-1")


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
    monkeypatch.setattr(precision, "has_gpu", lambda: True)


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
@pytest.mark.parametrize(
    ("capability", "found"),
    [((9, 0), "bfloat16"), ((8, 0), "bfloat16"), ((12, 1), "bfloat16"), ((7, 5), "float16")],
)
def test_auto_is_what_the_gpu_is_fast_in(monkeypatch, backend, capability, found):
    fake_backends(monkeypatch, backend, capability)
    assert precision.compute_capability() == capability
    assert precision.resolve_precision("auto", training=True) == found
    assert precision.resolve_precision("auto", training=False) == "float16"
    assert precision.resolve_precision("float32", training=True) == "float32"
    assert precision.compiler_options() == {"jit_compile": "auto"}


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch", "another"])
def test_a_gpu_without_a_capability_is_no_error(monkeypatch, backend):
    fake_backends(monkeypatch, backend, None)
    assert precision.resolve_precision("auto", training=True) == "float16"


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


# --- arithmetic -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "alpha", "multiplications"),
    [
        # Simonyan & Zisserman 2015 as counted by He et al. 2016, with the classifier's three
        # layers, which are added here.
        ("VGG16", 1.0, 15.3e9 - 123.6e6),
        # Howard et al. 2017, table 4 to 6, and Sandler et al. 2018, table 4, with the classifier.
        ("MobileNet", 1.0, 569e6 - 1.0e6),
        ("MobileNet", 0.25, 41e6 - 0.26e6),
        ("MobileNetV2", 1.0, 300e6 - 1.3e6),
        ("MobileNetV2", 1.4, 585e6 - 1.8e6),
        # Keras strides at the end of a stack, so fewer than the 3.8e9 of He et al.'s ResNet-50.
        ("ResNet50V2", 1.0, 3.49e9),
    ],
)
def test_arithmetic_is_that_of_published_counts(name, alpha, multiplications):
    shape = {"input_shape": (224, 224, 3), "image_size": 224}
    network, _ = build_backbone(name, **shape, weights="random", alpha=alpha)
    assert flops.forward_flops(network) == pytest.approx(2 * multiplications, rel=0.02)


def test_each_kernel_counts_at_each_position_of_its_output():
    layers = keras.layers
    image = keras.Input((9, 9, 4))
    x = layers.Conv2D(6, 3, strides=2, padding="same")(image)  # 5 x 5 x (3 x 3 x 4) x 6
    x = layers.Conv2D(6, 1, groups=2)(x)  # 5 x 5 x 3 x 6
    x = layers.DepthwiseConv2D(3)(x)  # 3 x 3 x (3 x 3) x 6
    x = layers.SeparableConv2D(2, 3, padding="same")(layers.ReLU()(x))  # 3 x 3 x (9 x 6 + 6 x 2)
    x = layers.Dense(5)(layers.Flatten()(layers.BatchNormalization()(x)))  # 18 x 5
    expected = 25 * 36 * 6 + 25 * 18 + 9 * 54 + 9 * 66 + 90
    assert flops.forward_flops(keras.Model(image, x)) == 2 * expected


def test_speed_relates_images_to_arithmetic():
    rates = flops.speed(20_000.4, 2 * 10**9)
    assert rates == {
        "images_per_second": 20_000,
        "gflop_per_image": 2,
        "gflop_per_second": 40_000,
    }
    assert flops.describe(rates) == "20,000 images/s, 40,000 GFLOP/s"
