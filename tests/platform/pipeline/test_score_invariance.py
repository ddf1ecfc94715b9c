"""What must never change a score: where wells lie, how raw values are scaled, the unit of the doses, masked wells.

Two levels. The points of the curves (dose and inhibition) are compared for many random screens. The scores, which
follow from the points through the fit, are compared for one screen of more drugs, with both fits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.models import PARAMETERS, inhibition
from phenodose.dose_response.points import CurvePoints, curve_points
from phenodose.dose_response.scoring import apply_scorer
from phenodose.names import row_label
from phenodose.pipeline.score_layout import score_layout
from phenodose.plugins import registry
from phenodose.screens.layout import Layout, read_layout
from phenodose.viability.controls import choose_controls
from phenodose.viability.normalise import to_viability

PLATES = ("1", "2")
DOSES = 10.0 ** np.arange(5)


def random_screen(seed: int, drugs: int = 2) -> pd.DataFrame:
    """A layout table with readings: two 96-well plates, every drug twice a dose, of any effect and noise."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    places = {plate: iter(rng.permutation(90)) for plate in PLATES}

    def put(plate: str, well_type: str, treatment: str, dose: float, replicate: int, viability: float) -> None:
        place = int(next(places[plate]))
        rows.append(
            {
                "Plate": plate,
                "Row": row_label(place // 12),
                "Column": place % 12 + 1,
                "Sample": "S",
                "WellType": well_type,
                "Treatment": treatment,
                "Concentration": dose,
                "Replicate": replicate,
                "Readout": 50 + 950 * viability,
            }
        )

    for plate in PLATES:
        for _ in range(5):
            put(plate, "neg", "DMSO", 0, 1, rng.normal(1, 0.05))
            put(plate, "pos", "BzCl", 1e5, 1, rng.normal(0, 0.02))
    for drug in range(drugs):
        middle, slope, top = rng.uniform(-1, 5), rng.uniform(0.4, 3), rng.uniform(-0.1, 1.1)
        noise = rng.choice([0.0, 0.03, 0.15])
        for dose in DOSES:
            for replicate in (1, 2):
                effect = top / (1 + 10 ** (slope * (middle - np.log10(dose))))
                plate = PLATES[drug % 2 if rng.random() < 0.8 else 0]
                put(plate, "therapy", f"D{drug}", dose, replicate, 1 - effect + rng.normal(0, 1) * noise)
    return pd.DataFrame(rows)


#: Change of a screen by name; all take the table and a source of randomness.
Change = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]


