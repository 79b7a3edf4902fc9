"""Do the listed source files of each step hold all the code that decides its result?"""

import ast
from pathlib import Path

import pytest

from pipeline.methods.registry import METHODS
from pipeline.workflow.sources import FILES, ROOT, digest, sources

# What reads, writes, logs, meters or estimates decides no result.
EXEMPT = (
    "pipeline/runtime/",
    "pipeline/artefacts.py",
    "pipeline/cli/",
    "pipeline/store.py",
    "pipeline/errors.py",
    "pipeline/methods/registry.py",
    "pipeline/methods/engine.py",
    "kernels/oom.py",
)
STEPS: dict[str, str | tuple[str, ...]] = {
    "dataset": "pipeline.images.dataset",
    "pair": "pipeline.images.pair",
    "backbone": "pipeline.networks.backbone",
    "finetune": "pipeline.networks.finetune",
    "features": "pipeline.networks.features",
    "graph": "pipeline.neighbors.graph",
    "quality": "pipeline.measures.quality",
    "change": "pipeline.measures.change",
    "depth": ("pipeline.measures.depth", "pipeline.networks.blocks"),
    "figure": "pipeline.drawing.figure",
    "summary": "pipeline.report.summary",
    "runtimes": "pipeline.report.runtimes",
    "report": ("pipeline.report.page", "pipeline.report.provenance"),
    "explorer": "pipeline.report.explorer.page",
}
PAGES = {  # and what they are made of
    "pipeline/report/page.py": "pipeline/report/templates",
    "pipeline/report/explorer/page.py": "pipeline/report/explorer/web",
}
ENGINES = {
    f"{method}.{name}": engine.module
    for method, row in METHODS.items()
    for name, engine in row.engines.items()
}


def source(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if module.split(".")[0] in ("pipeline", "kernels") and candidate.is_file():
            return candidate
    return None


def imports(path: Path) -> list[str]:
    """Every module that a source file names, at any depth: in an import, or to a backend."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", None) == "kernels":
            [topic] = map(ast.literal_eval, node.args)  # Backend.kernels imports one of the two
            names += [f"kernels.{device}.{topic}" for device in ("cpu", "gpu")]
    return names


def closure(*modules: str) -> set[str]:
    """Files below ROOT that some modules use, CUDA sources included."""
    pending, found = list(modules), set()
    while pending:
        path = source(pending.pop())
        if path is None or (name := path.relative_to(ROOT).as_posix()) in found:
            continue
        if name.startswith(EXEMPT) or name.endswith(("__init__.py", "resources.py")):
            continue
        found.add(name)
        pending += imports(path)
        cuda = ROOT / "kernels" / "cuda" / f"{path.stem}.cu"
        if path.parent.name == "gpu" and cuda.is_file():
            found.add(cuda.relative_to(ROOT).as_posix())
        for page, folder in PAGES.items():
            if name == page:
                files = (ROOT / folder).rglob("*.*")
                found |= {file.relative_to(ROOT).as_posix() for file in files}
    return found


@pytest.mark.parametrize(("step", "module"), STEPS.items())
def test_a_steps_files_are_those_that_it_imports(step, module):
    assert set(FILES[step]) == closure(*([module] if isinstance(module, str) else module))


@pytest.mark.parametrize(("engine", "module"), ENGINES.items())
def test_an_engines_files_are_those_that_it_imports(engine, module):
    assert set(FILES[engine]) == closure("pipeline.methods.embed", module)


def test_every_listed_file_exists():
    for step, files in FILES.items():
        for name in files:
            assert (ROOT / name).is_file(), (step, name)


def test_every_kernel_decides_some_result():
    names = {
        path.relative_to(ROOT).as_posix()
        for folder in ("cpu", "gpu", "cuda")
        for path in (ROOT / "kernels" / folder).iterdir()
        if path.suffix in (".py", ".cu") and path.stem != "__init__"
    }
    assert names <= {name for files in FILES.values() for name in files}


def test_an_edit_changes_the_digest(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.workflow.sources.ROOT", tmp_path)
    monkeypatch.setitem(FILES, "graph", ["a.py", "b.py"])
    (tmp_path / "a.py").write_text("A = 1\n")
    (tmp_path / "b.py").write_text("B = 1\n")
    before = digest("graph")
    (tmp_path / "b.py").write_text("B = 2\n")
    assert digest("graph") != before


def test_paths_are_relative_to_the_folder_and_no_patterns(tmp_path, monkeypatch):
    root = tmp_path / "a {odd} folder"
    root.mkdir()
    monkeypatch.setattr("pipeline.workflow.sources.ROOT", root)
    monkeypatch.chdir(root)
    assert sources("runtimes") == ["pipeline/report/runtimes.py"]
    monkeypatch.chdir(tmp_path)
    assert sources("runtimes") == ["a {{odd}} folder/pipeline/report/runtimes.py"]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert sources("runtimes") == [f"{tmp_path}/a {{{{odd}}}} folder/pipeline/report/runtimes.py"]
