"""What backs the scores up: quality, plate by plate and well by well.

Every function takes the rows of a screen and returns what its part of the template shows; a section
without data is a `Missing` with a sentence. Does not belong here: scores (`sections`), maps
(`phenotypes`), where numbers come from (`methods`), HTML (templates).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from phenodose.io.frames import rows_of
from phenodose.names import measured_name, plate_sort_key
from phenodose.plots import data_uri, palette, plate_heatmap, replicate_scatter, svg_figures, viability_histogram
from phenodose.plots.svg import swatch
from phenodose.quality.metrics import METRICS
from phenodose.reports.data import VERDICTS, Missing, number_of, text_of
from phenodose.reports.quality_overview import overview

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.reports.data import ScreenData

_WITHOUT_CELLS = ("empty", "exclude")
#: Ends of the colour scale of what a correction of the plate takes off the viability.
_TAKEN_OFF_LIMITS = (-0.3, 0.3)


def quality(data: ScreenData) -> dict[str, Any] | Missing:
    """What stands out, all quality figures, plates as heat maps, controls, replicates, doubtful and masked wells."""
    if data["viability"].empty and data["qc"].empty:
        return Missing("the store holds neither viabilities nor quality figures of this screen.")
    qc = data["qc"]
    complaints = [row for verdict in ("fail", "warn") for row in rows_of(qc[qc["verdict"] == verdict])]
    wells = _with_cells(data)
    return {
        "judged": not qc.empty,
        "complaints": [
            {
                "readout": data.label(row.readout),
                "plate": row.plate,
                "metric": _title(row.metric),
                "value": number_of(row.value),
                "threshold": _limit(row),
                "verdict": row.verdict,
                "explanation": row.explanation,
            }
            for row in complaints
        ],
        "readouts": [
            {"figures": _figures(qc[qc["readout"] == readout])} | _readout_pictures(data, readout)
            for readout in data.readouts
        ],
        "overview": overview(data),
        "masked": _listed(data, wells[wells["masked"].astype(bool)], "mask_reason"),
        "flagged": _listed(data, wells[wells["flag"].notna()], "flag"),
    }


def _with_cells(data: ScreenData) -> pd.DataFrame:
    """Viabilities without the wells that hold no cells: that these have no value says nothing."""
    wells = data["wells"]
    empty = wells.loc[wells["well_type"].isin(_WITHOUT_CELLS), ["plate", "well"]].assign(empty=True)
    viability = data["viability"].merge(empty, on=["plate", "well"], how="left")
    return viability[viability["empty"].isna()]


def _title(metric: str) -> str:
    return METRICS[metric].title if metric in METRICS else metric


def _limit(row: Any) -> str:
    """The limit of a figure, with the file that set it."""
    origin = text_of(row.threshold_from)
    return number_of(row.threshold) + (f" ({origin})" if origin not in ("", "default") else "")


def _figures(qc: pd.DataFrame) -> dict[str, Any]:
    """The quality figures of one readout: a row a figure, a column a plate, the whole screen last."""
    plates = sorted(set(qc["plate"]), key=lambda name: (name == "screen", plate_sort_key(name)))
    cells = {(row.metric, row.plate): row for row in rows_of(qc)}
    rows = []
    order = list(METRICS)
    for metric in sorted(
        set(qc["metric"]), key=lambda name: (order.index(name) if name in order else len(order), name)
    ):
        own = [cells.get((metric, plate)) for plate in plates]
        nearest = min(
            (row for row in own if row is not None),
            key=lambda row: (VERDICTS.index(row.verdict), row.plate != "screen"),
        )
        rows.append(
            {
                "metric": metric,
                "title": _title(metric),
                "meaning": METRICS[metric].meaning if metric in METRICS else "",
                "cells": [("", "none") if row is None else (number_of(row.value), row.verdict) for row in own],
                "limit": _limit(nearest),
                "words": nearest.explanation,
            }
        )
    return {"plates": plates, "rows": rows}


def _readout_pictures(data: ScreenData, readout: str) -> dict[str, Any]:
    viability, label = data["viability"], data.label(readout)
    rows = viability[viability["readout"] == readout]
    pairs = data.replicate_pairs
    pairs = pairs[pairs["readout"] == readout]
    raw = rows["raw"].dropna()
    raw_limits = (float(raw.quantile(0.01)), float(raw.quantile(0.99))) if len(raw) and raw.min() < raw.max() else None
    maps = []
    for plate in sorted(set(rows["plate"]), key=plate_sort_key):
        of_plate = rows[rows["plate"] == plate]
        for column, what, unit, limits in (
            ("raw", "raw", "raw value", raw_limits),
            ("viability_fraction", "viability", "viability (fraction)", (0.0, 1.2)),
        ):
            frame = of_plate.rename(columns={column: "value"})
            frame = frame.assign(value=frame["value"].where(~frame["masked"].astype(bool)))
            png = plate_heatmap(frame, f"{label}, plate {plate}: {what}", unit, limits)
            alt = f"Heat map of {what}, {label}, plate {plate}"
            maps.append({"alt": alt, "uri": data_uri(png), "what": what})
        maps += _taken_off(data, of_plate, readout, str(plate))
    pictures = []
    if not rows.empty:
        png = viability_histogram(rows, f"{label}: all wells and controls")
        pictures.append(
            {
                "alt": f"Histogram of the raw values, {label}, all wells and controls",
                "uri": data_uri(png),
                "what": "histogram",
            }
        )
    if len(pairs):
        png = replicate_scatter(pairs, f"{label}: replicate 1 and 2")
        pictures.append(
            {"alt": f"Replicate 1 against replicate 2, {label}", "uri": data_uri(png), "what": "replicates"}
        )
    remark = "" if len(pairs) else "No duplicates to compare: no drug and concentration has replicates 1 and 2."
    return {
        "readout": readout,
        "maps": maps,
        "pictures": pictures,
        "remark": remark,
        "series": _control_series(data, readout),
    }


def _taken_off(data: ScreenData, of_plate: pd.DataFrame, readout: str, plate: str) -> list[dict[str, str]]:
    """Of a readout that was corrected for effects of place: what was taken off the viability of one plate."""
    measured, viability = measured_name(readout), data["viability"]
    before = viability.loc[viability["readout"] == measured, ["plate", "well", "viability_fraction"]]
    if measured == readout or before.empty:
        return []
    both = of_plate.merge(before, on=["plate", "well"], suffixes=("", "_before"))
    value = both["viability_fraction_before"] - both["viability_fraction"]
    frame = both.assign(value=value.where(~both["masked"].astype(bool)))
    label = data.label(measured)
    title = f"{label}, plate {plate}: taken off as an effect of place"
    png = plate_heatmap(frame, title, "viability (fraction)", _TAKEN_OFF_LIMITS)
    alt = f"Heat map of what was taken off {label} as an effect of place, plate {plate}"
    return [{"alt": alt, "uri": data_uri(png), "what": "taken off"}]


def _control_series(data: ScreenData, readout: str) -> list[dict[str, Any]]:
    """The dilution series of control substances (well type trc), a figure a substance, a look a plate."""
    wells = data["wells"]
    wells = wells[(wells["well_type"].str.lower() == "trc") & (wells["concentration_nM"] > 0)]
    rows = data["viability"]
    rows = rows[(rows["readout"] == readout) & ~rows["masked"].astype(bool) & rows["viability_fraction"].notna()]
    columns = ["plate", "well", "treatment", "concentration_nM", "replicate"]
    points = rows[["plate", "well", "viability_fraction"]].merge(wells[columns], on=["plate", "well"])
    points = points.assign(readout=points["plate"], replicate=1)
    found = []
    for substance, of_one in points.groupby("treatment", sort=True):
        plates = sorted(set(of_one["plate"]), key=plate_sort_key)
        looks = {plate: palette.look(index) for index, plate in enumerate(plates)}
        means = of_one.groupby(["plate", "concentration_nM"])["viability_fraction"].mean().reset_index()
        lines = {}
        for plate, series in means.groupby("plate"):
            doses = [math.log10(dose) for dose in series["concentration_nM"]]
            lines[str(plate)] = (doses, [100 * (1 - value) for value in series["viability_fraction"]])
        figure = svg_figures.dose_response(
            str(substance), of_one, lines, looks, label=f"Control series by {data.label(readout)} of"
        ).markup()
        found.append(
            {"substance": substance, "figure": figure, "legend": [(name, swatch(look)) for name, look in looks.items()]}
        )
    return found


def _listed(data: ScreenData, chosen: pd.DataFrame, column: str) -> list[str]:
    """A line a readout and reason (or flag): how many wells, and which."""
    reasons = chosen[column].fillna("no reason given")
    groups = chosen.assign(reason=reasons).groupby(["readout", "reason"], sort=True)
    return [
        f"{data.label(str(readout))}: {len(rows)} {'well' if len(rows) == 1 else 'wells'}, {reason} "
        f"({', '.join(f'{p} {w}' for p, w in list(zip(rows['plate'], rows['well'], strict=True))[:12])}"
        f"{', ...' if len(rows) > 12 else ''})"
        for (readout, reason), rows in groups
    ]
