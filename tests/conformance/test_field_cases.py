"""Small inputs with the faults of real files (`../shared/cases/dose_response`): the plain answer, or one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from phenodose.cli import main
from phenodose.screens.layout import read_layout
from phenodose.screens.matrices import match_to_layout, read_matrices

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases" / "dose_response"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not beside the repository")

PLAIN = {"Drug1": 29.66, "Drug2": 15.30, "Drug3": 6.16, "Drug4": 0.0, "Drug5": 11.17, "Drug6": 10.79}
#: Other noise, the same truth.
NEAR = {"Drug1": 29.9, "Drug2": 15.2, "Drug3": 5.8, "Drug4": 0.0, "Drug5": 11.3, "Drug6": 11.1}


@pytest.fixture
def score(tmp_path: Path, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Score a case without intervals: exit code, scores by drug (and scorer), and what was said."""

    def run(case: str, *options: str) -> tuple[int, dict[str, float], str]:
        folder = CASES / case
        layout = next(folder.glob("layout.*"))
        readouts = [*folder.glob("S_P1*"), *folder.glob("ctg")][:1]
        given = [f"--layout={layout}", *(f"--readouts={path}" for path in readouts), "--draws=0", "--workers=1"]
        with pytest.raises(SystemExit) as done:
            main(["score", *given, f"--out={tmp_path / 's.csv'}", f"--qc={tmp_path / 'q.csv'}", *options])
        said = capsys.readouterr().err
        if done.value.code:
            assert not list(tmp_path.iterdir())
            return int(done.value.code), {}, said
        table = pd.read_csv(tmp_path / "s.csv")
        names = table["drug"].where(table["scorer"] == "dss_asym", table["scorer"] + " " + table["drug"])
        return 0, dict(zip(names, table["score"], strict=True)), said

    return run


FORMS = ["00_plain", "01_gen5", "25_gen5_h1", "05_softmax_utf16", "24_envision_no_header", "27_mars_ragged"]
FORMS += ["06_list_format", "03_german_thousands"]


def wells_of(case: str) -> pd.DataFrame:
    """The wells of a case with their readings: all that scores are made of."""
    folder = CASES / case
    layout = read_layout(next(folder.glob("layout.*")))
    matched = match_to_layout(read_matrices(next(iter([*folder.glob("S_P1*"), *folder.glob("ctg")]))), layout)
    about = ["plate", "row", "column", "well_type", "treatment", "concentration_nM", "replicate"]
    return layout.frame[about].merge(matched, on=["plate", "row", "column"])


@pytest.mark.parametrize("case", FORMS[1:-1])
def test_what_instruments_write_holds_the_plain_readings(case: str) -> None:
    """The readings but for their rounding, and the same wells; the last form is on another scale, and scored below."""
    found, plain = (
        wells.sort_values(["plate", "row", "column"], ignore_index=True).drop(columns=["sample", "file"])
        for wells in (wells_of(case), wells_of(FORMS[0]))
    )
    np.testing.assert_allclose(found.pop("value"), plain.pop("value"), rtol=0, atol=1)
    pd.testing.assert_frame_equal(found, plain)


@pytest.mark.parametrize(
    "case",
    # The others have the plain readings, see the test before; test_field_cases_of_curves.py scores those.
    ["03_german_thousands", *(pytest.param(case, marks=pytest.mark.slow) for case in FORMS[:-1])],
)
def test_what_instruments_write_gives_the_plain_scores(score, case: str) -> None:  # type: ignore[no-untyped-def]
    code, scores, said = score(case)
    assert code == 0
    assert scores == pytest.approx(PLAIN, abs=0.05)
    assert ("a point between thousands" in said) == (case == "03_german_thousands")


@pytest.mark.parametrize("case", ["02_bmg1536", "03b_german_thousands_kill"])
def test_other_plates_give_the_truth(score, case: str) -> None:  # type: ignore[no-untyped-def]
    code, scores, _ = score(case)
    assert code == 0
    assert scores == pytest.approx(NEAR, abs=1.5)


