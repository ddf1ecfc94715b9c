"""The QC rows of one screen and readout.

Belongs here: which metrics are told, of which wells, with verdict and explanation. Does not belong here:
formulas (the modules beside this one) and provenance (the caller stamps it).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from phenodose.dose_response.curves import CurveBatch
from phenodose.names import ADD_ON_DOSE, add_on_keys, add_on_names, measured_name
from phenodose.quality import controls, drift, drug_levels, edges, fit_residuals, replicates, series, zprime
from phenodose.quality.curve_shapes import curve_shapes
from phenodose.quality.gates import Limits, judge
from phenodose.quality.wells import spread_of
from phenodose.viability.dose_matrices import without_own_controls

#: Columns of `qc_rows`: those of the table `qc` without screen and provenance.
QC_COLUMNS = ("plate", "readout", "metric", "value", "threshold", "threshold_from", "verdict", "explanation")

#: Stands in column plate for metrics of all plates together.
SCREEN = "screen"

_POOLED = "pooled"
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

#: What may help where a metric of place or drift warns or fails.
_ADVICE = dict.fromkeys(
    ("edge_effect", "row_effect", "column_effect", "fit_residual_pattern"),
    'wells differ by their place: look at the readout corrected by residuals beside this one (correction = "residuals" '
    "below [parameters.viability] in screen.toml, score --correction residuals)",
) | dict.fromkeys(
    ("negative_drift", "positive_drift"),
    "a level that differs from plate to plate is taken out by normalising by plate, one that changes within a plate by "
    'correction = "residuals" (screen.toml, score --correction residuals)',
)

#: plate, metric, value, remark.
_Metric = tuple[str, str, float, str]


def qc_rows(
    viability: pd.DataFrame,
    wells: pd.DataFrame,
    readout: str,
    limits: Limits | None = None,
    input_notes: Sequence[str] = (),
) -> pd.DataFrame:
    """The quality metrics of one readout of one screen that need no curves.

    Metrics of 'screen' pool the wells of all plates. Control metrics are of raw values; those of a
    combination's own controls stand under '<plate> + <add-on>'.

    Args:
        viability: from `checked_viability` or `to_viability`: plate, well, raw, viability_fraction, control,
            masked, mask_reason (and flag).
        wells: `Layout.frame` (or the table `wells`) of the same screen.
        readout: name of the readout.
        limits: limits that hold for the screen; the defaults if None.
        input_notes: sentences on layout and files that a person should look at.

    Returns:
        One row a metric with the columns `QC_COLUMNS`.
    """
    measured = viability[["plate", "well", "raw", "viability_fraction", "control", "masked", "mask_reason"]]
    measured = measured.assign(flag=viability.get("flag"))
    columns = [*_WELL_COLUMNS, *([ADD_ON_DOSE] if ADD_ON_DOSE in wells else [])]
    frame = measured.merge(wells[columns], on=["plate", "well"], how="inner", validate="one_to_one")
    unmasked = ~frame["masked"].to_numpy(dtype=bool)
    kept = frame[unmasked]
    # In a dose matrix a drug's lowest dose stands beside a second drug that may kill.
    by_themselves = ~without_own_controls(frame, frame["control"].eq("negative").to_numpy(dtype=bool))
    metrics = [
        *_control_figures(kept, list(dict.fromkeys(frame["plate"]))),
        *_drift_figures(kept),
        *_replicate_figures(kept),
        *_series_figures(kept),
        *_place_figures(kept),
        *_level_figures(frame[unmasked & by_themselves]),
        *_flag_figures(frame),
        *_masked_figures(frame),
        *([(SCREEN, "input_notes", float(len(input_notes)), " ".join(input_notes))] if input_notes else []),
    ]
    return _rows(metrics, readout, limits)


def curve_qc_rows(
    viability: pd.DataFrame, wells: pd.DataFrame, curves: CurveBatch, readout: str, limits: Limits | None = None
) -> pd.DataFrame:
    """The quality metrics of one readout of one screen that rest on its fitted curves.

    Args:
        viability: as for `qc_rows`.
        wells: as for `qc_rows`.
        curves: the pooled curves, and those of single replicates, with the keys sample, replicate and drug.
        readout: name of the readout.
        limits: limits that hold for the screen; the defaults if None.

    Returns:
        One row a metric with the columns `QC_COLUMNS`.
    """
    metrics = [*_score_metrics(curves), *_shape_metrics(curves), *_residual_metrics(viability, wells, curves)]
    return _rows(metrics, readout, limits)


def matrix_qc_rows(figures: Iterable[tuple[str, float, str]], readout: str, limits: Limits | None) -> pd.DataFrame:
    """The quality metrics of a sample's dose matrices: metric, value and remark of each, as rows of `QC_COLUMNS`."""
    return _rows([(SCREEN, *figure) for figure in figures], readout, limits)


