"""Isobolograms: additive pairs lie on the line, synergistic ones below it, and what is missing is said."""

from __future__ import annotations

import numpy as np
import pytest

from phenodose.combinations import DoseMatrix, isobologram
from phenodose.errors import InputError

DOSES = np.array([0.0, 1.0, 3.0, 10.0, 30.0, 100.0])


def sham(potency: float = 1.0, top: float = 0.9) -> DoseMatrix:
    """One drug as two: doses add up; beyond that, each makes the other `potency` times as potent."""
    a, b = (grid.ravel() for grid in np.meshgrid(DOSES, DOSES, indexing="ij"))
    dose = (a + b) * np.where((a > 0) & (b > 0), potency, 1.0)
    return DoseMatrix(a, b, top * dose / (dose + 12.0))


def test_a_drug_with_itself_lies_on_the_line() -> None:
    found = isobologram(sham(), levels=(0.3, 0.5))
    assert set(found["status"]) == {"ok"}
    alone = found[(found["kind"] == "alone") & (found["level"] == 0.5)]
    np.testing.assert_allclose(alone[["first_nM", "second_nM"]].max(axis=1), 12 * 0.5 / 0.4, rtol=1e-3)
    line = found[found["kind"] == "additive"]
    np.testing.assert_allclose(line["combination_index"], 1.0, atol=1e-9)
    measured = found[found["kind"] == "measured"]
    assert len(measured) >= 8
    np.testing.assert_allclose(measured["combination_index"], 1.0, atol=0.06)


def test_synergy_lies_below_the_line() -> None:
    measured = isobologram(sham(potency=3.0)).query("kind == 'measured'")
    assert len(measured)
    assert measured["combination_index"].max() < 0.7


def test_a_level_that_neither_drug_reaches_says_so() -> None:
    found = isobologram(sham(top=0.4), levels=(0.2, 0.5))
    assert found.loc[found["level"] == 0.5, "status"].tolist() == ["neither drug alone reaches 50 %"]
    assert (found.loc[found["level"] == 0.2, "status"] == "ok").all()


def test_a_drug_that_never_reaches_the_level_leaves_the_others_dose() -> None:
    whole = sham()
    weak = DoseMatrix(whole.first_nM, whole.second_nM, 0.9 * whole.first_nM / (whole.first_nM + 12.0))
    line = isobologram(weak).query("kind == 'additive'")
    np.testing.assert_allclose(line["first_nM"], 15.0, rtol=1e-3)
    assert line["second_nM"].max() == 100.0


def test_without_single_wells_there_is_no_isobole() -> None:
    whole = sham()
    both = (whole.first_nM > 0) & (whole.second_nM > 0)
    found = isobologram(DoseMatrix(whole.first_nM[both], whole.second_nM[both], whole.inhibition[both]))
    assert found["status"].tolist() == ["no wells with the first drug alone"]
    with pytest.raises(InputError, match=r"level 1\.5"):
        isobologram(whole, levels=(1.5,))
