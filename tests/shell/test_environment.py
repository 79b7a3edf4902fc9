"""Do pyproject.toml, environment.yml and the locks name the same versions?"""

import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement

from pipeline.workflow.sources import ROOT

CONDA_NAMES = {"cuml-cu12": "cuml", "cupy-cuda12x": "cupy"}

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BASE = [Requirement(text) for text in PROJECT["dependencies"]]
EXTRAS = {
    name: [Requirement(text) for text in texts]
    for name, texts in PROJECT["optional-dependencies"].items()
}


def conda_requirements() -> dict[str, str]:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    texts = [text for text in environment["dependencies"] if isinstance(text, str)]
    texts += pip
    found = [Requirement(text) for text in texts]
    return {requirement.name: str(requirement.specifier) for requirement in found}


def test_conda_has_the_pins_of_pyproject():
    conda = conda_requirements()
    for requirement in [*BASE, *EXTRAS["gpu"]]:
        name = CONDA_NAMES.get(requirement.name, requirement.name)
        assert conda.pop(name) == str(requirement.specifier), name
    assert conda.pop("python") == str(Requirement(f"python{PROJECT['requires-python']}").specifier)
    assert set(conda) == {"cuda-version", "pip"}


@pytest.mark.parametrize("extra", ["cpu", "gpu"])
def test_the_lock_satisfies_pyproject_and_has_hashes(extra):
    lock = (ROOT / "requirements" / f"{extra}.txt").read_text()
    pins = dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", lock, re.MULTILINE))
    for requirement in [*BASE, *EXTRAS[extra], *EXTRAS["dev"]]:
        name = requirement.name.lower().replace("_", "-")
        assert requirement.specifier.contains(pins[name]), name
    lines = [line for line in lock.splitlines() if not line.startswith((" ", "#"))]
    assert lock.count(" \\\n    --hash=sha256:") >= len(lines) >= len(pins)
    assert all(line.endswith("\\") for line in lines)
    assert "://" not in lock
