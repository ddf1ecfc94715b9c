"""True curves and libraries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenodose.simulation.pharmacology import STAUROSPORINE, TrueCurve, drug_library
from phenodose.simulation.truth import true_dss_asym

curves = st.builds(
    TrueCurve,
    bottom=st.just(0.0),
    top=st.floats(0.05, 1.0),
    log10_mid=st.floats(-2, 6),
    slope=st.floats(0.3, 4),
    asymmetry=st.floats(0.3, 3),
)


@given(curves, st.lists(st.floats(1e-3, 1e7), min_size=2, max_size=8))
def test_inhibition_rises_with_dose_between_bottom_and_top(curve: TrueCurve, doses: list[float]) -> None:
    inhibition = curve.inhibition(sorted(doses))
    assert np.all(np.diff(inhibition) >= 0)
    assert np.all((inhibition >= 0) & (inhibition <= curve.top))
    assert curve.inhibition(0.0) == 0.0


@given(curves, st.floats(0.05, 0.95))
def test_dose_at_is_the_inverse(curve: TrueCurve, share: float) -> None:
    wanted = share * curve.top
    assert curve.inhibition(curve.dose_at(wanted)) == pytest.approx(wanted, rel=1e-6)
    assert np.isnan(curve.dose_at(curve.top))


def test_staurosporine_kills_at_the_control_dose_and_not_at_its_lowest() -> None:
    assert STAUROSPORINE.viability(250.0) < 0.02
    assert STAUROSPORINE.viability(0.1) > 0.99


@given(st.integers(2, 12), st.integers(0, 10_000))
def test_a_library_spreads_over_the_scale(n: int, seed: int) -> None:
    drugs = drug_library(n, seed)
    assert len({drug.name for drug in drugs}) == n
    for drug in drugs:
        np.testing.assert_allclose(np.diff(np.log10(drug.doses_nM)), 1.0)
        assert len(drug.doses_nM) == 5
    scores = np.sort(true_dss_asym(drugs))
    assert scores[0] < 1
    assert scores[-1] > 30
    assert np.diff(scores).min() > 0.4


def test_the_true_score_is_the_area_over_a_tenth() -> None:
    """DSS_asym by hand: half of the area above 10 % as percent of the largest possible."""
    drug = max(drug_library(8, 1), key=lambda drug: drug.curve.top)
    x = np.linspace(np.log10(drug.doses_nM[0]), np.log10(drug.doses_nM[-1]), 20_001)
    above = np.maximum(100 * drug.curve.inhibition(10**x) - 10, 0)
    by_hand = 50 * np.trapezoid(above, x) / (90 * 4)
    assert true_dss_asym([drug])[0] == pytest.approx(by_hand, abs=0.01)


def test_another_seed_is_another_patient() -> None:
    first = {drug.name: drug.curve for drug in drug_library(8, 1)}
    second = {drug.name: drug.curve for drug in drug_library(8, 2)}
    assert first.keys() == second.keys()
    assert first != second
    assert first == {drug.name: drug.curve for drug in drug_library(8, 1)}
