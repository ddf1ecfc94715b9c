"""Scorers that need more than curves: reference samples from the store or the screen, time-zero wells."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from phenodose.store.store import Store

SELECTIVE = ("scores/sdss_asym", "scores/sdss_asym_adj", "scores/zdss", "scores/rdss")
GROWTH = ("scores/gr50", "scores/gr_max", "scores/gr_aoc")
CURVES = "layout,viability/ctg,curves/ctg"
PLUGINS = ("readout:ctg", *(f"scorer:{name}" for name in ("dss_asym", "sdss_asym", "zdss", "gr50", "gr_max")))


def test_without_what_they_need_they_are_skipped_and_nothing_fails(ctg_run: Any) -> None:
    outcome = ctg_run.outcome
    assert outcome.success
    assert not outcome.failed
    for key in SELECTIVE:
        assert "put reference_samples.csv into the store" in outcome.skipped[key]
    for key in GROWTH:
        assert "no time-zero wells or doubling count" in outcome.skipped[key]
        assert ctg_run.checks(key)["made"].passed
    scorers = set(ctg_run.store.read_table("scores", "TST_V1_DS1")["scorer"])
    assert {"dss_asym", "dss_asym_adj", "yadav_dss2"} <= scorers
    assert not {key.removeprefix("scores/") for key in (*SELECTIVE, *GROWTH)} & scorers


def scores_of(store: Store, screen: str, scorer: str) -> pd.DataFrame:
    rows = store.read_table("scores", screen, f"scores/{scorer}")
    return rows[rows["replicate"] == "pooled"].set_index("drug")


def test_what_they_need_may_be_given_to_the_store_the_screen_or_the_run(workshop: Any) -> None:
    store, folder = workshop.store, workshop.screen("REF_V1_DS1")
    drugs = ["Inert", "Potent", "Weak"]
    (store.root / "reference_samples.csv").write_text(f"Drug.Name,mean_DSS\n{drugs[0]},3\n")
    selective = "scores/sdss_asym,scores/zdss"
    outcome = workshop.make("REF_V1_DS1", f"{CURVES},scores/dss_asym,{selective}")
    outcome.raise_if_failed()
    plain = scores_of(store, "REF_V1_DS1", "dss_asym")
    assert list(plain.index) == drugs
    assert "mean and sd of dss_asym" in outcome.skipped["scores/zdss"]
    found = scores_of(store, "REF_V1_DS1", "sdss_asym")
    assert found.loc[drugs[0], "score"] == pytest.approx(plain.loc[drugs[0], "score"] - 3)
    assert set(found.loc[drugs[1:], "status"]) == {"no reference"}
    runs = store.read_table("runs", "REF_V1_DS1").set_index("asset")
    assert set(json.loads(runs.loc["scores/sdss_asym", "inputs"])) == {"curves/ctg", "reference_samples.csv"}

    columns = {"sample": ["h1", "h2"], **{drug: [1.0, 5.0] for drug in drugs}}
    pd.DataFrame(columns).to_csv(folder / "healthy.csv", index=False)
    (folder / "screen.toml").write_text('[parameters.zdss]\nreference = "healthy.csv"\n')
    (store.root / "reference_samples.csv").unlink()
    outcome = workshop.make("REF_V1_DS1", f"{selective},scores/gr_max", parameters={"gr_max": {"doublings": 2.0}})
    outcome.raise_if_failed()
    # the highest dose of the potent drug leaves 1 / 501 of the cells: 2 * (1 / 501)^(1 / 2) - 1
    assert scores_of(store, "REF_V1_DS1", "gr_max").loc["Potent", "score"] == pytest.approx(-0.91, abs=0.1)
    z = scores_of(store, "REF_V1_DS1", "zdss")
    np.testing.assert_allclose(z["score"], (plain["score"] - 3) / (np.sqrt(8) + 1))
    assert json.loads(z["parameters"].iloc[0])["reference"] == str(folder / "healthy.csv")
    assert "scores/sdss_asym" in outcome.skipped
    assert scores_of(store, "REF_V1_DS1", "sdss_asym").empty


def test_time_zero_wells_of_a_layout_reach_the_growth_rates(workshop: Any) -> None:
    store, folder = workshop.store, workshop.screen("GRO_V1_DS1")
    layout = pd.read_csv(folder / "layout.csv")
    extra = []
    for plate in (1, 2):
        path = folder / "ctg" / f"GRO_V1_DS1_P{plate}.xlsx"
        matrix = pd.read_excel(path, index_col=0, engine="calamine")
        for column in (20, 21, 22):
            matrix.loc["B", column] = 500 + 20000 / 4
            extra.append({"Plate": f"P{plate}", "Row": "B", "Column": column, "Sample": "TST", "WellType": "t0"})
        matrix.to_excel(path, index_label="")
    pd.concat([layout, pd.DataFrame(extra)]).to_csv(folder / "layout.csv", index=False)
    outcome = workshop.make("GRO_V1_DS1", f"{CURVES},scores/gr50,scores/gr_max")
    outcome.raise_if_failed()
    rates = scores_of(store, "GRO_V1_DS1", "gr_max")
    assert set(rates["status"]) == {"ok"}
    half = scores_of(store, "GRO_V1_DS1", "gr50")
    # two doublings: GR is 0.5 at viability 0.5625, where 1 / (1 + c / 20) is at 15.6 nM
    assert half.loc["Potent", "score"] == pytest.approx(15.6, rel=0.25)
    assert (half["lower"] <= half["score"]).all()
