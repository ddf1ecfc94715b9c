"""The cohort report: all screens side by side, as one HTML file.

Belongs here: quality, hits and scores of every screen in comparison. Does not belong here: the details
of one screen (`patient`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.errors import StoreError
from phenodose.files import write_text
from phenodose.reports import sections
from phenodose.reports.data import Missing, ScreenData, is_true, number_of, rows_of, text_of
from phenodose.reports.patient import render

if TYPE_CHECKING:
    from phenodose.store import Store

#: Score at which a cell of the matrix has its full colour.
_FULL_COLOUR_AT = 40.0


def cohort_report_path(store: Store) -> Path:
    """Where the cohort report lies; no screen can have this name."""
    return store.root / "reports" / "_cohort.html"


def build_cohort_report(store: Store, out: Path | None = None) -> Path:
    """Write the report of all drug screens and return its path.

    Args:
        store: the store.
        out: file to write; `cohort_report_path(store)` by default.

    Raises:
        StoreError: the store holds no screen.
    """
    path = out or cohort_report_path(store)
    write_text(path, render_cohort_report(store, linked=path == cohort_report_path(store)))
    return path


def render_cohort_report(store: Store, linked: bool = False) -> str:
    """The cohort report as one HTML document.

    Args:
        store: the store.
        linked: lead from each screen to its own report, where there is one beside this.

    Raises:
        StoreError: the store holds no screen.
    """
    names = sorted(store.read_table("screens")["screen"])
    if not names:
        raise StoreError(f"the store {store.root} holds no screen with results; make one with `phenodose run FOLDER`.")
    screens = [ScreenData.load(store, name) for name in names]
    scored = [data for data in screens if data.ranking_readout is not None]
    return render(
        "cohort.html.j2",
        screens=[_screen_row(data, linked) for data in screens],
        matrix=_matrix(scored) if scored else Missing("no screen has scores."),
        mismatches=_mismatches(scored),
        drift=_control_drift(screens, store),
    )


def _screen_row(data: ScreenData, linked: bool) -> dict[str, Any]:
    level, words = sections.verdict(data)
    hits = data.ranking[is_true(data.ranking["hit"])]
    report = data.store.report_path(data.screen)
    return {
        "screen": data.screen,
        "link": report.name if linked and report.is_file() else "",
        "sample": data.sample,
        "entity": data.about["entity"] or "",
        "kind": data.about["kind"] or "",
        "readout": data.ranking_readout or "",
        "level": level,
        "verdict": words,
        "n_hits": len(hits),
        "best": ", ".join(f"{row.drug} ({row.score:.1f})" for row in rows_of(hits.head(5))),
    }


def _matrix(screens: list[ScreenData]) -> dict[str, Any]:
    """Scores of all drugs (rows) in all screens (columns), most often hit first."""
    cells = {(row.drug, data.screen): row for data in screens for row in rows_of(data.ranking)}
    drugs = sorted({drug for drug, _ in cells})

    def n_hits(drug: str) -> int:
        return sum(bool(row.hit is True or row.hit == 1) for (d, _), row in cells.items() if d == drug)

    ordered = sorted(drugs, key=lambda drug: (-n_hits(drug), drug))
    return {
        "screens": [(data.screen, data.sample, data.ranking_readout) for data in screens],
        "rows": [
            {
                "drug": drug,
                "n_hits": n_hits(drug),
                "cells": [_cell(cells.get((drug, data.screen))) for data in screens],
            }
            for drug in ordered
        ],
    }


def _cell(row: Any) -> dict[str, Any]:
    if row is None or row.score is None or row.score != row.score:
        return {"text": "", "hit": False, "colour": "#ffffff", "ink": "#222222", "sort": ""}
    part = min(max(row.score / _FULL_COLOUR_AT, 0.0), 1.0)
    # From white to the palette's blue: lightness alone carries the value.
    colour = "#" + "".join(f"{round(255 + part * (end - 255)):02x}" for end in (0x00, 0x5A, 0x8F))
    return {
        "text": f"{row.score:.1f}",
        "hit": bool(row.hit is True or row.hit == 1),
        "colour": colour,
        "ink": "#ffffff" if part > 0.55 else "#222222",
        "sort": row.score,
    }


def _control_drift(screens: list[ScreenData], store: Store) -> list[dict[str, Any]]:
    """The controls of every screen and readout against the screens made before it: the view of that name."""
    import duckdb
    import pandas as pd

    from phenodose.quality.limits import Limits
    from phenodose.site import read_site
    from phenodose.storage.cohort_views import cohort_views

    views = {view.name: view for view in cohort_views([], [], Limits.resolve(read_site(store.root).quality))}
    with duckdb.connect() as con:
        for table in ("screens", "runs", "wells", "viability"):
            frames = [data[table] for data in screens if len(data[table])]
            con.register(table, pd.concat(frames, ignore_index=True) if frames else screens[0][table])
        rows = con.sql(f"SELECT * EXCLUDE (made_at) FROM ({views['control_drift'].sql})").df()
    return [
        {
            "screen": row.screen,
            "readout": row.readout,
            "n_earlier": row.n_earlier,
            "levels": f"{number_of(row.negative_median)} / {number_of(row.positive_median)}",
            "window": number_of(row.cohort_window_drift, 2),
            "spread": number_of(row.cohort_spread_drift, 2),
            "verdict": text_of(row.verdict),
        }
        for row in rows_of(rows)
    ]


def _mismatches(screens: list[ScreenData]) -> list[dict[str, Any]]:
    """How often imaging and metabolic readouts disagree on a hit, a row a screen and pair of readouts."""
    rows = []
    for data in screens:
        found = sections.agreement(data)
        if isinstance(found, Missing):
            continue
        for pair in found["comparisons"]:
            named = [*pair["imaging_only"], *pair["metabolic_only"]]
            rows.append({"screen": data.screen, "named": ", ".join(named)} | pair)
    return rows
