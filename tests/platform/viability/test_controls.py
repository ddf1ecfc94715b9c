"""Choosing control wells by well type or treatment."""

from __future__ import annotations

import pandas as pd
import pytest

from phenodose.errors import InputError
from phenodose.viability.controls import choose_controls


def wells(*contents: tuple[str, str | None]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "plate": "1",
            "well": [f"A{i + 1:02d}" for i in range(len(contents))],
            "well_type": [well_type for well_type, _ in contents],
            "treatment": [treatment for _, treatment in contents],
        }
    )


METABOLIC = wells(("neg", "DMSO"), ("pos", "BzCl"), ("STS", "Staurosporine"), ("trc", "STS"), ("therapy", "BzCl"))
IMAGING = wells(("neg", "DMSO"), ("BzCl", "BzCl"), ("pos", "Staurosporine"), ("trc", "Staurosporine"), ("empty", None))


@pytest.mark.parametrize(
    ("frame", "positive", "name", "at"),
    [
        (METABOLIC, ("STS", "Staurosporine", "pos"), "STS", [2]),
        (METABOLIC, ("BzCl", "pos"), "BzCl", [1]),
        (METABOLIC, ("pos",), "pos", [1]),
        (METABOLIC, ("nothing", "bzcl"), "bzcl", [1]),
        (IMAGING, ("STS", "Staurosporine", "pos"), "Staurosporine", [2]),
        (IMAGING, ("BzCl", "pos"), "BzCl", [1]),
        (IMAGING, ("pos",), "pos", [2]),
    ],
)
def test_the_first_name_present_wins(frame: pd.DataFrame, positive: tuple[str, ...], name: str, at: list[int]) -> None:
    controls = choose_controls(frame, ("neg",), positive, "layout")
    assert controls.positive_name == name
    assert controls.positive.nonzero()[0].tolist() == at
    assert controls.negative.nonzero()[0].tolist() == [0]


def test_wells_under_study_are_never_controls() -> None:
    frame = wells(("neg", "DMSO"), ("therapy", "X"), ("trc", "X"), ("STS", "X"))
    with pytest.raises(InputError, match="no positive controls"):
        choose_controls(frame, ("neg",), ("X", "trc", "therapy"), "layout")


def test_missing_controls_are_one_sentence_each() -> None:
    frame = wells(("therapy", "X"), ("empty", None))
    with pytest.raises(InputError) as caught:
        choose_controls(frame, ("neg",), ("STS", "pos"), "layout.xlsx, readout cnn")
    message = str(caught.value)
    assert message.startswith("layout.xlsx, readout cnn: 2 faults")
    assert "no negative controls (viability 1): no well is 'neg'" in message
    assert "no positive controls (viability 0): no well is 'STS' or 'pos'; set WellType to pos" in message
    assert "well types found: empty, therapy" in message


def test_a_well_cannot_be_both_controls() -> None:
    frame = wells(("neg", "DMSO"), ("pos", "STS"))
    with pytest.raises(InputError, match="well A02 of plate 1 would be negative control"):
        choose_controls(frame, ("STS",), ("pos",), "layout")
