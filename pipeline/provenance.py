"""What made an artefact: versions of the libraries, and the code behind a stage."""

import ast
import hashlib
import importlib.metadata
import platform
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
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


@cache
def versions() -> dict[str, str]:
    """Python's version and those of the installed libraries that can change a result."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def code_digest(*modules: str) -> str:
    """Digest of the code of `modules` and of every module of this project that they import.

    Snakemake compares it as a parameter of a rule: editing a stage's code re-runs what depends on
    it. Comments, formatting and docstrings do not count.

    Parameters
    ----------
    *modules : str
        Dotted names, such as ``"pipeline.methods.tsne"``.

    Returns
    -------
    str
        The first 16 hexadecimal digits of a SHA-256.
    """
    pending, seen = list(modules), set()
    while pending:
        module = pending.pop()
        path = _source(module)
        if module not in seen and path is not None:
            seen.add(module)
            pending += _imports(path)
    digest = hashlib.sha256()
    for module in sorted(seen):
        source = _source(module)
        assert source is not None
        digest.update(f"{module}\n{_code(source)}\n".encode())
    return digest.hexdigest()[:16]


def _source(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if module.split(".")[0] in PACKAGES and candidate.is_file():
            return candidate
    return None


def _imports(path: Path) -> list[str]:
    """Every module that a source file names in an import, at any depth."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            # `from a import b` may name a module b or a thing b of module a.
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
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
