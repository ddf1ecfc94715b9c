"""`phenodose drugs`: the library as a list, single drugs by any name, and the names of a layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from phenodose.cli import main


@pytest.fixture
def drugs(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["drugs", *arguments, "--store", str(tmp_path / "store")])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


def write_layout(path: Path, *names: str) -> Path:
    lines = ["Plate,Row,Column,WellType,Treatment,Concentration", "P1,A,1,neg,DMSO,", "P1,A,2,pos,BzCl,100000"]
    lines += [f"P1,B,{number},therapy,{name},100" for number, name in enumerate(names, 1)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_drug_is_told_by_any_name_with_unit_dose_and_source(drugs) -> None:
    code, said, _ = drugs("gsk1120212")
    assert code == 0
    assert said.startswith("Trametinib (asked for as gsk1120212)\n")
    for line in (
        "class: MEK inhibitor",
        "targets: MAP2K1, MAP2K2",
        "C max: 36.07 nM = 22.2 ng/mL",
        "unbound in plasma: 2.6 %",
        "at: 2 mg once daily, steady state",
        "source: Mekinist EU summary of product characteristics",
    ):
        assert f"  {line}\n" in said
    assert "your pharmacist checks them" in said


def test_unknown_names_are_told_together_with_the_nearest(drugs) -> None:
    code, said, complaint = drugs("Trametnib", "Imatinib", "Compound 17")
    assert (code, said) == (2, "")
    assert "2 faults" in complaint
    assert "Trametnib is not in it; is it Trametinib?" in complaint
    assert "Compound 17 is not in it." in complaint


def test_all_drugs_are_listed_and_those_of_the_site_too(drugs, tmp_path: Path) -> None:
    before = len(json.loads(drugs("--json")[1]))
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "drug_library.csv").write_text("drug,c_max_nM,Remark\nHD-117,12,x\nTrametinib,40,y\n")
    listed = {drug["drug"]: drug for drug in json.loads(drugs("--json")[1])}
    assert len(listed) == before + 1
    assert listed["HD-117"]["c_max_nM"] == 12
    assert (listed["Trametinib"]["c_max_nM"], listed["Trametinib"]["c_max_source"]) == (
        40,
        "drug_library.csv of the site",
    )
    assert "c_max_nM" in listed["Trametinib"]["of_site"]
    code, said, notes = drugs()
    assert code == 0
    assert "HD-117" in said
    assert f"{before + 1} drugs, " in said
    assert "columns that are not read: Remark" in notes


def test_the_names_of_a_layout_are_looked_up(drugs, tmp_path: Path) -> None:
    layout = write_layout(tmp_path / "layout.csv", "Trametinib", "imatinib mesylate", "Compound 17")
    code, said, notes = drugs("--layout", str(layout))
    assert code == 0
    assert [line.split() for line in said.splitlines()[1:4]] == [
        ["Compound", "17", "none"],
        ["Trametinib", "Trametinib", "exact", "36.07", "nM"],
        ["imatinib", "mesylate", "Imatinib", "synonym", "5259", "nM"],
    ]
    assert "2 of 3 drugs are in the library, 2 with C max" in said
    assert "imatinib mesylate as Imatinib" in notes
    assert "not in the drug library: 1 of 3 drugs: Compound 17" in notes
    rows = json.loads(drugs("--layout", str(layout), "--json")[1])["drugs"]
    assert [row["matched_by"] for row in rows] == ["none", "exact", "synonym"]


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("Imatinib", "--layout", "x.csv"), "name drugs, or a layout"),
        (("--sheet", "A"), "name the layout with --layout"),
    ],
)
def test_options_that_do_not_fit_are_refused(drugs, arguments: tuple[str, ...], fault: str) -> None:
    code, _, complaint = drugs(*arguments)
    assert code == 2
    assert fault in complaint
