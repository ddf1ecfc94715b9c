"""The measure additivity gives values known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from phenodose.combinations import DoseMatrix, excess_of
from phenodose.testing import ExcessMeasureConformance
from phenodose_response_additivity import AdditivityMeasure


class TestContract(ExcessMeasureConformance):
    """Every rule of the contract for measures of dose pairs."""

    plugin = AdditivityMeasure


@pytest.mark.parametrize(
    ("alone", "together", "largest", "excess"),
    [
        ((0.2, 0.3), 0.5, 1.0, 0.0),
        ((0.2, 0.3), 0.6, 1.0, 10.0),
        ((0.7, 0.6), 0.95, 1.0, -5.0),
        ((0.7, 0.6), 0.95, 0.9, 5.0),
    ],
)
def test_known_pairs(alone, together, largest, excess):
    wells = DoseMatrix(np.array([10.0, 0.0, 10.0]), np.array([0.0, 5.0, 5.0]), np.array([*alone, together]))
    found = excess_of([wells], [AdditivityMeasure({"largest": largest})], draws=0)
    assert found.pairs["excess_percent"].tolist() == pytest.approx([excess])
    assert found.sums["value"].tolist() == pytest.approx([excess])
