"""An image score that is not to be trusted says so wherever the report shows it, beside what other readouts say."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from phenodose.quality.trust import doubt
from phenodose.reports.data import ScreenData
from phenodose.reports.patient import render_report
from phenodose.reports.sections import drug_table, ranking
from phenodose.store.store import Store

SCREEN = "BT-40_V1_DS1"
SENTENCE = doubt("4 of 10 wells")


@pytest.fixture
def data(made_up_root: Path) -> ScreenData:
    """The best drug of the ranking and the last one died unlike the killing control."""
    loaded = ScreenData.load(Store.open(made_up_root), SCREEN)
    tables = {name: frame.copy() for name, frame in loaded.tables.items()}
    scores = tables["scores"]
    of_images = scores["readout"] != "ctg"
    scores.loc[of_images & scores["drug"].isin([loaded.drugs[0], loaded.drugs[-1]]), "doubt"] = SENTENCE
    return dataclasses.replace(loaded, tables=tables)


def test_the_ranking_names_the_drug_its_wells_and_what_other_readouts_give(data: ScreenData) -> None:
    shown = ranking(data)
    assert isinstance(shown, dict)
    assert shown["hits"][0].endswith(", not trusted)")
    assert not any("not trusted" in hit for hit in shown["hits"][1:])
    best, last = shown["untrusted"]
    assert best.startswith(f"{data.drugs[0]}: {SENTENCE}; metabolic (ATP) gives ")
    assert best.count(" gives ") == 1
    assert last.startswith(data.drugs[-1])


def test_a_drug_that_nothing_else_measured_has_no_other_score(data: ScreenData) -> None:
    only = dataclasses.replace(data, tables={**data.tables, "scores": data.ranking})
    shown = ranking(only)
    assert isinstance(shown, dict)
    assert all(line.endswith("; no other readout has a score of it") for line in shown["untrusted"])


def test_the_table_marks_scores_of_images_alone(data: ScreenData) -> None:
    table = drug_table(data)
    assert isinstance(table, dict)
    marked = {
        (row["drug"], readout)
        for row in table["rows"]
        for readout, score in zip(table["readouts"], row["scores"], strict=True)
        if score["doubt"]
    }
    scored = data.pooled[data.pooled["doubt"].notna() & data.pooled["score"].notna()]
    assert marked == set(zip(scored["drug"], scored["readout"], strict=True))
    assert len(marked) > 2


def test_the_page_shows_it_in_ranking_table_and_card_and_is_silent_without(
    data: ScreenData, monkeypatch: pytest.MonkeyPatch, made_up_root: Path
) -> None:
    store = Store.open(made_up_root)
    assert "not to be trusted" not in render_report(store, SCREEN)
    monkeypatch.setattr(ScreenData, "load", lambda *_: data)
    page = render_report(store, SCREEN)
    assert "Image scores that are not to be trusted" in page
    scored = data.pooled["doubt"].notna() & data.pooled["score"].notna()
    assert page.count(f'<span class="doubt" title="{SENTENCE}">not trusted</span>') == 2 * scored.sum() > 0
