"""Long tables of two drugs in the forms of other programs: what they hold, and what is refused at the door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from phenodose.errors import InputError
from phenodose.screens.pair_table import PairTable, Said, read_pair_table

FIRST, SECOND = (0.0, 10.0, 100.0), (0.0, 5.0, 50.0, 500.0)
VIABILITY, INHIBITION = Said(kind="viability"), Said(kind="inhibition")


def left_alive(first: Any, second: Any) -> Any:
    return 1 / (1 + first / 50) / (1 + second / 50)


def blocks(**columns: Any) -> pd.DataFrame:
    """SynergyFinder's form: a block of two drugs, viability in percent, concentrations in nM."""
    rows = [
        {"PairIndex": 1, "Drug1": "A", "Drug2": "B", "Conc1": a, "Conc2": b, "ConcUnit": "nM"}
        | {"Response": 100 * left_alive(a, b)}
        for a in FIRST
        for b in SECOND
    ]
    return pd.DataFrame(rows).assign(**columns)


def of_gdr() -> pd.DataFrame:
    """gDR's form: raw values of two plates, each with wells of vehicle, concentrations in uM."""
    rows: list[dict[str, Any]] = []
    for plate, alive in (("p1", 2000.0), ("p2", 500.0)):
        for a in FIRST:
            for b in SECOND:
                rows.append(
                    {"Barcode": plate, "clid": "CL1", "CellLineName": "U2OS"}
                    | {"DrugName": "A" if a else "vehicle", "Concentration": a / 1000}
                    | {"DrugName_2": "B" if b else "vehicle", "Concentration_2": b / 1000}
                    | {"ReadoutValue": 30 + alive * left_alive(a, b), "BackgroundValue": 30, "Duration": 72}
                )
    return pd.DataFrame(rows)


def read(folder: Path, table: pd.DataFrame, said: Said | None = None) -> PairTable:
    table.to_csv(folder / "pairs.csv", index=False)
    return read_pair_table(folder / "pairs.csv", said)


def expect_truth(found: PairTable, wells: int = len(FIRST) * len(SECOND)) -> None:
    (matrix,) = found.matrices
    assert (matrix.drug, matrix.add_on, len(matrix.inhibition)) == ("A", "B", wells)
    expected = 1 - left_alive(matrix.first_nM, matrix.second_nM)
    np.testing.assert_allclose(matrix.inhibition, expected, atol=1e-12)
    assert {(a, b) for a in FIRST for b in SECOND} == set(zip(matrix.first_nM, matrix.second_nM, strict=True))


def test_a_block_is_a_matrix(tmp_path: Path) -> None:
    found = read(tmp_path, blocks(), VIABILITY)
    expect_truth(found)
    assert found.matrices[0].sample == "pairs"
    assert found.notes == []


@pytest.mark.parametrize(
    "names",
    [
        {"PairIndex": "BlockID", "Drug1": "DrugRow", "Drug2": "DrugCol", "Conc1": "ConcRow", "Conc2": "ConcCol"},
        {"PairIndex": "block_id", "Drug1": "drug_row", "Drug2": "drug_col", "Conc1": "conc_r", "Conc2": "conc_c"},
        {"Drug1": "drug1", "Drug2": "drug2", "Conc1": "conc1", "Conc2": "conc2", "ConcUnit": "conc_unit"},
        {"Drug1": "drug", "Drug2": "add_on", "Conc1": "concentration_nM", "Conc2": "add_on_concentration_nM"},
        {"Response": "Viability (%)"},
        {"Response": "viability_percent"},
    ],
)
def test_columns_have_the_names_of_several_programs(tmp_path: Path, names: dict[str, str]) -> None:
    table = blocks().rename(columns=names)
    expect_truth(read(tmp_path, table, None if "Viab" in str(names) or "viab" in str(names) else VIABILITY))


def test_inhibition_and_fractions_are_said_by_the_column_or_by_a_person(tmp_path: Path) -> None:
    inhibited = blocks(Response=100 - blocks()["Response"])
    expect_truth(read(tmp_path, inhibited, INHIBITION))
    expect_truth(read(tmp_path, inhibited.rename(columns={"Response": "inhibition_percent"})))
    fraction = blocks(Response=blocks()["Response"] / 100)
    expect_truth(read(tmp_path, fraction, Said("viability", "fraction")))
    expect_truth(read(tmp_path, fraction.rename(columns={"Response": "viability_fraction"})))


