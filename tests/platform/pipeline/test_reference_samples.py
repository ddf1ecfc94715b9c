"""The cohort as the reference of selective scores: which samples count, and what follows from too few."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from phenodose.screens.registration import register_screen
from phenodose.store.store import Store
from phenodose_assets.run import Graph, materialize_screen

SCREEN = "TST_V1_DS1"
MADE = "layout,viability/ctg,curves/ctg,scores/dss_asym"
SELECTIVE = "scores/sdss_asym,scores/zdss,scores/rdss"


def scores_of(store: Store, scorer: str) -> pd.Series:
    rows = store.read_table("scores", SCREEN, f"scores/{scorer}")
    return rows[(rows["replicate"] == "pooled") & (rows["scorer"] == scorer)].set_index("drug")["score"]


def test_other_samples_of_the_store_are_the_reference_once_there_are_three(
    small_ctg_screen: Path, tmp_path: Path, site_of: Callable[..., str]
) -> None:
    store = Store.open(tmp_path / "store")
    store.root.mkdir()
    plugins = ("readout:ctg", *(f"scorer:{name}" for name in ("dss_asym", "sdss_asym", "zdss", "rdss")))
    (store.root / "site.toml").write_text(site_of(*plugins))
    (small_ctg_screen / "screen.toml").write_text("[parameters.curves]\nbootstrap = 10\n")
    register_screen(store, small_ctg_screen)
    graph = Graph(store)
    with dg.DagsterInstance.ephemeral() as instance:
        materialize_screen(store, SCREEN, select=MADE, instance=instance, graph=graph).raise_if_failed()
        plain = store.read_table("scores", SCREEN, "scores/dss_asym")

        def screened(screen: str, sample: str, score: float, drugs: tuple[str, ...] = ("Potent", "Weak")) -> None:
            rows = plain[plain["drug"].isin(drugs)].assign(screen=screen, sample=sample, score=score)
            store.write_table("scores", screen, "scores/dss_asym", rows)
            store.register(screen, tmp_path / screen)

        screened("A_V1_DS1", "A", 4.0)
        screened("A_V1_DS2", "A", 8.0)  # a sample counts once, by its mean: 6
        screened("B_V1_DS1", "B", 3.0)
        screened("TST_V2_DS1", "TST", 90.0)  # the sample's own other screen is no reference
        few = materialize_screen(store, SCREEN, select=SELECTIVE, instance=instance, graph=graph)
        assert set(few.skipped) == set(SELECTIVE.split(","))
        assert "the store holds 2 other samples with scores dss_asym of ctg" in few.skipped["scores/sdss_asym"]

        screened("C_V1_DS1", "C", 0.0, drugs=("Potent",))
        materialize_screen(store, SCREEN, select=SELECTIVE, instance=instance, graph=graph).raise_if_failed()
    own, selective = scores_of(store, "dss_asym"), scores_of(store, "sdss_asym")
    assert selective["Potent"] == pytest.approx(own["Potent"] - 3.0)  # mean of 6, 3 and 0
    assert selective[["Weak", "Inert"]].isna().all()  # of two samples, and of none
    spread = pd.Series([6.0, 3.0, 0.0]).std()
    assert scores_of(store, "zdss")["Potent"] == pytest.approx((own["Potent"] - 3.0) / (spread + 1))
    runs = store.read_table("runs", SCREEN).set_index("asset")
    assert json.loads(runs.loc["scores/sdss_asym", "inputs"])["reference samples of ctg"]["samples"] == 3
