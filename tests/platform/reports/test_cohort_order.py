"""The order of the cohort's heat map: distances over what two screens both have."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from phenodose.reports.cohort.heat_map import distances

_PROFILES = hnp.arrays(
    float, st.tuples(st.integers(2, 6), st.integers(1, 5)), elements=st.one_of(st.floats(0, 100), st.just(np.nan))
)


@given(_PROFILES)
def test_distances_are_finite_symmetric_and_zero_to_oneself(profiles: np.ndarray) -> None:
    found = distances(profiles)
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    np.testing.assert_array_equal(found, found.T)
    assert (np.diag(found) == 0).all()


@given(_PROFILES)
def test_missing_values_are_left_out_of_the_mean(profiles: np.ndarray) -> None:
    found = distances(profiles)
    for i in range(len(profiles)):
        for j in range(i):
            both = ~np.isnan(profiles[i]) & ~np.isnan(profiles[j])
            if both.any():
                plain = np.sqrt(np.mean((profiles[i, both] - profiles[j, both]) ** 2))
                np.testing.assert_allclose(found[i, j], plain, atol=2e-3)


def test_rows_that_share_nothing_are_as_far_apart_as_the_farthest() -> None:
    found = distances(np.array([[1.0, np.nan], [4.0, np.nan], [np.nan, 2.0]]))
    assert found[0, 2] == found[1, 2] == found[0, 1] == 3.0