def test_units_stand_in_a_column_in_two_in_the_names_or_are_said(tmp_path: Path) -> None:
    table = blocks(Conc1=blocks()["Conc1"] / 1000, ConcUnit="uM")
    two = table.rename(columns={"ConcUnit": "ConcUnit1"}).assign(ConcUnit2="nM")
    expect_truth(read(tmp_path, two, VIABILITY))
    named = table.drop(columns="ConcUnit").rename(columns={"Conc1": "Conc1 [µM]", "Conc2": "Conc2_nM"})
    expect_truth(read(tmp_path, named, VIABILITY))
    plain = blocks().drop(columns="ConcUnit")
    expect_truth(read(tmp_path, plain, Said("viability", unit="nM")))


def test_raw_values_are_relative_to_the_untreated_wells_of_their_plate(tmp_path: Path) -> None:
    found = read(tmp_path, of_gdr())
    expect_truth(found, 2 * len(FIRST) * len(SECOND))
    assert found.matrices[0].sample == "U2OS"
    said = " ".join(found.notes)
    for words in ("read in uM", "CellLineName is read, and clid is not", "viability 0 is the background"):
        assert words in said


def test_the_beginning_and_masked_wells_are_left_out_with_a_note(tmp_path: Path) -> None:
    table = of_gdr()
    beginning = table.head(4).assign(Duration=0, ReadoutValue=1.0)
    masked = table.tail(4).assign(masked=True, ReadoutValue=9e9)
    found = read(tmp_path, pd.concat([table.assign(masked=False), beginning, masked]))
    expect_truth(found, 2 * len(FIRST) * len(SECOND))
    assert any("4 rows of the beginning" in note for note in found.notes)
    assert any("4 rows are left out: masked" in note for note in found.notes)


def test_wells_of_a_drug_alone_are_those_of_all_its_pairs_where_there_are_no_blocks(tmp_path: Path) -> None:
    table = blocks().drop(columns="PairIndex")
    both = table[(table["Conc1"] > 0) & (table["Conc2"] > 0)]
    other = both.assign(Drug2="C")
    turned = both.rename(columns={"Drug1": "Drug2", "Drug2": "Drug1", "Conc1": "Conc2", "Conc2": "Conc1"})
    found = read(tmp_path, pd.concat([table, other, turned[table.columns].head(2)]), VIABILITY)
    assert [(one.drug, one.add_on) for one in found.matrices] == [("A", "B"), ("A", "C")]
    assert [one.lacking for one in found.matrices] == [[], ["C"]]
    assert len(found.matrices[0].inhibition) == len(table) + 2


def test_blocks_of_the_same_drugs_are_replicates_and_a_note_says_so(tmp_path: Path) -> None:
    table = pd.concat([blocks(), blocks(PairIndex=2)])
    found = read(tmp_path, table, VIABILITY)
    expect_truth(found, 2 * len(FIRST) * len(SECOND))
    assert any("blocks 1, 2 hold the same two drugs" in note for note in found.notes)
    by_sample = read(tmp_path, table.assign(CellLine=table["PairIndex"].map({1: "S", 2: "T"})), VIABILITY)
    assert [one.sample for one in by_sample.matrices] == ["S", "T"]
    assert by_sample.notes == []


def test_rows_that_repeat_another_count_as_replicates_with_a_note(tmp_path: Path) -> None:
    found = read(tmp_path, pd.concat([blocks(), blocks().tail(3)]), VIABILITY)
    assert len(found.matrices[0].inhibition) == len(FIRST) * len(SECOND) + 3
    assert any("3 rows repeat another" in note for note in found.notes)


