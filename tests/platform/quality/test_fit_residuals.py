"""Residuals of the fits by plate: simulated screens of known truth, with and without faults of place.

The screens have 60 drugs in 5 doses and duplicate on three plates, random layouts and layouts whose series run
along the rows. One plate (P2) has a fault that its control wells do not show.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pandas as pd
import pytest

from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.points import CurvePoints, curve_points
from phenodose.names import row_label, well_name
from phenodose.quality.fit_residuals import plate_residuals, residuals_to_curves
from phenodose.quality.gates import judge
from phenodose.quality.report import curve_qc_rows, qc_rows
from phenodose.simulation.pharmacology import drug_library

#: Screens of `make test`, and of `make test-slow`.
FEW, MANY = (0, 1), (0, 1, 2, 3)
N_ROWS, N_COLUMNS = 14, 22
#: The middle columns hold the controls: 14 negative and 14 positive a plate.
CONTROL_COLUMNS = (11, 12)
BLOCK = [(row, column) for row in range(5) for column in range(3, 9)]
FITS = ("nrfe_percent", "fit_residual_ratio", "fit_residual_pattern", "fit_residual_offset")


def screen(
    seed: int, fault: str, ordered: bool, proportional_noise: bool, noise: float = 0.05
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Viability and wells of a simulated screen; noise is that of untreated cells [fraction]."""
    rng = np.random.default_rng([seed, 17])
    drugs = drug_library(60, seed)
    inner = [(row, column) for row in range(N_ROWS) for column in range(N_COLUMNS)]
    treated = [place for place in inner if place[1] not in CONTROL_COLUMNS]
    rows = []
    for plate in range(3):
        for row in range(N_ROWS):
            for column, (kind, name, level) in zip(
                CONTROL_COLUMNS, (("neg", "DMSO", 1.0), ("pos", "STS", 0.0)), strict=True
            ):
                rows.append((plate, row, column, kind, name, None, 1, level))
        content = [
            ("therapy", drug.name, dose, replicate, float(drug.viability(dose)))
            for index, drug in enumerate(drugs)
            for replicate in (1, 2)
            if (index + replicate) % 3 == plate
            for dose in drug.doses_nM
        ]
        places = treated if ordered else [treated[i] for i in rng.permutation(len(treated))]
        rows += [(plate, *place, *what) for place, what in zip(places, content, strict=False)]
    names = ["number", "r", "c", "well_type", "treatment", "concentration_nM", "replicate", "truth"]
    wells = pd.DataFrame(rows, columns=names)
    faulty, truth = (wells["number"] == 1).to_numpy(), wells["truth"].to_numpy()
    effect, truth = _spoilt(fault, faulty, wells, truth)
    spread = noise * (np.maximum(truth, 0.2) if proportional_noise else 1.0)
    measured = truth * effect + rng.normal(0, 1, len(wells)) * spread
    wells = wells.assign(
        plate=[f"P{n + 1}" for n in wells["number"]],
        row=[row_label(r + 1) for r in wells["r"]],
        column=wells["c"] + 2,
        sample="S",
        add_on=None,
        measured=measured,
    )
    wells["well"] = [well_name(row, column) for row, column in zip(wells["row"], wells["column"], strict=True)]
    control = wells["well_type"].map({"neg": "negative", "pos": "positive"})
    medians = wells.assign(control=control).pivot_table("measured", "plate", "control", "median")
    low, high = (wells["plate"].map(medians[name]) for name in ("positive", "negative"))
    viability = wells[["plate", "well", "row", "column"]].assign(
        raw=20000 * wells["measured"] + 500,
        viability_fraction=(wells["measured"] - low) / (high - low),
        control=control.where(control.notna(), None),
        masked=False,
        mask_reason=None,
        readout="ctg",
    )
    return viability, wells


