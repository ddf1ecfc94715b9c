"""A corrected readout in the store: by its own name beside the uncorrected one, and gone when nobody asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from click.testing import CliRunner

from phenodose.cli import cli
from phenodose.lineage.freshness import changes_since

SCREEN = "COR_V1_DS1"
WANTED = "layout,viability/ctg,curves/ctg,scores/dss_asym"


def readouts(store: Any, table: str) -> set[str]:
    return set(store.read_table(table, SCREEN)["readout"])


def test_it_is_made_on_request_removed_without_and_refused_for_what_is_no_readout(workshop: Any) -> None:
    folder: Path = workshop.screen(SCREEN)
    few_draws = (folder / "screen.toml").read_text()
    (folder / "screen.toml").write_text(few_draws + '[parameters.viability]\ncorrection = { ctg = "residuals" }\n')
    outcome = workshop.make(SCREEN, WANTED)
    outcome.raise_if_failed()
    both = {"ctg", "ctg_corrected"}
    for table in ("viability", "curves", "scores", "qc"):
        assert readouts(workshop.store, table) == both, table
    viability = workshop.store.read_table("viability", SCREEN)
    sizes = viability.groupby("readout").size()
    assert sizes["ctg"] == sizes["ctg_corrected"]
    notes = workshop.store.read_table("runs", SCREEN, "viability/ctg")["notes"].iloc[0]
    assert "readout ctg_corrected, " in notes
    drug = workshop.store.read_table("scores", SCREEN)["drug"].iloc[0]
    why = CliRunner().invoke(
        cli, ["why", SCREEN, drug, "--readout", "ctg_corrected", "--json", "--store", str(workshop.store.root)]
    )
    assert why.exit_code == 0, why.output
    assert "raw_without_effects_of_place" in why.output
    assert "residuals" in why.output
    files = workshop.store.read_table("runs", SCREEN, "viability/ctg")["files"].iloc[0]
    assert "viability viability/ctg_corrected" in files
    assert changes_since(workshop.store, SCREEN) == [], "its files have no record of their own"

    (folder / "screen.toml").write_text(few_draws)
    workshop.make(SCREEN, WANTED).raise_if_failed()
    for table in ("viability", "curves", "scores", "qc"):
        assert readouts(workshop.store, table) == {"ctg"}, table

    # A name that is no readout is refused.
    (folder / "screen.toml").write_text('[parameters.viability]\ncorrection = { ctgg = "residuals" }\n')
    failed = workshop.make(SCREEN, "viability/ctg").failed
    assert "correction of ctgg: there is no such readout; there are ctg." in failed["viability/ctg"].message
