"""The QC rows of a whole screen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from phenodose.names import well_name
from phenodose.quality.report import QC_COLUMNS, qc_rows
from phenodose.tables.readings import QC


def screen(plates: int = 2, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A small screen: 6 neg, 6 pos, 8 trc and 24 therapy wells (12 pairs) a plate."""
    rng = np.random.default_rng(seed)
    doses = [1.0, 10.0, 100.0, 1000.0]
    rows = []
    for plate in range(1, plates + 1):
        content = [("neg", "DMSO", 0.0, 1, 1.0)] * 6 + [("pos", "BzCl", 1e5, 1, 0.0)] * 6
        content += [("trc", "STS", dose, 1, 0.9 - 0.25 * i) for i, dose in enumerate(doses) for _ in range(2)]
        content += [
            ("therapy", f"D{drug}", dose, replicate, 1 - 0.1 * drug * i)
            for drug in range(3)
            for i, dose in enumerate(doses)
            for replicate in (1, 2)
        ]
        for place, (well_type, treatment, dose, replicate, viability) in enumerate(content):
            row, column = "ABCD"[place // 12], place % 12 + 1
            rows.append(
                {
                    "plate": str(plate),
                    "well": well_name(row, column),
                    "row": row,
                    "column": column,
                    "sample": "S",
                    "well_type": well_type,
                    "treatment": f"{treatment}" if well_type != "therapy" else f"{treatment}-{plate}",
                    "concentration_nM": dose,
                    "replicate": replicate,
                    "add_on": None,
                    "viability_fraction": viability + rng.normal(0, 0.02),
                }
            )
    wells = pd.DataFrame(rows)
    viability = wells[["plate", "well", "row", "column", "viability_fraction"]].assign(
        raw=1000 * wells["viability_fraction"] + 200,
        control=wells["well_type"].map({"neg": "negative", "pos": "positive"}),
        masked=False,
        mask_reason=None,
    )
    return viability, wells.drop(columns="viability_fraction")


def value(rows: pd.DataFrame, plate: str, metric: str) -> float:
    found = rows[(rows["plate"] == plate) & (rows["metric"] == metric)]
    assert len(found) == 1
    return float(found["value"].iloc[0])


def test_rows_fit_the_table_and_cover_plates_and_screen() -> None:
    rows = qc_rows(*screen(), "ctg")
    assert list(rows.columns) == list(QC_COLUMNS)
    stamped = rows.assign(
        screen="x", sample="s", run_id="r", plugin="p", plugin_version="1", parameters="{}", checkpoint=None
    )
    assert QC.faults(stamped) == []
    per_plate = {"zprime", "zprime_robust", "ssmd", "negative_cv_percent", "series_spearman", "masked_therapy_percent"}
    for plate in ("1", "2", "screen"):
        assert per_plate <= set(rows.loc[rows["plate"] == plate, "metric"])
    assert {"replicate_pearson", "replicate_spearman"} <= set(rows.loc[rows["plate"] == "screen", "metric"])
    assert set(rows["readout"]) == {"ctg"}
    assert rows["explanation"].str.endswith(".").all()


def test_a_clean_screen_passes_everything_that_has_a_limit() -> None:
    rows = qc_rows(*screen(), "ctg")
    limited = rows[rows["threshold"].notna() & rows["value"].notna()]
    assert set(limited["verdict"]) == {"pass"}


def test_swapped_replicates_and_noisy_controls_fail_in_plain_words() -> None:
    viability, wells = screen()
    therapy = (wells["well_type"] == "therapy").to_numpy()
    rng = np.random.default_rng(1)
    viability.loc[therapy, "viability_fraction"] = rng.uniform(0, 1, therapy.sum())
    controls = viability["control"].notna().to_numpy()
    viability.loc[controls, "raw"] = rng.uniform(0, 1000, controls.sum())
    rows = qc_rows(viability, wells, "ctg").set_index(["plate", "metric"])
    assert rows.loc[("screen", "replicate_pearson"), "verdict"] == "fail"
    assert rows.loc[("screen", "zprime_robust"), "verdict"] == "fail"
    assert "poor" in rows.loc[("screen", "zprime_robust"), "explanation"]


def test_masked_wells_count_in_no_figure_but_their_own() -> None:
    viability, wells = screen()
    before = qc_rows(viability, wells, "ctg")
    chosen = viability.index[wells["well_type"] == "therapy"][:6]
    viability.loc[chosen, ["masked", "mask_reason"]] = [True, "no value in the readout"]
    viability.loc[chosen, "viability_fraction"] = np.nan
    after = qc_rows(viability, wells, "ctg")
    assert value(after, "1", "masked_therapy_percent") == 25
    assert value(after, "screen", "masked_therapy_percent") == 12.5
    remark = after.loc[after["metric"] == "masked_therapy_percent", "explanation"].iloc[0]
    assert "6 of 24 therapy wells are left out: 6 x no value in the readout" in remark
    assert value(after, "1", "zprime") == value(before, "1", "zprime")
    assert value(after, "2", "edge_effect") == value(before, "2", "edge_effect")


def test_a_plate_without_controls_has_rows_without_value() -> None:
    viability, wells = screen()
    off = viability["plate"] == "2"
    viability.loc[off, ["masked", "mask_reason"]] = [True, "plate 2 has no positive control with a value"]
    rows = qc_rows(viability, wells, "ctg")
    zprime = rows[(rows["plate"] == "2") & (rows["metric"] == "zprime")].iloc[0]
    assert np.isnan(zprime["value"])
    assert zprime["verdict"] == "none"
    assert zprime["explanation"].startswith("Cannot be computed")
    assert value(rows, "2", "masked_therapy_percent") == 100
    assert value(rows, "screen", "zprime") == value(rows, "1", "zprime")


def test_a_control_experiment_has_control_figures_only() -> None:
    viability, wells = screen(plates=1)
    kept = wells["well_type"].isin(["neg", "pos"]).to_numpy()
    rows = qc_rows(viability[kept], wells[kept], "mean_of_stack")
    assert set(rows["plate"]) == {"1", "screen"}
    assert not rows["metric"].str.startswith(("replicate", "series", "masked")).any()


def test_a_combination_has_its_own_control_figures() -> None:
    viability, wells = screen(plates=1)
    add_on = wells["well"].isin(["A01", "A02", "A03"])
    wells.loc[add_on, "add_on"] = "T"
    rows = qc_rows(viability, wells, "ctg")
    assert set(rows["plate"]) == {"1", "1 + T", "screen", "screen + T"}
    means = viability.groupby(["control", add_on.to_numpy()])["raw"].mean()
    assert value(rows, "1 + T", "negative_mean") == means["negative", True]
    assert value(rows, "1", "negative_mean") == means["negative", False]
    assert value(rows, "1 + T", "positive_mean") == means["positive", False]


@pytest.mark.parametrize(("readout", "advised"), [("ctg", True), ("ctg_corrected", False)])
def test_a_correction_is_advised_where_wells_differ_by_their_place_and_none_was_made(
    readout: str, advised: bool
) -> None:
    viability, wells = screen()
    first = (viability["plate"] == "1") & (wells["column"] == wells["column"].min())
    viability.loc[first, "viability_fraction"] -= 0.6
    rows = qc_rows(viability, wells, readout)
    column = rows[(rows["plate"] == "1") & (rows["metric"] == "column_effect")].iloc[0]
    assert column["verdict"] == "fail"
    assert ('correction = "residuals"' in column["explanation"]) == advised
    passing = rows[rows["verdict"] == "pass"]
    assert not passing["explanation"].str.contains("correction").any()
