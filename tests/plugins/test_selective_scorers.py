"""Scores against reference samples: by hand, drug by drug, and only where the reference holds what they need."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.models import inhibition
from phenodose.dose_response.points import CurvePoints
from phenodose.dose_response.scoring import score_curves
from phenodose.errors import NotMade, PluginError
from phenodose.plugins import ReferenceParameters, SelectiveScorer, registry

NAMES = ("sdss_asym", "sdss_asym_adj", "zdss", "rdss")


@pytest.fixture(scope="module")
def curves() -> CurveBatch:
    """A strong and a weak drug, one that the reference does not know, and one that cannot be fitted."""
    x = np.tile(np.arange(5.0), (4, 1))
    shapes = ((1.0, 1.0), (0.4, 2.5), (0.9, 2.0))
    y = np.stack([inhibition(x[0], 0.0, top, mid, 1.0, 1.0) for top, mid in shapes])
    y = np.vstack([y + np.linspace(0.02, -0.02, 5), np.full(5, np.nan)])
    keys = pd.DataFrame({"drug": ["Strong", "Weak", "Unknown", "Strong too"]})
    return fit_curves(CurvePoints(keys, x, y), bootstrap=30)


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    path = tmp_path / "reference_samples.csv"
    columns = {"Drug.Name": ["Strong", "Weak", "Strong too"], "s1": [10, 2, 1], "s2": [14, 2, 2], "s3": [24, 2, 9]}
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def rows(curves: CurveBatch, name: str, **parameters: object) -> pd.DataFrame:
    return score_curves(curves, registry().create("scorer", name, parameters)).set_index("drug")


@pytest.mark.parametrize(
    ("name", "centre", "spread"),
    [
        ("sdss_asym", [16, 2], [0, 0]),
        # standard deviation of 10, 14, 24: sqrt((36 + 4 + 64) / 2); median 14, deviations 4, 0, 10
        ("zdss", [16, 2], [np.sqrt(52), 0]),
        ("rdss", [14, 2], [1.4826 * 4, 0]),
    ],
)
def test_values_by_hand(curves, samples, name, centre, spread):
    plain = rows(curves, "dss_asym").iloc[:2]
    found = rows(curves, name, reference=str(samples)).iloc[:2]
    for column in ("score", "lower", "upper"):
        expected = (plain[column] - centre) / (np.array(spread) + 1)
        np.testing.assert_allclose(found[column], expected, rtol=1e-9)
    assert set(found["status"]) == {"ok"}


def test_a_drug_without_reference_has_no_score_and_says_so(curves, samples):
    for name in ("sdss_asym", "zdss", "rdss"):
        found = rows(curves, name, reference=str(samples))
        assert np.isnan(found.loc["Unknown", ["score", "lower", "upper"]].astype(float)).all()
        assert found.loc["Unknown", "status"] == "no reference"
        assert found.loc["Strong too", "status"].startswith("failed")
        assert found["hit"].isna().all()


def test_the_score_that_is_compared_is_a_parameter(curves, samples):
    other = rows(curves, "yadav_dss2").iloc[:2]["score"]
    found = rows(curves, "zdss", reference=str(samples), of="yadav_dss2").iloc[:2]["score"]
    np.testing.assert_allclose(found, (other - [16, 2]) / [np.sqrt(52) + 1, 1])
    with pytest.raises(PluginError, match="scorer 'nothing' is not installed"):
        rows(curves, "zdss", reference=str(samples), of="nothing")


def test_the_minimum_activity_reaches_the_compared_score(curves, samples):
    plain = rows(curves, "dss_asym", amin=30).iloc[:2]["score"]
    found = rows(curves, "sdss_asym", amin=30, reference=str(samples)).iloc[:2]["score"]
    np.testing.assert_allclose(found, plain - [16, 2])


def test_the_adjusted_score_has_a_reference_of_its_own(curves, tmp_path):
    path = tmp_path / "summary.csv"
    path.write_text("Drug.Name,mean_DSS,mean_DSS_adj\nStrong,16,15\n")
    adjusted = rows(curves, "dss_asym_adj").loc["Strong", "score"]
    assert rows(curves, "sdss_asym_adj", reference=str(path)).loc["Strong", "score"] == pytest.approx(adjusted - 15)


@pytest.mark.parametrize("name", NAMES)
def test_without_reference_samples_there_is_nothing_to_score(curves, name):
    with pytest.raises(NotMade, match=r"reference_samples\.csv"):
        rows(curves, name)


@pytest.mark.parametrize(
    ("name", "told"), [("zdss", "mean and sd"), ("rdss", "median and mad"), ("sdss_asym_adj", "mean of dss_asym_adj")]
)
def test_a_reference_that_lacks_a_figure_is_told(curves, tmp_path, name, told):
    path = tmp_path / "summary.csv"
    path.write_text("Drug.Name,mean_DSS\nStrong,16\n")
    with pytest.raises(NotMade, match=rf"(?s){told}.*summary.csv does not hold; give the scores of the single samples"):
        rows(curves, name, reference=str(path))


def test_curves_that_name_no_drug_cannot_be_compared(curves, samples):
    from dataclasses import replace

    nameless = replace(curves, keys=pd.DataFrame({"curve_id": list("abcd")}))
    with pytest.raises(NotMade, match="no key `drug`"):
        rows(nameless, "sdss_asym", reference=str(samples))


def test_anyone_can_write_a_selective_scorer(curves, samples):
    class SelectiveEmax(SelectiveScorer):
        name, version, description = "semax", "1", "Emax above its mean in reference samples"
        Parameters = ReferenceParameters
        compared, comparison = "emax", "difference"

    found = score_curves(curves, SelectiveEmax({"reference": str(samples)}))
    plain = rows(curves, "emax")["score"].to_numpy()
    np.testing.assert_allclose(found["score"][:2], plain[:2] - [16, 2])