@pytest.mark.parametrize(
    ("table", "said", "words"),
    [
        (blocks(), None, "nothing says whether 'Response' is viability or inhibition"),
        (blocks().rename(columns={"Response": "viability_percent"}), INHIBITION, "contradicts the column"),
        (blocks(Response=0.5), VIABILITY, "looks like fractions though it says nothing"),
        (blocks(), Said("viability", "fraction"), "which is no fraction"),
        (blocks().drop(columns="Conc2"), VIABILITY, "column Conc2 (ConcCol, Concentration_2) is missing"),
        (blocks().drop(columns="Response"), None, "there is no column of a response"),
        (blocks(Inhibition=1.0), None, "columns 'Response' and 'Inhibition' all hold responses"),
        (blocks().drop(columns="ConcUnit"), VIABILITY, "nothing says the unit of the first drug's and the second"),
        (blocks().rename(columns={"ConcUnit": "ConcUnit1"}), VIABILITY, "the unit of the second drug's concentrations"),
        (blocks(ConcUnit="mg/ml"), VIABILITY, "the unit 'mg/ml' cannot be turned into nM"),
        (blocks(), Said("viability", unit="uM"), "contradicts the other unit"),
        (blocks(Drug1="none"), VIABILITY, "the first drug has the concentration 10 but its name is 'none'"),
        (blocks(Conc1=-1.0), VIABILITY, "give the dose itself, not its logarithm"),
        (blocks(Conc1=["x", *blocks()["Conc1"][1:]]), VIABILITY, "row 2: dose is 'x'; write a number"),
        (blocks(Drug2=["C", "C", *["B"] * 10]), VIABILITY, "block 1 holds A and B, and C too"),
        (blocks(Drug2=["b", *["B"] * 11]), VIABILITY, "differ in upper and lower case alone"),
        (blocks(Conc2=0.0), VIABILITY, "block 1 has no row with two drugs"),
        (blocks(PairIndex=[None, *[1] * 11]), VIABILITY, "row 2: the block is empty"),
        (blocks(Drug3="C", Conc3=5.0), VIABILITY, "a third drug (C) has a dose"),
        (blocks(Plate="p1", Well="A01"), VIABILITY, "plate p1, well A01 stands in the table 12 times"),
        (of_gdr().query("DrugName != 'vehicle' or DrugName_2 != 'vehicle'"), None, "plate p1 has no well of U2OS"),
        (of_gdr().assign(Duration=[24, 72] * 12), None, "Duration holds 24 and 72"),
        (blocks(Sample=["s", *[None] * 11]), VIABILITY, "rows 3, 4, 5 and 8 more: the sample is empty but given"),
        (blocks(Sample=["s", *["S"] * 11]), VIABILITY, "write one name for one sample"),
        (
            of_gdr().assign(BackgroundValue=[np.nan, *[30.0] * 23]),
            None,
            "row 2: the background is empty but given in other",
        ),
        (of_gdr().assign(Duration=0), None, "all rows are of the beginning (Duration 0)"),
        (of_gdr(), Said("inhibition"), "--response inhibition: the table holds raw values"),
        (blocks(), Said("viability", column="Conc1"), "there is no column 'Conc1' of responses (--column)"),
        (blocks(ConcUnit="mg"), VIABILITY, "rows 3, 4, 5 and 8 more: the unit 'mg' cannot be turned into nM"),
        (blocks().head(0), VIABILITY, "there is a header but no row"),
        (blocks(Plate="1", Row="A", Column=range(1, 13), WellType="therapy"), VIABILITY, "is a layout; give it to"),
    ],
)
def test_what_contradicts_itself_is_refused_in_a_sentence(
    tmp_path: Path, table: pd.DataFrame, said: Said | None, words: str
) -> None:
    with pytest.raises(InputError) as refused:
        read(tmp_path, table, said)
    assert words in str(refused.value)