def _spoilt(fault: str, faulty: np.ndarray, wells: pd.DataFrame, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Factor on the signal of every well, and its true viability."""
    effect = np.ones(len(wells))
    in_block = faulty & np.array([place in BLOCK for place in zip(wells["r"], wells["c"], strict=True)])
    if fault == "gradient":
        effect = np.where(faulty, 1 + 0.2 * (wells["c"] / (N_COLUMNS - 1) * 2 - 1), 1.0)
    elif fault == "few cells in a block":
        effect = np.where(in_block, 0.65, 1.0)
    elif fault == "no drug in a block":
        truth = np.where(in_block & (wells["well_type"] == "therapy").to_numpy(), 1.0, truth)
    return effect, truth


@cache
def figures(seeds: tuple[int, ...], fault: str, ordered: bool, proportional_noise: bool) -> list[pd.DataFrame]:
    """QC rows of controls and of fits of every seed, by (plate, metric).

    The curves of all are fitted together, which changes none and takes less time.
    """
    screens = [screen(seed, fault, ordered, proportional_noise) for seed in seeds]
    points = [curve_points(viability, wells, per_replicate=False) for viability, wells in screens]
    together = CurvePoints(
        pd.concat([one.keys for one in points], ignore_index=True),
        *(np.concatenate([getattr(one, part) for one in points]) for part in ("log10_dose", "inhibition")),
    )
    curves, first, found = fit_curves(together), 0, []
    for (viability, wells), own in zip(screens, points, strict=True):
        fitted = curves.select(np.arange(first, first + len(own)))
        rows = [qc_rows(viability, wells, "ctg"), curve_qc_rows(viability, wells, fitted, "ctg")]
        found.append(pd.concat(rows).set_index(["plate", "metric"]))
        first += len(own)
    return found


RANDOM, ORDERED = (False, False), (True, True)
#: Fault, the figures that tell it, and the layout of `make test`: (ordered, proportional noise).
FAULTS = [
    ("gradient", ("fit_residual_pattern",), RANDOM),
    ("few cells in a block", ("fit_residual_pattern",), ORDERED),
    ("no drug in a block", ("fit_residual_pattern", "fit_residual_ratio"), RANDOM),
]


@pytest.mark.parametrize("layout", [RANDOM, ORDERED])
@pytest.mark.parametrize("seeds", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_good_plates_are_quiet(layout: tuple[bool, bool], seeds: tuple[int, ...]) -> None:
    verdicts = [
        found.loc[(plate, metric), "verdict"]
        for found in figures(seeds, "none", *layout)
        for plate in ("P1", "P2", "P3")
        for metric in FITS
    ]
    assert set(verdicts) == {"pass"}


@pytest.mark.parametrize(
    ("fault", "told_by", "layout", "seeds", "may_miss"),
    [
        *((*fault, FEW, 0) for fault in FAULTS),
        # In four screens a block of 30 wells may by chance hold drugs that had killed the cells already.
        *(
            pytest.param(*fault, layout, MANY, 1, marks=pytest.mark.slow)
            for *fault, _ in FAULTS
            for layout in (RANDOM, ORDERED)
        ),
    ],
)
def test_a_fault_of_place_is_found_where_the_controls_say_nothing(
    fault: str, told_by: tuple[str, ...], layout: tuple[bool, bool], seeds: tuple[int, ...], may_miss: int
) -> None:
    n_found = 0
    for seed, rows in zip(seeds, figures(seeds, fault, *layout), strict=True):
        found = rows["verdict"]
        n_found += bool({found["P2", metric] for metric in told_by} & {"warn", "fail"})
        for control_figure in ("zprime", "zprime_robust", "ssmd", "negative_drift", "negative_cv_percent"):
            assert found["P2", control_figure] == "pass", (seed, control_figure)
    assert n_found >= len(seeds) - may_miss


def test_the_pattern_stands_on_the_faulty_plate_and_not_on_its_partners() -> None:
    for rows in figures(FEW, "gradient", *RANDOM):
        found = rows["value"]
        others = max(found["P1", "fit_residual_pattern"], found["P3", "fit_residual_pattern"])
        assert found["P2", "fit_residual_pattern"] > 2 * others


def test_controls_that_do_not_stand_for_their_plate_show_as_an_offset() -> None:
    viability, wells = screen(1, "none", False, False)
    shifted = (viability["plate"] == "P1").to_numpy() & (wells["well_type"] == "therapy").to_numpy()
    viability.loc[shifted, "viability_fraction"] += 0.4
    curves = fit_curves(curve_points(viability, wells, per_replicate=False))
    rows = curve_qc_rows(viability, wells, curves, "ctg").set_index(["plate", "metric"])
    assert rows.loc[("P1", "fit_residual_offset"), "value"] > 0.1
    assert rows.loc[("P1", "fit_residual_offset"), "verdict"] != "pass"
    assert rows.loc[("P1", "fit_residual_pattern"), "verdict"] == "pass"


@cache
def quiet_screen() -> tuple[pd.DataFrame, pd.DataFrame, CurveBatch]:
    """Viability, wells and curves of a screen without a fault; for reading only."""
    viability, wells = screen(0, "none", False, False)
    return viability, wells, fit_curves(curve_points(viability, wells, per_replicate=False))


def one_plate(residual: np.ndarray) -> tuple[pd.DataFrame, CurveBatch]:
    """Residuals of wells on constant curves of five doses each, whose free parameters follow nothing."""
    viability, wells, curves = quiet_screen()
    found = residuals_to_curves(viability, wells, curves)
    found = found[found["plate"] == "P1"].iloc[: len(residual)].reset_index(drop=True)
    return found.assign(residual=residual), curves


def test_nrfe_is_the_published_mean() -> None:
    found, curves = one_plate(np.full(60, -0.1))
    f = found["fitted"].clip(0, 1)
    (plate,) = plate_residuals(found, curves, 0.05, 0.02)
    assert plate.nrfe_percent == pytest.approx(float(np.mean(10 * (1 + f * (1 - f) / 0.25))))
    assert plate.offset == pytest.approx(0.1)
    assert plate.n_wells == 60


def test_figures_do_not_depend_on_the_order_of_the_wells() -> None:
    viability, wells = screen(2, "gradient", False, False)
    curves = fit_curves(curve_points(viability, wells, per_replicate=False))
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(len(wells))
    one = curve_qc_rows(viability, wells, curves, "ctg")
    two = curve_qc_rows(viability.iloc[rng.permutation(len(wells))], wells.iloc[shuffled], curves, "ctg")
    both = one.merge(two, on=["plate", "metric"])
    assert len(both) == len(one) == len(two)
    np.testing.assert_allclose(both["value_x"], both["value_y"], rtol=1e-6)


def test_a_plate_with_few_wells_is_not_judged() -> None:
    found, curves = one_plate(np.full(12, 0.1))
    (plate,) = plate_residuals(found, curves, 0.05, 0.02)
    assert math.isnan(plate.ratio)
    assert math.isnan(plate.pattern)
    assert judge("fit_residual_pattern", plate.pattern).verdict == "none"
    assert plate_residuals(found.iloc[:0], curves, 0.05, 0.02) == []


def test_wells_that_lie_on_their_curves_make_no_pattern() -> None:
    found, curves = one_plate(np.zeros(100))
    (plate,) = plate_residuals(found, curves, math.nan, math.nan)
    assert (plate.nrfe_percent, plate.ratio, plate.pattern) == (0, 0, 0)


def test_masked_wells_and_failed_curves_have_no_residual() -> None:
    viability, wells = screen(0, "none", False, False)
    drug = wells.loc[wells["well_type"] == "therapy", "treatment"].iloc[0]
    viability.loc[(wells["treatment"] == drug).to_numpy(), "masked"] = True
    curves = fit_curves(curve_points(viability, wells, per_replicate=True))
    found = residuals_to_curves(viability, wells, curves)
    assert len(found) == 59 * 10
    assert drug not in set(curves.keys["drug"].iloc[found["curve"]])
    assert set(curves.keys["replicate"].iloc[found["curve"]]) == {"pooled"}
