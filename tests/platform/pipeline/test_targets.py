"""The step `targets`: from the scores of a screen and a table of targets to targets, hubs and interactions."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest

from phenodose.errors import InputError, NotMade
from phenodose.lineage.freshness import InputStates
from phenodose.pipeline.targets import TargetParameters, make_targets
from phenodose.plugins import registry
from phenodose.reports.patient import render_report
from phenodose.screens.external_inputs import TARGET_TABLES, look_into
from phenodose.screens.screen import Screen
from phenodose.store.store import Store
from phenodose.tables import TABLES

SCREEN, SAMPLE, READOUT = "TST_V1_DS1", "S", "ctg"
MEK = ("Trametinib", "Cobimetinib", "Selumetinib")
OTHERS = {f"Drug{n:02}": f"G{n // 2}" for n in range(40)}
BY = {"run_id": "r", "plugin": "p", "plugin_version": "1", "parameters": "{}", "checkpoint": None}


def scores_of(scorer, hit_from, samples=(SAMPLE,), shift=0.0):
    rng = np.random.default_rng(7)
    rows = []
    for sample in samples:
        for drug in [*MEK, *OTHERS, "Trametinib + X", "Aspirin"]:
            score = float(rng.uniform(0, 9) if drug in OTHERS or drug == "Aspirin" else rng.uniform(25, 35)) - shift
            rows.append(
                {
                    "screen": SCREEN, "sample": sample, "readout": READOUT, "replicate": "pooled", "drug": drug,
                    "scorer": scorer, "score": score, "lower": score - 1, "upper": score + 1, "bound": "=",
                    "unit": "percent", "hit": None if hit_from is None else score >= hit_from, "status": "ok", **BY,
                    "call": None if hit_from is None else "hit" if score >= hit_from else "no hit",
                }
            )  # fmt: skip
    return rows


def write_scores(store, scorer, rows):
    store.write_table("scores", SCREEN, f"scores/{scorer}", TABLES["scores"].frame(rows))


@pytest.fixture
def step(tmp_path):
    """A screen whose three MEK inhibitors are the hits, with tables of targets, interactions and omics."""
    store, folder = Store.open(tmp_path / "store"), tmp_path / "raw" / SCREEN
    folder.mkdir(parents=True)
    store.register(SCREEN, folder)
    wells = []
    for number, drug in enumerate([*MEK, *OTHERS, "Aspirin", "Trametinib"]):
        row, column = "ABCDEFGH"[number // 12], number % 12 + 1
        wells.append(
            {
                "screen": SCREEN, "plate": "P1", "well": f"{row}{column:02}", "row": row, "column": column,
                "sample": SAMPLE, "well_type": "therapy", "treatment": drug, "concentration_nM": 100.0,
                "add_on": "X" if number == len(MEK) + len(OTHERS) + 1 else None, "run_id": "r",
            }
        )  # fmt: skip
    store.write_table("wells", SCREEN, "layout", TABLES["wells"].frame(wells))
    drugs = [{"screen": SCREEN, "drug": drug, "run_id": "r"} for drug in (*MEK, *OTHERS, "Aspirin")]
    drugs[0]["targets"] = "MAP2K1, MAP2K2"
    store.write_table("drugs", SCREEN, "layout", TABLES["drugs"].frame(drugs))
    write_scores(store, "dss_asym", scores_of("dss_asym", 10))
    lines = ["drug,gene", "cobimetinib,MAP2K1", "Selumetinib,MAP2K1", *(f"{d},{g}" for d, g in OTHERS.items())]
    (store.root / "drug_targets.csv").write_text("\n".join(lines) + "\n")
    (store.root / "interactions.sif").write_text("BRAF\tactivates\tMAP2K1\nBRAF\tactivates\tMAP2K2\nG1\tpp\tMAP2K1\n")
    (folder / "mutations.csv").write_text("gene,alteration\nMAP2K1,Q56P\nTP53,deletion\n")
    (folder / "expression.csv").write_text("gene,z\nMAP2K1,2.5\nG1,-1\n")
    return SimpleNamespace(
        store=store,
        screen_id=SCREEN,
        run_id="run",
        folder=folder,
        plugins=registry(),
        wells=lambda: store.read_table("wells", SCREEN),
        screen=Screen.load(folder),
        settings_of=lambda name, model: model(draws=999),
    )


def test_the_target_of_the_hits_comes_first_with_all_that_is_known_of_it(step):
    made = make_targets(step)
    rows = step.store.read_table("targets", SCREEN).set_index("target")
    first = rows.loc["MAP2K1"]
    assert rows["p_value"].idxmin() == "MAP2K1"
    assert (first["n_drugs"], first["n_hits"], first["scorer"]) == (3, 3, "dss_asym")
    assert first["drugs"] == "Cobimetinib; Selumetinib; Trametinib", "the table's case does not matter"
    assert first["q_value"] < 0.05
    assert (first["mutation"], first["expression"], first["expression_unit"]) == ("Q56P", 2.5, "z")
    assert (first["n_interactions"], first["n_hit_interactions"]) == (1, 0)
    assert np.isnan(rows.loc["MAP2K2", "p_value"]), "one drug says nothing of its target"
    assert rows["run_id"].eq("run").all()
    assert any("no target is known of 1 of 44 drugs: Aspirin" in note for note in made.notes)
    assert any("interactions.sif does not name" in note for note in made.notes)
    assert set(made.inputs) == {"drug_targets.csv", "interactions.sif", "mutations.csv", "expression.csv"}


def test_a_gene_that_links_targets_of_hits_stands_in_both_tables(step):
    make_targets(step)
    rows = step.store.read_table("targets", SCREEN).set_index("target")
    assert (rows.loc["BRAF", "n_drugs"], rows.loc["BRAF", "n_hit_interactions"]) == (0, 2)
    # Trametinib alone aims at both: three of 43 drugs drawn hold it so often.
    assert rows.loc["BRAF", "hub_p_value"] == pytest.approx(3 / 43, abs=0.03)
    pairs = step.store.read_table("target_interactions", SCREEN)
    assert sorted(zip(pairs["source"], pairs["target"], strict=True)) == [
        ("BRAF", "MAP2K1"), ("BRAF", "MAP2K2"), ("G1", "MAP2K1"),
    ]  # fmt: skip
    step.settings_of = lambda name, model: TargetParameters(draws=999, connectors=False)
    make_targets(step)
    assert "BRAF" not in set(step.store.read_table("targets", SCREEN)["target"])


def test_screen_toml_wins_over_the_screens_table_and_that_over_the_sites(step):
    (step.folder / "drug_targets.csv").write_text("drug,gene\nTrametinib,WRONG\nSelumetinib,OWN\n")
    make_targets(step)
    rows = step.store.read_table("targets", SCREEN).set_index("target")
    assert "WRONG" not in rows.index
    assert rows.loc["OWN", "drugs"] == "Selumetinib"
    assert rows.loc["MAP2K1", "drugs"] == "Cobimetinib; Trametinib"


def test_the_drug_library_serves_where_no_table_names_a_target(step):
    drugs = step.store.read_table("drugs", SCREEN).set_index("drug")
    for drug, gene in (("Aspirin", "PTGS2"), ("Selumetinib", "WRONG")):
        drugs.loc[drug, ["targets", "targets_from"]] = [gene, "library"]
    step.store.write_table("drugs", SCREEN, "layout", drugs.reset_index()[TABLES["drugs"].column_names])
    made = make_targets(step)
    rows = step.store.read_table("targets", SCREEN).set_index("target")
    assert rows.loc["PTGS2", "drugs"] == "Aspirin"
    assert "WRONG" not in rows.index, "the site's table comes first"
    assert "targets from the drug library: 1 of 44 drugs: Aspirin." in made.notes


def test_selective_scores_are_compared_too_and_others_by_name(step):
    write_scores(step.store, "sdss_asym", scores_of("sdss_asym", None, shift=5))
    make_targets(step)
    rows = step.store.read_table("targets", SCREEN)
    assert set(rows["scorer"]) == {"dss_asym", "sdss_asym"}
    of_both = rows[rows["target"] == "MAP2K1"].set_index("scorer")
    assert of_both["n_hits"].tolist() == [3, 3], "hits are those of the scorer that ranks"
    step.settings_of = lambda name, model: TargetParameters(draws=999, scorers=("sdss_asym",))
    make_targets(step)
    assert set(step.store.read_table("targets", SCREEN)["scorer"]) == {"sdss_asym"}
    for name, says in (("nonsense", "no scores of 'nonsense'.*dss_asym, sdss_asym"), ("abs_ic50", "have no mean")):
        write_scores(step.store, "abs_ic50", [row | {"unit": "nM"} for row in scores_of("abs_ic50", None)])
        step.settings_of = lambda name, model, one=name: TargetParameters(scorers=(one,))
        with pytest.raises(InputError, match=says if name == "abs_ic50" else "no scores of 'nonsense'"):
            make_targets(step)


def test_without_interactions_and_omics_the_targets_are_judged_all_the_same(step):
    for name in ("interactions.sif",):
        (step.store.root / name).unlink()
    for name in ("mutations.csv", "expression.csv"):
        (step.folder / name).unlink()
    make_targets(step)
    rows = step.store.read_table("targets", SCREEN)
    assert rows["n_interactions"].isna().all()
    assert rows[["mutation", "expression"]].isna().all(axis=None)
    assert step.store.read_table("target_interactions", SCREEN).empty


def test_where_no_target_is_known_nothing_is_made_and_a_sentence_says_how_to_mend_it(step):
    (step.store.root / "drug_targets.csv").unlink()
    drugs = step.store.read_table("drugs", SCREEN).assign(targets=None)
    step.store.write_table("drugs", SCREEN, "layout", drugs)
    with pytest.raises(NotMade, match=r"targets of its drugs are not known; write them into drug_targets\.csv"):
        make_targets(step)
    assert step.store.read_table("targets", SCREEN).empty


def test_scores_that_are_not_to_be_trusted_take_no_part(step):
    rows = scores_of("dss_asym", 10)
    rows[2]["doubt"] = "many wells look unlike any control"
    write_scores(step.store, "dss_asym", rows)
    made = make_targets(step)
    assert made.rows.set_index("target").loc["MAP2K1", "n_drugs"] == 2
    assert any("not to be trusted take no part: Selumetinib (ctg)" in note for note in made.notes)


def test_two_tables_of_one_kind_and_a_missing_one_are_refused(step):
    (step.folder / "mutations.tsv").write_text("gene\talteration\n")
    with pytest.raises(InputError, match=r"mutations\.csv and mutations\.tsv|mutations\.tsv and mutations\.csv"):
        make_targets(step)
    (step.folder / "mutations.tsv").unlink()
    (step.store.root / "site.toml").write_text('[targets]\ninteractions = "absent.sif"\n')
    with pytest.raises(InputError, match=r"absent\.sif: there is no such file; site\.toml.*\[targets\] interactions"):
        make_targets(step)


def test_site_toml_names_the_files_and_the_least_score(step):
    (step.store.root / "interactions.sif").unlink()
    (step.store.root / "net").mkdir()
    (step.store.root / "net" / "string.txt").write_text(
        "protein1 protein2 combined_score\nBRAF MAP2K1 900\nBRAF MAP2K2 100\n"
    )
    (step.store.root / "site.toml").write_text('[targets]\ninteractions = "net/string.txt"\nleast_score = 700\n')
    made = make_targets(step)
    assert made.interactions.empty, "BRAF links one target alone"
    assert "string.txt" in made.inputs


def test_an_unknown_setting_of_the_site_is_told_with_those_there_are(step):
    (step.store.root / "site.toml").write_text("[targets]\nnetwork = 'x'\n")
    with pytest.raises(
        InputError, match=r"targets\.network: there is no such setting here; known are drug_targets, int"
    ):
        make_targets(step)


def test_a_changed_file_is_a_changed_input(step):
    def version():
        return look_into(step.screen, step.store, [TARGET_TABLES])[TARGET_TABLES][0]

    before = version()
    assert version() == before
    (step.folder / "expression.csv").write_text("gene,z\nMAP2K1,2.0\n")
    assert version() != before


def test_a_changed_file_of_the_site_is_looked_into(step):
    before = InputStates(step.store).state(SCREEN)
    (step.store.root / "interactions.sif").write_text("BRAF\tpp\tMAP2K1\n")
    assert InputStates(step.store).state(SCREEN) != before


def test_the_report_shows_targets_hubs_and_the_network(step):
    make_targets(step)
    html = render_report(step.store, SCREEN)
    section = re.search(r'<section id="targets">.*?</section>', html, re.DOTALL)
    assert section
    text = section.group()
    assert "MAP2K1 Q56P" in text
    assert "<svg" in text
    assert "BRAF" in text
    assert render_report(step.store, SCREEN) == html
