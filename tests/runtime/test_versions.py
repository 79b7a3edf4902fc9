"""Does the digest of a stage's code follow the code and nothing else?"""

import pytest

from pipeline.runtime import versions as provenance


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    files = {
        "pipeline/__init__.py": "",
        "pipeline/stage.py": (
            'def f():\n    """Say."""\n    from kernels import fast\n\n    return fast.g()\n'
        ),
        "kernels/__init__.py": "",
        "kernels/fast.py": "def g():\n    return 1\n",
        "pipeline/other.py": 'def f(backend):\n    return backend.kernels("sums").total()\n',
        "kernels/cpu/sums.py": "A = 1\n",
        "kernels/gpu/sums.py": "B = 1\n",
        "kernels/cuda/sums.cu": "int c;\n",
        "kernels/cuda/ranks.cu": "int d;\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
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
        ("pipeline/other.py", "total", "mean", False),
    ],
)
def test_what_changes_the_digest(project, name, old, new, changes):
    before = provenance.code_digest("pipeline.stage")
    edit(project, name, old, new)
    assert (provenance.code_digest("pipeline.stage") != before) == changes


@pytest.mark.parametrize(
    ("name", "old", "new", "changes"),
    [
        ("kernels/cpu/sums.py", "A = 1", "A = 2", True),
        ("kernels/gpu/sums.py", "B = 1", "B = 2", True),
        ("kernels/cuda/sums.cu", "int c", "long c", True),
        ("kernels/cuda/ranks.cu", "int d", "long d", False),
        ("kernels/fast.py", "return 1", "return 2", False),
    ],
)
def test_kernels_that_a_backend_is_asked_for_change_the_digest(project, name, old, new, changes):
    before = provenance.code_digest("pipeline.other")
    edit(project, name, old, new)
    assert (provenance.code_digest("pipeline.other") != before) == changes


@pytest.mark.parametrize(
    ("module", "topics"),
    [
        ("pipeline.neighbors.graph", {"knn"}),
        ("pipeline.measures.quality", {"knn", "ranks"}),
        ("pipeline.methods.tsne.exact", {"knn", "distances", "tsne"}),
        ("pipeline.methods.mds.exact", {"knn", "distances", "smacof"}),
        ("pipeline.methods.lle.exact", {"knn", "lle"}),
        ("pipeline.methods.isomap.exact", {"knn", "shortest_paths", "squared_pairs"}),
    ],
)
def test_the_kernels_behind_each_module(module, topics):
    """Nothing that computes may change without its results being made again."""
    found = set(provenance.sources(module))
    for place in ("cpu", "gpu", "cuda"):
        assert topics == {name.split(".")[2] for name in found if f"kernels.{place}." in name} - {
            "cuda",
            "lanes",
        }


def test_every_kernel_is_behind_a_method():
    from pipeline.methods.registry import METHODS

    modules = [engine.module for method in METHODS.values() for engine in method.engines.values()]
    found = set(provenance.sources("pipeline.measures.quality", *modules))
    kernels = provenance.ROOT / "kernels"
    for folder in ("cpu", "gpu", "cuda"):
        names = {
            path.stem for path in (kernels / folder).iterdir() if path.suffix in (".py", ".cu")
        }
        assert {f"kernels.{folder}.{name}" for name in names - {"__init__"}} <= found
