"""What cannot be made is skipped with its reason; what fails stops only what needs it; the rest is made."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
import pandas as pd
import pytest

from phenodose.errors import StoreError
from phenodose.plugins import registry
from phenodose.screens.matrices import read_matrices
from phenodose.screens.registration import register_screen
from phenodose.store.store import Store
from phenodose_assets.graph.steps import _only_told_again
from phenodose_assets.run import AssetBug, materialize_screen

SCORERS = """
    from phenodose.errors import InputError
    from phenodose.plugins import Scorer

    class Bug(Scorer):
        name, version, description = "bug", "1", "Divides by zero"

        def score(self, curves):
            return 1 / 0

    class Picky(Scorer):
        name, version, description = "picky", "1", "Refuses"

        def score(self, curves):
            raise InputError("the reference file is missing; copy it to the screen folder.")
"""


@pytest.fixture
def failing_scorers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed distribution with two scorers that fail."""
    info = tmp_path / "site" / "failing-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: failing\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[phenodose.scorers]\nbug = failing:Bug\npicky = failing:Picky\n")
    (tmp_path / "site" / "failing.py").write_text(textwrap.dedent(SCORERS))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    registry.cache_clear()
    yield
    registry.cache_clear()


def test_a_screen_without_images_gets_everything_else(ctg_run: Any) -> None:
    outcome = ctg_run.outcome
    assert outcome.success
    assert {"layout", "viability/ctg", "curves/ctg", "scores/dss_asym", "patient_report"} <= set(outcome.made)
    assert "no images" in outcome.skipped["plate_images"]
    assert outcome.skipped["pseudo_rgb"] == "needs plate_images"
    for key in ("viability/mean_of_stack", "checkpoint/cnn/phase1", "viability/cnn_phase3", "embedding/tsne"):
        assert key in outcome.skipped
    assert set(ctg_run.store.read_table("scores", "TST_V1_DS1")["readout"]) == {"ctg"}
    assert ctg_run.store.report_path("TST_V1_DS1").is_file()


def test_readings_in_the_layout_make_the_metabolic_readout(workshop: Any) -> None:
    screen = "TOLD_V1_DS1"
    store, folder = workshop.store, workshop.screen(screen)
    layout = pd.read_csv(folder / "layout.csv", dtype={"Plate": str})
    files = read_matrices(folder / "ctg").set_index(["plate", "row", "column"])["value"]
    places = pd.MultiIndex.from_frame(layout[["Plate", "Row", "Column"]])
    layout["Readout"] = files.reindex(places).to_numpy()
    layout.assign(Sample="TST-2").to_csv(folder / "layout.csv", index=False)
    shutil.rmtree(folder / "ctg")
    outcome = workshop.make(screen, "layout,viability/ctg")
    assert outcome.made == ["layout", "viability/ctg"]
    viability = store.read_table("viability", screen).set_index(["plate", "row", "column"])["raw"]
    assert len(viability) == len(layout)
    assert (viability == files.reindex(viability.index)).all()
    # The layout's word on whose cells these are holds for the screen as for its wells.
    assert set(store.read_table("screens", screen)["sample"]) == {"TST-2"}
    assert set(store.read_table("wells", screen)["sample"]) == {"TST-2"}


