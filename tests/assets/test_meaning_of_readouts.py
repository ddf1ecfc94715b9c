"""What a readout rises with: said by its plugin or by screen.toml, compared with the controls of the screen."""

from __future__ import annotations

from typing import Any

KEY = "viability/ctg"


def test_a_readout_that_contradicts_its_controls_is_not_turned_round(workshop: Any) -> None:
    folder = workshop.screen("SIGN_V1_DS1")
    (folder / "screen.toml").write_text('[controls.ctg]\nrises_with = "death"\n')
    outcome = workshop.make("SIGN_V1_DS1", f"layout,{KEY}")
    assert list(outcome.failed) == [KEY]
    assert outcome.failed[KEY].mendable
    assert "the controls of plate P1 contradict a readout that rises with death" in outcome.failed[KEY].message
    (folder / "screen.toml").write_text('[controls.ctg]\nrises_with = "viability"\n')
    outcome = workshop.make("SIGN_V1_DS1", f"layout,{KEY}")
    assert outcome.made == ["layout", KEY]
    assert workshop.store.read_table("viability", "SIGN_V1_DS1")["viability_fraction"].notna().any()