def _rows(metrics: Iterable[_Metric], readout: str, limits: Limits | None) -> pd.DataFrame:
    limits = limits or Limits()
    return pd.DataFrame([_row(readout, limits, *metric) for metric in metrics], columns=list(QC_COLUMNS))


def _row(readout: str, limits: Limits, plate: str, metric: str, value: float, remark: str) -> dict[str, object]:
    judgement = judge(metric, value, limits)
    may_help = judgement.verdict in ("warn", "fail") and measured_name(readout) == readout
    advice = _ADVICE.get(metric, "") if may_help else ""
    explanation = "; ".join(part for part in (judgement.words, remark, advice) if part)
    return {
        "plate": plate,
        "readout": readout,
        "metric": metric,
        "value": value,
        "threshold": np.nan if judgement.threshold is None else judgement.threshold,
        "threshold_from": judgement.origin,
        "verdict": judgement.verdict,
        "explanation": explanation[:1].upper() + explanation[1:] + ".",
    }


def _control_figures(kept: pd.DataFrame, plates: list[str]) -> Iterator[_Metric]:
    add_ons = add_on_keys(kept)
    shown = dict(zip(add_ons, add_on_names(kept.drop(columns="sample")), strict=True))
    for add_on in sorted(add_ons.unique()):
        mark = f" + {shown[add_on]}" if add_on else ""
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


def _drift_figures(kept: pd.DataFrame) -> Iterator[_Metric]:
    plain = kept[kept["control"].notna() & (kept["add_on"].astype(object).fillna("") == "")]
    found = drift.plate_drift(plain)
    for control in dict.fromkeys(one.control for one in found):
        own = [one for one in found if one.control == control]
        farthest = max(own, key=lambda one: abs(one.shift))
        for one in own:
            remark = f"{one.shift:+.0%} of the window of the controls against the other plates"
            yield one.plate, f"{control}_drift", one.shift, remark
        trend = f"the level {farthest.trend}" if "steadily" in farthest.trend else farthest.trend
        remark = "; ".join(part for part in (f"farthest is plate {farthest.plate}", trend) if part)
        yield SCREEN, f"{control}_drift", farthest.shift, remark
        known = [one for one in own if not np.isnan(one.spread_ratio)]
        for one in known:
            yield one.plate, f"{control}_spread_ratio", one.spread_ratio, "spread over that of the other plates"
        if known:
            widest = max(known, key=lambda one: one.spread_ratio)
            yield SCREEN, f"{control}_spread_ratio", widest.spread_ratio, f"widest is plate {widest.plate}"


def _replicate_figures(kept: pd.DataFrame) -> Iterator[_Metric]:
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


def _series_figures(kept: pd.DataFrame) -> Iterator[_Metric]:
    for plate, rows in [*kept.groupby("plate", sort=False), (SCREEN, kept)]:
        found = series.dilution_series(rows)
        if not found:
            continue
        weakest = min(found, key=lambda one: one.spearman)
        yield str(plate), "series_spearman", weakest.spearman, f"{weakest.treatment}, {weakest.n_doses} doses"
        steepest = max(found, key=lambda one: one.largest_fall)
        yield str(plate), "series_largest_fall", steepest.largest_fall, f"{steepest.treatment}, fraction of viability"


def _place_figures(kept: pd.DataFrame) -> Iterator[_Metric]:
    residuals = edges.position_residuals(kept)
    for plate, rows in residuals.groupby("plate", sort=False):
        effect = edges.edge_effect(rows)
        yield str(plate), "edge_effect", effect, "outermost minus inner wells, fraction of viability"
        for along in ("row", "column"):
            value, label = edges.strongest(rows, along)
            remark = f"{along} {label} deviates most, fraction of viability" if label else "too few like wells"
            yield str(plate), f"{along}_effect", value, remark


def _level_figures(kept: pd.DataFrame) -> Iterator[_Metric]:
    """What the drugs' wells say of the controls."""
    first = drug_levels.effect_at_lowest_dose(kept)
    if not first.n_drugs:
        return
    yield SCREEN, "effect_at_lowest_dose", first.value, f"median inhibition of {first.n_drugs} drugs, fraction"
    for plate, rows in [*kept.groupby("plate", sort=False), (SCREEN, kept)]:
        level = drug_levels.beyond_killing_control(rows)
        if level.n_drugs:
            named = f", among them {', '.join(level.drugs)}" if level.drugs else ""
            remark = f"strongest of {level.n_drugs} drugs{named}; fraction of viability"
            yield str(plate), "beyond_killing_control", level.value, remark


