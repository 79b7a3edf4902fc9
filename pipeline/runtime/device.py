"""Choose the device once, before any library that could take a GPU is imported."""

import os

from threadpoolctl import threadpool_limits

from kernels.backend import Backend, get_backend
from pipeline.errors import InputError
from pipeline.runtime.gpus import take_gpu, visible_gpus

DEVICES = ("auto", "cpu", "gpu")
MOST_THREADS = 1024  # more than any machine's cores; libraries crash on 100,000


def resolve_device(device: str) -> str:
    """Turn ``auto`` into ``gpu`` where an NVIDIA driver answers with a device, else ``cpu``.

    Raises
    ------
    InputError
        If `device` is not one of auto, cpu, gpu, or a GPU is asked for and none answers.
    """
    if device not in DEVICES:
        raise InputError(f"device is {device!r} but must be one of {', '.join(DEVICES)}")
    if device == "auto":
        return "gpu" if visible_gpus() else "cpu"
    if device == "gpu" and not visible_gpus():
        raise InputError(
            "device is 'gpu' but no NVIDIA GPU answers here (CUDA_VISIBLE_DEVICES may hide it): "
            "set device to auto or cpu"
        )
    return device


def planned_device(device: str) -> str:
    """The device that a plan reckons with: a GPU that is asked for may be another machine's.

    Raises
    ------
    InputError
        As of `resolve_device`, but for a GPU that is not here.
    """
    return device if device == "gpu" else resolve_device(device)


def cpu_count() -> int:
    """CPU cores that this process may use, by its affinity and the quota of its container."""
    import joblib

    return joblib.cpu_count()


def thread_count() -> int:
    """CPU threads of this process, as `set_up_process` was told."""
    return int(os.environ.get("OMP_NUM_THREADS") or cpu_count())


def backend_for(device: str) -> Backend:
    """The backend that computes an estimator's `device`.

    Raises
    ------
    InputError
        Another word than auto, cpu or gpu, or a GPU is asked for where there is none to use.
    """
    try:
        return get_backend(device)
    except (ValueError, RuntimeError) as error:
        raise InputError(str(error)) from error


def set_up_process(device: str, threads: int | None) -> None:
    """Bind this process to a resolved device and a number of threads; call before heavy imports."""
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ["JAX_PLATFORMS"] = "cpu"
    else:
        take_gpu()
    # Another process may share the GPU: none may take all of its memory at once.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    # float32 means float32: cuBLAS and cuDNN would round factors to 10 bits of mantissa (TF32).
    os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Threads that spin while they wait starve each other on busy cores: t-SNE of 500 points took
    # 5.8 s instead of 0.1 s.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if threads is not None:
        if threads > MOST_THREADS:
            raise InputError(f"--threads is {threads:,} but can be at most {MOST_THREADS:,}")
        threadpool_limits(threads)  # NumPy's BLAS is loaded already and reads no variable again
        for variable in THREAD_VARIABLES:
            os.environ[variable] = str(threads)


THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)
