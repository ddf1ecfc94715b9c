"""The second drug of a combination in a layout: its concentration, units, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from phenodose.errors import InputError
from phenodose.names import ADD_ON_DOSE, curve_names
from phenodose.screens.layout import Layout, read_layout

HEADER = ["Plate", "Row", "Column", "WellType", "Treatment", "Concentration", "AddOn", "AddOnConcentration"]
DOSES = (1, 10, 100, 1000, 10000)


def wells(*add_ons: tuple[str, object], control: bool = True) -> list[list[Any]]:
    """Plain controls; then a row of the plate for each add-on: its negative control, and drug A in five doses."""
    rows: list[list[Any]] = [["P1", "A", 1, "neg", "DMSO", "", "", ""], ["P1", "A", 2, "pos", "BzCl", "", "", ""]]
    for row, (name, dose) in zip("BCDEFG", add_ons, strict=False):
        if control:
            rows.append(["P1", row, 1, "neg", "DMSO", "", name, dose])
        rows += [["P1", row, at + 2, "therapy", "A", one, name, dose] for at, one in enumerate(DOSES)]
    return rows


def read(folder: Path, rows: list[list[Any]], header: list[str] | None = None) -> Layout:
    lines = [header or HEADER, *rows]
    (folder / "layout.csv").write_text("\n".join(",".join(str(cell) for cell in line) for line in lines))
    return read_layout(folder / "layout.csv")


def renamed(name: str) -> list[str]:
    """The header with another name for the add-on's concentration."""
    return [*HEADER[:-1], name]


def curves(layout: Layout) -> list[str]:
    """Names of the curves, in order of the plate."""
    frame = layout.frame
    return list(curve_names(frame)[frame["well_type"] == "therapy"].unique())


def test_every_concentration_of_an_add_on_is_a_curve_of_its_own(tmp_path: Path) -> None:
    layout = read(tmp_path, wells(("", ""), ("B", 50), ("B", 100), ("B", 12.5)))
    assert curves(layout) == ["A", "A + B 50 nM", "A + B 100 nM", "A + B 12.5 nM"]
    assert set(layout.frame["replicate"].dropna()) == {1}
    assert layout.notes == ()


def test_an_add_on_of_one_concentration_keeps_its_name(tmp_path: Path) -> None:
    layout = read(tmp_path, wells(("", ""), ("B", 50), ("B", 50), ("C", 7)))
    assert curves(layout) == ["A", "A + B", "A + C"]
    assert sorted(layout.frame.loc[layout.frame["add_on"] == "B", "replicate"].dropna().unique()) == [1, 2]


def test_layouts_without_the_column_have_no_concentration(tmp_path: Path) -> None:
    layout = read(tmp_path, [row[:-1] for row in wells(("", ""), ("B", ""))], HEADER[:-1])
    assert layout.frame[ADD_ON_DOSE].isna().all()
    assert curves(layout) == ["A", "A + B"]


@pytest.mark.parametrize("name", ["none", "DMSO", "", "B"])
def test_concentration_0_is_no_add_on(tmp_path: Path, name: str) -> None:
    layout = read(tmp_path, wells((name, 0), ("B", 50)))
    assert curves(layout) == ["A", "A + B"]


@pytest.mark.parametrize(("name", "dose"), [("none", "-"), ("", "none"), ("", "NA"), ("DMSO", 0.1), ("medium", 50)])
def test_words_for_nothing_beside_an_add_on_are_no_add_on(tmp_path: Path, name: str, dose: object) -> None:
    layout = read(tmp_path, wells((name, dose), ("B", 50)))
    assert curves(layout) == ["A", "A + B"]


@pytest.mark.parametrize(
    "name", ["AddOnConcentration_uM", "AddOn Concentration [µM]", "add_on_conc (uM)", "AddOnDose_umol/l"]
)
def test_the_name_of_the_column_says_the_unit(tmp_path: Path, name: str) -> None:
    layout = read(tmp_path, wells(("B", 0.05), ("B", 0.1)), renamed(name))
    assert curves(layout) == ["A + B 50 nM", "A + B 100 nM"]
    assert set(layout.frame["concentration_nM"].dropna()) == set(DOSES)


