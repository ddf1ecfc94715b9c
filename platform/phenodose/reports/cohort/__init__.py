"""The cohort report: all screens side by side, as one HTML file, and its figures as files.

Belongs here: the order of the report and its writing. Does not belong here: reading the cohort (`source`), what the
tables say (`tables`, `pairs`), the figures (`heat_map`, `quality_figures`, `agreement_figures`, `paper_figures`), the
details of one screen (`phenodose.reports.patient`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from phenodose.errors import StoreError
from phenodose.io.files import written_where_named
from phenodose.reports.sealed_page import sealed_page

if TYPE_CHECKING:
    from phenodose.plots.cohort_drawing import CohortFigure
    from phenodose.reports.cohort.source import Cohort, Selection
    from phenodose.store.store import Store


def cohort_report_path(store: Store) -> Path:
    """Where the cohort report lies; no screen can have this name."""
    return store.root / "reports" / "_cohort.html"


def build_cohort_report(
    store: Store, out: Path | None = None, expected: Path | None = None, selection: Selection | None = None
) -> Path:
    """Write the report of all drug screens, or of a choice of them, and return its path.

    The cohort database is brought up to date first; everything is read from it.

    Args:
        store: the store.
        out: file to write; `cohort_report_path(store)` by default.
        expected: list of expected hits, a CSV file; STORE/expected_hits.csv by default, if there is one.
        selection: which screens it shows; the newest of all if None.

    Raises:
        StoreError: the store holds no screen.
        InputError: the list of expected hits has faults, or no screen is chosen.
    """
    path = out or cohort_report_path(store)
    page = sealed_page(render_cohort_report(store, path == cohort_report_path(store), expected, selection))
    with written_where_named(path) as aside:
        aside.write_bytes(page)
    return path


def render_cohort_report(
    store: Store, linked: bool = False, expected: Path | None = None, selection: Selection | None = None
) -> str:
    """The cohort report as one HTML document.

    Args:
        store: the store.
        linked: lead from each screen to its own report, where there is one beside this.
        expected: list of expected hits, as in `build_cohort_report`.
        selection: which screens it shows, as in `build_cohort_report`.

    Raises:
        StoreError: the store holds no screen.
        InputError: the list of expected hits has faults, or no screen is chosen.
    """
    from phenodose.plots.cohort_drawing import shown
    from phenodose.reports.cohort import expected_hits, pairs, tables
    from phenodose.reports.cohort.entities import entities
    from phenodose.reports.patient import render
    from phenodose.reports.words import page_style

    cohort = _cohort(store, selection)
    figures = {figure.name: shown(figure) for figure in cohort_figures(cohort, store)}
    return render(
        "cohort.html.j2",
        screens=tables.screens(cohort, _reports_beside(store) if linked else frozenset()),
        faults=cohort.faults,
        left_out=cohort.left_out,
        stale=tables.stale(cohort),
        entities=entities(cohort),
        page_style=Markup(page_style("Cohort", f"{len(cohort.screens)} screens")),
        score_name=cohort.preferences.scorer_label(cohort.scorer or "") or "score",
        label=cohort.preferences.readout_label,
        matrix=tables.matrix(cohort),
        pairs=pairs.pairs(cohort),
        mismatches=tables.mismatches(cohort),
        by_screen=tables.mismatches_by_screen(cohort),
        expected=expected_hits.table(cohort, expected_hits.find(store, expected)),
        correlations=tables.correlations(cohort),
        drift=tables.control_drift(cohort),
        figures=figures,
    )


def export_cohort_figures(store: Store, folder: Path, selection: Selection | None = None) -> list[Path]:
    """Write every figure of the report as NAME.svg and NAME.png, and all rows behind it as NAME.csv.

    Raises:
        StoreError: the store holds no screen.
        InputError: no screen is chosen.
    """
    from phenodose.plots.cohort_drawing import csv_of, drawn

    written = []
    for figure in cohort_figures(_cohort(store, selection), store):
        if figure.missing:
            continue
        svg, png = drawn(figure, "svg", "png")
        contents = {"svg": svg, "png": png, "csv": csv_of(figure.rows).encode()}
        for kind, content in contents.items():
            path = folder / f"{figure.name}.{kind}"
            with written_where_named(path) as aside:
                aside.write_bytes(content)
            written.append(path)
    return written


def cohort_figures(cohort: Cohort, store: Store) -> list[CohortFigure]:
    """Every figure of the report, in its order; one without data says why."""
    from phenodose.reports.cohort import agreement_figures, heat_map, paper_figures, quality_figures

    return [
        *heat_map.dss_heat_maps(cohort),
        quality_figures.zprime(cohort),
        quality_figures.over_time(cohort),
        agreement_figures.replicate_scores(cohort),
        agreement_figures.modalities(cohort),
        paper_figures.transfer_study(store),
        paper_figures.raw_viability(cohort),
        agreement_figures.replicate_agreement(cohort),
        paper_figures.phases(store, cohort),
        paper_figures.phenotype_maps(cohort),
    ]


def _cohort(store: Store, selection: Selection | None) -> Cohort:
    from phenodose.reports.cohort.source import read_cohort

    cohort = read_cohort(store, selection)
    if cohort.screens.empty:
        raise StoreError(f"the store {store.root} holds no screen with results; make one with `phenodose run FOLDER`.")
    return cohort


def _reports_beside(store: Store) -> frozenset[str]:
    """Names of the HTML files in the store's folder of reports, in one listing."""
    try:
        return frozenset(path.name for path in (store.root / "reports").iterdir() if path.suffix == ".html")
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()


__all__ = ["build_cohort_report", "cohort_report_path", "export_cohort_figures", "render_cohort_report"]