def _flag_figures(frame: pd.DataFrame) -> Iterator[_Metric]:
    """Shares of flagged wells; those masked for their flag count, they had a value."""
    wells = frame[((frame["well_type"] == "therapy") | frame["control"].notna()) & frame["raw"].notna()]
    if wells.empty:
        return
    for plate, rows in [*wells.groupby("plate", sort=False), (SCREEN, wells)]:
        flagged = rows[rows["flag"].notna()]
        flags = "; ".join(f"{count} x {flag}" for flag, count in flagged["flag"].value_counts().items())
        remark = f"{len(flagged)} of {len(rows)} therapy and control wells are doubtful{': ' if flags else ''}{flags}"
        yield str(plate), "flagged_percent", 100 * len(flagged) / len(rows), remark


def _masked_figures(frame: pd.DataFrame) -> Iterator[_Metric]:
    therapy = frame[frame["well_type"] == "therapy"]
    if therapy.empty:
        return
    for plate, rows in [*therapy.groupby("plate", sort=False), (SCREEN, therapy)]:
        remark = f"{int(rows['masked'].astype(bool).sum())} of {len(rows)} therapy wells are left out"
        reasons = masked_by_reason(rows)
        text = "; ".join(f"{count} x {reason}" for reason, count in reasons.items())
        value = 100 * sum(reasons.values()) / len(rows)
        yield str(plate), "masked_therapy_percent", value, f"{remark}{': ' if text else ''}{text}"


def masked_by_reason(viability: pd.DataFrame) -> dict[str, int]:
    """How many wells are masked, by reason, most first; wells masked for a flag count by the flag alone.

    Args:
        viability: masked, mask_reason.
    """
    masked = viability[viability["masked"].astype(bool)]
    reasons = masked["mask_reason"].fillna("no reason given").astype(str)
    # 'flagged empty: the reading is 0' tells of one well; counted is 'flagged empty'
    short = reasons.str.replace(r"^(flagged [a-z_]+):.*$", r"\1", regex=True)
    return {str(reason): int(count) for reason, count in short.value_counts().items()}


def _score_metrics(curves: CurveBatch) -> Iterator[_Metric]:
    from phenodose.dose_response.score_functions import dss_asym

    single = (curves.keys["replicate"] != _POOLED).to_numpy() & curves.fitted
    if not single.any():
        return
    batch = curves.select(single)
    scores = batch.keys[["sample", "drug", "replicate"]].assign(score=dss_asym(batch))
    agreement = replicates.score_agreement(scores)
    if agreement is None:
        return
    remark = "; ".join(part for part in (f"DSS_asym of {agreement.n_drugs} drugs", agreement.weakest) if part)
    yield SCREEN, "replicate_dss_pearson", agreement.pearson, remark
    yield SCREEN, "replicate_dss_spearman", agreement.spearman, remark


def _shape_metrics(curves: CurveBatch) -> Iterator[_Metric]:
    shapes = curve_shapes(curves)
    acting = len(shapes.rising) + len(shapes.falling)
    named = f": {', '.join(shapes.falling)}" if shapes.falling else ""
    if acting:
        remark = f"{len(shapes.falling)} of {acting} drugs with an effect{named}"
        yield SCREEN, "falling_curves_percent", shapes.falling_percent, remark
    named = f": {', '.join(shapes.misfits)}" if shapes.misfits else ""
    if shapes.tested:
        remark = f"{len(shapes.misfits)} of {shapes.tested} drugs with replicates{named}"
        yield SCREEN, "misfit_curves_percent", shapes.misfit_percent, remark


def _residual_metrics(viability: pd.DataFrame, wells: pd.DataFrame, curves: CurveBatch) -> Iterator[_Metric]:
    residuals = fit_residuals.residuals_to_curves(viability, wells, curves)
    kept = viability[~viability["masked"].astype(bool)]
    spreads = spread_of(kept, "negative"), spread_of(kept, "positive")
    for one in fit_residuals.plate_residuals(residuals, curves, *spreads):
        of = f"{one.n_wells} therapy wells around their curves"
        yield one.plate, "nrfe_percent", one.nrfe_percent, f"mean distance of {of}, percent"
        yield one.plate, "fit_residual_ratio", one.ratio, f"distance of {of}, in units of noise"
        yield one.plate, "fit_residual_pattern", one.pattern, f"neighbours among {of}, standard deviations"
        yield one.plate, "fit_residual_offset", one.offset, f"median of {of}, fraction of viability"
