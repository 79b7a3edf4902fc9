"""Can scikit-learn's users take our MDS, Isomap and LLE in place of theirs?"""

import ast
import os
import re
import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from sklearn.manifold import tests as their_tests
from sklearn.utils.estimator_checks import parametrize_with_checks

from pipeline.methods import manifold as ours

ROOT = Path(__file__).parents[2]
NAMES = ["MDS", "Isomap", "LocallyLinearEmbedding"]
FILES = ["mds", "isomap", "locally_linear"]

# Tests of scikit-learn's that fail with our classes: a pattern of their names, and what they say.
USE_THEIRS = "use sklearn.manifold"
NOT_COMPUTED = {
    r"test_lle_manifold\[.*-(hessian|modified|ltsa)\]": USE_THEIRS,
    r"test_integer_input": USE_THEIRS,  # of all four methods
    r"test_nonmetric_mds_optimization": USE_THEIRS,
    r"test_mds_recovers_true_data\[False\]": USE_THEIRS,
    r"test_MDS": USE_THEIRS,  # non-metric
    r"test_convergence_does_not_depend_on_scale\[False\]": USE_THEIRS,
    r"test_future_warning_init_and_metric": USE_THEIRS,  # metric=False warns, and is non-metric
    r"test_normalized_stress_auto\[False\]": USE_THEIRS,
    # It looks at how scikit-learn calls a function of its own.
    r"test_normalized_stress_auto\[True\]": "object is not subscriptable",
}
# Further ones where the paths are in 16 bits, as of more than 1,024 points.
SIXTEEN_BITS = {
    r"test_isomap_simple_grid\[.*\]": "Not equal to tolerance",
    r"test_pipeline_with_nearest_neighbors_transformer\[float64\]": "Not equal to tolerance",
    r"test_isomap_fitted_attributes_dtype\[.*\]": "no attribute 'dist_matrix_'",
    r"test_isomap_dtype_equivalence": "no attribute 'dist_matrix_'",
}


# ---- scikit-learn's own tests


def substituted(name, header):
    """A test file of scikit-learn's with our classes, and its tests that make one of them."""
    source = (Path(their_tests.__file__).parent / f"test_{name}.py").read_text()
    source = re.sub(rf"\b(?:manifold|mds)\.({'|'.join(NAMES)})\b", r"ours.\1", source)
    makes_ours = {
        function.name
        for function in ast.parse(source).body
        if isinstance(function, ast.FunctionDef)
        and any(isinstance(node, ast.Name) and node.id == "ours" for node in ast.walk(function))
    }
    return f"{header}\n{source}", makes_ours


def run_their_tests(folder, files, *header, but_not=()):
    """Run them in a process of its own; what each that makes one of our classes says, or None."""
    makes_ours = set()
    for name in files:
        lines = ["import pipeline.methods.manifold as ours", *header]
        source, functions = substituted(name, "\n".join(lines))
        (folder / f"test_{name}.py").write_text(source)
        makes_ours |= {(f"test_{name}", function) for function in functions - set(but_not)}
    known = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    command = f"-q -c {os.devnull} --rootdir . -p sklearn.conftest -p no:cacheprovider -p no:xdist"
    left_out = [f"--deselect=test_{name}.py::{test}" for name in files for test in but_not]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *command.split(), *left_out, "--junitxml=results.xml"],
        cwd=folder,
        env={**known, "PYTHONPATH": str(ROOT), "SKLEARN_RUN_FLOAT32_TESTS": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode in (0, 1), run.stdout + run.stderr  # all passed, or some failed
    results = {}
    ran = set()
    for case in ElementTree.parse(folder / "results.xml").iter("testcase"):
        module, test = case.get("classname"), case.get("name")
        function = (module, test.partition("[")[0])
        ran.add(function)
        if function in makes_ours and case.find("skipped") is None:
            failures = [*case.iter("failure"), *case.iter("error")]
            results[f"{module}::{test}"] = "".join(part.text for part in failures) or None
    assert ran >= makes_ours
    return results


def check_failures(results, expected):
    """Those that fail are those that are listed, for the reason that is given."""
    failed = {test.partition("::")[2]: text for test, text in results.items() if text}
    for test, text in failed.items():
        words = [words for pattern, words in expected.items() if re.fullmatch(pattern, test)]
        assert words, f"{test} fails:\n{text}"
        assert words[0] in text, f"{test} fails for another reason:\n{text}"
    passed = [pattern for pattern in expected if not any(re.fullmatch(pattern, t) for t in failed)]
    assert not passed, "these pass now"


@pytest.mark.slow
def test_scikit_learns_tests_pass(tmp_path):
    """At least four fifths of those that make one of our classes; the others are listed."""
    results = run_their_tests(tmp_path, FILES)
    check_failures(results, NOT_COMPUTED)
    assert len(results) > 150
    passed = sum(text is None for text in results.values())
    assert passed >= 0.8 * len(results)
    assert f"{passed} of the {len(results)}" in (ROOT / "README.md").read_text()


@pytest.mark.slow
def test_scikit_learns_tests_of_isomap_pass_in_16_bits(tmp_path):
    """All that neither ask for more digits nor for the matrix of paths."""
    results = run_their_tests(
        tmp_path,
        ["isomap"],
        "from pipeline.methods.manifold import isomap",
        "isomap.FEW = 0",
        but_not=["test_isomap_reconstruction_error"],
    )
    check_failures(results, SIXTEEN_BITS)


@pytest.mark.filterwarnings("ignore")  # on what these checks feed them
@parametrize_with_checks([getattr(ours, name)() for name in NAMES])
def test_is_an_estimator_of_scikit_learn(estimator, check):
    check(estimator)


# ---- The README


def test_the_example_of_the_readme_prints_what_it_says(capsys):
    section = (ROOT / "README.md").read_text().partition("For scikit-learn's users")[2]
    example = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    exec(textwrap.dedent(example), {})
    assert capsys.readouterr().out.split() == re.findall(r"print.*# (\S+)", example)
