"""What curves do at one dose each, and whether half of their effect needs more."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.points import curve_points
from phenodose.dose_response.reachable import EFFECT_COLUMNS, effect_at, needs_more, reachable_effects

DOSES = np.array([1.0, 10.0, 100.0, 1000.0, 10000.0])
#: Drug -> dose of half effect [nM] and largest inhibition.
TRUTH = {"deep": (100.0, 1.0), "partial": (20.0, 0.4), "beyond": (1e6, 1.0), "inert": (100.0, 0.0)}


def truth(drug: str, dose: float) -> float:
    half, top = TRUTH[drug]
    return top * dose / (dose + half)


@pytest.fixture(scope="module")
def curves() -> CurveBatch:
    """Four drugs with four wells a dose, and one whose inhibition falls from 60 to 0 %."""
    rng = np.random.default_rng(3)
    dose = np.repeat(DOSES, 4)
    parts = [
        pd.DataFrame({"treatment": drug, "concentration_nM": dose, "viability_fraction": 1 - truth(drug, dose)})  # type: ignore[arg-type]
        for drug in TRUTH
    ]
    falls = 0.6 * 100 / (dose + 100)
    parts.append(pd.DataFrame({"treatment": "falls", "concentration_nM": dose, "viability_fraction": 1 - falls}))
    frame = pd.concat(parts, ignore_index=True)
    frame["viability_fraction"] += rng.normal(0, 0.02, len(frame))
    wells = frame.assign(
        well=[f"A{at:03d}" for at in range(len(frame))], plate="1", sample="S", well_type="therapy", replicate=1,
        readout="ctg", masked=False, add_on=None,
    )  # fmt: skip
    return fit_curves(curve_points(wells, wells, per_replicate=False), bootstrap=100)


def place(curves: CurveBatch, drug: str) -> int:
    return list(curves.keys["drug"]).index(drug)


def test_within_the_tested_doses_the_curve_and_its_draws_tell(curves: CurveBatch) -> None:
    found = effect_at(curves, np.full(len(curves), 50.0))
    for drug in TRUTH:
        at = place(curves, drug)
        assert found.value[at] == pytest.approx(truth(drug, 50.0), abs=0.05)
        assert found.lower[at] <= found.value[at] <= found.upper[at]
        assert found.lower[at] - 0.03 <= truth(drug, 50.0) <= found.upper[at] + 0.03
        assert found.bound[at] == "="


def test_beyond_the_tested_doses_nothing_is_extrapolated(curves: CurveBatch) -> None:
    at = place(curves, "deep")
    above, below = (effect_at(curves, np.full(len(curves), dose)) for dose in (1e5, 0.01))
    highest, lowest = (effect_at(curves, np.full(len(curves), dose)) for dose in (1e4, 1.0))
    assert (above.bound[at], above.value[at]) == (">", highest.value[at])
    assert (above.lower[at], np.isnan(above.upper[at])) == (highest.lower[at], True)
    assert (below.bound[at], below.value[at]) == ("<", lowest.value[at])
    assert (below.upper[at], np.isnan(below.lower[at])) == (lowest.upper[at], True)


def test_where_inhibition_falls_nothing_follows_beyond_the_tested_doses(curves: CurveBatch) -> None:
    at = place(curves, "falls")
    assert np.isnan(effect_at(curves, np.full(len(curves), 1e5)).value[at])
    assert effect_at(curves, np.full(len(curves), 10.0)).value[at] > 0.4
    row = reachable_effects(curves, np.full(len(curves), 1e5), np.full(len(curves), np.nan)).iloc[at]
    assert "inhibition falls with dose" in row["note"]
    assert pd.isna(row["needs_more_than_c_max"])


def test_half_of_the_drugs_own_effect_is_compared(curves: CurveBatch) -> None:
    at_60 = needs_more(curves, np.full(len(curves), 60.0))
    at_300 = needs_more(curves, np.full(len(curves), 300.0))
    told = {drug: (at_60.more[place(curves, drug)], at_300.more[place(curves, drug)]) for drug in TRUTH}
    assert told["deep"] == (1.0, 0.0), "half of its effect is at 100 nM"
    assert told["partial"] == (0.0, 0.0), "it never kills half of the cells, and half of what it does is at 20 nM"
    assert np.isnan(told["inert"]).all(), "no effect has no half"
    assert at_60.probability[place(curves, "deep")] > 0.9
    assert at_300.probability[place(curves, "deep")] < 0.1


def test_a_half_beyond_the_tested_doses_needs_more_than_what_lies_within_and_is_open_above(curves: CurveBatch) -> None:
    # as the curve of a drug that is only beginning to act
    steep = curves.parameters.copy()
    steep[:, :] = [0.0, 1.0, 6.0, 1.0, 1.0]
    rising = curves.with_parameters(steep)
    within, above = needs_more(rising, np.full(len(curves), 5e3)), needs_more(rising, np.full(len(curves), 1e5))
    at = place(curves, "deep")
    assert (within.more[at], within.bound[at], within.half_effect_nM[at]) == (1.0, ">", 1e4)
    assert np.isnan(above.more[at])


def test_rows_have_every_column_and_say_in_words_what_lies_outside(curves: CurveBatch) -> None:
    rows = reachable_effects(curves, np.full(len(curves), 2e4), np.full(len(curves), 100.0))
    assert list(rows.columns) == list(EFFECT_COLUMNS)
    row = rows.iloc[place(curves, "deep")]
    assert row["note"] == "C max (2e+04 nM) lies above the highest tested dose (10000 nM): at least so much"
    assert row["effect_at_c_max_unbound_fraction"] == pytest.approx(0.5, abs=0.05)
    assert (row["bound"], row["unbound_bound"]) == (">", "=")
    assert not row["needs_more_than_c_max"]
