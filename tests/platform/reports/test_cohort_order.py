"""The cohort's heat map: its order, by distances over what two screens both have, and its letters in print."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from phenodose.reports.cohort.heat_map import HeatMap, distances, parts_of

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


#: Millimetres that a figure of the cohort report has at most on A4, as its style sheet says.
PRINTED_MM = (188.0, 225.0)


@pytest.mark.parametrize(
    ("n_drugs", "n_screens", "n_readouts", "n_parts", "named"),
    [(75, 17, 4, 1, True), (6, 2, 2, 1, True), (160, 30, 4, 6, True), (75, 200, 2, 1, False)],
)
def test_letters_have_six_points_on_a4_and_several_figures_hold_what_one_cannot(
    n_drugs: int, n_screens: int, n_readouts: int, n_parts: int, named: bool
) -> None:
    from matplotlib.text import Text

    drugs = [f"Panobinostat {number}" for number in range(n_drugs)]
    screens = [f"INF_R_{number}_V1_DS1" for number in range(n_screens)]
    readouts = [f"readout {number}" for number in range(n_readouts)]
    found = parts_of(readouts, drugs, n_screens)
    assert len(found) == n_parts
    held = [(readout, drug) for panels, block in found for readout in readouts[panels] for drug in drugs[block]]
    assert sorted(held) == sorted((readout, drug) for readout in readouts for drug in drugs)
    panels, block = found[0]
    values = np.zeros((len(readouts[panels]), len(drugs[block]), n_screens))
    part = HeatMap(values, values > 0, readouts[panels], drugs[block], screens, None, None, n_drugs, block.start)
    figure = part.draw()
    size_mm = 25.4 * figure.get_size_inches()
    scale = min(1.0, *(most / mm for most, mm in zip(PRINTED_MM, size_mm, strict=True)))
    texts = [text for text in figure.findobj(Text) if text.get_text()]
    assert min(scale * text.get_fontsize() for text in texts) >= 6
    assert {screens[-1], drugs[0]} <= {text.get_text() for text in texts} or not named
