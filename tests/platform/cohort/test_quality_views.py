"""The views of doubtful wells and of drifting controls, on a store with known rows."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import pandas as pd
import pytest

from phenodose.cohort.build import rebuild_cohort
from phenodose.cohort.query import query
from phenodose.store.store import Store
from phenodose.tables import TABLES

STAMP = {"run_id": "r", "plugin": "ctg", "plugin_version": "1", "parameters": "{}", "checkpoint": None}


def write(store: Store, screen: str, window: float, spread: float, day: int, readout: str = "ctg") -> None:
    """Ten negative and ten positive control wells, and one empty and one flagged well."""
    wells, viability = [], []
    for place in range(22):
        control = "negative" if place < 10 else "positive" if place < 20 else None
        kind = {"negative": "neg", "positive": "pos", None: "empty" if place == 20 else "therapy"}[control]
        value = (1.0 if control == "negative" else 0.0) + spread * (-1 if place % 2 else 1) / 1.4826
        key = {"screen": screen, "plate": "P1", "well": f"A{place + 1:02d}", "row": "A", "column": place + 1}
        wells.append(key | {"sample": "S", "well_type": kind, "treatment": kind, "replicate": 1, "run_id": "r"})
        viability.append(
            key
            | {"readout": readout, "raw": 100 + window * value, "viability_fraction": value, "control": control}
            | {"masked": place == 20, "mask_reason": "no value in the readout" if place == 20 else None}
            | {"flag": "empty" if place == 21 else None, "flag_reason": "the reading is 0" if place == 21 else None}
            | STAMP
        )
    at = pd.Timestamp(dt.datetime(2026, 1, day, tzinfo=dt.UTC))
    run = {"screen": screen, "run_id": "r", "asset": "layout", "started_at": at, "finished_at": at}
    about = {"screen": screen, "sample": "S", "kind": "drug-screen", "n_plates": 1, "n_drugs": 1, "source": "x"}
    for table, part, rows in (
        ("wells", "layout", wells),
        ("viability", f"viability/{readout}", viability),
        ("runs", "layout", [run | {"phenodose_version": "1"}]),
        ("screens", "layout", [about | {"run_id": "r"}]),
    ):
        store.write_table(table, screen, part, TABLES[table].frame(rows))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four like screens, and a fifth with a quarter of the window and a third spread three times as wide."""
    found = Store.open(tmp_path_factory.mktemp("made") / "store")
    for day, (screen, window, spread) in enumerate(
        [("D", 1000, 0.04), ("C", 1100, 0.05), ("B", 900, 0.04), ("A", 240, 0.04), ("E", 1000, 0.15)], start=1
    ):
        write(found, screen, window, spread, day)
    rebuild_cohort(found)
    return found.root


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Store:
    """A copy of them, with their cohort."""
    return Store.open(shutil.copytree(made, tmp_path / "store"))


def drift(store: Store) -> pd.DataFrame:
    rebuild_cohort(store)
    asked = "SELECT screen, n_earlier, cohort_window_drift, cohort_spread_drift, verdict FROM control_drift"
    frame: pd.DataFrame = query(store, asked).table.to_pandas().set_index("screen")
    return frame


def test_controls_are_compared_with_the_screens_made_before(store: Store) -> None:
    rows = drift(store)
    assert list(rows.index) == ["D", "C", "B", "A", "E"]
    assert list(rows["n_earlier"]) == [0, 1, 2, 3, 4]
    assert rows.loc["D", ["cohort_window_drift", "cohort_spread_drift"]].isna().all()
    assert rows.loc["A", "cohort_window_drift"] == pytest.approx(-2.0589, abs=1e-3)  # log2(240 / 1000)
    assert rows.loc["E", "cohort_spread_drift"] == pytest.approx(1.9069, abs=1e-3)  # log2(0.15 / 0.04)
    assert list(rows["verdict"]) == ["none", "none", "none", "fail", "warn"]


def test_limits_of_the_site_judge_the_drift(store: Store) -> None:
    (store.root / "site.toml").write_text("[quality.cohort_window_drift]\ngood = 3\npoor = 4\n")
    assert list(drift(store)["verdict"]) == ["none", "none", "none", "pass", "warn"]


def test_readouts_are_compared_among_themselves(store: Store) -> None:
    write(store, "A", 5, 0.04, 4, readout="mean_of_stack")
    rebuild_cohort(store)
    rows = query(store, "SELECT n_earlier FROM control_drift WHERE readout = 'mean_of_stack'").table.to_pylist()
    assert rows == [{"n_earlier": 0}]


def test_doubtful_wells_are_flagged_or_masked_and_hold_cells(store: Store) -> None:
    rebuild_cohort(store)
    rows = query(store, "SELECT well, flag, flag_reason, masked FROM doubtful_wells WHERE screen = 'A'").table
    assert rows.to_pylist() == [{"well": "A22", "flag": "empty", "flag_reason": "the reading is 0", "masked": False}]
