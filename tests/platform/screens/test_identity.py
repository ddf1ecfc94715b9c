"""Whose data this is: names that agree pass silently, contradictions are refused, doubts are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from phenodose.errors import InputError
from phenodose.screens.identity import (
    BARCODE,
    NAME,
    PLATE,
    SAMPLE,
    SHEET,
    Claim,
    Judgement,
    claims_of_images,
    claims_of_screen,
    judge,
    relation,
)
from phenodose.screens.layout import Layout, read_layout
from phenodose.screens.matrices import Readings, match_readings, read_readings

NUMBERS = "\t1\t2\t3\t4\t5\t6\nA\t1\t2\t3\t4\t5\t6\nB\t1\t2\t3\t4\t5\t6\nC\t1\t2\t3\t4\t5\t6\n"


@pytest.mark.parametrize(
    ("one", "other", "how"),
    [
        ("BT-40", "bt40_V3_DS1", "agree"),
        ("INF_R_153", "INF-R-0153_relapse", "agree"),
        ("INF-R-153", "INF-R-154", "contradict"),
        ("INF-R-153", "INF-R-1530", "contradict"),
        ("S1", "S2", "contradict"),
        ("BT-40", "INF-R-153", "differ"),
        ("HeLa", "MCF7", "differ"),
        ("BT-40", "S", ""),
        ("BT-40", "CTG_72h", ""),
        ("BT-40", "2026-01-02", ""),
        ("BT-40", "readout_plate_2", ""),
        ("BT-40", "exp042", ""),
    ],
)
def test_how_two_names_stand_to_each_other(one: str, other: str, how: str) -> None:
    assert relation(one, other) == relation(other, one) == how


def judged(*claims: tuple[str, str, str | float]) -> tuple[int, int]:
    """Contradictions and notes of claims of as many sources on one subject."""
    found = judge(Claim(f"source {number}", *claim) for number, claim in enumerate(claims))
    return len(found.contradictions), len(found.notes)


@pytest.mark.parametrize(
    ("claims", "found"),
    [
        ([(SAMPLE, "BT-40"), (SAMPLE, "BT-41")], (1, 0)),
        ([(SAMPLE, "BT-40"), (SAMPLE, "INF-R-153")], (0, 1)),
        ([(PLATE, "P1"), (PLATE, "Plate 01")], (0, 0)),
        ([(PLATE, "P1"), (PLATE, "p2")], (1, 0)),
        ([(PLATE, "left"), (PLATE, "P2")], (0, 0)),
        ([(SAMPLE, "BT-40"), (NAME, "BT-41_P1")], (1, 0)),
        ([(PLATE, "P1"), (NAME, "BT-40_P2")], (1, 0)),
        ([(SAMPLE, "BT-40"), (NAME, "92A_4")], (0, 0)),
        ([(SAMPLE, "BT-40"), (BARCODE, "H0109269D00")], (0, 0)),
        ([(SAMPLE, "BT-40"), (BARCODE, "BT-41_P1")], (1, 0)),
        ([(PLATE, "P2"), (SHEET, "Plate 1 - Sheet1")], (0, 0)),
        ([(PLATE, "P2"), (SHEET, "P3")], (1, 0)),
        ([("pixel size", 0.65), ("pixel size", 0.6501)], (0, 0)),
        ([("pixel size", 0.65), ("pixel size", 0.325)], (1, 0)),
        ([("acquisition", "a"), ("channels", "b")], (0, 0)),
    ],
)
def test_claims_of_every_kind(claims: list[tuple[str, str, str | float]], found: tuple[int, int]) -> None:
    assert judged(*claims) == found


def test_claims_on_different_subjects_never_meet_and_one_of_several_samples_is_enough() -> None:
    apart = judge([Claim("a", SAMPLE, "S1", "P1"), Claim("b", SAMPLE, "S2", "P2")])
    assert not apart.contradictions
    of_layout = [Claim("layout.csv", SAMPLE, name) for name in ("S1", "S2")]
    assert not judge([*of_layout, Claim("file", SAMPLE, "S2")]).contradictions
    assert judge([*of_layout, Claim("file", SAMPLE, "S3")]).contradictions


def test_the_folder_counts_unless_screen_toml_overrules_it() -> None:
    assert judge(claims_of_screen("INF_R_153_V1_DS1", None, "layout.csv", ["INF-R-154"])).contradictions
    assert not judge(claims_of_screen("INF_R_153_V1_DS1", "INF-R-154", "layout.csv", ["INF-R-154"])).contradictions
    assert not judge(claims_of_screen("INF_R_153_V1_DS1", None, "layout.csv", ["INF R 153"])).contradictions


# --- plate-reader files --------------------------------------------------------------------------


def layout_of(tmp_path: Path, sample: str) -> Layout:
    rows = ["Plate,Row,Column,Sample,WellType,Treatment,Concentration", f"P1,A,1,{sample},neg,DMSO,"]
    rows += [f"P1,A,2,{sample},pos,BzCl,", f"P1,A,3,{sample},therapy,X,1"]
    (tmp_path / "layout.csv").write_text("\n".join(rows))
    return read_layout(tmp_path / "layout.csv")


def matched(tmp_path: Path, sample: str, file: str, head: str = "") -> Readings:
    (tmp_path / file).write_text(head + NUMBERS)
    return match_readings(read_readings(tmp_path / file), layout_of(tmp_path, sample))


def test_a_file_of_another_sample_is_told_with_both_names(tmp_path: Path) -> None:
    (note,) = matched(tmp_path, "BT-40", "INF-R-153_P1.txt").notes
    assert "by layout.csv the sample is 'BT-40'" in note
    assert "by the name of file INF-R-153_P1.txt 'INF-R-153'" in note
    with pytest.raises(InputError, match=r"layout.csv: by layout.csv the sample is 'INF-R-153', by the name of file"):
        matched(tmp_path, "INF-R-153", "INF-R-154_P1.txt")


@pytest.mark.parametrize(
    "head",
    [
        "User: A,Path: x,Test run no.: 7\nID1: INF-R-154_P1,ID2:,ID3:\n",
        "Plate ID\tINF-R-154_P1\n",
        "Plate information\nPlate,Repeat,Barcode\n1,1,INF-R-154_P1\n",
        "##BLOCKS= 1\nPlate:\tINF-R-154\t1.3\n",
    ],
)
def test_names_inside_a_file_count(tmp_path: Path, head: str) -> None:
    with pytest.raises(InputError, match="the sample is 'INF-R-153'"):
        matched(tmp_path, "INF-R-153", "S_P1.txt", head)
    assert not matched(tmp_path, "INF-R-153", "S_P1.txt", head.replace("154", "153")).notes


def test_a_plate_inside_a_file_that_is_not_the_one_of_its_name_is_refused(tmp_path: Path) -> None:
    head = "User: A,Path: x,Test run no.: 7\nID1: P2,ID2:,ID3:\n"
    with pytest.raises(InputError, match=r"the plate is 'P1', by 'ID1' in S_P1.txt 'P2'"):
        matched(tmp_path, "S", "S_P1.txt", head)


@pytest.mark.parametrize(
    ("file", "head"),
    [
        ("S_P1.txt", ""),
        ("BT-40_V1_DS1_P1.txt", ""),
        ("ctg_72h.txt", ""),
        ("S_P1.txt", "Software Version\t3.1\nPlate Number\tPlate 2\n"),
        ("S_P1.txt", "##BLOCKS= 1\nPlate:\tPlate2\t1.3\n"),
        ("S_P1.txt", "User: A,Path: x,Test run no.: 7\nID1: 92A_4,ID2:,ID3:\n"),
        ("BT-40_P1.txt", "Plate information\nPlate,Repeat,Barcode\n4,1,H0109269D00\n"),
    ],
)
def test_names_of_no_scheme_and_numbers_of_programs_say_nothing(tmp_path: Path, file: str, head: str) -> None:
    assert not matched(tmp_path, "BT-40", file, head).notes


def test_of_files_of_several_samples_the_files_names_count(tmp_path: Path) -> None:
    (tmp_path / "ctg").mkdir()
    for name in ("BT-40_P1.txt", "BT-41_P1.txt"):
        (tmp_path / "ctg" / name).write_text(NUMBERS)
    readings = match_readings(read_readings(tmp_path / "ctg"), layout_of(tmp_path, "BT-40"))
    assert set(readings.frame["sample"]) == {"BT-40", "BT-41"}


def test_what_a_microscope_calls_plate_and_measurement_need_not_be_alike() -> None:
    said = claims_of_screen("DEMO_V1_DS1", None, "layout.csv", ["DEMO"])
    named = {"the plate name of its images": "DEMO_V1_DS1_P1", "the acquisition of its images": "2308"}
    assert judge([*said, *claims_of_images("P1", named)]) == Judgement()
    assert judge([*said, *claims_of_images("P1", named | {"the acquisition of its images": "230131-LC-00112"})]) == (
        Judgement()
    )
    assert judge([*said, *claims_of_images("P3", {"the plate name of its images": "Plate 1"})]) == Judgement()
    (told,) = judge([*said, *claims_of_images("P2", named)]).contradictions
    assert "'P2'" in told
    assert "'P1'" in told
