"""A screen's layout and readings as its folder and screen.toml say, with the sentences that every face gives."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from phenodose.errors import InputError, NotMade
from phenodose.screens.contents import layout_of_screen, readings_of
from phenodose.screens.screen import Screen

HEADER = "Plate,Row,Column,Sample,WellType,Treatment,Concentration"
NUMBERS = "\t1\t2\t3\t4\t5\t6\n" + "".join(f"{row}\t1\t2\t3\t4\t5\t6\n" for row in "ABC")
OTHERS = NUMBERS.replace("\t6\n", "\t9\n").replace("\t5\t9\n", "\t5\t6\n", 1)


def wells(sample: str, drug: str = "X") -> list[str]:
    rows = [f"P1,A,1,{sample},neg,DMSO,", f"P1,A,2,{sample},pos,BzCl,", f"P1,A,3,{sample},therapy,{drug},1"]
    return [HEADER, *rows]


def screen(tmp_path: Path, sample: str = "", toml: str = "", readings: str = NUMBERS, file: str = "S_P1.txt") -> Screen:
    folder = tmp_path / "INF_R_153_V1_DS1"
    (folder / "ctg").mkdir(parents=True, exist_ok=True)
    (folder / "layout.csv").write_text("\n".join(wells(sample)))
    (folder / "screen.toml").write_text(toml)
    (folder / "ctg" / file).write_text(readings)
    return Screen.load(folder, {"ctg": "ctg"})


def test_a_screen_whose_names_fit_is_read_without_a_word(tmp_path: Path) -> None:
    made = screen(tmp_path, "INF-R-153", file="INF_R_153_V1_DS1_P1.txt")
    layout = layout_of_screen(made)
    assert layout.notes == ()
    assert readings_of(made, "ctg", layout).notes == []


def test_a_layout_of_another_patient_is_refused_and_of_another_scheme_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"by layout.csv the sample is 'INF-R-154', by the name of folder INF_R_153"):
        layout_of_screen(screen(tmp_path, "INF-R-154"))
    (note,) = layout_of_screen(screen(tmp_path, "BT-40")).notes
    assert "'BT-40'" in note
    assert "'INF_R_153_V1_DS1'" in note
    assert layout_of_screen(screen(tmp_path, "INF-R-154", 'sample = "INF-R-154"\n')).notes == ()


def test_readings_of_another_patient_or_delivery_are_refused(tmp_path: Path) -> None:
    for file, words in (("INF_R_154_P1.txt", "the sample is"), ("INF_R_153_V2_DS1_P1.txt", "the delivery is 'V")):
        made = screen(tmp_path / file, file=file)
        with pytest.raises(InputError, match=words):
            readings_of(made, "ctg", layout_of_screen(made))


def test_a_block_is_named_in_screen_toml(tmp_path: Path) -> None:
    both = f"first\n{NUMBERS}\nsecond\n{OTHERS}"
    made = screen(tmp_path, readings=both)
    with pytest.raises(InputError, match=r"'first'.*'second'.*block below \[readings.ctg\] in screen.toml"):
        readings_of(made, "ctg", layout_of_screen(made))
    made = screen(tmp_path, readings=both, toml='[readings.ctg]\nblock = "second"\n')
    readings = readings_of(made, "ctg", layout_of_screen(made))
    assert readings.frame["value"].max() == 9
    assert readings.chosen == {"S_P1.txt": "second"}
    assert "is read, as 'second' says" in readings.notes[0]


def test_a_sheet_is_named_in_screen_toml(tmp_path: Path) -> None:
    made = screen(tmp_path)
    book = openpyxl.Workbook()
    for title, drug in (("old", "Old"), ("new", "New")):
        sheet = book.create_sheet(title)
        for line in wells("", drug):
            sheet.append([float(cell) if cell.isdigit() else cell or None for cell in line.split(",")])
    (made.folder / "layout.csv").unlink()
    book.save(made.folder / "layout.xlsx")
    with pytest.raises(InputError, match=r"2 sheets hold a layout: 'old', 'new'.*sheet below \[layout\]"):
        layout_of_screen(Screen.load(made.folder, {"ctg": "ctg"}))
    (made.folder / "screen.toml").write_text('[layout]\nsheet = "new"\n')
    assert layout_of_screen(Screen.load(made.folder, {"ctg": "ctg"})).drugs == ["New"]


def test_a_screen_without_readings_says_so(tmp_path: Path) -> None:
    made = screen(tmp_path)
    (made.folder / "ctg" / "S_P1.txt").unlink()
    with pytest.raises(NotMade):
        readings_of(made, "ctg", layout_of_screen(made))
