"""What made an artefact: versions of the libraries, and the code behind a stage."""

import ast
import hashlib
import importlib.metadata
import platform
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("pipeline", "kernels")
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
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    if keras := sys.modules.get("keras"):
        backend = keras.backend.backend()
        found["keras-backend"] = f"{backend} {sys.modules[backend].__version__}"
    return found


def code_digest(*modules: str) -> str:
    """Digest of the code of `modules` and of everything of this project that they use.

    Snakemake compares it as a parameter of a rule: editing a stage's code re-runs what depends on
    it. Comments, formatting and docstrings of Python do not count.

    Parameters
    ----------
    *modules : str
        Dotted names, such as ``"pipeline.methods.tsne.opentsne"``.

    Returns
    -------
    str
        The first 16 hexadecimal digits of a SHA-256.
    """
    digest = hashlib.sha256()
    for name, path in sorted(sources(*modules).items()):
        code = _code(path) if path.suffix == ".py" else path.read_text()
        digest.update(f"{name}\n{code}\n".encode())
    return digest.hexdigest()[:16]


def sources(*modules: str) -> dict[str, Path]:
    """Source files behind `modules`: their own, of all that they use, and the CUDA sources.

    Returns
    -------
    dict
        Paths by dotted names; only of this project.
    """
    pending, found = list(modules), {}
    while pending:
        module = pending.pop()
        path = _source(module)
        if module in found or path is None:
            continue
        found[module] = path
        pending += _imports(path)
        topic = module.removeprefix("kernels.gpu.")
        cuda = ROOT / "kernels" / "cuda" / f"{topic}.cu"
        if topic != module and cuda.is_file():
            found[f"kernels.cuda.{topic}"] = cuda
    return found


def _source(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if module.split(".")[0] in PACKAGES and candidate.is_file():
            return candidate
    return None


def _imports(path: Path) -> list[str]:
    """Every module that a source file names, at any depth: in an import, or to a backend."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            # `from a import b` may name a module b or a thing b of module a.
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", None) == "kernels":
            [topic] = map(ast.literal_eval, node.args)  # Backend.kernels imports one of the two
            names += [f"kernels.{device}.{topic}" for device in ("cpu", "gpu")]
    return names


def _code(path: Path) -> str:
    """A source file without comments, formatting and docstrings."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            body[0] = ast.Pass()
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
