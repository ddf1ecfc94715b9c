"""What the report shows of each drug: curves of all readouts, scores with intervals, and its lineage.

Does not belong here: comparing drugs (`sections`), drawing (`svg_figures`), its images (`image_choice`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from phenodose.errors import StoreError
from phenodose.io.frames import rows_of
from phenodose.lineage.trace import why_each
from phenodose.plots import svg_figures
from phenodose.plots.svg import swatch
from phenodose.reports.data import Missing, calls_of, text_of
from phenodose.reports.other_scores import other_scores
from phenodose.reports.sections import anchors, score_cell, why_no_scores

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.lineage.link import Link
    from phenodose.reports.data import ScreenData
    from phenodose.reports.fitted_curves import FittedCurves


def drug_cards(data: ScreenData, fitted: FittedCurves) -> dict[str, Any] | Missing:
    """A card a drug, in order of the ranking.

    Args:
        data: the rows of the screen.
        fitted: its curves.
    """
    points = data.dosed_wells
    if points.empty:
        return Missing("no well with a drug and a concentration has a viability; " + why_no_scores(data))
    looks, lines = data.looks, fitted.lines
    curves = data["curves"]
    pooled = curves[curves["replicate"] == "pooled"]
    scores = {(row.drug, row.readout): row for row in rows_of(data.pooled)}
    intervals, chains, links = _half_dose_intervals(data), _chains(data), anchors(data)
    bands, remarks_on = fitted.bands, _remarks(data, pooled)
    thin_of: dict[tuple[str, str], list[svg_figures.Line]] = {}
    for (drug, readout, replicate), line in lines.items():
        if replicate != "pooled":
            thin_of.setdefault((drug, readout), []).append(line)
    points = points[["drug", "readout", "replicate", "concentration_nM", "viability_fraction"]]
    points = points.astype({"drug": object, "readout": object})
    points_of = dict(list(points.groupby("drug", sort=False)))
    others = other_scores(data)
    called = dict(zip(data.ranking["drug"], calls_of(data.ranking), strict=True))
    cards = []
    for drug in data.drugs:
        own = {name: lines[drug, name, "pooled"] for name in data.readouts if (drug, name, "pooled") in lines}
        thin = {name: thin_of.get((drug, name), []) for name in data.readouts}
        bars = {name: intervals[drug, name] for name in data.readouts if (drug, name) in intervals}
        shades = {name: bands[drug, name] for name in data.readouts if (drug, name) in bands}
        figure = svg_figures.dose_response(
            drug, points_of.get(drug, points.iloc[:0]), own, looks, thin, bars, shades
        ).markup()
        cards.append(
            {
                "drug": drug,
                "anchor": links[drug][1:],
                "figure": figure,
                "remarks": remarks_on.get(drug, []),
                "call": called.get(drug, ""),
                "others": [
                    (said, unit, one)
                    for (_, said, unit, _), one in zip(others["scorers"], others["of"][drug], strict=True)
                ],
                "scores": [(name, score_cell(scores.get((drug, name)))) for name in data.readouts],
                "chain": [_link(link) for link in chains.get(drug, [])],
            }
        )
    legend = [(data.label(name), swatch(look)) for name, look in looks.items()]
    return {"cards": cards, "legend": legend, "scorer": data.score_name}


def _remarks(data: ScreenData, curves: pd.DataFrame) -> dict[str, list[str]]:
    """Drug -> what is to be said of its curves, readout by readout."""
    remarks: dict[str, list[str]] = {}
    for row in rows_of(curves[curves["status"] != "ok"].sort_values("readout", kind="stable")):
        reason = f" ({row.reason})" if text_of(row.reason) else ""
        remarks.setdefault(row.drug, []).append(f"{data.label(row.readout)}: {row.status}{reason}")
    return remarks


def _half_dose_intervals(data: ScreenData) -> dict[tuple[str, str], tuple[float, float]]:
    """(drug, readout) -> 95 % interval of the half-effect dose in log10 nM, where both ends are known."""
    rows, known = data["scores"], data.preferences
    found = set(rows["scorer"])
    relative = [name for name in known.half_effect_scorers() if known.scorers[name].half_effect == "relative"]
    scorer = next((name for name in relative if name in found), "")
    rows = rows[(rows["replicate"] == "pooled") & (rows["scorer"] == scorer) & (rows["unit"] == "nM")]
    return {
        (row.drug, row.readout): (math.log10(row.lower), math.log10(row.upper))
        for row in rows_of(rows[(rows["lower"] > 0) & (rows["upper"] > 0)])
    }


def _chains(data: ScreenData) -> dict[str, list[Link]]:
    if data.scorer is None or data.ranking_readout is None:
        return {}
    try:
        return why_each(data.store, data.screen, data.drugs, data.scorer, data.ranking_readout, data.only or None)
    except StoreError:
        return {}


def _link(link: Link) -> dict[str, Any]:
    """A link of the chain as the template shows it; its rows as one table, without the values of every control well."""
    columns = [name for name in dict.fromkeys(name for row in link.rows for name in row) if name != "values"]
    return {
        "what": link.what,
        "facts": [(name, _said(value)) for name, value in link.facts.items()],
        "columns": columns,
        "rows": [[_said(row.get(name, "")) for name in columns] for row in link.rows],
        "doubts": link.doubts,
        "made_from": [_link(one) for one in link.made_from],
    }


def _said(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
