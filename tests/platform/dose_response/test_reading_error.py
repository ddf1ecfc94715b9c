"""Intervals hold what all wells of a drug may have in common: the reading's own error, and that of its scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.models import inhibition
from phenodose.dose_response.points import CurvePoints
from phenodose.dose_response.reading_error import with_reading_error, with_scale_error
from phenodose.pipeline.curves import CurveParameters, curves_of

DOSES = np.repeat(np.arange(5.0), 2)
DRAWS = 2000


@pytest.fixture(scope="module")
def curves() -> CurveBatch:
    """A drug that kills, one that kills half, and one without effect; almost no scatter."""
    rng = np.random.default_rng(1)
    true = np.stack([inhibition(DOSES, 0.0, top, 2.0, 1.5, 1.0) for top in (1.0, 0.5, 0.0)])
    points = CurvePoints(
        pd.DataFrame({"drug": ["kills", "half", "inert"]}),
        np.tile(DOSES, (3, 1)),
        true + rng.normal(0, 0.002, true.shape),
    )
    return fit_curves(points, bootstrap=DRAWS)


def spread(batch: CurveBatch, log10_dose: float) -> np.ndarray:
    """Standard deviation of every curve's draws at a dose."""
    assert batch.draws is not None
    return np.array([inhibition(log10_dose, *draws.T).std() for draws in batch.draws])


def added(before: CurveBatch, after: CurveBatch, log10_dose: float) -> np.ndarray:
    """Standard deviation that has come to every curve's draws at a dose."""
    return np.sqrt(np.maximum(spread(after, log10_dose) ** 2 - spread(before, log10_dose) ** 2, 0.0))


def test_a_reading_that_is_as_sure_everywhere_moves_the_curve_everywhere(curves: CurveBatch) -> None:
    moved = with_reading_error(curves, np.full(curves.inhibition.shape, 0.1), seed=0)
    for dose in (0.0, 2.0, 4.0):
        np.testing.assert_allclose(added(curves, moved, dose), 0.1, rtol=0.15)


def test_it_moves_each_dose_by_what_its_wells_are_unsure(curves: CurveBatch) -> None:
    sd = 0.02 + 0.1 * np.clip(curves.inhibition, 0, 1)
    moved = with_reading_error(curves, sd, seed=0)
    for dose, expected in ((0.0, 0.02), (2.0, 0.07), (4.0, 0.12)):
        assert added(curves, moved, dose)[0] == pytest.approx(expected, abs=0.01)


def test_without_uncertainty_nothing_changes(curves: CurveBatch) -> None:
    sd = np.zeros(curves.inhibition.shape)
    sd[1] = 0.1
    moved = with_reading_error(curves, sd, seed=0)
    assert curves.draws is not None
    assert moved.draws is not None
    np.testing.assert_array_equal(moved.draws[[0, 2]], curves.draws[[0, 2]])
    assert with_reading_error(curves, np.full_like(sd, np.nan), seed=0) is curves
    assert with_scale_error(curves, (0.0, 0.0, 0.0), seed=0) is curves
    assert with_scale_error(replace(curves, draws=None), (0.1, 0.1, 0.1), seed=0).draws is None


def test_draws_of_a_curve_do_not_depend_on_the_others(curves: CurveBatch) -> None:
    sd = np.full(curves.inhibition.shape, 0.1)
    together = with_reading_error(curves, sd, seed=3)
    alone = with_reading_error(curves.select(np.array([1])), sd[[1]], seed=3)
    assert together.draws is not None
    assert alone.draws is not None
    np.testing.assert_array_equal(together.draws[1], alone.draws[0])


def test_a_scale_is_off_most_half_way(curves: CurveBatch) -> None:
    moved = with_scale_error(curves, (0.0, 0.1, 0.0), seed=0)
    assert added(curves, moved, 2.0)[0] == pytest.approx(0.1, abs=0.015)  # half of the cells are dead
    assert added(curves, moved, 4.0)[1] == pytest.approx(0.1, abs=0.015)  # the drug that kills half, highest dose
    assert added(curves, moved, 0.0).max() < 0.02
    assert added(curves, moved, 4.0)[[0, 2]].max() < 0.02


def test_a_scale_may_be_off_at_either_end(curves: CurveBatch) -> None:
    living, killed = (with_scale_error(curves, error, seed=0) for error in ((0.1, 0.0, 0.0), (0.0, 0.0, 0.1)))
    np.testing.assert_allclose(added(curves, living, 0.0), 0.1, rtol=0.15)
    assert added(curves, living, 4.0)[0] < 0.02
    assert added(curves, killed, 4.0)[0] == pytest.approx(0.1, rel=0.15)
    assert added(curves, killed, 0.0).max() < 0.02


def test_more_effect_never_reads_as_less(curves: CurveBatch) -> None:
    moved = with_scale_error(curves, (0.02, 1.0, 0.02), seed=0)
    assert moved.draws is not None
    levels = np.stack([inhibition(dose, *moved.draws[0].T) for dose in (0.0, 1.0, 2.0, 3.0, 4.0)])
    assert (np.diff(levels, axis=0) > -1e-6).all()


def test_the_uncertainty_of_the_table_viability_enters_the_curves() -> None:
    rows = [
        {
            "plate": "P1",
            "well": f"B{4 + i:02d}",
            "row": "B",
            "column": 4 + i,
            "concentration_nM": 10.0**dose,
            "replicate": 1 + i % 2,
        }
        for i, dose in enumerate(DOSES)
    ]
    wells = pd.DataFrame(rows).assign(sample="S", treatment="A", well_type="therapy", add_on=None)
    effect = inhibition(DOSES, 0.0, 0.6, 2.0, 1.5, 1.0)
    viability = wells[["plate", "well", "row", "column"]].assign(
        readout="seen", viability_fraction=1 - effect, viability_sd_fraction=0.1, masked=False, control=None, raw=0.5
    )
    viability.loc[3, "masked"] = True
    told = curves_of(viability, wells, "seen", CurveParameters(bootstrap=DRAWS)).batch
    silent = curves_of(
        viability.assign(viability_sd_fraction=np.nan), wells, "seen", CurveParameters(bootstrap=DRAWS)
    ).batch
    assert len(told) == 3, "pooled and two replicates"
    np.testing.assert_array_equal(told.parameters, silent.parameters)
    np.testing.assert_allclose(added(silent, told, 4.0), 0.1, rtol=0.25)
