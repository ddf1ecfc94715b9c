"""Quality limits in the graph: what blocks, what is masked, and what the cohort says of drifting controls."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from phenodose.plugins import registry
from phenodose.quality.metrics import metrics_of
from phenodose.screens.registration import register_screen
from phenodose.store.store import Store
from phenodose_assets.build import screen_assets
from phenodose_assets.run import Graph, materialize_cohort, materialize_screen

KEY, CURVES, SCORES = "viability/ctg", "curves/ctg", "scores/dss_asym"
ALL = f"layout,{KEY},{CURVES},{SCORES}"
Writer = Callable[[Path], Path]


def settings(folder: Path, text: str) -> None:
    (folder / "screen.toml").write_text("[parameters.curves]\nbootstrap = 10\n" + text)


def test_every_figure_is_declared_as_a_check_of_its_step() -> None:
    assets = {asset.key: asset for asset in screen_assets(registry())}
    assert set(metrics_of("viability")) == set(assets[KEY].checks)
    assert set(metrics_of("curves")) == set(assets[CURVES].checks)
    assert "passes above 0.5 and fails below 0" in assets[KEY].checks["zprime_robust"]
    assert "passes up to 3 and fails above 6" in assets[CURVES].checks["fit_residual_pattern"]


@pytest.fixture
def site(workshop: Any) -> Iterator[Path]:
    """The site's settings, gone after the test."""
    path: Path = workshop.store.root / "site.toml"
    before = path.read_text()
    yield path
    path.write_text(before)


def add(path: Path, text: str) -> None:
    with path.open("a") as handle:
        handle.write(text)


def test_a_figure_that_blocks_stops_what_comes_after_and_nothing_older_remains(workshop: Any, site: Path) -> None:
    store, folder = workshop.store, workshop.screen("GATE_V1_DS1")
    assert workshop.make("GATE_V1_DS1", ALL).success
    assert len(store.read_table("scores", "GATE_V1_DS1"))
    settings(folder, "[quality.replicate_pearson]\ngood = 1.1\npoor = 1.05\nblock = true\n")
    outcome = workshop.make("GATE_V1_DS1", ALL)
    assert list(outcome.failed) == [KEY]
    fault = outcome.failed[KEY]
    assert fault.mendable
    assert "blocked by quality (screen.toml): ctg, screen: replicate_pearson is" in fault.message
    assert outcome.skipped[CURVES] == f"needs {KEY}"
    checks = workshop.look_at(outcome).checks(KEY)
    assert not checks["replicate_pearson"].passed
    assert checks["replicate_pearson"].severity is dg.AssetCheckSeverity.ERROR
    assert not checks["made"].passed
    assert checks["zprime_robust"].passed
    # what blocks stays to be looked at, what rests on it is gone
    assert len(store.read_table("viability", "GATE_V1_DS1"))
    row = store.read_table("qc", "GATE_V1_DS1").set_index(["plate", "metric"]).loc[("screen", "replicate_pearson")]
    assert (row["verdict"], row["threshold"], row["threshold_from"]) == ("fail", 1.1, "screen.toml")
    assert store.read_table("curves", "GATE_V1_DS1").empty
    # a later run of the rest alone is no way round it
    later = workshop.make("GATE_V1_DS1", f"{CURVES},{SCORES}")
    assert later.made == []
    assert "blocked by quality" in later.skipped[CURVES]
    # nor is the limit of the readout the only one: one of the fits stops the scores, but keeps the curves
    settings(folder, "[quality.replicate_pearson]\nblock = false\n")
    add(site, "[quality.replicate_dss_pearson]\ngood = 2\npoor = 1.5\nblock = true\n")
    outcome = workshop.make("GATE_V1_DS1", ALL)
    assert list(outcome.failed) == [CURVES]
    assert "(site.toml)" in outcome.failed[CURVES].message
    assert outcome.made == ["layout", KEY]
    assert len(store.read_table("curves", "GATE_V1_DS1"))
    later = workshop.make("GATE_V1_DS1", SCORES)
    assert later.made == []
    assert store.read_table("scores", "GATE_V1_DS1").empty
    # the screen's own word wins over the site's; and when the limits are lifted, all is made again
    settings(folder, "[quality.replicate_pearson]\nblock = false\n[quality.replicate_dss_pearson]\nblock = false\n")
    assert workshop.make("GATE_V1_DS1", f"{CURVES},{SCORES}").made == [CURVES, SCORES]


def test_an_unknown_figure_in_the_configuration_is_named(workshop: Any, site: Path) -> None:
    workshop.screen("TYPO_V1_DS1")
    add(site, "[quality.zprime_robbust]\ngood = 0.4\n")
    outcome = workshop.make("TYPO_V1_DS1", f"layout,{KEY}")
    assert outcome.failed[KEY].mendable
    assert "no quality figure zprime_robbust; known are zprime, " in outcome.failed[KEY].message


