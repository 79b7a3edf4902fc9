"""Page: the answer of a study in one self-contained HTML file, verdict first.

A section of a backbone is a function of its findings in `SECTIONS` and a partial of the same name
in templates/sections; tables that it shows are in `pipeline.report.tables`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from pipeline.measures.claims import Verdict
from pipeline.measures.claims_over_backbones import judge_together
from pipeline.measures.table import MEASURES
from pipeline.report import plots
from pipeline.report.alarms import alarms
from pipeline.report.density import distance_plots
from pipeline.report.depth import depth_section
from pipeline.report.diagnostics import diagnostics
from pipeline.report.findings import Backbone
from pipeline.report.galleries import data_url, galleries, picture_of, small_url
from pipeline.report.glance import glance
from pipeline.report.groups import groups_section
from pipeline.report.headline import facts, headline
from pipeline.report.methods_text import methods_text
from pipeline.report.mixing import classes_section
from pipeline.report.tables import before_after, controls, definitions, tables_of

if TYPE_CHECKING:
    import pandas as pd

# In the order of the page; a section whose function returns nothing is left out.
SECTIONS: dict[str, Callable[[Backbone], Any]] = {
    "glance": glance,
    "claims": lambda found: found.verdicts,
    "controls": controls,
    "layouts": lambda found: {
        "preview": data_url(found.preview),
        "classes": small_url(found.classes) if found.classes else None,
    },
    "measures": lambda found: before_after(found.evidence),
    "depth": lambda found: depth_section(found.depth),
    "classes": classes_section,
    "groups": lambda found: groups_section(found.change, found.images, picture_of(found)),
    "galleries": galleries,
    "curves": lambda found: [
        None if found.history is None else plots.training_curves(found.history),
        *(
            plots.r_nx_curves(measured.get("r_nx", {}), title=f"R_NX {stage} fine-tuning")
            for stage, measured in found.measured.items()
        ),
    ],
    "distances": distance_plots,
    "diagnostics": diagnostics,
}


class Page(NamedTuple):
    """A page, and what lies beside it.

    Attributes
    ----------
    html : str
    tables : dict of str to DataFrame
        By the name of their CSV file, without its ending.
    methods : str
        The paragraph on methods.
    """

    html: str
    tables: dict[str, pd.DataFrame]
    methods: str


def build_page(
    study: str,
    backbones: Sequence[Backbone],
    *,
    runtimes: pd.DataFrame | None = None,
    origin: Mapping[str, str] | None = None,
    trace: Sequence[Mapping[str, Any]] = (),
    tables_at: str = "report_tables",
    methods_at: str = "methods.txt",
    explorers_at: Mapping[str, str] | None = None,
) -> Page:
    """Write the page of a study.

    Parameters
    ----------
    study : str
    backbones : sequence of Backbone
    runtimes : DataFrame, optional
        Of `tabulate_runtimes`.
    origin, trace : mapping, sequence of mapping
        Of `pipeline.report.provenance`.
    tables_at, methods_at : str
        Where the tables' folder and the paragraph will lie, relative to the page.
    explorers_at : mapping of str to str, optional
        Likewise the explorer of each backbone that has one.

    Returns
    -------
    Page
        HTML that needs no other file and no network; everything from outside is escaped.
    """
    together = _together(backbones)
    tables = _tables(backbones, together, runtimes, trace)

    def csv(name: str) -> str | None:
        """The link to a table; None where there is none."""
        return quote(f"{tables_at}/{name}.csv") if name in tables else None

    methods = methods_text(backbones)
    environment = _environment()
    environment.globals |= {"measures": MEASURES, "csv": csv, "methods_at": quote(methods_at)}
    html = environment.get_template("page.html").render(
        study=study,
        backbones=[
            {**_content(each), "explorer": quote((explorers_at or {}).get(each.name, ""))}
            for each in backbones
        ],
        together=together,
        runtimes=None if runtimes is None else _records(runtimes),
        origin=origin or {},
        trace=trace,
        methods=methods,
    )
    return Page(html, tables, methods)


def _together(backbones: Sequence[Backbone]) -> list[Verdict]:
    """Verdicts over all backbones: random weights say nothing of pre-trained ones."""
    return judge_together(
        {found.name: found.evidence for found in backbones if found.labelled and not found.random}
    )


def _environment() -> Any:
    from jinja2 import Environment, PackageLoader

    return Environment(
        loader=PackageLoader("pipeline.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _content(found: Backbone) -> dict[str, Any]:
    """What the template shows of one backbone."""
    sections = {name: section(found) for name, section in SECTIONS.items()}
    return {
        "name": found.name,
        "context": found.context,
        "labelled": found.labelled,
        "facts": facts(found),
        "headline": headline(found),
        "alarms": alarms(found),
        "sections": {name: content for name, content in sections.items() if content},
    }


def _tables(
    backbones: Sequence[Backbone],
    together: Sequence[Verdict],
    runtimes: pd.DataFrame | None,
    trace: Sequence[Mapping[str, Any]],
) -> dict[str, pd.DataFrame]:
    """All tables: of each backbone under its name, and of the study."""
    import pandas as pd

    tables = {
        f"{found.name}_{name}": table
        for found in backbones
        for name, table in tables_of(found).items()
    }
    if together:
        tables["claims_over_backbones"] = pd.DataFrame([each._asdict() for each in together])
    tables["definitions"] = pd.DataFrame(definitions())
    if runtimes is not None:
        tables["runtimes"] = runtimes
    if trace:
        tables["provenance"] = pd.DataFrame(trace)
    return tables


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows for the template, without empty columns, None where a value is missing."""
    table = table.dropna(axis="columns", how="all")
    return table.astype(object).where(table.notna(), None).to_dict("records")
