"""Do imports run one way, along the chapters, and does only the machine's chapter know devices?"""

import ast
import re
from pathlib import Path

import pytest

import kernels
import pipeline

PIPELINE = Path(pipeline.__file__).parent
KERNELS = Path(kernels.__file__).parent
SHELL = {"__init__", "__main__", "artefacts", "cli", "config", "errors", "results", "store"}

# What the modules of a chapter may import besides their own chapter: chapters, or single modules.
EVERYBODY = {"errors", "runtime"}
ALLOWED = {
    "errors": set(),
    "runtime": {"errors", "kernels"},
    "images": EVERYBODY,
    "networks": EVERYBODY | {"kernels.oom"},
    "neighbors": EVERYBODY | {"kernels"},
    "methods": EVERYBODY | {"kernels", "neighbors", "images.subset"},
    "measures": EVERYBODY | {"kernels", "neighbors", "methods", "images.subset"},
    "drawing": EVERYBODY | {"methods", "measures"},
    "report": EVERYBODY | {"methods", "measures", "drawing", "images.subset"},
    "config": EVERYBODY | {"networks.recipe", "methods.options", "methods.registry"},
    "artefacts": EVERYBODY,
    "store": EVERYBODY | {"artefacts", "images", "neighbors", "measures"},
    "workflow": EVERYBODY
    | {"config", "images", "networks", "methods", "neighbors"}
    | {"measures.resources", "measures.table"},
}
CHAPTERS = sorted(set(ALLOWED) - SHELL)
STEPS = {
    "images": {"dataset", "pair"},
    "networks": {"backbone", "finetune", "features"},
    "neighbors": {"graph"},
    "methods": {"embed"},
    "measures": {"quality", "change", "depth"},
    "drawing": {"figure"},
    "report": {"summary", "runtimes", "explorer", "report"},
}


def imported(path: Path) -> set[str]:
    """Modules of this project that a file names in imports, at any depth."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.split(".")[0] in ("pipeline", "kernels", "bench")}


def files(part: str) -> list[Path]:
    folder = PIPELINE / part
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [PIPELINE / f"{part}.py"]


@pytest.mark.parametrize("part", ALLOWED)
def test_imports_run_one_way(part):
    allowed = ALLOWED[part] | {part}
    for path in files(part):
        for name in imported(path):
            own = name.removeprefix("pipeline.")
            if own == "pipeline":
                continue
            parents = own.split(".")
            fits = {parents[0], ".".join(parents[:2]), own} & allowed
            assert fits, f"{path.relative_to(PIPELINE)} imports {name}"


def test_the_kernels_know_nothing_of_the_pipeline():
    for path in KERNELS.rglob("*.py"):
        assert all(name.startswith("kernels") for name in imported(path)), path


def test_nothing_lies_beside_the_chapters():
    assert {path.stem for path in PIPELINE.glob("*.py")} | {"cli"} == SHELL
    folders = {path.name for path in PIPELINE.iterdir() if path.is_dir()} - {"__pycache__"}
    assert folders == {*CHAPTERS, "cli"}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_says_in_a_few_lines_what_it_is_for(chapter):
    doc = ast.get_docstring(ast.parse((PIPELINE / chapter / "__init__.py").read_text()))
    assert doc
    assert 2 <= len(doc.splitlines()) <= 6
    for step in STEPS.get(chapter, ()):
        assert re.search(rf"`{step}\b", doc)


def test_every_step_is_a_verb_and_a_rule():
    rules = "".join(path.read_text() for path in (PIPELINE / "workflow/rules").glob("*.smk"))
    names = set(re.findall(r"^rule (\w+):", rules, re.MULTILINE))
    assert names == set().union(*STEPS.values())
    verbs = set(
        re.findall(
            r"^def (\w+)\(", "".join(path.read_text() for path in files("cli")), re.MULTILINE
        )
    )
    assert names <= verbs


@pytest.mark.parametrize("part", sorted(set(ALLOWED) - {"runtime"}))
def test_only_the_runtime_and_the_kernels_branch_on_the_device(part):
    branch = re.compile(
        r"""(==|!=|\bis\b) *["'](gpu|cpu)["']|["'](gpu|cpu)["'] *(==|!=)|\bhas_gpu\(|\.on_host\b"""
    )
    exempt = {PIPELINE / "workflow/resources.py"}  # plans for a device that this machine may lack
    for path in set(files(part)) - exempt:
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            assert not branch.search(line), f"{path.relative_to(PIPELINE)}:{number}"
