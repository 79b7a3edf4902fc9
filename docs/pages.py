"""Pages of studies out of their tables: what is committed of a study, and the page that shows it.

    python docs/pages.py take results/mnist_study VGG16 docs/mnist  # tables, preview and headline
    python docs/pages.py write docs/mnist                           # README.md, between its marks

No number of a page is typed by hand: a page is written out of the files beside it alone.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from pipeline.measures.claims_over_backbones import judge_together
from pipeline.measures.evidence import Evidence, all_of
from pipeline.methods.registry import METHODS
from pipeline.report.headline import headline
from pipeline.results import read_backbone

START, END = "<!-- tables:start -->", "<!-- tables:end -->"
RANDOM = ("ResNet50V2",)  # with random weights, which say nothing of pre-training
TABLES = {
    "claims": "claims",
    "measures": "every measure",
    "depth": "depth profile",
    "classes": "classes",
    "class_pairs": "pairs of classes",
    "diagnostics": "diagnostics of the layouts",
    "groups": "groups that are no class",
    "controls": "other seeds and random weights",
    "layout_seeds": "layouts by other seeds",
}
TITLES = {method.title: name for name, method in METHODS.items()}


def take(results: Path, backbone: str, page: Path) -> None:
    """Copy what is committed of a backbone that a study has run."""
    folder = page / backbone
    folder.mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        source = results / "report_tables" / f"{backbone}_{name}.csv"
        if source.is_file():
            shutil.copy(source, folder / f"{name}.csv")
    shutil.copy(results / backbone / "preview.png", folder / "preview.png")
    controls = sorted((results / "controls").glob(f"{backbone}_*"))
    found = read_backbone(results / backbone, controls, pixels=None)
    (folder / "headline.txt").write_text("".join(f"{line}\n" for line in headline(found)))


def write(page: Path) -> None:
    """Write the part of README.md between the marks."""
    readme = page / "README.md"
    before, _, rest = readme.read_text().partition(START)
    after = rest.partition(END)[2]
    body = "\n".join(tables_of(page))
    readme.write_text(f"{before}{START}\n\n{body}\n{END}{after}")


def tables_of(page: Path) -> Iterator[str]:
    """Lines of the page: the claims over all backbones, then each backbone."""
    folders = sorted(path.parent for path in page.glob("*/claims.csv"))
    trained = [folder for folder in folders if folder.name not in RANDOM]
    if len(trained) > 1:
        yield from (f"## Over {', '.join(folder.name for folder in trained)}", "")
        yield from _table(_together(trained))
    for folder in folders:
        yield from (f"## {folder.name}", "")
        yield from (f"![{folder.name} before and after]({folder.name}/preview.png)", "")
        yield from (f"- {line}" for line in (folder / "headline.txt").read_text().splitlines())
        yield ""
        yield from _table(_claims(folder)[["claim", "answer", "numbers"]].to_numpy().tolist())
        there = [name for name in TABLES if (folder / f"{name}.csv").is_file()]
        links = ", ".join(f"[{TABLES[name]}]({folder.name}/{name}.csv)" for name in there)
        yield from (f"Tables: {links}.", "")


def _table(rows: list[list[str]]) -> Iterator[str]:
    yield "| claim | verdict | numbers [95 % interval], in percent and points |"
    yield "|---|---|---|"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


def _claims(folder: Path) -> pd.DataFrame:
    table = pd.read_csv(folder / "claims.csv", keep_default_na=False)
    return table.assign(numbers=table["numbers"].str.removeprefix("'"))  # there for spreadsheets


def _together(folders: list[Path]) -> list[list[str]]:
    """Each claim over several backbones, by the answers; then that LLE varies most, by numbers."""
    claims = {folder.name: _claims(folder).set_index("claim")["answer"] for folder in folders}
    rows = []
    for claim in next(iter(claims.values())).index:
        said: dict[str, list[str]] = {}
        for name, answers in claims.items():
            said.setdefault(answers[claim], []).append(name)
        numbers = "; ".join(f"{answer}: {', '.join(names)}" for answer, names in said.items())
        rows.append([claim, all_of(list(said)), numbers])
    last = judge_together({folder.name: _evidence(folder) for folder in folders})[-1]
    return [*rows, [last.claim, last.answer, last.numbers]]


def _evidence(folder: Path) -> Evidence:
    """Measures of the layouts after fine-tuning, as far as a table has them."""
    table = pd.read_csv(folder / "measures.csv")
    after = [
        {
            **{key: row[key] for key in ("split", "measure")},
            "space": TITLES.get(row["space"], row["space"]),
            **{"value": row["after"], "low": row["after_low"], "high": row["after_high"]},
        }
        for _, row in table.astype(object).where(table.notna(), None).iterrows()
    ]
    return Evidence(before=(), after=after, change=())


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["take", results, backbone, page]:
            take(Path(results), backbone, Path(page))
        case ["write", page]:
            write(Path(page))
        case _:
            sys.exit(__doc__)
