"""A site's own table of drugs lies over the library that ships, row by row and cell by cell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from phenodose.drug_library.library import DrugLibrary, LibraryDrug
from phenodose.drug_library.library_table import built_in, library_with
from phenodose.errors import InputError

Table = Callable[..., Path]


@pytest.fixture
def table(tmp_path: Path) -> Table:
    def write(*lines: str) -> Path:
        path = tmp_path / "drug_library.csv"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def drug_of(library: DrugLibrary, name: str) -> LibraryDrug:
    found = library.find(name).drug
    assert found is not None
    return found


def test_a_cell_that_is_filled_counts_and_one_that_is_empty_leaves_the_library(table: Table) -> None:
    library = library_with(table("drug,class,targets", "gleevec,our class,", "TRAMETINIB,,MAP2K1"))
    imatinib, trametinib = drug_of(library, "Imatinib"), drug_of(library, "Trametinib")
    shipped = drug_of(built_in(), "Imatinib")
    assert (imatinib.drug_class, imatinib.targets, imatinib.c_max_nM) == (
        "our class", shipped.targets, shipped.c_max_nM,
    )  # fmt: skip
    assert (imatinib.comes_from("drug_class"), imatinib.comes_from("targets")) == ("site", "library")
    assert (trametinib.drug_class, trametinib.targets) == ("MEK inhibitor", ("MAP2K1",))
    assert len(library.drugs) == len(built_in().drugs)


@pytest.mark.parametrize(
    ("header", "cells", "expected"),
    [
        ("c_max_nM", "40", 40.0),
        ("C max [µM]", "0.04", 40.0),
        ("c_max_ng_per_mL", "30.7695", 50.0),
        ("c_max_mg_per_L", '"0,0307695"', 50.0),
    ],
)
def test_c_max_may_be_said_in_any_usual_unit_and_has_not_the_librarys_source(
    table: Table, header: str, cells: str, expected: float
) -> None:
    found = drug_of(library_with(table(f"drug,{header}", f"Trametinib,{cells}")), "Trametinib")
    assert found.c_max_nM == pytest.approx(expected, rel=1e-4)
    assert (found.c_max_source, found.c_max_dose) == ("drug_library.csv of the site", "")
    assert found.fraction_unbound == drug_of(built_in(), "Trametinib").fraction_unbound


def test_a_word_takes_a_value_away(table: Table) -> None:
    found = drug_of(library_with(table("drug,c_max_nM,targets", "Trametinib,none,unknown")), "Trametinib")
    assert (found.c_max_nM, found.c_max_ng_per_mL, found.c_max_source, found.targets) == (None, None, "", ())


def test_further_drugs_and_names_are_found_by_the_sites_table(table: Table) -> None:
    library = library_with(table("drug;synonyms;c_max_nM", "HD-117;hospital compound|HD117b;12", "Imatinib;IMA-house;"))
    assert library.find("hd117").by == "site"
    assert drug_of(library, "Hospital Compound").c_max_nM == 12
    assert (library.find("ima house").by, drug_of(library, "ima house").name) == ("site", "Imatinib")
    assert library.find("STI-571").by == "synonym"


def test_a_formulation_may_be_a_drug_of_its_own_and_two_drugs_in_one_name_may_not(table: Table) -> None:
    library = library_with(table("drug,c_max_nM", "Doxorubicin (liposomal),40000"))
    assert drug_of(library, "doxorubicin (Liposomal)").c_max_nM == 40000
    assert drug_of(library, "Doxorubicin").c_max_nM is None
    with pytest.raises(InputError, match=r"row 2: .* has names of Paclitaxel and of Imatinib"):
        library_with(table("drug,c_max_nM", "Paclitaxel (Imatinib),5"))


def test_columns_that_are_not_read_are_told(table: Table) -> None:
    assert library_with(table("drug,Comment", "Imatinib,x")).notes == (
        "drug_library.csv: columns that are not read: Comment.",
    )


def test_all_faults_of_a_table_come_in_one_message(table: Table) -> None:
    path = table(
        "drug,synonyms,c_max_nM,c_max_ng_per_mL,molecular_weight_g_per_mol,fraction_unbound",
        "Imatinib,,many,,,",
        ",AZD,5,,,",
        "Trametinib,,-3,,,",
        "Own,STI571,,12,,",
        "Glivec,,,,,",
        "Vemurafenib,,100,100,489.92,",
        "Sorafenib,,,,,5",
        "Two,X1,1,,,",
        "Three,x-1,1,,,",
        "Sunitinib,,1,,,,beyond",
    )
    with pytest.raises(InputError) as raised:
        library_with(path)
    said = str(raised.value)
    for fault in (
        "row 2: C max is 'many'",
        "row 3: the drug is empty",
        "row 4: C max is -3",
        "Own has C max in ng/mL and no molecular weight",
        "STI571 is a name of Imatinib and of Own",
        "row 6: Glivec stands in row 2 already",
        "C max of Vemurafenib is 100 nM, and 100 ng/mL of 489.92 g/mol are 204.1 nM",
        "row 8: the unbound fraction is 5",
        "x-1 is a name of Two and of Three",
        "row 11: beyond to the right of the last column",
    ):
        assert fault in said, fault
    assert "10 faults" in said


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (("name of it,c", "x,1"), "has no column drug"),
        (("drug,Cmax", "Imatinib,5"), "the column Cmax has no unit"),
        (("drug,class,class", "Imatinib,a,b"), "two columns class"),
        (("",), "is empty"),
    ],
)
def test_a_table_that_is_none_says_what_is_lacking(table: Table, lines: tuple[str, ...], fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        library_with(table(*lines))
