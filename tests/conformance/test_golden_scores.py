"""Scores and fits against the reference implementation and published tables.

`golden_scores.csv` holds what the reference computes for the curves of `golden_curves.csv`, and
`golden_breeze_scores.csv` the classic scores; BT-40 is a published screen with its published scores.
"""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from phenodose.dose_response import score_functions as scores
from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.nplr_fit import fit_nplr
from phenodose.dose_response.points import CurvePoints, points_from_long
from phenodose.dose_response.yadav import fit_yadav

REFERENCE = Path(__file__).resolve().parents[2].parent / "shared" / "reference" / "dose_response"
pytestmark = pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference data are not beside the project")


@pytest.fixture(scope="module")
def golden() -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "golden_scores.csv").set_index("set_id")


@pytest.fixture(scope="module")
def points() -> CurvePoints:
    return points_from_long(pd.read_csv(REFERENCE / "golden_curves.csv"), ["set_id"], "dose", "inhibition")


@pytest.fixture(scope="module")
def reference_curves(golden: pd.DataFrame, points: CurvePoints) -> CurveBatch:
    """The curves with the reference's own parameters."""
    fitted = (golden["status"] == "ok").to_numpy()
    assert points.keys["set_id"].tolist() == golden.index.tolist()
    table = golden[fitted]
    n = len(table)
    return CurveBatch(
        keys=points.keys[fitted].reset_index(drop=True),
        log10_dose=points.log10_dose[fitted],
        inhibition=points.inhibition[fitted],
        fit="nplr",
        model=table["npars"].to_numpy(dtype=np.int64),
        bottom=table["bottom"].to_numpy(),
        top=table["top"].to_numpy(),
        log10_mid=table["xmid"].to_numpy(),
        slope=table["scal"].to_numpy(),
        asymmetry=table["s"].to_numpy(),
        gof=table["GOF"].to_numpy(),
        objective=table["objective"].to_numpy(),
        min_dose_nM=table["min_dose"].to_numpy(),
        max_dose_nM=table["max_dose"].to_numpy(),
        n_doses=np.full(n, 5),
        n_points=table["n_used"].to_numpy(),
        status=np.full(n, "ok", dtype=object),
        reason=np.full(n, "", dtype=object),
    )


def expected(golden: pd.DataFrame, curves: CurveBatch, name: str) -> np.ndarray:
    values: np.ndarray = golden.loc[curves.keys["set_id"], name].to_numpy()
    return values


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("DSS_asym", lambda c: scores.dss_asym(c)),
        ("DSS_A10", lambda c: scores.dss_asym(c, 10.0)),
        ("DSS_A0", lambda c: scores.dss_asym(c, 0.0)),
        ("DSS_A25", lambda c: scores.dss_asym(c, 25.0)),
        ("type0", lambda c: scores.dss(c, "area")),
        ("type2", lambda c: scores.dss(c, "dss2")),
        ("type3", lambda c: scores.dss(c, "dss3")),
        ("typemod", lambda c: scores.dss(c, "mod")),
        ("classic1", lambda c: scores.dss_above_bottom(c, "dss1")),
        ("classic2", lambda c: scores.dss_above_bottom(c, "dss2")),
        ("classic3", lambda c: scores.dss_above_bottom(c, "dss3")),
        ("Amin", lambda c: scores.minimum_activity(scores.shape_of(c), "auto")),
        ("Imin", lambda c: scores.printed_asymptotes(scores.shape_of(c))[0]),
        ("Imax", lambda c: scores.printed_asymptotes(scores.shape_of(c))[1]),
        ("Slope", lambda c: scores.shape_of(c).slope),
    ],
)
def test_scores_from_the_reference_parameters(name, score, golden, reference_curves):
    np.testing.assert_allclose(score(reference_curves), expected(golden, reference_curves, name), rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "target"), [("abs_IC25", 0.25), ("abs_IC50", 0.5), ("abs_IC75", 0.75), ("rel_IC50", None)]
)
def test_published_inhibitory_doses_from_the_reference_parameters(name, target, golden, reference_curves):
    goal = scores.relative_target(reference_curves) if target is None else np.float64(target)
    found = scores.published_inhibitory_dose(reference_curves, goal)
    np.testing.assert_allclose(found, expected(golden, reference_curves, name), rtol=1e-7)


