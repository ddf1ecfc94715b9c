"""Ends of intervals are percentiles of the draws that have a value."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from phenodose.dose_response.intervals import interval_ends


def test_ends_are_the_percentiles_of_the_draws_whatever_their_order():
    values = np.random.default_rng(0).normal(size=(3, 199))
    low, high = interval_ends(values)
    np.testing.assert_allclose(low, np.quantile(values, 0.025, axis=1, method="weibull"))
    np.testing.assert_allclose(high, np.quantile(values, 0.975, axis=1, method="weibull"))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.integers(0, 20))
def test_draws_without_a_value_do_not_count(values, missing):
    rows = np.array([[*values, *[np.nan] * missing]])
    assert [ends.tolist() for ends in interval_ends(rows)] == [
        ends.tolist() for ends in interval_ends(np.array([values]))
    ]
    low, high = interval_ends(rows)
    assert min(values) <= low[0] <= high[0] <= max(values)
