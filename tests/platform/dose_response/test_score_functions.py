"""Score formulas on curves whose scores are known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from phenodose.dose_response import score_functions as scores
from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.fit import fit_curves
from phenodose.simulation.curves import simulate_curves
from phenodose.tables import CURVE_FIT_COLUMNS


def curves(**columns: object) -> CurveBatch:
    """Curves from 1 to 10000 nM; what is left out is 0 to 1, mid 100 nM, slope 1, symmetric."""
    row = {"bottom": 0.0, "top": 1.0, "log10_mid": 2.0, "slope": 1.0, "asymmetry": 1.0, "model": 4}
    row |= {"min_dose_nM": 1.0, "max_dose_nM": 1e4, "n_doses": 5, "n_points": 10, "fit": "robust", "status": "ok"}
    n = max((len(v) for v in columns.values() if isinstance(v, list)), default=1)
    frame = pd.DataFrame({name: [None] * n for name in CURVE_FIT_COLUMNS})
    return CurveBatch.from_frame(frame.assign(**(row | columns)))


def test_complete_inhibition_at_every_dose_scores_fifty_and_none_scores_nothing():
    batch = curves(bottom=[1.0, 0.0, 0.1], top=[1.0, 0.0, 0.1])
    np.testing.assert_allclose(scores.dss_asym(batch), [50, 0, 0], atol=1e-12)
    np.testing.assert_allclose(scores.mean_inhibition(batch), [1, 0, 0.1])


def test_dss_is_the_area_over_ten_percent_of_a_symmetric_curve():
    # integral of 100/(1+10^(2-x)) over 0..4 is 200; above 10 % it starts at x = 2 - log10(9)
    start = 2 - np.log10(9)
    area = 100 * (np.log10(1 + 10**2) - np.log10(1 + 10 ** (start - 2))) - 10 * (4 - start)
    np.testing.assert_allclose(scores.dss(curves(), "area", 10.0), area, rtol=1e-4)
    np.testing.assert_allclose(scores.dss(curves(), "dss1", 10.0), area / 3.6, rtol=1e-4)
    np.testing.assert_allclose(scores.dss(curves(), "dss2", 10.0), area / 3.6 / 2, rtol=1e-4)
    np.testing.assert_allclose(scores.dss(curves(), "dss3", 10.0), area / 3.6 * (4 - start) / 4, rtol=1e-4)
    np.testing.assert_allclose(scores.dss(curves(), "mod", 10.0), area / 3.6, rtol=1e-4)
    closed = scores.classic_dss(*(np.array([v]) for v in (2.0, 1.0, 100.0, 0.0, 4.0)))
    np.testing.assert_allclose(np.ravel(closed), [area / 3.6, area / 7.2, area / 3.6 * (4 - start) / 4], atol=1e-4)


def test_minimum_activity_auto_is_a_tenth_of_the_span_up_to_eleven():
    shape = scores.shape_of(curves(top=[0.8, 1.05, 3.0]))
    np.testing.assert_allclose(scores.minimum_activity(shape, "auto"), [10, 10.5, 11])


def test_falling_curves_count_as_high_as_at_their_highest_dose():
    batch = curves(bottom=[1.0, 0.5], top=[0.5, 1.0], slope=[3.0, -3.0], log10_mid=[1.0, 1.0])
    np.testing.assert_allclose(scores.dss_asym(batch, 10.0), 50 * (50 - 10) / 90, rtol=1e-5)


def test_score_is_missing_without_a_curve_or_without_a_dose_range():
    batch = curves(model=[None, 4], top=[np.nan, 1.0], max_dose_nM=[1e4, 1.0])
    assert np.isnan(scores.dss_asym(batch)).all()


def test_inhibitory_dose_says_when_it_is_only_a_bound():
    batch = curves(bottom=[0.0, 0.0, 0.7, 0.9, 0.99], top=[1.0, 0.4, 1.0, 0.1, 0.95])
    dose, bound = scores.inhibitory_dose(batch, 0.5)
    np.testing.assert_allclose(dose, [100, 1e4, 1, np.nan, 1])
    assert list(bound) == ["=", ">", "<", "=", "<"]


def test_inhibitory_dose_never_leaves_the_tested_range():
    batch = curves(top=[1.0, 1.0], log10_mid=[9.0, -9.0])
    dose, bound = scores.inhibitory_dose(batch, 0.5)
    np.testing.assert_array_equal(dose, [1e4, 1.0])
    assert list(bound) == [">", "<"]


@pytest.mark.parametrize("kind", ["area", "dss1", "dss2", "dss3", "mod"])
def test_scores_of_one_curve_do_not_depend_on_the_others(kind):
    tops, mids = [0.3, 0.9, 1.2], [1.0, 3.0, 5.0]
    together = scores.dss(curves(top=tops, log10_mid=mids), kind)
    alone = [scores.dss(curves(top=[t], log10_mid=[m]), kind)[0] for t, m in zip(tops, mids, strict=True)]
    np.testing.assert_array_equal(together, alone)


def test_draws_that_are_scored_in_single_precision_have_the_scores_of_double_precision(monkeypatch):
    monkeypatch.setattr(scores, "GRID_POINTS", scores.DRAWN_GRID_POINTS)
    drawn = fit_curves(simulate_curves("noisy", 12, 3).points, bootstrap=40).drawn(0, 40)
    np.testing.assert_allclose(scores.dss_asym(drawn), scores.dss_asym(replace(drawn, drawn_from=None)), atol=1e-4)


def test_draws_are_integrated_over_enough_doses():
    drawn = fit_curves(simulate_curves("noisy", 12, 3, 9, 2, 1.0).points, bootstrap=40).drawn(0, 40)
    np.testing.assert_allclose(scores.dss_asym(drawn), scores.dss_asym(replace(drawn, drawn_from=None)), atol=0.014)
