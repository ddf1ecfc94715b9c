"""The drug library that ships: its numbers, its names, and how drugs are found in it."""

from __future__ import annotations

import pytest

from phenodose.drug_library.library import DrugLibrary, LibraryDrug
from phenodose.drug_library.library_table import built_in
from phenodose.drug_library.names import drug_key

#: The drugs of the paper's panel, as its layout writes them.
PANEL = (
    "A-1155463 A-1210477 A-1331852 AMG-232 APR-246 Afatinib Alectinib Axitinib Bortezomib Busulfan Cabozantinib "
    "Ceritinib Chloroquine Cisplatin Cobimetinib Crizotinib Cytarabine Dabrafenib Dactinomycin Dasatinib Daunorubicin "
    "Decitabine Doxorubicin Entinostat Entrectinib Erlotinib Etoposide Everolimus Foretinib Gemcitabine I-BET151 "
    "Idasanutlin Imatinib Irinotecan Lapatinib Larotrectinib Lorlatinib Melphalan Mercaptopurine Merestinib "
    "Methotrexate Mitoxantrone Navitoclax Nilotinib Olaparib Paclitaxel Palbociclib Panobinostat Pazopanib Ponatinib "
    "Ribociclib Ruxolitinib Selinexor Selumetinib Sorafenib Sunitinib Talazoparib Tazemetostat Temozolomide "
    "Temsirolimus Thioguanine Thiotepa Topotecan Trametinib Vandetanib Vemurafenib Venetoclax Vinblastine Vincristine "
    "Vinorelbine Vismodegib Volasertib Vorinostat"
)


def panel() -> list[str]:
    return [*PANEL.split(), "Rapamycin (Sirolimus)", "Valproic acid"]


def test_all_drugs_of_the_panel_are_there_with_a_class() -> None:
    found = [built_in().find(name).drug for name in panel()]
    assert len(found) == 75
    assert [name for name, drug in zip(panel(), found, strict=True) if drug is None or not drug.drug_class] == []
    assert sum(drug.c_max_nM is not None for drug in found if drug) == 46, "as docs/drugs.md says"


def test_molar_concentrations_are_those_by_weight_over_the_molecular_weight() -> None:
    weighed = [drug for drug in built_in().drugs if drug.c_max_ng_per_mL is not None]
    assert len(weighed) > 50
    for drug in weighed:
        assert drug.molecular_weight_g_per_mol, drug.name
        assert drug.c_max_nM == pytest.approx(1000 * drug.c_max_ng_per_mL / drug.molecular_weight_g_per_mol, rel=1e-3)


def test_every_concentration_says_its_dose_and_source_and_every_gap_why() -> None:
    for drug in built_in().drugs:
        assert drug.c_max_source, drug.name
        assert bool(drug.c_max_dose) == (drug.c_max_nM is not None), drug.name
        assert drug.fraction_unbound is None or 0 < drug.fraction_unbound <= 1


def test_no_two_drugs_have_one_name() -> None:
    assert built_in().name_faults() == []


@pytest.mark.parametrize(
    ("name", "drug"),
    [
        ("AZD1775", "Adavosertib"),
        ("mk 1775", "Adavosertib"),
        ("TRAMETINIB", "Trametinib"),
        ("Imatinib mesylate", "Imatinib"),
        ("Trametinib (DMSO solvate)", "Trametinib"),
        ("sunitinib L-malate", "Sunitinib"),
        ("Irinotecan HCl trihydrate", "Irinotecan"),
        ("Doxorubicin (hydrochloride)", "Doxorubicin"),
        ("Rapamycin (Sirolimus)", "Sirolimus"),
        ("Rapamycin", "Sirolimus"),
        ("6-Mercaptopurine", "Mercaptopurine"),
        ("Gleevec", "Imatinib"),
        ("IBET-151", "I-BET151"),
        ("Valproic acid sodium salt", "Valproic acid"),
        ("sodium valproate", "Valproic acid"),
    ],
)
def test_a_drug_is_found_by_code_brand_salt_and_spelling(name: str, drug: str) -> None:
    found = built_in().find(name)
    assert found.drug is not None
    assert found.drug.name == drug
    assert found.by == ("exact" if drug_key(name) == drug_key(drug) else "synonym")


@pytest.mark.parametrize("name", ["Compound 17", "sodium", "---", "", "Imatinib plus", "SIM-MEK-1", "DMSO", "Cis"])
def test_what_is_not_in_the_library_is_not_guessed(name: str) -> None:
    found = built_in().find(name)
    assert (found.drug, found.by, found.doubt) == (None, "none", "")


def test_a_formulation_and_two_drugs_in_one_name_are_not_found_and_say_why() -> None:
    assert built_in().find("Doxorubicin (liposomal)").doubt == (
        "Doxorubicin (liposomal) may be a form of Doxorubicin with another C max"
    )
    assert "names of Paclitaxel and of Vemurafenib" in built_in().find("Paclitaxel (Vemurafenib)").doubt


def test_a_slip_is_told_its_nearest_name() -> None:
    assert built_in().alike("Trametnib") == "Trametinib"
    assert built_in().alike("Compound 17") == ""
    assert built_in().alike("AZD1776") == "", "another number is another compound"


def test_two_drugs_that_claim_a_name_are_a_fault() -> None:
    drugs = (LibraryDrug("A", ("X-1",)), LibraryDrug("B", ("x 1",)), LibraryDrug("C", ("c",)))
    assert DrugLibrary(drugs).name_faults() == ["x 1 is a name of A and of B; keep it with one of them."]