def test_the_reason_stands_in_the_event_log(ctg_run: Any) -> None:
    (observation,) = ctg_run.observations("plate_images")
    assert observation.partition == "TST_V1_DS1"
    assert "no images" in str(observation.metadata["skipped"].value)
    checks = ctg_run.checks("plate_images")
    assert all(check.passed for check in checks.values())
    assert "no images" in str(checks["made"].description)
    # Dagster would show a check of which nothing is told as failed where anything of the run fails.
    assert checks["schema"].description == "not looked at: the asset was not made"
    made = ctg_run.instance.all_logs(ctg_run.outcome.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    assert "plate_images" not in [event.get_dagster_event().asset_key.to_user_string() for event in made]
    assert len(made) == len(ctg_run.outcome.made)


def test_a_failing_scorer_stops_neither_the_others_nor_the_report(
    tmp_path: Path,
    failing_scorers: None,
    write_ctg_screen: Callable[[Path], Path],
    look_at: Callable[..., Any],
    site_of: Callable[..., str],
) -> None:
    store = Store.open(tmp_path / "store")
    folder = write_ctg_screen(tmp_path / "raw" / "FAIL_V1_DS1")
    (folder / "screen.toml").write_text("[parameters.curves]\nbootstrap = 10\n")
    screen = register_screen(store, folder)
    plugins = ("readout:ctg", *(f"scorer:{name}" for name in ("bug", "dss_asym", "emax", "picky")))
    store.root.mkdir(exist_ok=True)
    (store.root / "site.toml").write_text(site_of(*plugins))
    with dg.DagsterInstance.ephemeral() as instance:
        outcome = materialize_screen(store, screen.id, instance=instance)
        run = instance.get_run_by_id(outcome.run_id)
        assert run is not None
        assert run.status is dg.DagsterRunStatus.FAILURE
        # What was not even started says why on its page.
        (told,) = instance.fetch_observations(dg.AssetKey("pseudo_rgb"), limit=1).records
        assert told.partition_key == screen.id
        assert told.asset_observation is not None
        assert told.asset_observation.metadata["skipped"].value == "needs plate_images"
        finished = look_at(store, outcome, instance)
        assert not finished.checks("scores/bug")["made"].passed
        assert finished.checks("scores/bug")["schema"].passed
        assert finished.checks("scores/dss_asym")["made"].passed
        assert "copy it to the screen folder" in str(finished.checks("scores/picky")["made"].description)
    assert set(outcome.failed) == {"scores/bug", "scores/picky"}
    assert {"scores/dss_asym", "scores/emax", "patient_report"} <= set(outcome.made)
    # A bug of a plugin that others made is not ours: the user can mend it, by a newer version or without the plugin.
    assert outcome.failed["scores/bug"].mendable
    assert "scorer 'bug' of failing 1.0" in outcome.failed["scores/bug"].message
    assert "ZeroDivisionError" in outcome.failed["scores/bug"].message
    assert outcome.failed["scores/picky"].mendable
    with pytest.raises(StoreError, match="ZeroDivisionError"):
        outcome.raise_if_failed()


def test_a_run_that_begins_after_what_failed_does_not_tell_the_old_error_as_its_own() -> None:
    """Dagster's "From failure" executes the step that tells the error, which may have been mended since."""

    def told(*steps: str, parent: str | None = "a") -> bool:
        run = dg.DagsterRun("screen", "b", step_keys_to_execute=steps or None, root_run_id=parent, parent_run_id=parent)
        return _only_told_again(cast(dg.OpExecutionContext, SimpleNamespace(run=run)), "scores.make")

    assert told("scores.failed")
    assert not told("scores.make", "scores.failed")
    assert not told()
    assert not told("scores.failed", parent=None)


def test_rows_of_what_can_no_longer_be_made_are_removed(workshop: Any) -> None:
    store, folder = workshop.store, workshop.screen("GONE_V1_DS1")
    wanted = "layout,viability/ctg,curves/ctg"
    workshop.make("GONE_V1_DS1", wanted)
    assert len(store.read_table("viability", "GONE_V1_DS1"))
    assert len(store.read_table("curves", "GONE_V1_DS1"))
    for file in (folder / "ctg").iterdir():
        file.unlink()
    outcome = workshop.make("GONE_V1_DS1", wanted)
    assert "no ctg files" in outcome.skipped["viability/ctg"]
    for table in ("viability", "qc", "curves"):
        assert store.read_table(table, "GONE_V1_DS1").empty, table
    assert len(store.read_table("wells", "GONE_V1_DS1"))


def test_a_wrong_layout_fails_with_its_sentence_and_makes_nothing(workshop: Any) -> None:
    layout = workshop.screen("BAD_V1_DS1") / "layout.csv"
    layout.write_text(layout.read_text().replace("Concentration", "Amount"))
    outcome = workshop.make("BAD_V1_DS1", None)
    assert list(outcome.failed) == ["layout"]
    assert outcome.failed["layout"].mendable
    assert "Concentration" in outcome.failed["layout"].message
    assert outcome.made == []


def test_a_bug_of_our_own_ends_the_run_as_a_bug(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object, curves: object) -> None:
        raise ZeroDivisionError("of our own")

    monkeypatch.setattr(registry().get("scorer", "emax"), "score", broken)
    workshop.screen("BUG_V1_DS1")
    outcome = workshop.make("BUG_V1_DS1", "layout,viability/ctg,curves/ctg,scores/emax")
    assert not outcome.failed["scores/emax"].mendable
    with pytest.raises(AssetBug, match=r"(?s)ZeroDivisionError.*of our own"):
        outcome.raise_if_failed()
