"""Two readouts of a drug: they agree, differ, or their intervals leave it undecided."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from phenodose.dose_response.agreement import compared


def drug(first: tuple[float, float, float, float], second: tuple[float, float, float, float], **more: object) -> str:
    """What is said of a drug with these scores, lower and upper ends, and probabilities of a hit; a hit is 10."""
    row = {
        f"{name}{end}": value
        for end, values in (("_i", first), ("_m", second))
        for name, value in zip(("score", "lower", "upper", "p_hit_fraction"), values, strict=True)
    }
    row |= {"readout_failed_i": False, "readout_failed_m": False, **more}
    threshold = row.pop("threshold", 10.0)
    return str(compared(pd.DataFrame([row]), threshold)["agreement"].iloc[0])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [
        ((30, 28, 32, 1.0), (31, 29, 33, 1.0), "agree"),
        ((0, 0, 1, 0.0), (2, 1, 4, 0.0), "agree"),
        # Both hit, and one surely by far more than the other.
        ((40, 38, 42, 1.0), (12, 11, 14, 1.0), "differ"),
        ((12, 11, 14, 1.0), (40, 38, 42, 1.0), "differ"),
        # One a hit and one none, each surely, though close.
        ((11, 10.5, 11.5, 1.0), (8, 7, 9, 0.0), "differ"),
        # On either side of the line, and neither surely.
        ((9.9, 8, 12, 0.45), (10.1, 8, 12, 0.55), "undecided"),
        # So wide that they would cover each other, whatever the drug does.
        ((2, 0, 25, 0.4), (20, 3, 35, 0.8), "undecided"),
        ((20, 19, 21, 1.0), (12, 11, 13, 1.0), "agree"),
    ],
)  # fmt: skip
def test_two_readouts_of_a_drug(first: tuple[float, ...], second: tuple[float, ...], word: str) -> None:
    assert drug(first, second) == word  # type: ignore[arg-type]
    assert drug(second, first) == word  # type: ignore[arg-type]


def test_a_readout_that_failed_and_a_score_without_draws_leave_it_undecided() -> None:
    sure = (30.0, 28.0, 32.0, 1.0)
    assert drug(sure, sure, readout_failed_m=True) == "undecided"
    assert drug(sure, (30.0, np.nan, np.nan, np.nan)) == "undecided"


def test_without_a_threshold_the_probabilities_alone_decide() -> None:
    assert drug((40, 38, 42, 1.0), (12, 11, 14, 1.0), threshold=None) == "agree"
    assert drug((40, 38, 42, 1.0), (2, 1, 4, 0.0), threshold=None) == "differ"


def test_the_interval_of_the_difference_is_made_of_both() -> None:
    row = {"score_i": 20.0, "lower_i": 17.0, "upper_i": 26.0, "p_hit_fraction_i": 1.0, "readout_failed_i": False}
    row |= {"score_m": 12.0, "lower_m": 4.0, "upper_m": 16.0, "p_hit_fraction_m": 0.5, "readout_failed_m": False}
    found = compared(pd.DataFrame([row]), 10.0).iloc[0]
    assert found[["difference", "difference_lower", "difference_upper"]].tolist() == [8.0, 3.0, 18.0]
    assert found["p_same_fraction"] == 0.5


def test_no_drug_is_no_row() -> None:
    columns = ["score", "lower", "upper", "p_hit_fraction", "readout_failed"]
    empty = pd.DataFrame(columns=[f"{name}{end}" for name in columns for end in ("_i", "_m")])
    assert compared(empty, 10.0).empty