def rows_in_another_order(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return table.iloc[rng.permutation(len(table))]


def wells_elsewhere_on_their_plate(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    moved = table.copy()
    for plate in PLATES:
        wells = np.flatnonzero(table["Plate"] == plate)
        moved.iloc[wells, 1:3] = table.iloc[rng.permutation(wells), 1:3].to_numpy()
    return moved


def plates_renamed(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    names = rng.permutation(["left", "10"])
    return table.assign(Plate=table["Plate"].map(dict(zip(PLATES, names, strict=True))))


def another_unit(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    unit, factor = [("Concentration_uM", 1e-3), ("conc (pM)", 1e3), ("Dose [mol/L]", 1e-9)][rng.integers(3)]
    return table.assign(Concentration=table["Concentration"] * factor).rename(columns={"Concentration": unit})


def masked_wells_added(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Wells that may not count: excluded, empty, of a free type, or without a reading."""
    kinds = [("exclude", "D0", 5.0), ("empty", "", 5.0), ("aside", "D1", 5.0), ("therapy", "D1", np.nan)]
    kinds += [("therapy", "D0", np.nan), ("neg", "DMSO", np.nan), ("pos", "BzCl", np.nan)]
    more = [
        {"Plate": "1", "Row": "H", "Column": 7 + i, "Sample": "S", "WellType": kind, "Treatment": drug}
        | {"Concentration": 10 ** rng.uniform(-2, 7), "Replicate": 1, "Readout": reading}
        for i, (kind, drug, reading) in enumerate(kinds[: rng.integers(1, 6)])
    ]
    return pd.concat([pd.DataFrame(more), table], ignore_index=True)


def raw_doubled(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return table.assign(Readout=table["Readout"] * 2.0 ** rng.integers(-8, 9))


def raw_turned_round(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return table.assign(Readout=-table["Readout"])


def raw_scaled(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return table.assign(Readout=table["Readout"] * 10 ** rng.uniform(-3, 5))


def raw_scaled_and_shifted_plate_by_plate(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    scale = table["Plate"].map({plate: 10 ** rng.uniform(-2, 2) for plate in PLATES})
    return table.assign(Readout=table["Readout"] * scale + table["Plate"].map({"1": rng.uniform(-500, 500), "2": 0}))


EXACT: list[Change] = [
    masked_wells_added,
    wells_elsewhere_on_their_plate,
    raw_doubled,
    raw_turned_round,
    rows_in_another_order,
    plates_renamed,
    another_unit,
]
CLOSE: list[Change] = [raw_scaled, raw_scaled_and_shifted_plate_by_plate]


def all_exact_changes(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """One after another: the slow tests look at each by itself."""
    for change in EXACT:
        table = change(table, rng)
    return table


def all_changes(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Also those that change the last digits of a viability."""
    return all_exact_changes(raw_scaled_and_shifted_plate_by_plate(raw_scaled(table, rng), rng), rng)


def by_themselves(*changes: Change) -> list[Any]:
    """For `make test-slow`."""
    return [pytest.param(change, marks=pytest.mark.slow) for change in changes]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("screen") / "layout.csv"


def layout_of(table: pd.DataFrame, file: Path) -> Layout:
    table.to_csv(file, index=False)
    return read_layout(file)


def points_of(layout: Layout) -> pd.DataFrame:
    """Every point of every curve, in an order of its own."""
    frame = layout.frame
    controls = choose_controls(frame, ("neg",), ("pos",), "layout")
    raw = frame[["plate", "row", "column"]].assign(raw=frame["readout"])
    points = curve_points(to_viability(raw, frame, controls).assign(readout="r"), frame)
    keys = points.keys.loc[np.repeat(np.arange(len(points)), points.inhibition.shape[1])].reset_index(drop=True)
    table = keys.assign(dose=points.log10_dose.ravel(), inhibition=points.inhibition.ravel()).dropna()
    return table.sort_values(list(table.columns)).reset_index(drop=True)


#: The screen whose scores are compared, and its drugs: a fit of many curves costs little more than one of few, but
#: the published one searches long where wells have no noise, so that its screen has none of those.
SCREENS = {"robust": (6, 8), "nplr": (39, 2)}


def screen_of(fit: str) -> pd.DataFrame:
    return random_screen(*SCREENS[fit])


def scores_of(layout: Layout, fit: str = "robust") -> pd.Series:
    scorers = [registry().create("scorer", name, None) for name in ("dss_asym", "auc")]
    scored = score_layout(layout, None, scorers, fit=fit, bootstrap=0, per_replicate=fit == "robust")  # type: ignore[arg-type]
    by = ["drug", "replicate", "scorer"]
    return scored.scores.set_index([name for name in by if name in scored.scores])["score"].sort_index()


@pytest.fixture(scope="module")
def scores_before(file: Path) -> Callable[[str], pd.Series]:
    """Scores of the unchanged screen, by fit; of replicates too with the default fit."""
    return cache(lambda fit: scores_of(layout_of(screen_of(fit), file), fit))


@pytest.mark.parametrize(
    "change", [all_exact_changes, all_changes, *by_themselves(*EXACT, *CLOSE)], ids=lambda change: change.__name__
)
@settings(max_examples=3)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_points_of_the_curves_do_not_change(file: Path, change: Change, seed: int) -> None:
    table = random_screen(seed)
    before = points_of(layout_of(table, file))
    after = points_of(layout_of(change(table, np.random.default_rng(seed)), file))
    exact = change in [all_exact_changes, *EXACT]
    pd.testing.assert_frame_equal(after, before, check_exact=exact, **({} if exact else {"rtol": 0, "atol": 1e-10}))


@pytest.mark.parametrize("change", [all_changes, *by_themselves(*EXACT, *CLOSE)], ids=lambda change: change.__name__)
@pytest.mark.parametrize("fit", ["robust", pytest.param("nplr", marks=pytest.mark.slow)])
def test_the_scores_do_not_change(
    file: Path, scores_before: Callable[[str], pd.Series], fit: str, change: Change
) -> None:
    """That the published fit minds no order of wells and no scale either is seen in dose_response/test_fit.py."""
    table = change(screen_of(fit), np.random.default_rng(1))
    after = scores_of(layout_of(table, file), fit)
    assert after.max() > 5
    pd.testing.assert_series_equal(after, scores_before(fit), rtol=0, atol=1e-9)


def test_scaled_doses_scale_the_ics_and_leave_the_scores(file: Path) -> None:
    table = screen_of("robust")
    curves = []
    for decades in (0.0, -8.7):
        layout = layout_of(table.assign(Concentration=table["Concentration"] * 10**decades), file)
        scored = score_layout(layout, None, [registry().create("scorer", "dss_asym", None)], bootstrap=0)
        curves.append((decades, scored.scores["score"], scored.curves))
    (_, before, one), *others = curves
    # Where a curve is flat its middle means nothing; the fitted values must agree all the same.
    steep = ((one["top"] - one["bottom"]).abs() > 0.2) & one["log10_mid"].between(0, 4)
    assert steep.sum() >= 3
    for decades, after, two in others:
        np.testing.assert_allclose(after, before, rtol=0, atol=1e-9)
        np.testing.assert_allclose(two["log10_mid"][steep], one["log10_mid"][steep] + decades, rtol=0, atol=1e-4)


# --- higher inhibition ---------------------------------------------------------------------------


@cache
def fifty_curves() -> CurveBatch:
    n = 50
    doses = np.repeat(np.log10(DOSES)[None, :], n, axis=0)
    points = CurvePoints(pd.DataFrame({"drug": range(n)}), doses, np.repeat(np.linspace(0, 1, 5)[None, :], n, axis=0))
    return fit_curves(points)


def curves_of(parameters: np.ndarray) -> CurveBatch:
    """Curves (50, 5) with bottom, top, log10_mid, slope and asymmetry given, over the usual doses."""
    named = dict(zip(PARAMETERS, parameters.T, strict=True))
    return replace(fifty_curves(), **named)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    amin=st.sampled_from(["auto", 0, 10, 25]),
    falling=st.booleans(),
)
def test_a_curve_that_lies_higher_never_scores_lower(seed: int, amin: str | float, falling: bool) -> None:
    """Exact for a fixed least inhibition, and for 'auto' up to 100 % inhibition.

    Beyond 100 % 'auto' raises the least inhibition with the top (a tenth of it), by definition of the score.
    """
    rng = np.random.default_rng(seed)
    n, highest = 50, 1.0 if amin == "auto" else 1.4
    bottom, top = np.sort(rng.uniform(-0.3, highest, (2, n)), axis=0)
    more_bottom = bottom + rng.uniform(0, 1, n) * (highest - bottom) * (rng.random(n) < 0.5)
    more_top = np.maximum(top + rng.uniform(0, 1, n) * (highest - top) * (rng.random(n) < 0.5), more_bottom)
    middle, slope = rng.uniform(-2, 6, n), rng.uniform(0.2, 6, n)
    asymmetry = np.exp(rng.uniform(-1.5, 1.5, n))
    sign = -1.0 if falling else 1.0
    shift = sign * rng.uniform(0, 2, n) * (rng.random(n) < 0.5)
    low = np.stack([bottom, top, middle, sign * slope, asymmetry], axis=1)
    high = np.stack([more_bottom, more_top, middle - shift, sign * slope, asymmetry], axis=1)
    grid = np.linspace(0, 4, 200)[None, :]
    assert (inhibition(grid, *high.T[:, :, None]) >= inhibition(grid, *low.T[:, :, None]) - 1e-12).all()
    scorer = registry().create("scorer", "dss_asym", {"amin": amin})
    before, after = (apply_scorer(curves_of(parameters), scorer)[0] for parameters in (low, high))
    assert (after >= before - 1e-8).all()  # the score is rounded to 8 decimals, as published


def test_inhibition_raised_in_all_wells_never_lowers_the_fitted_score() -> None:
    """Raised by a tenth or more. Smaller steps can make the fit change its model, and more in one well bends the curve.

    Both then move the curve between the doses, where nothing was measured; these are properties of fitting, not of
    the score.
    """
    rng = np.random.default_rng(11)
    n = 150
    x = np.repeat(np.log10(DOSES), 2)[None, :].repeat(n, axis=0)
    parameters = [rng.uniform(-0.1, 0.1, n), rng.uniform(0.1, 1.0, n), rng.uniform(-1, 5, n), rng.uniform(0.4, 4, n)]
    y = inhibition(x, *(values[:, None] for values in parameters), np.ones((n, 1)))
    y = y + rng.normal(0, 1, y.shape) * rng.choice([0.0, 0.02, 0.05], (n, 1))
    scorer = registry().create("scorer", "dss_asym", {"amin": 10})
    keys = pd.DataFrame({"drug": range(n)})
    before, *raised = (
        apply_scorer(fit_curves(CurvePoints(keys, x, values)), scorer)[0] for values in (y, y + 0.1, y + 0.2, y + 0.4)
    )
    for after in raised:
        assert (after >= before - 1e-6).all()
