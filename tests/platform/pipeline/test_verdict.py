"""One verdict on a screen, from everything that bears on its answer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from phenodose.cohort.build import rebuild_cohort
from phenodose.cohort.query import query
from phenodose.pipeline.verdict import ScreenJudge, ranked_drugs, verdict_of
from phenodose.reports.cohort import render_cohort_report
from phenodose.reports.patient import render_report
from phenodose.screens.overview import listed_screens
from phenodose.store.store import Store
from phenodose.tables import TABLES

FULL, METABOLIC_ONLY = "BT-40_V1_DS1", "INF_R_153_V1_DS1"
TRUNCATED = "P1/TimePoint_1/x_B02.tif: the file is cut off after 1,024 of 8,192 bytes; copy it again."


def note(store: Store, screen: str, asset: str, outcome: str, reason: str) -> None:
    row = {"screen": screen, "asset": asset, "outcome": outcome, "reason": reason, "run_id": "r"}
    frame = TABLES["not_made"].frame([row | {"tried_at": datetime(2026, 1, 1, tzinfo=UTC)}])
    store.write_table("not_made", screen, asset, frame)


def judge(store: Store, screen: str, readout: str, verdict: str) -> None:
    """All quality metrics of a readout get this verdict."""
    store.write_table("qc", screen, readout, store.read_table("qc", screen, readout).assign(verdict=verdict))


def test_a_step_that_failed_is_said_before_the_checks_that_passed(made_up_store: Store) -> None:
    judge(made_up_store, METABOLIC_ONLY, "ctg", "pass")
    sound = verdict_of(made_up_store, METABOLIC_ONLY)
    assert (sound.level, sound.sentences[0]) == ("pass", "Good: every quality check of ctg passed.")
    note(made_up_store, METABOLIC_ONLY, "plate_images", "failed", TRUNCATED)
    found = verdict_of(made_up_store, METABOLIC_ONLY)
    assert found.level == "warn"
    assert found.sentences[0] == (
        f"Incomplete: `plate_images` failed: {TRUNCATED} The drugs are ranked by ctg, from what was made."
    )
    assert found.sentences[1] == "Every quality check of ctg passed."


def test_it_is_the_same_in_the_reports_in_sql_and_in_the_list_of_screens(
    made_up_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The figures say nothing of it, and tests of the report draw them.
    monkeypatch.setattr("phenodose.plots.cohort_drawing.drawn", lambda figure, *formats: [b"" for _ in formats])
    note(made_up_store, METABOLIC_ONLY, "plate_images", "failed", TRUNCATED)
    rebuild_cohort(made_up_store, judge=ScreenJudge(made_up_store))
    asked = "SELECT verdict, verdict_reason, ranked_by, n_hits FROM screens WHERE screen = ?".replace(
        "?", f"'{METABOLIC_ONLY}'"
    )
    (row,) = query(made_up_store, asked).table.to_pylist()
    said = verdict_of(made_up_store, METABOLIC_ONLY)
    ranked = ranked_drugs(made_up_store, METABOLIC_ONLY)
    assert row == {
        "verdict": said.level,
        "verdict_reason": said.words,
        "ranked_by": "ctg",
        "n_hits": int(ranked["hit"].sum()),
    }
    for page in (render_report(made_up_store, METABOLIC_ONLY), render_cohort_report(made_up_store)):
        assert "`plate_images` failed: P1/TimePoint_1/x_B02.tif: the file is cut off" in page
    (listed,) = (each for each in listed_screens(made_up_store) if each["screen"] == METABOLIC_ONLY)
    assert (listed["verdict"], listed["n_hits"], listed["ranked_by"]) == ("warn", row["n_hits"], "ctg")


def test_a_screen_without_any_score_whose_step_failed_has_no_answer(made_up_store: Store) -> None:
    for table in ("scores", "viability"):
        for file in (made_up_store.root / "tables" / table / f"screen={METABOLIC_ONLY}").glob("*.parquet"):
            file.unlink()
    note(made_up_store, METABOLIC_ONLY, "viability/ctg", "failed", "no positive control.")
    found = verdict_of(made_up_store, METABOLIC_ONLY)
    assert found.level == "fail"
    assert found.sentences[0] == "Incomplete: `viability/ctg` failed: no positive control."
    assert "There is no ranking of drugs: the store holds no scores of this screen." in found.sentences


def test_it_follows_the_readout_that_ranks(made_up_store: Store) -> None:
    for readout in ("cnn_phase3", "cnn_phase2", "mean_of_stack", "ctg"):
        judge(made_up_store, FULL, readout, "fail" if readout == "cnn_phase3" else "pass")
    found = verdict_of(made_up_store, FULL)
    assert found.level == "fail"
    assert found.sentences[0] == (
        "Interpret with great care: cnn_phase3, which ranks the drugs, failed a quality check; "
        "cnn_phase2, mean_of_stack and ctg passed."
    )
    judge(made_up_store, FULL, "cnn_phase3", "pass")
    judge(made_up_store, FULL, "ctg", "fail")
    found = verdict_of(made_up_store, FULL)
    assert (found.level, found.sentences[0]) == (
        "warn",
        "Do not rely on ctg: quality checks failed. The ranking is by cnn_phase3, which did not fail.",
    )
    judge(made_up_store, FULL, "ctg", "warn")
    assert verdict_of(made_up_store, FULL).sentences[0].startswith("Usable with care: some quality figures of ctg")


@pytest.mark.parametrize(("share", "level"), [(0.02, "pass"), (0.5, "warn")])
def test_drug_wells_without_a_value_are_counted(made_up_store: Store, share: float, level: str) -> None:
    judge(made_up_store, METABOLIC_ONLY, "ctg", "pass")
    (part,) = (made_up_store.root / "tables" / "viability" / f"screen={METABOLIC_ONLY}").glob("*.parquet")
    rows = made_up_store.read_table("viability", METABOLIC_ONLY)
    wells = made_up_store.read_table("wells", METABOLIC_ONLY)
    drugs = wells.loc[wells["well_type"] == "therapy", ["plate", "well"]].drop_duplicates()
    before = verdict_of(made_up_store, METABOLIC_ONLY).words
    left_out = drugs.head(max(1, int(share * len(drugs))))
    gone = rows.merge(left_out.assign(gone=True), on=["plate", "well"], how="left")["gone"].eq(True).to_numpy()
    rows["masked"] = rows["masked"].astype(bool) | gone
    part.unlink()
    made_up_store.write_table("viability", METABOLIC_ONLY, "viability/ctg", rows)
    found = verdict_of(made_up_store, METABOLIC_ONLY)
    assert found.level == level
    assert found.words != before
    (sentence,) = (each for each in found.sentences if "drug wells" in each)
    assert f"of {len(drugs)} drug wells" in sentence


def test_what_was_skipped_counts_only_where_there_are_images(made_up_store: Store) -> None:
    note(made_up_store, METABOLIC_ONLY, "viability/cnn_phase3", "skipped", "the training would take 9 days.")
    assert "cnn_phase3" not in verdict_of(made_up_store, METABOLIC_ONLY).words
    for asset in ("viability/features", "checkpoint/cnn/phase1"):
        note(made_up_store, FULL, asset, "skipped", "the training would take 9 days.")
        assert f"Not made: {asset} (the training would take 9 days)." in verdict_of(made_up_store, FULL).sentences
    wells = made_up_store.read_table("wells", FULL, "layout")
    made_up_store.write_table("wells", FULL, "layout", wells[wells["well_type"] != "therapy"])
    assert "Not made" not in verdict_of(made_up_store, FULL).words, "a control experiment has no phase of drugs"