def test_a_column_says_the_unit_row_by_row(tmp_path: Path) -> None:
    rows = [[*row, "uM" if row[1] == "B" else "nM"] for row in wells(("B", 0.05), ("B", 100))]
    assert curves(read(tmp_path, rows, [*HEADER, "AddOnUnit"])) == ["A + B 50 nM", "A + B 100 nM"]


def test_without_a_unit_of_its_own_the_concentration_is_in_that_of_the_drug(tmp_path: Path) -> None:
    rows = wells(("B", 0.05), ("B", 0.1))
    header = ["Concentration_uM" if name == "Concentration" else name for name in HEADER]
    layout = read(tmp_path, rows, header)
    assert curves(layout) == ["A + B 50 nM", "A + B 100 nM"]
    assert "AddOnConcentration says no unit and is read in that of Concentration" in layout.notes[0]
    of_drugs = [[*row, "uM" if row[3] == "therapy" else ""] for row in rows]
    assert curves(read(tmp_path, of_drugs, [*HEADER, "Unit"])) == ["A + B 50 nM", "A + B 100 nM"]


def test_controls_take_the_only_concentration_and_stay_without_where_there_are_several(tmp_path: Path) -> None:
    rows = wells(("B", 50), ("C", 7), ("C", 8))
    for row in rows[2::6]:
        row[-1] = ""
    layout = read(tmp_path, rows)
    control = layout.frame[(layout.frame["well_type"] == "neg")].set_index("row")[ADD_ON_DOSE]
    assert control["B"] == 50
    assert control[["C", "D"]].isna().all()
    assert "add-on 'B' and no drug give no AddOnConcentration; 50 nM is taken" in layout.notes[0]
    assert "2 wells with the add-on 'C'" in layout.notes[1]


@pytest.mark.parametrize(
    ("add_ons", "words"),
    [
        ([("", 50)], "row 4 (plate P1, well B01): AddOnConcentration is 50 nM but AddOn is empty"),
        ([("none", 50)], "AddOnConcentration is 50 nM but AddOn is 'none'"),
        ([("B", -5)], "AddOnConcentration is -5; write a concentration"),
        ([("B", "ten")], "AddOnConcentration is 'ten'"),
        ([("B", "5 nM")], "(a unit stands in the column's name: AddOnConcentration_uM)"),
        ([("B", 50), ("B", "")], "add-on 'B' is empty in row 11, 12, 13 and 2 more but given in row 4"),
        ([("B", 50), ("B", 100), ("B 100 nM", "")], "the add-on 'B 100 nM' is both a name and a name with"),
    ],
)
def test_what_an_add_on_cannot_be_is_refused(tmp_path: Path, add_ons: list[tuple[str, object]], words: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, wells(*add_ons))
    assert words in str(caught.value)


def test_an_add_on_that_lacks_its_concentration_in_some_wells_is_one_fault(tmp_path: Path) -> None:
    rows = wells(("B", 50))
    rows[-1][-1] = ""
    with pytest.raises(InputError, match=r"add-on 'B' is empty in row \d+ but given in row \d+[^\n]*alone\.$"):
        read(tmp_path, rows)


def test_a_missing_concentration_hides_no_other_fault(tmp_path: Path) -> None:
    rows = wells(("C", 5), ("C 5 nM", ""), ("B", 50))
    rows[-1][-1] = ""
    with pytest.raises(InputError, match=r"add-on 'B' is empty in row") as caught:
        read(tmp_path, rows)
    assert "both a name and a name with its concentration" in str(caught.value)


def test_a_concentration_needs_a_column_of_names_and_a_molar_unit(tmp_path: Path) -> None:
    rows = [[*row[:6], row[7]] for row in wells(("B", 50))]
    with pytest.raises(InputError, match="'AddOnConcentration' gives concentrations of an add-on, and there is no"):
        read(tmp_path, rows, [*HEADER[:6], HEADER[7]])
    with pytest.raises(InputError, match="'AddOnConcentration_mg/ml' is in a unit that cannot be turned into nM"):
        read(tmp_path, wells(("B", 50)), renamed("AddOnConcentration_mg/ml"))
    with pytest.raises(InputError, match="AddOnUnit '%' cannot be turned into nM"):
        read(tmp_path, [[*row, "%"] for row in wells(("B", 50))], [*HEADER, "AddOnUnit"])


