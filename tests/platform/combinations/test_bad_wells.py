"""A bad well among dose pairs is told, and the intervals leave open whether it is right."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from phenodose import excess_of
from phenodose.combinations import DoseMatrix
from phenodose.pipeline.dose_matrices import excess_of_matrices
from phenodose.simulation.dose_matrices import simulate_matrices
from phenodose.viability.dose_matrices import MatrixWells

#: The dose pair that is spoilt.
AT = (3, 3)


def matrices(off: float) -> list[DoseMatrix]:
    """Three independent pairs of drugs, 6 x 6; one well with both drugs of the first reads too high or too low."""
    found = [one.matrix for one in simulate_matrices("bliss", 3, 1, 5, 1, 0.03)]
    first = found[0]
    place = np.flatnonzero(
        (first.first_nM == np.unique(first.first_nM)[AT[0]]) & (first.second_nM == np.unique(first.second_nM)[AT[1]])
    )
    inhibition = first.inhibition.copy()
    inhibition[place] += off
    return [DoseMatrix(first.first_nM, first.second_nM, inhibition), *found[1:]]


def test_a_bad_well_is_told_and_the_intervals_do_not_believe_it() -> None:
    off = 0.5
    good, bad = matrices(0.0), matrices(off)
    found, clean = excess_of(bad, draws=100, seed=2), excess_of(good, draws=100, seed=2)
    assert len(clean.doubtful) == 0
    (doubtful,) = found.doubtful.itertuples()
    assert (doubtful.matrix, doubtful.first_nM, doubtful.second_nM) == (
        0,
        *(np.unique(doses)[at] for doses, at in zip((bad[0].first_nM, bad[0].second_nM), AT, strict=True)),
    )
    assert doubtful.off_percent == pytest.approx(100 * off, abs=15)
    assert doubtful.probability > 0.9
    sums, before = (one.sums[one.sums["matrix"] == 0].set_index("measure") for one in (found, clean))
    for model in ("hsa", "bliss", "loewe"):
        moved = sums.loc[model, "value"] - before.loc[model, "value"]
        assert moved == pytest.approx(100 * off / 25, abs=0.5)  # it counts in the value
    for model in ("hsa", "bliss", "loewe", "zip"):
        middle = (sums["lower"] + sums["upper"])[model] / 2 - (before["lower"] + before["upper"])[model] / 2
        assert abs(middle) < 1.2  # and hardly in the interval
    others = [one.sums[one.sums["matrix"] > 0].reset_index(drop=True) for one in (found, clean)]
    np.testing.assert_allclose(others[0]["value"], others[1]["value"])


def test_a_row_that_lies_higher_is_no_bad_well() -> None:
    """As a potency that changes at one dose of the other drug makes it, or a bad well of a single drug."""
    one, *others = matrices(0.0)
    row = (one.first_nM == np.unique(one.first_nM)[2]) & (one.second_nM > 0)
    raised = DoseMatrix(one.first_nM, one.second_nM, one.inhibition + 0.3 * row)
    assert len(excess_of([raised, *others], draws=60, seed=2).doubtful) == 0


def test_notes_and_quality_say_which_dose_pair_is_doubtful() -> None:
    wells = [
        MatrixWells("S", "A", f"B{n}", one.first_nM, one.second_nM, one.inhibition)
        for n, one in enumerate(matrices(-0.5))
    ]
    found = excess_of_matrices(wells, "ctg", 60, seed=2)
    (note,) = [note for note in found.notes if "may be bad" in note]
    assert note.startswith("sample S: wells of 1 dose pair lie off those around them and may be bad: A ")
    figures = pd.DataFrame(found.figures["S"], columns=["metric", "value", "remark"]).set_index("metric")
    assert figures.loc["doubtful_pairs_percent", "value"] == pytest.approx(100 / 75)
    assert figures.loc["pairs_without_excess_percent", "value"] == 0
    assert 2 < figures.loc["pair_noise_percent", "value"] < 5
