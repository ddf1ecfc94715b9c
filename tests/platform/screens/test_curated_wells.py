"""Wells that a person has named by their images: in the layout, or in a table beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from phenodose.errors import InputError, MissingInputError
from phenodose.screens.contents import layout_of_screen
from phenodose.screens.screen import Screen

HEADER = "Plate,Row,Column,WellType,Treatment,Concentration"
WELLS = ["1,A,1,empty,,", "1,A,2,neg,DMSO,", "1,A,3,pos,STS,250", "1,A,4,therapy,Drug,100", "1,A,5,therapy,Drug,10"]


def screen(tmp_path: Path, named: list[str] | None = None, toml: str = "", **tables: str) -> Screen:
    """A screen whose layout names classes if told to, with further tables by the stem of their names."""
    folder = tmp_path / "A_V1_DS1"
    folder.mkdir(exist_ok=True)
    rows = (
        [HEADER, *WELLS] if named is None else [f"{HEADER},Well_Class", *map(",".join, zip(WELLS, named, strict=True))]
    )
    (folder / "layout.csv").write_text("\n".join(rows), encoding="utf-8")
    (folder / "screen.toml").write_text(toml, encoding="utf-8")
    for stem, text in tables.items():
        (folder / f"{stem}.csv").write_text(text, encoding="utf-8")
    return Screen.load(folder, {})


def classes(one: Screen) -> list[str | None]:
    found = layout_of_screen(one).frame["named_class"]
    return found.astype(object).where(found.notna(), None).tolist()


def test_without_names_no_well_has_a_class(tmp_path: Path) -> None:
    assert classes(screen(tmp_path)) == [None] * 5


def test_a_column_of_the_layout_names_wells_in_one_spelling(tmp_path: Path) -> None:
    named = ["", "Out of focus", "out_of_focus", "", "fibre"]
    assert classes(screen(tmp_path, named)) == [None, "Out of focus", "Out of focus", None, "fibre"]


def test_a_table_beside_the_layout_names_wells_too(tmp_path: Path) -> None:
    table = "Well;Plate;WellClass\na2;P1;contaminated\nA03;1;\nA04;1;FIBRE\n"
    found = classes(screen(tmp_path, ["", "", "", "", "fibre"], well_classes=table))
    assert found == [None, "contaminated", None, "fibre", "fibre"]


def test_screen_toml_names_another_table(tmp_path: Path) -> None:
    one = screen(tmp_path, None, '[layout]\nwell_classes = "seen.csv"', seen="Plate,Well,WellClass\n1,A2,bubble")
    assert classes(one) == [None, "bubble", None, None, None]
    (one.folder / "seen.csv").unlink()
    with pytest.raises(MissingInputError, match=r"no such table of curated wells; check well_classes below \[layout\]"):
        layout_of_screen(one)


def test_what_does_not_fit_is_told_at_once(tmp_path: Path) -> None:
    table = "Plate,Well,WellClass\n1,A2,dust\n1,A2,dust\n2,A2,dust\n1,7,dust\n,A3,dust\n1,A5,dust\n"
    with pytest.raises(InputError) as caught:
        layout_of_screen(screen(tmp_path, ["", "", "", "", "fibre"], well_classes=table))
    said = str(caught.value)
    assert "row 3: plate 1, well A02 stands in row 2 too" in said
    assert "row 4: the layout layout.csv has no well A02 on plate 2 (its plates: 1)" in said
    assert "row 5: well '7'" in said
    assert "row 6: Plate is empty" in said
    assert "row 7: plate 1, well A05 is 'dust' here and 'fibre' in the layout" in said


def test_a_table_without_its_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column WellClass; the header is Plate, Well, WellClass"):
        layout_of_screen(screen(tmp_path, well_classes="Plate,Well,Class\n1,A2,dust\n"))
