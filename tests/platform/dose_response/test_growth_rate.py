"""Growth-rate inhibition: hand-computed values, doublings from time-zero wells, and invariance to growth."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.growth_rate import NOT_GROWN, NOT_KNOWN, growth_rate, viability_of
from phenodose.dose_response.points import curve_points
from phenodose.dose_response.scoring import score_curves
from phenodose.names import ADD_ON_DOSE, well_name
from phenodose.plugins import registry
from phenodose.viability.controls import choose_controls
from phenodose.viability.normalise import to_viability

DOSES_NM = 10.0 ** np.linspace(0, 4, 9)
#: A drug that slows growth: GR falls from 1 to 0.1, half way at 100 nM.
GR_INF, GEC50_NM = 0.1, 100.0


def test_values_by_hand():
    # x0 = 100 cells grow to xctrl = 400: two doublings; x = 400, 200, 100, 50, 0 cells
    rate = growth_rate(np.array([400, 200, 100, 50, 0]) / 400, np.array(2.0))
    np.testing.assert_allclose(rate, [1, 2**0.5 - 1, 0, 2**-0.5 - 1, -1])
    # the formula as published: 2^(log2(x / x0) / log2(xctrl / x0)) - 1
    np.testing.assert_allclose(growth_rate(np.array(0.3), np.array(1.7)), 2 ** (np.log2(0.3 * 2**1.7) / 1.7) - 1)
    assert growth_rate(np.array(-0.1), np.array(2.0)) == -1
    assert np.isnan(growth_rate(np.array([0.5, 1.0]), np.array(np.nan))).all()


@given(rate=st.floats(-0.99, 1.5), doublings=st.floats(0.1, 8))
def test_viability_and_rate_are_inverse(rate, doublings):
    viability = viability_of(rate, np.array(doublings))
    np.testing.assert_allclose(growth_rate(viability, np.array(doublings)), rate, atol=1e-9)


def true_rate(dose_nM: np.ndarray) -> np.ndarray:
    return GR_INF + (1 - GR_INF) / (1 + dose_nM / GEC50_NM)


def screen(
    doublings: float, background: float = 50.0, zero_plate: str | None = "1", gain: float = 1.0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Viability and wells of one drug on plate 1; time-zero wells on that plate, on another, or nowhere."""
    rows: list[tuple[str, str, str | None, float | None, float]] = []
    start, end = 1000.0, 1000.0 * 2**doublings
    rows += [("1", "neg", "DMSO", None, end)] * 4 + [("1", "pos", "BzCl", None, 0.0)] * 4
    rows += [
        ("1", "therapy", "Slow", dose, end * float(viability_of(float(rate), np.array(doublings))))
        for dose, rate in zip(DOSES_NM, true_rate(DOSES_NM), strict=True)
    ]
    if zero_plate is not None:
        rows += [(zero_plate, "t0", None, None, start)] * 3
    wells = pd.DataFrame(rows, columns=["plate", "well_type", "treatment", "concentration_nM", "cells"])
    number = wells.groupby("plate").cumcount()
    wells = wells.assign(
        row=[chr(ord("A") + n // 12) for n in number], column=[n % 12 + 1 for n in number], sample="S", add_on=None
    )
    wells["well"] = [well_name(row, column) for row, column in zip(wells["row"], wells["column"], strict=True)]
    wells["replicate"] = 1
    raw = wells[["plate", "row", "column"]].assign(raw=background + gain * wells["cells"])
    controls = choose_controls(wells, ("neg",), ("pos",), "a made-up screen")
    return to_viability(raw, wells, controls).assign(readout="ctg"), wells


def fitted(viability: pd.DataFrame, wells: pd.DataFrame) -> CurveBatch:
    return fit_curves(curve_points(viability, wells, per_replicate=False), bootstrap=20)


def scored(name: str, curves: CurveBatch, **parameters: object) -> pd.Series:
    return score_curves(curves, registry().create("scorer", name, parameters)).iloc[0]


@pytest.mark.parametrize(("doublings", "zero_plate"), [(0.8, "1"), (3.5, "2")])
def test_the_truth_is_found_however_fast_cells_grow(doublings, zero_plate):
    viability, wells = screen(doublings, zero_plate=zero_plate)
    points = curve_points(viability, wells, per_replicate=False)
    np.testing.assert_allclose(points.doublings, doublings, rtol=1e-9)
    # by hand: GR = 0.5 where 0.9 / (1 + c / 100) = 0.4, so c = 125 nM
    curves = fitted(viability, wells)
    half = scored("gr50", curves)
    assert half["score"] == pytest.approx(125, rel=1e-4)
    assert half["lower"] <= half["score"] <= half["upper"]
    assert (half["bound"], half["unit"], half["status"]) == ("=", "nM", "ok")
    assert scored("gr_max", curves)["score"] == pytest.approx(true_rate(1e4), abs=1e-9)
    x = np.linspace(0, 4, 2001)
    assert scored("gr_aoc", curves)["score"] == pytest.approx(1 - true_rate(10**x).mean(), abs=0.02)


def test_the_unit_of_the_readout_does_not_matter():
    plain, wells = screen(2.0)
    other, _ = screen(2.0, background=7.0, gain=-3.0)
    first, second = (curve_points(v, wells, per_replicate=False).doublings for v in (plain, other))
    np.testing.assert_allclose(first, second)


@pytest.mark.parametrize("background", [0.0, 50.0])
def test_no_killed_cells_are_needed(background):
    with_killed, wells = screen(2.0, background=background)
    kept = wells["well_type"].ne("pos").to_numpy()
    alive = wells[kept].reset_index(drop=True)
    raw = with_killed.loc[kept, ["plate", "row", "column", "raw"]]
    controls = choose_controls(alive, ("neg",), (), "a made-up screen", lower_anchor=background)
    viability = to_viability(raw, alive, controls).assign(readout="ctg")
    np.testing.assert_allclose(curve_points(viability, alive, per_replicate=False).doublings, 2.0)
    anchored, killed = (scored("gr50", fitted(v, w)) for v, w in ((viability, alive), (with_killed, wells)))
    assert anchored["score"] == pytest.approx(killed["score"], rel=1e-6)


def test_a_masked_time_zero_well_does_not_count():
    viability, wells = screen(2.0)
    first = viability.index[wells["well_type"] == "t0"][0]
    viability.loc[first, ["raw", "viability_fraction"]] = [1e7, 1e4]
    viability.loc[first, "masked"] = True
    np.testing.assert_allclose(curve_points(viability, wells, per_replicate=False).doublings, 2.0)


def test_a_time_zero_well_that_a_person_left_out_does_not_count_on_a_plate_without_controls_either():
    viability, wells = screen(2.0, zero_plate="2")
    zero = viability.index[wells["well_type"] == "t0"]
    assert viability.loc[zero, "masked"].all(), "their plate has no controls"
    viability.loc[zero[:2], "raw"] = 1e7
    viability.loc[zero[:2], "mask_reason"] = "excluded by decision 1 (A. Doe): lint"
    np.testing.assert_allclose(curve_points(viability, wells, per_replicate=False).doublings, 2.0)


def test_without_time_zero_wells_the_doublings_may_be_given():
    viability, wells = screen(2.0, zero_plate=None)
    assert curve_points(viability, wells).doublings is None
    curves, of_all = fitted(viability, wells), fitted(*screen(2.0))
    for name in ("gr50", "gr_max", "gr_aoc"):
        unknown = scored(name, curves)
        assert np.isnan(unknown["score"])
        assert unknown["status"] == NOT_KNOWN
        given_count = scored(name, curves, doublings=2.0)
        assert given_count["status"] == "ok"
        of_wells = scored(name, of_all)
        assert given_count["score"] == pytest.approx(of_wells["score"])


def test_wells_tell_more_than_a_given_number():
    curves = fitted(*screen(2.0))
    assert scored("gr_max", curves, doublings=9.0)["score"] == scored("gr_max", curves)["score"]


def test_cells_that_did_not_grow_have_no_growth_rate():
    status = scored("gr50", fitted(*screen(-0.5)))["status"]
    assert status == NOT_GROWN


def test_an_unreached_gr50_is_a_bound():
    viability, wells = screen(2.0)
    therapy = wells["well_type"] == "therapy"
    viability.loc[therapy, "viability_fraction"] = np.linspace(1.0, 0.9, therapy.sum())
    row = scored("gr50", fitted(viability, wells))
    assert (row["bound"], row["score"]) == (">", 1e4)


def test_samples_of_one_plate_grow_each_by_its_own():
    viability, wells = screen(2.0)
    slower, other = screen(1.0, background=80.0)
    moved = [chr(ord(row) + 4) for row in other["row"]]
    other = other.assign(sample="T", treatment=other["treatment"].replace("Slow", "Other"), row=moved)
    other["well"] = [well_name(row, column) for row, column in zip(other["row"], other["column"], strict=True)]
    both = pd.concat([wells, other], ignore_index=True)
    scaled = pd.concat([viability, slower.assign(row=other["row"], well=other["well"])], ignore_index=True)
    points = curve_points(scaled, both, per_replicate=False)
    found = dict(zip(points.keys["drug"], points.doublings, strict=True))
    assert found == {"Slow": pytest.approx(2.0), "Other": pytest.approx(1.0)}


def test_a_combination_grows_as_its_add_on_lets_it():
    viability, wells = screen(2.0)
    added = wells[wells["well_type"].isin(["neg", "therapy"])].assign(add_on="Helper")
    added["row"] = [chr(ord(row) + 4) for row in added["row"]]
    added["well"] = [well_name(row, column) for row, column in zip(added["row"], added["column"], strict=True)]
    both = pd.concat([wells, added], ignore_index=True)
    # with the add-on cells double once only; the drug does nothing beside it
    raw = pd.concat([viability["raw"], pd.Series(50.0 + 2000.0, index=added.index)], ignore_index=True)
    controls = choose_controls(both, ("neg",), ("pos",), "a made-up screen")
    scaled = to_viability(both[["plate", "row", "column"]].assign(raw=raw), both, controls).assign(readout="ctg")
    points = curve_points(scaled, both, per_replicate=False)
    found = dict(zip(points.keys["drug"], points.doublings, strict=True))
    assert found == {"Slow": pytest.approx(2.0), "Slow + Helper": pytest.approx(1.0)}


def test_every_concentration_of_an_add_on_lets_cells_grow_by_its_own():
    viability, wells = screen(2.0)
    parts, values = [wells.assign(add_on_concentration_nM=np.nan)], [viability["raw"]]
    for rows_down, dose, raw in ((4, 10.0, 50.0 + 2000.0), (8, 100.0, 50.0 + 1000.0 * 2**0.5)):
        added = wells[wells["well_type"].isin(["neg", "therapy"])]
        added = added.assign(add_on="Helper", add_on_concentration_nM=dose)
        added["row"] = [chr(ord(row) + rows_down) for row in added["row"]]
        added["well"] = [well_name(row, column) for row, column in zip(added["row"], added["column"], strict=True)]
        parts.append(added)
        values.append(pd.Series(raw, index=added.index))
    both, raw = pd.concat(parts, ignore_index=True), pd.concat(values, ignore_index=True)
    controls = choose_controls(both, ("neg",), ("pos",), "a made-up screen")
    scaled = to_viability(both[["plate", "row", "column"]].assign(raw=raw), both, controls).assign(readout="ctg")
    for unsaid in (False, True):
        if unsaid:  # the controls of the second serve it though nobody says their concentration
            both.loc[both["well_type"].eq("neg") & both["add_on_concentration_nM"].eq(100.0), ADD_ON_DOSE] = np.nan
        points = curve_points(scaled, both, per_replicate=False)
        found = dict(zip(points.keys["drug"], points.doublings, strict=True))
        assert found["Slow + Helper 10 nM"] == pytest.approx(1.0)
        assert found["Slow + Helper 100 nM"] == pytest.approx(0.5)