def test_all_faults_are_told_together(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        read(tmp_path, blocks().drop(columns=["ConcUnit", "Drug2"]))
    for words in ("3 faults", "says the unit", "Drug2", "viability or inhibition"):
        assert words in str(refused.value)


def test_the_column_of_several_responses_is_chosen_by_name(tmp_path: Path) -> None:
    table = blocks(Inhibition=1.0)
    expect_truth(read(tmp_path, table, Said("viability", column="Response")))
    with pytest.raises(InputError, match="there is no column 'Signal'"):
        read(tmp_path, table, Said("viability", column="Signal"))


def test_fractions_under_the_name_of_percent_are_not_read_as_percent(tmp_path: Path) -> None:
    fractions = blocks().assign(Response=lambda rows: rows["Response"] / 100)
    named = fractions.rename(columns={"Response": "viability_percent"})
    with pytest.raises(InputError, match="goes to no more than 1 %, which looks like fractions"):
        read(tmp_path, named)
    two = pd.concat([blocks(), fractions.assign(PairIndex=2, Drug2="C")]).rename(
        columns={"Response": "viability_percent"}
    )
    with pytest.raises(InputError, match="A with C: the viability is read in percent and goes to no more than 1 %"):
        read(tmp_path, two)
    assert "if these are fractions" in " ".join(read(tmp_path, named, Said(scale="percent")).notes)
    little = blocks().assign(Response=lambda rows: (100 - rows["Response"]) / 100)
    assert "if these are fractions" in " ".join(
        read(tmp_path, little.rename(columns={"Response": "inhibition_percent"})).notes
    )


def test_raw_values_are_no_response(tmp_path: Path) -> None:
    counts = blocks().assign(Response=lambda rows: 300 * rows["Response"])
    with pytest.raises(InputError, match="give raw values in columns ReadoutValue and BackgroundValue"):
        read(tmp_path, counts, VIABILITY)
    halved = blocks().assign(Response=lambda rows: 0.4 * rows["Response"])
    assert "wells without any drug is 40 %" in " ".join(read(tmp_path, halved, VIABILITY).notes)


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"Response": ""}, "no row has a value that counts"),
        ({"ConcUnit": "M", "Conc1": 1e4}, "more than any solution holds"),
        ({"Conc1": "1e400"}, "dose is '1e400'; write a number."),
    ],
)
def test_cells_that_nothing_can_be_made_of_are_refused(tmp_path: Path, columns: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as refused:
        read(tmp_path, blocks(**columns), VIABILITY)
    assert sentence in str(refused.value)
    assert "is empty; write it" not in str(refused.value)


def test_decimal_commas_between_commas_are_told(tmp_path: Path) -> None:
    lines = blocks().round(2).to_csv(index=False).splitlines()
    commas = [line.rsplit(",", 1)[0] + "," + line.rsplit(",", 1)[1].replace(".", ",") for line in lines]
    (tmp_path / "pairs.csv").write_text("\n".join(commas))
    with pytest.raises(InputError, match="separate the columns by semicolons, or write decimal points"):
        read_pair_table(tmp_path / "pairs.csv", VIABILITY)


def test_without_a_background_zero_is_a_reading_of_zero(tmp_path: Path) -> None:
    notes = read(tmp_path, of_gdr().drop(columns="BackgroundValue")).notes
    assert any("viability 0 is a reading of 0" in note for note in notes)


def drawn(folder: Path, *lines: str, name: str = "pairs.csv", said: Said = VIABILITY) -> PairTable:
    (folder / name).write_text("\n".join(lines) + "\n")
    return read_pair_table(folder / name, said)


def grid(unit: str | None = "nM") -> list[str]:
    """SynergyFinder's matrix form: the first drug on the left, the second on top."""
    head = ["Drug1:,A", "Drug2:,B", *([f"ConcUnit:,{unit}"] if unit else [])]
    body = [",".join([f"{a:g}", *(f"{100 * left_alive(a, b):.15g}" for b in SECOND)]) for a in FIRST]
    return [*head, "," + ",".join(f"{b:g}" for b in SECOND), *body]


def test_a_grid_is_a_matrix(tmp_path: Path) -> None:
    expect_truth(drawn(tmp_path, *grid()))
    expect_truth(drawn(tmp_path, *grid(None), said=Said(kind="viability", unit="nM")))
    joined = [line.replace(":,", ": ") + ",," if ":" in line else line for line in grid()]
    expect_truth(drawn(tmp_path, "", *joined))


def test_grids_below_each_other_are_blocks_and_may_lack_cells(tmp_path: Path) -> None:
    other = ["drug_1:,C", "Drug2:,D", "ConcUnit:,uM", ",0,1,2,4", "0,99,80,60,40", "1,90,,50,30", "2,80,60,40,20"]
    first, second = drawn(tmp_path, *grid(), "", *other).matrices
    assert (first.drug, first.add_on, second.drug, second.add_on) == ("A", "B", "C", "D")
    assert len(second.inhibition) == 11
    assert set(second.second_nM) == {0.0, 1000.0, 2000.0, 4000.0}


def test_a_workbook_may_hold_grids(tmp_path: Path) -> None:
    rows = [[cell or None for cell in f"{line},,,".split(",")[:5]] for line in grid()]
    pd.DataFrame(rows).to_excel(tmp_path / "pairs.xlsx", header=False, index=False)
    expect_truth(read_pair_table(tmp_path / "pairs.xlsx", VIABILITY))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({0: ""}, "no line 'Drug1: NAME' above it"),
        ({1: "Drug2:,"}, "no line 'Drug2: NAME' above it"),
        ({2: "ConcUnit:,ug/ml"}, "rows 5, 6, 7: the unit 'ug/ml' cannot be turned into nM"),
        ({3: "x,0,5,50,500"}, "row 4: the corner of the grid holds 'x'"),
        ({3: ",0,5,50"}, "row 5: 1 value without a concentration of the second drug on top (row 4)"),
        ({4: ",99,80,60,50"}, "row 5: there is no concentration of the first drug on the left"),
        ({4: "0,99,eighty,60,50"}, "row 5: response is 'eighty'; write a number"),
        ({4: "-1,99,80,60,50"}, "row 5: the concentration of the first drug is -1"),
        ({4: "", 5: "", 6: ""}, "the grid at row 4 has no rows"),
    ],
)
def test_a_grid_with_a_broken_frame_is_refused(tmp_path: Path, change: dict[int, str], said: str) -> None:
    lines = [change.get(number, line) for number, line in enumerate(grid())]
    if not lines[0]:
        lines[0], lines[1] = lines[1], "Drug1:,"
    with pytest.raises(InputError) as refused:
        drawn(tmp_path, *lines)
    assert said in str(refused.value)