def test_a_doubtful_well_is_told_and_left_out_only_on_demand(workshop: Any) -> None:
    store, folder = workshop.store, workshop.screen("WELL_V1_DS1")
    layout = pd.read_csv(folder / "layout.csv")
    chosen = (layout["Treatment"] == "Inert") & (layout["Concentration"] == 100) & (layout["Plate"] == "P1")
    well = layout[chosen].iloc[0]
    matrix_file = folder / "ctg" / "WELL_V1_DS1_P1.xlsx"
    matrix = pd.read_excel(matrix_file, index_col=0, engine="calamine")
    matrix.loc[well["Row"], well["Column"]] = 0
    matrix.to_excel(matrix_file, index_label="")
    first = workshop.make("WELL_V1_DS1", f"layout,{KEY},{CURVES}")
    assert first.success, first.failed

    def spoilt() -> pd.Series[Any]:
        rows = store.read_table("viability", "WELL_V1_DS1").set_index(["plate", "row", "column"])
        found: pd.Series[Any] = rows.loc[("P1", well["Row"], well["Column"])]
        return found

    def points() -> int:
        curves = store.read_table("curves", "WELL_V1_DS1").set_index(["drug", "replicate"])
        return int(curves.loc[("Inert", "pooled"), "n_points"])

    assert spoilt()["flag"] in ("empty", "unlike")
    assert "its replicate P2" in spoilt()["flag_reason"]
    assert not spoilt()["masked"]
    assert points() == 10
    finished = workshop.look_at(first)
    assert finished.materialization(KEY).metadata["n flagged"].value == 1
    assert finished.materialization(KEY).metadata["n masked"].value == 0
    settings(folder, '[wells]\nmask = ["empty", "unlike"]\n')
    second = workshop.make("WELL_V1_DS1", f"{KEY},{CURVES}")
    assert spoilt()["masked"]
    assert spoilt()["mask_reason"].startswith("flagged ")
    assert spoilt()["raw"] == 0
    assert points() == 9
    finished = workshop.look_at(second)
    assert finished.materialization(KEY).metadata["n masked"].value == 1
    assert "1: flagged" in str(finished.materialization(CURVES).metadata["wells left out"].value)


@pytest.mark.usefixtures("no_cohort_report")
def test_an_empty_cohort_has_no_drift_and_screens_whose_controls_drift_raise_a_flag(
    tmp_path: Path, instance: dg.DagsterInstance, write_ctg_screen: Writer, workshop: Any
) -> None:
    store = Store.open(tmp_path / "store")
    store.root.mkdir()
    shutil.copy(workshop.store.root / "site.toml", store.root)
    graph = Graph(store)

    def of_cohort() -> Any:
        outcome = materialize_cohort(store, instance=instance, graph=graph)
        assert outcome.success
        logs = instance.all_logs(outcome.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        drift, every = [event.get_dagster_event().asset_check_evaluation_data for event in logs]
        return drift, every

    assert all(check.passed for check in of_cohort())

    def made(number: int, factor: float = 1) -> None:
        folder = write_ctg_screen(tmp_path / "raw" / f"S{number}_V1_DS1")
        for file in (folder / "ctg").iterdir() if factor != 1 else ():
            matrix = pd.read_excel(file, index_col=0, engine="calamine")
            (500 + (matrix - 500) * factor).round().to_excel(file, index_label="")
        register_screen(store, folder)
        assert materialize_screen(store, folder.name, select=f"layout,{KEY}", instance=instance, graph=graph).success

    made(1)
    for number in (2, 3, 4):
        # Screens like the first one, made when it was made.
        store.register(like := f"S{number}_V1_DS1", tmp_path / "raw" / like)
        for path in (store.root / "tables").glob("*/screen=S1_V1_DS1/*.parquet"):
            table, part = path.parts[-3], path.stem
            store.write_table(table, like, part, store.read_table(table, "S1_V1_DS1", part).assign(screen=like))
    made(5, factor=1 / 6)
    own = store.read_table("qc", "S5_V1_DS1")
    assert set(own.loc[own["metric"].str.startswith("zprime"), "verdict"]) == {"pass"}
    check, every = of_cohort()
    # The verdicts on all screens stand together, whichever was made last.
    assert every.check_name == "every_screen"
    assert set(every.metadata) == {f"S{number}_V1_DS1" for number in (1, 2, 3, 4, 5)}
    assert check.check_name == "control_drift"
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.WARN
    assert "S5_V1_DS1, ctg: window 0.17 times" in check.description
    assert "of 4 earlier screens" in check.description
    assert "S4_V1_DS1" not in check.description
