"""Scores of drugs that died unlike the killing control are stored with the reason, by every readout of images."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from phenodose.cli.demo import SCREEN
from phenodose.pipeline.context import Context
from phenodose.pipeline.scores import make_scores
from phenodose.plugins import registry
from phenodose.quality.trust import UNLIKE_CONTROLS, doubt
from phenodose.store.store import Store

READOUTS = ("ctg", "mean_of_stack", "cnn_phase2", "features")


@pytest.fixture
def store(small_demo: Any, tmp_path: Path) -> Store:
    """The small demo, in which all wells of one drug look unlike the controls, and one well of the other."""
    copied: Store = small_demo.copy_store(tmp_path / "store")
    viability = copied.read_table("viability", SCREEN, "viability/features")
    wells = copied.read_table("wells", SCREEN).set_index(["plate", "well"])
    drug = wells["treatment"].where(wells["well_type"] == "therapy")
    of = drug.reindex(list(zip(viability["plate"], viability["well"], strict=True))).to_numpy()
    strange, other = sorted(drug.dropna().unique())
    viability["flag"] = None
    viability.loc[of == strange, "flag"] = UNLIKE_CONTROLS
    viability.loc[viability.index[of == other][:1], "flag"] = UNLIKE_CONTROLS
    copied.write_table("viability", SCREEN, "viability/features", viability)
    return copied


def test_all_scores_of_images_of_that_drug_say_so_and_no_others(store: Store, small_demo: Any) -> None:
    scorer = registry().get("scorer", "auc")
    step = Context(
        asset="scores/auc",
        screen_id=SCREEN,
        run_id="r",
        store=store,
        source=lambda: small_demo.raw(SCREEN),
        launchpad={},
        settings={"auc": frozenset()},
        log=logging.getLogger(__name__),
        progress=lambda *_: None,
    )
    made = make_scores(step, scorer, READOUTS).scores
    wells = store.read_table("wells", SCREEN)
    treated = wells[wells["well_type"] == "therapy"]
    strange = min(treated["treatment"])
    n = int((treated["treatment"] == strange).sum())
    assert set(made["readout"]) == set(READOUTS)
    marked = made["doubt"].notna()
    assert (marked == ((made["drug"] == strange) & (made["readout"] != "ctg"))).all()
    assert set(made.loc[marked, "doubt"]) == {doubt(f"{n} of {n} wells")}
    assert store.read_table("scores", SCREEN, "scores/auc")["doubt"].notna().sum() == marked.sum() > 0
