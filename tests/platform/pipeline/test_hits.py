"""A drug is a hit by its call, and only by a readout that did not fail its quality check."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from phenodose.cli import main
from phenodose.cohort.build import rebuild_cohort
from phenodose.cohort.query import query
from phenodose.pipeline.hits import is_hit, not_judged, standing_calls
from phenodose.pipeline.verdict import ScreenJudge, ranked_drugs, verdict_of
from phenodose.reports.data import Missing, ScreenData
from phenodose.reports.patient import render_report
from phenodose.reports.sections import drug_table, ranking
from phenodose.store.store import Store

FULL = "BT-40_V1_DS1"
RANKS = "cnn_phase3"
HITS = ["Trametinib", "Panobinostat", "Vemurafenib", "Venetoclax"]


def fail(store: Store, readout: str) -> None:
    store.write_table("qc", FULL, readout, store.read_table("qc", FULL, readout).assign(verdict="fail"))


def change_scores(store: Store, **columns: object) -> None:
    part = f"dss_asym.{RANKS}"
    store.write_table("scores", FULL, part, store.read_table("scores", FULL, part).assign(**columns))


def counts(store: Store) -> dict[str, object]:
    """How many hits every face tells of."""
    rebuild_cohort(store, judge=ScreenJudge(store))
    data = ScreenData.load(store, FULL)
    shown = ranking(data)
    assert not isinstance(shown, Missing)
    (n_sql,) = query(store, f"SELECT n_hits FROM screens WHERE screen = '{FULL}'").table["n_hits"].to_pylist()
    view = query(store, f"SELECT drug FROM hits WHERE screen = '{FULL}' AND call = 'hit'").table.num_rows
    return {"ranked": int(is_hit(ranked_drugs(store, FULL)).sum()), "report": len(shown["hits"]), "sql": n_sql,
            "view": view}  # fmt: skip


def test_every_face_counts_the_same_hits(made_up_store: Store) -> None:
    rows = ranked_drugs(made_up_store, FULL)
    assert list(rows.loc[is_hit(rows), "drug"]) == HITS
    assert set(counts(made_up_store).values()) == {4}


def test_a_score_above_the_threshold_that_is_borderline_is_no_hit(made_up_store: Store) -> None:
    scores = made_up_store.read_table("scores", FULL, f"dss_asym.{RANKS}")
    unsure = scores["drug"].eq("Venetoclax")
    change_scores(made_up_store, call=scores["call"].mask(unsure, "borderline"), p_hit_fraction=0.7)
    assert set(counts(made_up_store).values()) == {3}
    assert ranked_drugs(made_up_store, FULL).set_index("drug")["hit"]["Venetoclax"]


def test_no_drug_counts_as_a_hit_by_a_readout_that_failed(made_up_store: Store) -> None:
    fail(made_up_store, RANKS)
    assert set(counts(made_up_store).values()) == {0}
    said = verdict_of(made_up_store, FULL)
    assert said.level == "fail"
    assert (
        "No drug counts as a hit by cnn_phase3, as it failed; it names Panobinostat, Trametinib, Vemurafenib and "
        "Venetoclax." in said.sentences
    )
    rows = ranked_drugs(made_up_store, FULL)
    assert rows["call"].isna().all()
    assert rows["readout_failed"].all()
    assert rows["score"].notna().any(), "the scores stay"
    others = query(made_up_store, f"SELECT DISTINCT call FROM scores WHERE screen = '{FULL}' AND readout = '{RANKS}'")
    assert "hit" in others.table["call"].to_pylist(), "the table keeps what the scores say"


def test_a_readout_that_failed_beside_takes_no_hit_from_the_one_that_ranks(made_up_store: Store) -> None:
    fail(made_up_store, "ctg")
    assert set(counts(made_up_store).values()) == {4}


def test_scores_of_a_failed_readout_are_struck_through_and_not_marked(made_up_store: Store) -> None:
    fail(made_up_store, "ctg")
    table = drug_table(ScreenData.load(made_up_store, FULL))
    assert not isinstance(table, Missing)
    cells = dict(zip(table["readouts"], table["rows"][0]["scores"], strict=True))
    assert (cells["ctg"]["hit"], cells["ctg"]["failed"]) == (False, True)
    assert (cells[RANKS]["hit"], cells[RANKS]["failed"]) == (True, False)
    page = render_report(made_up_store, FULL)
    text = cells["ctg"]["text"]
    assert f'<s class="failed" title="The readout failed a quality check">{text}</s>' in page
    assert f"● {text}" in page


def test_scores_of_before_are_told_as_not_judged_and_not_as_no_hits(made_up_store: Store) -> None:
    change_scores(made_up_store, call=None, p_hit_fraction=float("nan"))
    assert "Hits are not judged: the scores of cnn_phase3 have no draws; score the screen again." in (
        verdict_of(made_up_store, FULL).sentences
    )
    assert ScreenJudge(made_up_store).judge(FULL)["n_hits"] is None


def test_calls_of_several_samples_are_judged_each_by_its_own_quality() -> None:
    scores = pd.DataFrame({"sample": ["S", "T"], "call": "hit", "hit": True, "p_hit_fraction": 1.0})
    qc = pd.DataFrame({"sample": ["S", "S", "T"], "verdict": ["pass", "fail", "warn"]})
    found = standing_calls(scores, qc)
    assert found["call"].tolist() == [None, "hit"]
    assert found["readout_failed"].tolist() == [True, False]
    assert is_hit(found).tolist() == [False, True]
    assert not not_judged(scores)
    everywhere = standing_calls(scores, qc.assign(sample=None))
    assert everywhere["readout_failed"].all(), "a metric without a sample is about all of them"


def test_empty_tables_have_no_hits() -> None:
    scores = pd.DataFrame({"screen": [], "sample": [], "readout": [], "call": [], "hit": [], "p_hit_fraction": []})
    qc = pd.DataFrame({"screen": [], "readout": [], "verdict": []})
    assert standing_calls(scores, qc).empty
    assert not not_judged(scores)


@pytest.mark.parametrize("draws", [40, 0])
def test_score_names_hits_and_says_where_nobody_judged_them(
    draws: int, tmp_path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["plate,well,sample,well_type,treatment,concentration_nM,readout"]
    for number in range(8):
        lines.append(f"P1,{'ABCDEFGH'[number]}01,S,neg,DMSO,,{100 + number}")
        lines.append(f"P1,{'ABCDEFGH'[number]}02,S,pos,STS,,{1 + number / 4}")
    for row, drug, half in (("A", "Potent", 2.0), ("B", "Inert", 1e9)):
        for column, dose in enumerate((1, 10, 100, 1000, 10000), start=4):
            for again in (0, 6):
                value = 103 / (1 + dose / half) + (column + again) % 3
                lines.append(f"P1,{row}{column + again:02d},S,therapy,{drug},{dose},{value:.2f}")
    layout = tmp_path / "layout.csv"
    layout.write_text("\n".join(lines) + "\n", encoding="utf-8")
    asked = ["score", "--layout", str(layout), "--out", str(tmp_path / "scores.csv"), "--draws", str(draws)]
    with pytest.raises(SystemExit) as done:
        main([*asked, "--workers", "1"])
    assert done.value.code == 0
    said = capsys.readouterr().out
    assert ("hits: Potent" if draws else "hits: not judged (no draws)") in said
    with pytest.raises(SystemExit):
        main([*asked, "--workers", "1", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["hits"] == (["Potent"] if draws else [])
    assert told["hits_that_do_not_count"] == []
