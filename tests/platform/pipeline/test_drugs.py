"""The steps `drugs` and `reachable_effects`: what is known of a screen's drugs, and what they do at C max."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.points import curve_points
from phenodose.drug_library.library_table import built_in
from phenodose.errors import InputError, NotMade
from phenodose.lineage.freshness import InputStates
from phenodose.lineage.record import content_version
from phenodose.lineage.trace import why
from phenodose.pipeline.context import Context
from phenodose.pipeline.drugs import DRUGS, REACHABLE, known_drugs, make_drugs, make_reachable
from phenodose.screens.drug_files import library_of
from phenodose.screens.external_inputs import DRUG_LIBRARY, look_into
from phenodose.screens.screen import DrugAnnotation, Screen
from phenodose.store.curves import curves_key, write_points
from phenodose.store.store import Store
from phenodose.tables import TABLES

SCREEN = "TST_V1_DS1"
DOSES = np.array([0.1, 1.0, 10.0, 100.0, 1000.0])
#: Drug -> dose of half effect [nM]; C max of Trametinib is 36 nM, that of Crizotinib 913 nM.
HALF = {"Trametinib": 5.0, "crizotinib HCl": 5000.0, "House drug": 10.0, "Rapamycin": 3.0}
BY = {"run_id": "r", "plugin": "p", "plugin_version": "1", "parameters": "{}", "checkpoint": None}


def wells_of_screen() -> pd.DataFrame:
    """Four wells a drug and dose, Trametinib also with an add-on that helps it."""
    rows = []
    for drug, add_on, half in [*((drug, None, half) for drug, half in HALF.items()), ("Trametinib", "Dasatinib", 0.5)]:
        for dose in np.repeat(DOSES, 4):
            rows.append({"treatment": drug, "add_on": add_on, "concentration_nM": dose, "half": half})
    frame = pd.DataFrame(rows)
    noise = np.random.default_rng(11).normal(0, 0.02, len(frame))
    at = np.arange(len(frame))
    return frame.assign(
        screen=SCREEN, plate="P1", row=["ABCDEFGH"[n % 8] for n in at], column=at // 8 + 1,
        well=[f"{'ABCDEFGH'[n % 8]}{n // 8 + 1:02}" for n in at], sample="S", well_type="therapy", replicate=1,
        run_id="r", readout="ctg", masked=False, add_on_concentration_nM=np.nan,
        viability_fraction=1 - frame["concentration_nM"] / (frame["concentration_nM"] + frame["half"]) + noise,
    )  # fmt: skip


def context(store: Store, asset: str) -> Context:
    return Context(
        asset=asset, screen_id=SCREEN, run_id="run", store=store, source=lambda: store.source_of(SCREEN),
        launchpad={}, settings={asset: frozenset()}, log=logging.getLogger(__name__), progress=lambda *_: None,
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A screen with curves; screen.toml says the class of one drug and the targets of another."""
    store, folder = Store.open(tmp_path / "store"), tmp_path / "raw" / SCREEN
    folder.mkdir(parents=True)
    (folder / "screen.toml").write_text(
        '[drugs."Trametinib"]\nclass = "house class"\n[drugs."House drug"]\ntargets = ["TP53"]\n'
    )
    store.register(SCREEN, folder)
    wells = wells_of_screen()
    store.write_table("wells", SCREEN, "layout", TABLES["wells"].frame(wells.to_dict("records")))
    batch = fit_curves(curve_points(wells, wells, per_replicate=True), bootstrap=40)
    rows = batch.to_frame().assign(screen=SCREEN, **BY)
    store.write_table("curves", SCREEN, curves_key("ctg"), rows[TABLES["curves"].column_names])
    write_points(store, SCREEN, "ctg", batch)
    return store


def test_screen_toml_counts_before_the_library_and_each_cell_says_where_it_is_from(store: Store) -> None:
    made = make_drugs(context(store, DRUGS))
    rows = store.read_table("drugs", SCREEN).set_index("drug")
    assert list(rows.index) == ["House drug", "Rapamycin", "Trametinib", "crizotinib HCl"]
    trametinib, house = rows.loc["Trametinib"], rows.loc["House drug"]
    assert (trametinib["drug_class"], trametinib["class_from"]) == ("house class", "screen.toml")
    assert (trametinib["targets"], trametinib["targets_from"]) == ("MAP2K1, MAP2K2", "library")
    assert trametinib["c_max_nM"] == pytest.approx(36.07)
    assert "Mekinist" in trametinib["c_max_source"]
    assert (house["targets"], house["targets_from"], house["matched_by"]) == ("TP53", "screen.toml", "none")
    assert house[["library_name", "drug_class", "c_max_nM"]].isna().all()
    assert rows["matched_by"].to_dict() == {
        "House drug": "none", "Rapamycin": "synonym", "Trametinib": "exact", "crizotinib HCl": "synonym",
    }  # fmt: skip
    assert made.notes == [
        "drug library: taken by another name: Rapamycin as Sirolimus, crizotinib HCl as Crizotinib.",
        "not in the drug library: 1 of 4 drugs: House drug.",
    ]


def test_rows_that_the_layout_wrote_in_older_stores_are_replaced(store: Store) -> None:
    old = [{"screen": SCREEN, "drug": "Trametinib", "run_id": "r"}]
    store.write_table("drugs", SCREEN, "layout", TABLES["drugs"].frame(old))
    make_drugs(context(store, DRUGS))
    assert len(store.read_table("drugs", SCREEN)) == len(HALF)