def test_inhibitory_doses_agree_with_the_reference_where_they_are_values(golden, reference_curves):
    dose, bound = scores.inhibitory_dose(reference_curves, np.float64(0.5))
    reference = expected(golden, reference_curves, "abs_IC50")
    values = (bound == "=") & np.isfinite(dose) & np.isfinite(reference)
    assert values.sum() > 20
    np.testing.assert_allclose(dose[values], reference[values], rtol=1e-7)


def test_inhibition_at_the_doses_from_the_reference_parameters(golden, reference_curves):
    first = 100 * reference_curves.inhibition_at(np.log10(reference_curves.min_dose_nM)[:, None])[:, 0]
    np.testing.assert_allclose(first, expected(golden, reference_curves, "PI1"), atol=1e-7)


def test_classic_scores_agree_within_the_rounding_of_the_printed_parameters(points):
    table = pd.read_csv(REFERENCE / "golden_breeze_scores.csv").dropna(subset="IC50").set_index("set_id")
    wanted = points.keys["set_id"].isin(table.index).to_numpy()
    doses = np.where(np.isfinite(points.inhibition), points.log10_dose, np.nan)[wanted]
    low, high = np.nanmin(doses, axis=1), np.nanmax(doses, axis=1)
    # slope and top are printed with one decimal: the scores lie between those of the roundings' ends
    corners = np.array(
        [
            scores.classic_dss(np.log10(table["IC50"]), table["SLOPE"] + slope, table["MAX"] + top, low, high)
            for slope in (-0.05, -0.025, 0, 0.025, 0.05)
            for top in (-0.05, 0, 0.05)
        ]
    )
    for place, name in enumerate(("DSS1", "DSS2", "DSS3")):
        assert (table[name] >= corners[:, place].min(axis=0) - 0.0501).all()
        assert (table[name] <= corners[:, place].max(axis=0) + 0.0501).all()


def test_the_classic_fit_and_its_scores_agree_with_the_table(golden, points):
    """Of 37 curves 35 agree within the table's rounding.

    G19 falls from 104 % to 57 %: the reference stops at another curve than the best. G40 has exactly equal
    replicates, which the reference raises in the order of the file.
    """
    table = pd.read_csv(REFERENCE / "golden_breeze_scores.csv").set_index("set_id").loc[points.keys["set_id"]]
    fitted = fit_yadav(points.log10_dose, points.inhibition)
    found = np.stack(scores.classic_dss(*fitted), axis=1)
    printed = table[["DSS1", "DSS2", "DSS3"]].to_numpy()
    assert np.isfinite(found).all(axis=1).tolist() == table["IC50"].notna().tolist()
    apart = np.abs(found - printed).max(axis=1)
    assert table.index[apart > 0.0501].tolist() == ["G19", "G40"]
    assert apart[table.index == "G40"] < 0.1
    agreeing = table["IC50"].notna() & ~table.index.isin(["G19", "G14"])
    np.testing.assert_allclose(fitted.top_percent[agreeing], table["MAX"][agreeing], atol=0.1)
    steep = agreeing & (fitted.slope > 0.15)
    np.testing.assert_allclose(10 ** fitted.log10_ic50[steep], table["IC50"][steep], rtol=0.01)


@pytest.fixture(scope="module")
def published_fit(points: CurvePoints) -> CurveBatch:
    return fit_curves(points, "nplr")


@pytest.fixture
def stop_where_the_reference_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phenodose.dose_response.fit.fit_nplr", partial(fit_nplr, converge=False))


def test_published_fit_reaches_the_loss_of_the_reference(golden, published_fit):
    replicated = (golden["category"] != "single_rep") & (golden["status"] == "ok")
    reached = published_fit.objective <= golden["objective"] * (1 + 1e-6)
    assert reached[replicated].mean() >= 0.99
    assert (published_fit.fitted == (golden["status"] == "ok")).all()