def test_a_drug_with_the_name_of_a_combination_is_told_from_it(tmp_path: Path) -> None:
    rows = wells(("", ""), ("B", 50), ("B", 100))
    rows += [["P1", "H", at + 2, "therapy", "A + B 100 nM", one, "", ""] for at, one in enumerate(DOSES)]
    layout = read(tmp_path, rows)
    assert curves(layout) == ["A", "A + B 50 nM", "A with add-on B 100 nM", "A + B 100 nM"]
    assert "'A' with the add-on 'B 100 nM' has the name of another drug" in layout.notes[0]


def test_concentrations_of_one_sample_do_not_name_those_of_another() -> None:
    frame = pd.DataFrame(
        {
            "sample": ["S", "S", "T"],
            "treatment": "A",
            "add_on": "B",
            ADD_ON_DOSE: [50.0, 100.0, 50.0],
            "well_type": "therapy",
        }
    )
    assert list(curve_names(frame)) == ["A + B 50 nM", "A + B 100 nM", "A + B"]


@pytest.mark.parametrize(
    "names",
    [
        ("Drug1", "Conc1_uM", "Drug2", "Conc2_uM"),
        ("DrugRow", "ConcRow [µM]", "DrugCol", "ConcCol [µM]"),
        ("DrugName", "Concentration_uM", "DrugName_2", "Concentration_2_uM"),
        ("DrugName", "Concentration (uM)", "DrugName_2", "Concentration_2"),
    ],
)
def test_the_two_drug_forms_of_other_programs_name_the_second_drug(tmp_path: Path, names: tuple[str, ...]) -> None:
    rows: list[list[Any]] = [
        ["P1", "A", 1, "neg", "vehicle", 0, "vehicle", 0],
        ["P1", "A", 2, "pos", "BzCl", "", "", ""],
    ]
    for row, (first, second) in zip("BCDE", ((1, 0), (0, 0.5), (1, 0.5), (10, 0.5)), strict=True):
        rows.append(["P1", row, 1, "therapy", "A", first, "B", second])
    header = [*HEADER[:4], *names]
    frame = read(tmp_path, rows, header).frame.set_index("row")
    assert frame.loc[["B", "C", "D"], "treatment"].tolist() == ["A", "B", "A"]
    assert frame.loc[["B", "C", "D"], "concentration_nM"].tolist() == [1000.0, 500.0, 1000.0]
    assert frame.loc[["B", "C", "D"], "add_on"].fillna("").tolist() == ["", "", "B"]
    assert frame.loc["D", ADD_ON_DOSE] == 500.0


@pytest.mark.parametrize("treatment", ["A", "", "DMSO"])
def test_an_add_on_with_a_dose_of_0_of_the_drug_is_the_add_on_alone(tmp_path: Path, treatment: str) -> None:
    rows = [*wells(("", ""), ("B", 50)), ["P1", "H", 1, "therapy", treatment, 0, "B", 50]]
    frame = read(tmp_path, rows).frame
    alone = frame[frame["row"] == "H"].iloc[0]
    assert (alone["treatment"], alone["concentration_nM"], alone["well_type"]) == ("B", 50, "therapy")
    assert pd.isna(alone["add_on"])


def test_names_of_other_forms_count_only_where_no_other_column_has_their_meaning(tmp_path: Path) -> None:
    rows = [[*row[:6], "code", 5] for row in wells(("", ""))]
    plain = read(tmp_path, rows, [*HEADER[:6], "DrugName", "Conc1"]).frame
    assert set(plain.loc[plain["well_type"] == "therapy", "treatment"]) == {"A"}
    assert set(plain["concentration_nM"].dropna()) == set(DOSES)
    half = read(tmp_path, [row[:7] for row in rows], [*HEADER[:6], "Drug2"])
    assert half.frame["add_on"].isna().all()
