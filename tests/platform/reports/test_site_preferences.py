"""What a site puts first is first in reports and in the cohort."""

from __future__ import annotations

from phenodose.cohort.build import rebuild_cohort
from phenodose.cohort.query import query
from phenodose.plots.palette import BLUE, PURPLE
from phenodose.reports.cohort.source import read_cohort
from phenodose.reports.data import ScreenData
from phenodose.store.store import Store

FULL = "BT-40_V1_DS1"


def prefer(store: Store, settings: str) -> None:
    (store.root / "site.toml").write_text(f"[preferences]\n{settings}\n")


def test_without_a_site_the_declarations_count(made_up_cohort: Store) -> None:
    data = ScreenData.load(made_up_cohort, FULL)
    assert (data.readouts[0], data.ranking_readout, data.scorer) == ("cnn_phase3", "cnn_phase3", "dss_asym")
    assert data.looks["cnn_phase2"].colour == BLUE
    assert data.looks["ctg"].colour == PURPLE


def test_the_readout_that_a_site_names_ranks_the_drugs(made_up_cohort: Store) -> None:
    prefer(made_up_cohort, 'readouts = ["ctg"]\ncolours = { ctg = "#102030" }')
    data = ScreenData.load(made_up_cohort, FULL)
    assert data.readouts[0] == data.ranking_readout == "ctg"
    assert set(data.ranking["readout"]) == {"ctg"}
    assert data.looks["ctg"].colour == "#102030"
    cohort = read_cohort(made_up_cohort)
    assert cohort.readouts[0] == cohort.ranked_by[FULL] == "ctg"
    assert cohort.looks(["ctg"])["ctg"] == data.looks["ctg"]


def test_the_view_of_scores_side_by_side_is_of_the_scorer_that_a_site_names(made_up_store: Store) -> None:
    def drugs_with_scores() -> int:
        rebuild_cohort(made_up_store, whole=True)
        return len(query(made_up_store, "SELECT drug FROM scores_wide").table)

    assert drugs_with_scores() > 0
    prefer(made_up_store, 'scorers = ["gr50"]')
    assert drugs_with_scores() == 0, "the made-up cohort has no gr50"
