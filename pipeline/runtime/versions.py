"""Versions of the libraries that can change a result."""

import importlib.metadata
import platform
import sys

LIBRARIES = (
    "tunescope",
    "cuml-cu12",
    "cupy-cuda12x",
    "datashader",
    "keras",
    "numba",
    "numpy",
    "openTSNE",
    "scikit-learn",
    "scipy",
    "tensorflow",
    "tensorflow-cpu",
    "umap-learn",
)


def versions() -> dict[str, str]:
    """Python's version and those of the installed libraries that can change a result.

    In a process that has loaded Keras, "keras-backend" is what Keras computes with.
    """
    installed = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            installed[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    if keras := sys.modules.get("keras"):
        backend = keras.backend.backend()
        installed["keras-backend"] = f"{backend} {sys.modules[backend].__version__}"
    return installed