def test_published_fit_scores_as_a_rerun_of_the_reference_or_has_a_lower_loss(golden, published_fit):
    fitted = (golden["status"] == "ok").to_numpy()
    found = scores.dss_asym(published_fit)
    inside = (found >= golden["noise_DSS_min"] - 0.05) & (found <= golden["noise_DSS_max"] + 0.05)
    lower = published_fit.objective < golden["objective"]
    assert (inside | lower)[fitted].all()


def test_published_search_stops_where_the_reference_stops(golden, points, stop_where_the_reference_stops):
    stopped = fit_curves(points, "nplr")
    replicated = ((golden["category"] != "single_rep") & (golden["status"] == "ok")).to_numpy()
    close = stopped.objective <= golden["objective"] * (1 + 1e-3)
    assert close[replicated].all()
    difference = np.abs(scores.dss_asym(stopped) - golden["DSS_asym"].to_numpy())[replicated]
    assert np.median(difference) <= 0.01
    assert np.quantile(difference, 0.8) <= 0.1


def test_robust_fit_answers_every_golden_curve(golden, points):
    curves = fit_curves(points)
    assert curves.fitted.all()
    status = pd.Series(curves.status, index=golden.index)
    assert (status[golden["category"] == "decreasing"] == "decreasing").all()
    assert (status[golden["category"].isin(["flat_zero_noise", "flat_half_noise", "flat_exact_zero"])] == "flat").all()
    assert (
        status[golden["category"].isin(["normal", "asymmetric", "partial", "over100", "three_doses"])] == "ok"
    ).all()
    noiseless = np.flatnonzero(golden["category"] == "noiseless_4pl")
    np.testing.assert_allclose(curves.parameters[noiseless, :4], [[0, 1, 2, 1]], atol=0.02)


@pytest.fixture(scope="module")
def bt40() -> tuple[CurvePoints, np.ndarray]:
    """Points of the published BT-40 screen by drug, and the published DSS_asym."""
    wells = pd.read_excel(REFERENCE / "iTReX-Demo_MRA_LayoutAndReadouts_BT-40_ST04.xlsx", engine="calamine")
    table = pd.read_excel(REFERENCE / "iTReX-Demo_MRA_TherapyParameters_BT-40_ST08.xlsx", engine="calamine")
    wells = wells[wells["Readout"].notna()]
    control = {
        kind: wells["Plate"].map(wells[wells["WellType"] == kind].groupby("Plate")["Readout"].median())
        for kind in ("neg", "pos")
    }
    wells = wells.assign(inhibition=1 - (wells["Readout"] - control["pos"]) / (control["neg"] - control["pos"]))
    therapy = wells[wells["WellType"] == "therapy"].rename(columns={"Treatment": "drug"})
    points = points_from_long(therapy, ["drug"], "Concentration", "inhibition")
    published = table.set_index("Drug.Name")["DSS_asym"].loc[points.keys["drug"]].to_numpy()
    assert len(published) == 75
    return points, published


@pytest.mark.parametrize(("fit", "rank", "median"), [("robust", 0.99, 0.3), ("nplr", 0.995, 0.1)])
def test_bt40_ranks_as_published(fit, rank, median, bt40):
    points, published = bt40
    found = scores.dss_asym(fit_curves(points, fit))
    assert pd.Series(found).rank().corr(pd.Series(published).rank()) >= rank
    assert len(set(np.argsort(-found)[:10]) & set(np.argsort(-published)[:10])) >= 9
    assert np.median(np.abs(found - published)) <= median


def test_bt40_stops_as_published(bt40, stop_where_the_reference_stops):
    points, published = bt40
    found = scores.dss_asym(fit_curves(points, "nplr"))
    assert pd.Series(found).rank().corr(pd.Series(published).rank()) >= 0.999
    assert np.median(np.abs(found - published)) <= 0.01
