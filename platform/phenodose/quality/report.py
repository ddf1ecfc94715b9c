"""The QC rows of one screen and readout.

Belongs here: which figures are told, of which wells, with verdict and explanation. Does not belong here:
formulas (the modules beside this one) and provenance (the caller stamps it).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from phenodose.quality import controls, edges, replicates, series, zprime
from phenodose.quality.thresholds import judge

#: Columns of `qc_rows`: those of the table `qc` without screen and provenance.
QC_COLUMNS = ("plate", "readout", "metric", "value", "threshold", "verdict", "explanation")

#: Stands in column plate for figures of all plates together.
SCREEN = "screen"

_WELL_COLUMNS = [
    "plate",
    "well",
    "row",
    "column",
    "sample",
    "well_type",
    "treatment",
    "concentration_nM",
    "replicate",
    "add_on",
]

#: plate, metric, value, remark.
_Figure = tuple[str, str, float, str]


def qc_rows(viability: pd.DataFrame, wells: pd.DataFrame, readout: str) -> pd.DataFrame:
    """All quality figures of one readout of one screen.

    Figures of 'screen' pool the wells of all plates. Control figures are of raw values; those of a
    combination's own controls stand under '<plate> + <add-on>'.

    Args:
        viability: from `to_viability`: plate, well, raw, viability_fraction, control, masked, mask_reason.
        wells: `Layout.frame` (or the table `wells`) of the same screen.
        readout: name of the readout.

    Returns:
        One row a figure with the columns `QC_COLUMNS`.
    """
    measured = viability[["plate", "well", "raw", "viability_fraction", "control", "masked", "mask_reason"]]
    frame = measured.merge(wells[_WELL_COLUMNS], on=["plate", "well"], how="inner", validate="one_to_one")
    kept = frame[~frame["masked"].astype(bool)]
    figures = [
        *_control_figures(kept, list(dict.fromkeys(frame["plate"]))),
        *_replicate_figures(kept),
        *_series_figures(kept),
        *_place_figures(kept),
        *_masked_figures(frame),
    ]
    return pd.DataFrame([_row(readout, *figure) for figure in figures], columns=list(QC_COLUMNS))


def _row(readout: str, plate: str, metric: str, value: float, remark: str) -> dict[str, object]:
    judgement = judge(metric, value)
    explanation = "; ".join(part for part in (judgement.words, remark) if part)
    return {
        "plate": plate,
        "readout": readout,
        "metric": metric,
        "value": value,
        "threshold": np.nan if judgement.threshold is None else judgement.threshold,
        "verdict": judgement.verdict,
        "explanation": explanation[:1].upper() + explanation[1:] + ".",
    }


def _control_figures(kept: pd.DataFrame, plates: list[str]) -> Iterator[_Figure]:
    add_ons = kept["add_on"].astype(object).fillna("")
    for add_on in sorted(add_ons.unique()):
        mark = f" + {add_on}" if add_on else ""
        negative = kept[(kept["control"] == "negative") & (add_ons == add_on)]
        positive = kept[(kept["control"] == "positive") & ((add_ons == add_on) | (add_on != ""))]
        for plate in [*plates, SCREEN]:
            top = negative if plate == SCREEN else negative[negative["plate"] == plate]
            bottom = positive if plate == SCREEN else positive[positive["plate"] == plate]
            if add_on and top.empty:
                continue
            yield from (
                (plate + mark, metric, value, remark)
                for metric, value, remark in _figures_of_controls(top["raw"].to_numpy(), bottom["raw"].to_numpy())
            )


def _figures_of_controls(negative: np.ndarray, positive: np.ndarray) -> Iterator[tuple[str, float, str]]:
    counts = f"{len(negative)} negative and {len(positive)} positive control wells"
    yield "zprime", zprime.zprime(negative, positive), counts
    yield "zprime_robust", zprime.zprime_robust(negative, positive), counts
    yield "zprime_classic", zprime.zprime_classic(negative, positive), counts
    yield "ssmd", controls.ssmd(negative, positive), counts
    yield "signal_to_background", controls.signal_to_background(negative, positive), "negative over positive controls"
    for name, values in (("negative", negative), ("positive", positive)):
        yield f"{name}_mean", controls.mean(values), f"mean raw value of {len(values)} {name} control wells"
        yield f"{name}_sd", controls.sd(values), f"standard deviation of {len(values)} {name} control wells"
        yield f"{name}_cv_percent", controls.cv_percent(values), f"100 SD / mean of {len(values)} {name} control wells"


def _replicate_figures(kept: pd.DataFrame) -> Iterator[_Figure]:
    pairs = replicates.replicate_pairs(kept)
    if pairs.empty:
        return
    x, y = pairs["viability_1"].to_numpy(), pairs["viability_2"].to_numpy()
    remark = f"viability of {len(pairs)} pairs of wells"
    yield SCREEN, "replicate_pearson", replicates.pearson(x, y), remark
    yield SCREEN, "replicate_spearman", replicates.spearman(x, y), remark
    for plate, rows in pairs.groupby("plate_1", sort=False):
        value, count = replicates.log10_raw_pearson(rows)
        yield str(plate), "replicate_pearson_log10_raw", value, f"log10 of the raw values of {count} pairs of wells"


def _series_figures(kept: pd.DataFrame) -> Iterator[_Figure]:
    for plate, rows in [*kept.groupby("plate", sort=False), (SCREEN, kept)]:
        found = series.dilution_series(rows)
        if not found:
            continue
        weakest = min(found, key=lambda one: one.spearman)
        yield str(plate), "series_spearman", weakest.spearman, f"{weakest.treatment}, {weakest.n_doses} doses"
        steepest = max(found, key=lambda one: one.largest_fall)
        yield str(plate), "series_largest_fall", steepest.largest_fall, f"{steepest.treatment}, fraction of viability"


def _place_figures(kept: pd.DataFrame) -> Iterator[_Figure]:
    residuals = edges.position_residuals(kept)
    for plate, rows in residuals.groupby("plate", sort=False):
        effect = edges.edge_effect(rows)
        yield str(plate), "edge_effect", effect, "outermost minus inner wells, fraction of viability"
        for along in ("row", "column"):
            value, label = edges.strongest(rows, along)
            remark = f"{along} {label} deviates most, fraction of viability" if label else "too few like wells"
            yield str(plate), f"{along}_effect", value, remark


def _masked_figures(frame: pd.DataFrame) -> Iterator[_Figure]:
    therapy = frame[frame["well_type"] == "therapy"]
    if therapy.empty:
        return
    for plate, rows in [*therapy.groupby("plate", sort=False), (SCREEN, therapy)]:
        masked = rows[rows["masked"].astype(bool)]
        reasons = "; ".join(f"{count} x {reason}" for reason, count in masked["mask_reason"].value_counts().items())
        remark = f"{len(masked)} of {len(rows)} therapy wells are left out{': ' if reasons else ''}{reasons}"
        yield str(plate), "masked_therapy_percent", 100 * len(masked) / len(rows), remark
