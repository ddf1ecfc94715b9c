"""The scorer gr_nauc gives values known by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from phenodose.dose_response.curves import CurveBatch
from phenodose.tables import CURVE_FIT_COLUMNS
from phenodose.testing import ScorerConformance
from phenodose_gr_nauc import GrNaucScorer


class TestContract(ScorerConformance):
    """Every rule of the contract for scorers."""

    plugin = GrNaucScorer


def flat(*inhibitions: float) -> CurveBatch:
    """Curves without slope: the same inhibition at every dose from 1 to 10000 nM."""
    common = dict.fromkeys(CURVE_FIT_COLUMNS) | {
        "min_dose_nM": 1.0,
        "max_dose_nM": 10000.0,
        "n_doses": 5,
        "n_points": 10,
        "fit": "robust",
        "model": 1,
        "log10_mid": 0.0,
        "slope": 0.0,
        "asymmetry": 1.0,
        "status": "ok",
    }
    return CurveBatch.from_frame(pd.DataFrame([common | {"bottom": i, "top": i} for i in inhibitions]))


@pytest.mark.parametrize(
    ("inhibition", "doublings", "expected"),
    [
        (0.0, 2.0, 100.0),  # no effect: GR = 1
        (0.75, 2.0, 50.0),  # after two doublings a quarter of the cells is as many as at the start: GR = 0
        (1.0, 2.0, 0.0),  # nothing lives: GR = -1
        (0.5, 1.0, 50.0),
    ],
)
def test_known_curves(inhibition, doublings, expected):
    found = GrNaucScorer({"doublings": doublings}).score(flat(inhibition))
    assert found.value[0] == pytest.approx(expected, abs=1e-9)


def test_without_a_count_of_doublings_there_is_a_reason_instead_of_a_score():
    found = GrNaucScorer().score(flat(0.2, 0.4))
    assert np.isnan(found.value).all()
    assert set(found.reason) == {"no time-zero wells and no parameter doublings"}
