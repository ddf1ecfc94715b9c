"""What an add-on changes dose by dose: inhibition with it minus inhibition by the drug alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from phenodose.dose_response.combination_effects import EFFECT_COLUMNS, combination_effects
from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.points import curve_points
from phenodose.names import ADD_ON_DOSE

DOSES = np.array([1.0, 10.0, 100.0, 1000.0, 10000.0])
#: Concentration of the add-on (0: the drug alone) -> dose of half effect: it helps at 10 nM and harms at 500 nM.
HALF = {0.0: 200.0, 10.0: 20.0, 500.0: 4000.0}


def inhibition(dose: np.ndarray, half: float) -> np.ndarray:
    return dose / (dose + half)


@pytest.fixture(scope="module")
def wells() -> pd.DataFrame:
    """Drug A alone and with B in two concentrations, four wells a dose; B with C is not in the screen alone."""
    rng = np.random.default_rng(5)
    parts = []
    for add_on, half in HALF.items():
        dose = np.repeat(DOSES, 4)
        frame = pd.DataFrame({"concentration_nM": dose, "viability_fraction": 1 - inhibition(dose, half)})
        parts.append(frame.assign(treatment="A", add_on="B" if add_on else None, dosed=add_on or np.nan))
    parts.append(parts[0].assign(treatment="C", add_on="B", dosed=10.0))
    frame = pd.concat(parts, ignore_index=True).rename(columns={"dosed": ADD_ON_DOSE})
    frame["viability_fraction"] += rng.normal(0, 0.03, len(frame))
    number = np.arange(len(frame))
    return frame.assign(
        well=[f"A{at:03d}" for at in number], plate="1", sample="S", well_type="therapy", replicate=1,
        readout="ctg", masked=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def curves(wells: pd.DataFrame) -> CurveBatch:
    return fit_curves(curve_points(wells, wells, per_replicate=False), bootstrap=60)


def test_every_concentration_and_dose_has_its_difference_and_harm_is_not_floored(
    wells: pd.DataFrame, curves: CurveBatch
) -> None:
    found = combination_effects(curves, wells)
    assert list(found.columns) == list(EFFECT_COLUMNS)
    assert set(zip(found["drug"], found["add_on"], found[ADD_ON_DOSE], found["curve"], strict=True)) == {
        ("A", "B", 10.0, "A + B 10 nM"),
        ("A", "B", 500.0, "A + B 500 nM"),
    }
    for add_on in (10.0, 500.0):
        rows = found[found[ADD_ON_DOSE] == add_on]
        assert rows["concentration_nM"].tolist() == DOSES.tolist()
        truth = 100 * (inhibition(DOSES, HALF[add_on]) - inhibition(DOSES, HALF[0.0]))
        np.testing.assert_allclose(rows["difference_percent"], truth, atol=6)
        assert (rows["lower_percent"] <= rows["difference_percent"]).all()
        assert (rows["difference_percent"] <= rows["upper_percent"]).all()
        assert (rows["upper_percent"] - rows["lower_percent"]).between(0.5, 30).all()
    helped = found[(found[ADD_ON_DOSE] == 10.0) & (found["concentration_nM"] == 100.0)]
    harmed = found[(found[ADD_ON_DOSE] == 500.0) & (found["concentration_nM"] == 1000.0)]
    assert helped["lower_percent"].item() > 20
    assert harmed["upper_percent"].item() < -20


def test_doses_beyond_those_of_the_drug_alone_are_left_out(wells: pd.DataFrame) -> None:
    fewer = wells[wells["add_on"].notna() | wells["concentration_nM"].between(10, 1000)]
    found = combination_effects(fit_curves(curve_points(fewer, fewer, per_replicate=False)), fewer)
    assert sorted(found["concentration_nM"].unique()) == [10.0, 100.0, 1000.0]
    assert found[["lower_percent", "upper_percent"]].isna().all(axis=None)


def test_without_add_ons_there_are_no_rows(wells: pd.DataFrame, curves: CurveBatch) -> None:
    assert combination_effects(curves, wells.assign(add_on=None)).empty
