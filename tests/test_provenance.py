"""Does the digest of a stage's code follow the code and nothing else?"""

import pytest

from pipeline import provenance


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "kernels").mkdir()
    files = {
        "pipeline/__init__.py": "",
        "pipeline/stage.py": (
            'def f():\n    """Say."""\n    from kernels import fast\n\n    return fast.g()\n'
        ),
        "pipeline/other.py": "X = 1\n",
        "kernels/__init__.py": "",
        "kernels/fast.py": "def g():\n    return 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def edit(project, name, old, new):
    path = project / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new", "changes"),
    [
        ("pipeline/stage.py", "fast.g()", "fast.g() + 1", True),
        ("kernels/fast.py", "return 1", "return 2", True),  # imported inside a function
        ("pipeline/stage.py", "Say.", "Say it better.", False),
        ("pipeline/stage.py", "def f", "# why\ndef f", False),
        ("pipeline/other.py", "X = 1", "X = 2", False),
    ],
)
def test_what_changes_the_digest(project, name, old, new, changes):
    before = provenance.code_digest("pipeline.stage")
    edit(project, name, old, new)
    assert (provenance.code_digest("pipeline.stage") != before) == changes
