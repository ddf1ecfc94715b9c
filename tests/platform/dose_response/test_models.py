"""The curve family: values, limits, inverse."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from phenodose.dose_response.models import inhibition, log10_dose_at

asymptote = st.floats(-0.5, 2.0)
finite = {"allow_nan": False, "allow_infinity": False}


def test_symmetric_curve_is_half_way_at_its_mid_dose():
    assert inhibition(2.0, 0.1, 0.9, 2.0, 1.3, 1.0) == 0.5


def test_asymmetric_curve_follows_the_formula():
    x = np.array([0.0, 1.0, 2.5])
    expected = 0.1 + 0.7 * (1 + 10 ** ((1.2 - x) * 1.7)) ** -0.4
    np.testing.assert_allclose(inhibition(x, 0.1, 0.8, 1.2, 1.7, 0.4), expected, rtol=1e-14)


@given(
    st.floats(-1e6, 1e6, **finite),
    asymptote,
    asymptote,
    st.floats(-1e6, 1e6, **finite),
    st.floats(-1e4, 1e4, **finite),
    st.floats(1e-3, 1e3, **finite),
)
def test_curve_stays_between_its_asymptotes_whatever_the_parameters(x, bottom, top, mid, slope, asymmetry):
    value = inhibition(x, bottom, top, mid, slope, asymmetry)
    assert min(bottom, top) - 1e-9 <= value <= max(bottom, top) + 1e-9


@given(
    st.floats(0.02, 0.98),
    st.floats(-0.3, 0.4),
    st.floats(0.6, 1.5),
    st.floats(-2, 6),
    st.floats(0.2, 6),
    st.floats(0.2, 5),
)
def test_inverse_undoes_the_curve(share, bottom, top, mid, slope, asymmetry):
    target = bottom + share * (top - bottom)
    x = log10_dose_at(target, bottom, top, mid, slope, asymmetry)
    np.testing.assert_allclose(inhibition(x, bottom, top, mid, slope, asymmetry), target, atol=1e-9)


def test_inverse_has_no_answer_at_or_beyond_an_asymptote_and_on_a_constant():
    targets = np.array([-0.1, 0.0, 1.0, 1.2])
    assert np.isnan(log10_dose_at(targets, 0.0, 1.0, 2.0, 1.0, 1.0)).all()
    assert np.isnan(log10_dose_at(0.5, 0.5, 0.5, 2.0, 1.0, 1.0))