def test_two_names_of_one_drug_and_unclear_names_are_told() -> None:
    found = known_drugs(["MK-1775", "AZD1775", "Doxorubicin (liposomal)", "Trametnib"], built_in())
    assert [row["library_name"] for row in found.rows] == ["Adavosertib", "Adavosertib", None, None]
    said = "\n".join(found.notes)
    assert "MK-1775 and AZD1775 are both Adavosertib, and stay 2 drugs here" in said
    assert "Doxorubicin (liposomal) may be a form of Doxorubicin with another C max; it counts as not known" in said
    assert "Trametnib (is it Trametinib?)" in said
    assert "knows no C max of 2 of 4 drugs: MK-1775, AZD1775" in said


def test_of_a_screen_without_any_known_drug_nothing_is_noted() -> None:
    found = known_drugs(["SIM-MEK-1"], built_in(), {"SIM-MEK-1": DrugAnnotation.model_validate({"class": "x"})})
    assert (found.rows[0]["drug_class"], found.rows[0]["class_from"], found.notes) == ("x", "screen.toml", [])


def test_effects_at_c_max_are_read_from_the_curves_and_their_draws(store: Store) -> None:
    make_reachable(context(store, REACHABLE), ["ctg", "none"])
    rows = store.read_table("reachable_effects", SCREEN).set_index("drug")
    assert set(rows.index) == {"Trametinib", "Trametinib + Dasatinib", "crizotinib HCl", "Rapamycin"}
    assert (rows["replicate"] == "pooled").all()
    alone, combined, crizotinib = (
        rows.loc[name] for name in ("Trametinib", "Trametinib + Dasatinib", "crizotinib HCl")
    )
    assert alone["effect_at_c_max_fraction"] == pytest.approx(36 / 41, abs=0.04)
    assert alone["lower_fraction"] < alone["effect_at_c_max_fraction"] < alone["upper_fraction"]
    assert alone["effect_at_c_max_unbound_fraction"] == pytest.approx(0.94 / 5.94, abs=0.06)
    assert not alone["needs_more_than_c_max"]
    assert (combined["treatment"], combined["add_on"], combined["c_max_nM"]) == ("Trametinib", "Dasatinib", 36.07)
    assert combined["effect_at_c_max_fraction"] > alone["effect_at_c_max_fraction"]
    assert crizotinib["needs_more_than_c_max"]
    assert (crizotinib["half_effect_bound"], crizotinib["library_name"]) == (">", "Crizotinib")
    assert (alone["plugin"], alone["run_id"]) == (REACHABLE, "run")


def test_without_curves_nothing_is_made_and_without_known_drugs_the_table_is_empty(store: Store) -> None:
    with pytest.raises(NotMade, match="has no curves"):
        make_reachable(context(store, REACHABLE), ["other"])
    drugs = "\n".join(["drug,c_max_nM", "Trametinib,none", "Crizotinib,none", "Sirolimus,none"])
    (store.root / "drug_library.csv").write_text(drugs + "\n")
    assert make_reachable(context(store, REACHABLE), ["ctg"]).rows.empty
    assert store.read_table("reachable_effects", SCREEN).empty


def test_the_sites_table_lies_in_the_store_or_where_site_toml_says(store: Store) -> None:
    def c_max() -> float | None:
        drug = library_of(store).find("Trametinib").drug
        return drug.c_max_nM if drug else None

    (store.root / "drug_library.csv").write_text("drug,c_max_nM\nTrametinib,7\n")
    assert c_max() == 7
    (store.root / "site.toml").write_text('[drugs]\nlibrary = "panels/ours.csv"\n')
    with pytest.raises(InputError, match=r"ours\.csv: there is no such file; site\.toml .*\[drugs\] library"):
        library_of(store)
    (store.root / "panels").mkdir()
    (store.root / "panels" / "ours.csv").write_text("drug,c_max_nM\nTrametinib,8\n")
    assert c_max() == 8
    (store.root / "site.toml").write_text('[drugs]\nlibary = "x"\n')
    with pytest.raises(InputError, match="no such setting here; known are library"):
        library_of(store)


def test_a_changed_table_of_the_site_is_news_for_the_drugs_and_nothing_that_is_drawn_by_class(store: Store) -> None:
    step = context(store, DRUGS)

    def state() -> tuple[str, object, str]:
        make_drugs(step)
        seen = look_into(Screen.load(store.source_of(SCREEN)), store, [DRUG_LIBRARY])[DRUG_LIBRARY][0]
        return seen, InputStates(store).state(SCREEN), content_version(step, [(DRUGS, DRUGS)], {})

    before = state()
    (store.root / "drug_library.csv").write_text("drug,c_max_nM\nTrametinib,7\n")
    dosed = state()
    assert dosed[0] != before[0]
    assert dosed[1] != before[1]
    assert dosed[2] == before[2], "C max changes effects, which have a table of their own"
    (store.root / "drug_library.csv").write_text("drug,class\nRapamycin,house class\n")
    assert state()[2] != before[2]


def test_why_tells_the_effect_at_c_max(store: Store) -> None:
    score = {"screen": SCREEN, "sample": "S", "readout": "ctg", "replicate": "pooled", "drug": "Trametinib"}
    row = {**score, "scorer": "dss_asym", "score": 20.0, "bound": "=", "status": "ok", "hit": True, **BY}
    store.write_table("scores", SCREEN, "scores/dss_asym", TABLES["scores"].frame([row]))
    make_reachable(context(store, REACHABLE), ["ctg"])
    last = why(store, SCREEN, "Trametinib", "dss_asym", "ctg")[0].made_from[-1]
    assert last.what == "effect at C max of Trametinib"
    assert last.facts["c_max_nM"] == pytest.approx(36.07)
    assert "Mekinist" in last.facts["c_max_source"]
