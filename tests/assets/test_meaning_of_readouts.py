"""What a readout rises with: said by its plugin or by screen.toml, compared with the controls of the screen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dagster as dg

from phenodose.screens.registration import register_screen
from phenodose.store.store import Store
from phenodose_assets.run import materialize_screen

KEY = "viability/ctg"


def test_a_readout_that_contradicts_its_controls_is_not_turned_round(
    tmp_path: Path, instance: dg.DagsterInstance, write_ctg_screen: Callable[[Path], Path]
) -> None:
    store = Store.open(tmp_path / "store")
    folder = write_ctg_screen(tmp_path / "raw" / "SIGN_V1_DS1")
    register_screen(store, folder)
    (folder / "screen.toml").write_text('[controls.ctg]\nrises_with = "death"\n')
    outcome = materialize_screen(store, "SIGN_V1_DS1", select=f"layout,{KEY}", instance=instance)
    assert list(outcome.failed) == [KEY]
    assert outcome.failed[KEY].mendable
    assert "the controls of plate P1 contradict a readout that rises with death" in outcome.failed[KEY].message
    (folder / "screen.toml").write_text('[controls.ctg]\nrises_with = "viability"\n')
    outcome = materialize_screen(store, "SIGN_V1_DS1", select=f"layout,{KEY}", instance=instance)
    assert outcome.made == ["layout", KEY]
    assert store.read_table("viability", "SIGN_V1_DS1")["viability_fraction"].notna().any()