def test_two_plates_in_a_file_are_named_and_chosen(score) -> None:  # type: ignore[no-untyped-def]
    code, _, said = score("04_envision_two_plates")
    assert code == 2
    assert all(word in said for word in ("#1 'plate 1", "#2 'plate 2", "--block NAME"))
    assert score("04_envision_two_plates", "--block=plate 2")[1] == pytest.approx(PLAIN, abs=0.05)


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("08_excel_dates", "cells E34, E35, E36 and"),
        ("08b_excel_date_conc", "cells F40, F70: Concentration is the date 2026-10-01"),
        ("33_no_positive", "--lower-anchor 0, blank or a treatment"),
    ],
)
def test_what_cannot_be_right_is_refused_in_a_sentence(score, case: str, words: str) -> None:  # type: ignore[no-untyped-def]
    code, _, said = score(case)
    assert code == 2
    assert words in said


DOUBTS_OF_LAYOUTS = {
    "37_dose_typo": ["Drug1 (replicate 2 has 100000 nM where replicate 1 has 100 nM)"],
    "38_molar_values": ["the largest dose is below 0.1 nM", "Concentration_M"],
    "14c_log10_conc": ["1, 2, 3, 4, 5", "as logarithms are"],
}


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("29_other_patient", ["'BT-40'", "'INF-R-153'"]),
        ("09_hidden_sheet", ["'Layout' is read", "hidden 'old 2025'"]),
        # Notes of the layout, as those of the case before; the next test looks for them there.
        *(pytest.param(case, words, marks=pytest.mark.slow) for case, words in DOUBTS_OF_LAYOUTS.items()),
    ],
)
def test_what_is_doubtful_is_told(score, case: str, words: list[str]) -> None:  # type: ignore[no-untyped-def]
    code, scores, said = score(case)
    assert code == 0
    assert set(scores) == set(PLAIN)
    assert all(word in said for word in words)
    if case == "09_hidden_sheet":
        assert scores == pytest.approx(PLAIN, abs=0.05)


@pytest.mark.parametrize(("case", "words"), DOUBTS_OF_LAYOUTS.items())
def test_doubts_of_layouts_are_notes(case: str, words: list[str]) -> None:
    notes = " ".join(read_layout(next((CASES / case).glob("layout.*"))).notes)
    assert all(word in notes for word in words)


def test_words_for_no_add_on_are_none() -> None:
    for case in ("30b_addon_none_word", "30c_addon_dmso_word"):
        frame = read_layout(next((CASES / case).glob("layout.*"))).frame
        assert set(frame["add_on"].dropna()) == {"AddX"}


@pytest.mark.parametrize(
    "case", ["30b_addon_none_word", pytest.param("30c_addon_dmso_word", marks=pytest.mark.slow)]
)  # the test before has the other word
def test_words_for_no_add_on_make_no_combination(score, case: str) -> None:  # type: ignore[no-untyped-def]
    _, scores, _ = score(case)
    assert {name for name in scores if "+" in name} == {
        f"{prefix}Drug{number} + AddX" for prefix in ("", "dcdss_asym ") for number in range(1, 7)
    }
    assert all(abs(scores[f"dcdss_asym Drug{number} + AddX"]) < 2 for number in range(1, 7))


def test_a_combination_is_its_parts_and_not_a_joined_name(score) -> None:  # type: ignore[no-untyped-def]
    _, scores, said = score("17_plus_collision")
    assert scores["Drug2 + Drug3"] == pytest.approx(29.7, abs=1)
    assert scores["Drug2 with add-on Drug3"] == pytest.approx(15.9, abs=2)
    assert abs(scores["dcdss_asym Drug2 with add-on Drug3"]) < 2
    assert "has the name of another drug" in said


def test_a_stated_lower_anchor_takes_the_place_of_killed_cells(score) -> None:  # type: ignore[no-untyped-def]
    code, scores, said = score("33_no_positive", "--lower-anchor=0")
    assert code == 0
    assert scores == pytest.approx(PLAIN, abs=0.5)
    assert "viability 0 is the raw value 0, as stated" in said
