"""Wells become points, and scores become a table."""

import numpy as np
import pandas as pd
import pytest

from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.points import curve_points, points_from_long
from phenodose.dose_response.scoring import score_curves
from phenodose.errors import InputError, PluginError
from phenodose.plugins import Scores, registry, scorer
from phenodose.plugins.scorers import Scorer
from phenodose.tables import CURVE_FIT_COLUMNS

DOSES_NM = [1.0, 10.0, 100.0, 1000.0, 10000.0]


def screen() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two drugs and a combination, two replicates, a control series, one masked well."""
    wells, values = [], []
    for replicate in (1, 2):
        for row, (drug, add_on, kind) in enumerate(
            [("Beta", None, "therapy"), ("Alpha", None, "therapy"), ("Alpha", "Gamma", "therapy"), ("STS", None, "TRC")]
        ):
            for column, dose in enumerate(DOSES_NM, 1):
                well = f"{'ABCD'[row]}{column + 10 * replicate:02d}"
                wells.append(("P1", well, "S1", kind, drug, dose, replicate, add_on))
                values.append(("P1", well, "ctg", 1 - column / 6, False))
    wells.append(("P1", "H01", "S1", "neg", "DMSO", np.nan, 1, None))
    values.append(("P1", "H01", "ctg", 1.0, False))
    values[0] = (*values[0][:3], np.nan, True)
    names = ["plate", "well", "sample", "well_type", "treatment", "concentration_nM", "replicate", "add_on"]
    return (
        pd.DataFrame(values, columns=["plate", "well", "readout", "viability_fraction", "masked"]),
        pd.DataFrame(wells, columns=names).astype({"replicate": "Int64"}),
    )


def test_therapy_wells_become_curves_pooled_and_by_replicate():
    points = curve_points(*screen())
    assert points.keys["drug"].unique().tolist() == ["Alpha", "Alpha + Gamma", "Beta"]
    assert points.keys["replicate"].unique().tolist() == ["1", "2", "pooled"]
    pooled = (points.keys["replicate"] == "pooled") & (points.keys["drug"] == "Beta")
    at = np.flatnonzero(pooled)[0]
    assert np.isfinite(points.inhibition[at]).sum() == 9  # one well is masked
    np.testing.assert_allclose(np.sort(points.log10_dose[at]), np.repeat(np.arange(5.0), 2))


def test_pooled_only_and_the_control_series():
    assert curve_points(*screen(), per_replicate=False).keys["replicate"].unique().tolist() == ["pooled"]
    assert curve_points(*screen(), well_types=("trc",)).keys["drug"].unique().tolist() == ["STS"]


def test_missing_columns_are_named_together():
    viability, wells = screen()
    with pytest.raises(InputError, match=r"(?s)masked.*treatment"):
        curve_points(viability.drop(columns="masked"), wells.drop(columns="treatment"))


def test_a_curve_without_values_stays_in_the_table():
    frame = pd.DataFrame({"id": ["a", "a", "b"], "concentration_nM": [1.0, 0.0, 1.0], "inhibition": [0.1, 0.2, np.nan]})
    points = points_from_long(frame, ["id"])
    assert points.keys["id"].tolist() == ["a", "b"]
    curves = fit_curves(points)
    assert curves.n_points.tolist() == [1, 0]
    frame = curves.to_frame()
    assert frame.columns.tolist() == ["id", *CURVE_FIT_COLUMNS]
    assert frame["model"].isna().all()


def test_frame_and_batch_are_the_same_curves():
    curves = fit_curves(curve_points(*screen()))
    again = type(curves).from_frame(curves.to_frame())
    np.testing.assert_array_equal(again.parameters, curves.parameters)
    assert again.to_frame().equals(curves.to_frame())


def test_scores_have_interval_hit_and_status():
    viability, wells = screen()
    viability.loc[wells["treatment"] == "Beta", "viability_fraction"] = np.nan
    curves = fit_curves(curve_points(viability, wells, per_replicate=False), bootstrap=40)
    table = score_curves(curves, registry().create("scorer", "dss_asym"))
    alpha, beta = table.iloc[0], table.iloc[2]
    assert alpha["lower"] <= alpha["score"] <= alpha["upper"]
    assert alpha["lower"] < alpha["upper"]
    assert alpha["hit"] == (alpha["score"] >= 10)
    assert (alpha["status"], alpha["bound"], alpha["unit"]) == ("ok", "=", "percent")
    assert np.isnan(beta["score"])
    assert pd.isna(beta["hit"])
    assert beta["status"] == "failed: no well with a value."
    without = score_curves(
        fit_curves(curve_points(viability, wells, per_replicate=False)), registry().create("scorer", "emax")
    )
    assert without[["lower", "upper"]].isna().all().all()
    assert without["hit"].isna().all()


def test_a_function_of_one_curve_is_a_scorer_with_intervals():
    @scorer("last", version="1", description="Inhibition at the highest dose", unit="fraction", hit_threshold=0.5)
    def last(curve):
        return float(curve.inhibition_at(np.log10(curve.max_dose_nM)))

    curves = fit_curves(curve_points(*screen(), per_replicate=False), bootstrap=10)
    table = score_curves(curves, last())
    np.testing.assert_allclose(table["score"], 5 / 6, atol=0.06)
    assert (table["lower"] < table["upper"]).all()
    assert table["hit"].all()


def test_a_scorer_that_gives_too_few_scores_is_told():
    class Short(Scorer):
        name, version, description = "short", "1", "Too short"

        def score(self, curves):
            return Scores(np.zeros(1))

    with pytest.raises(PluginError, match=r"'short' gave \(1,\) scores"):
        score_curves(fit_curves(curve_points(*screen())), Short())
