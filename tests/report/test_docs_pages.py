"""Are the committed pages of studies those of their tables?"""

import importlib.util
import shutil

import pytest

from pipeline.workflow.sources import ROOT

PAGES = sorted(path.parent for path in (ROOT / "docs").glob("*/README.md"))


@pytest.fixture(scope="module")
def pages():
    spec = importlib.util.spec_from_file_location("pages", ROOT / "docs" / "pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_that_of_the_tables_beside_it(pages, page, tmp_path):
    shutil.copytree(page, tmp_path / "page")
    pages.write(tmp_path / "page")
    assert (tmp_path / "page" / "README.md").read_text() == (page / "README.md").read_text()


def test_another_number_changes_the_page(pages, tmp_path):
    shutil.copytree(ROOT / "docs" / "mnist", tmp_path / "page")
    table = tmp_path / "page" / "MobileNet" / "measures.csv"
    lines = table.read_text().splitlines()
    known = next(line for line in lines if line.startswith("LLE,test,knn_accuracy"))
    parts = known.split(",")
    parts[7:10] = ["0.5", "0.49", "0.51"]
    table.write_text("\n".join(",".join(parts) if line == known else line for line in lines))
    pages.write(tmp_path / "page")
    last = next(
        line
        for line in (tmp_path / "page" / "README.md").read_text().splitlines()
        if line.startswith("| LLE varies most across backbones.")
    )
    assert "| supported |" in last
