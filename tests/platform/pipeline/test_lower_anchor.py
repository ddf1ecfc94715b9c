"""Viability 0 without killed cells: a stated raw value, or wells without cells."""

from __future__ import annotations

from pathlib import Path

import pytest

from phenodose.errors import InputError
from phenodose.pipeline.normalisation import Normalisation
from phenodose.pipeline.viability import viability_of
from phenodose.screens.layout import Layout, read_layout
from phenodose.screens.screen import Screen, read_settings, settings_toml
from phenodose.tables import TABLES

RAW = {"neg": 1000.0, "blank": 200.0, "therapy": 600.0, "pos": 100.0}


def layout(tmp_path: Path, *kinds: str, needs_positive: bool = False) -> Layout:
    rows = ["Plate,Row,Column,Sample,WellType,Treatment,Concentration,Readout"]
    for kind in kinds:
        treatment, dose = ("Drug", "10") if kind == "therapy" else (kind, "")
        rows.append(f"P1,A,{len(rows)},S,{kind},{treatment},{dose},{RAW[kind]}")
    (tmp_path / "layout.csv").write_text("\n".join(rows))
    return read_layout(tmp_path / "layout.csv", needs_positive=needs_positive)


def viability(made: Layout, lower_anchor: float | str | None) -> tuple[dict[str, float], list[str]]:
    raw = made.frame.rename(columns={"readout": "raw"})[["plate", "row", "column", "raw"]]
    normalisation = Normalisation.of_readout(None, lower_anchor=lower_anchor)
    found = viability_of(raw, made.frame, "ctg", normalisation, what="layout.csv")
    kinds = made.frame["well_type"]
    return dict(zip(kinds, found.viability["viability_fraction"].round(6), strict=True)), found.notes


@pytest.mark.parametrize("anchor", [0, "0", 100.0, "100"])
def test_a_raw_value_stands_for_viability_0(tmp_path: Path, anchor: float | str) -> None:
    made = layout(tmp_path, "neg", "neg", "therapy", "therapy")
    found, notes = viability(made, anchor)
    assert found["therapy"] == pytest.approx((600 - float(anchor)) / (1000 - float(anchor)), abs=1e-6)
    assert f"viability 0 is the raw value {float(anchor):g}, as stated" in notes[0]


def test_blank_wells_stand_for_viability_0(tmp_path: Path) -> None:
    made = layout(tmp_path, "neg", "blank", "blank", "therapy")
    found, notes = viability(made, "blank")
    assert found["therapy"] == 0.5
    assert notes[0] == "sample S: viability 0 is the median of the wells 'blank', as stated (lower anchor)."


def test_a_stated_value_wins_over_killed_cells_and_says_so(tmp_path: Path) -> None:
    found, notes = viability(layout(tmp_path, "neg", "pos", "therapy"), 0)
    assert found["therapy"] == 0.6
    assert "the positive controls do not count" in notes[0]


def test_without_an_anchor_the_refusal_names_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no positive controls.*--lower-anchor 0, blank or a treatment"):
        layout(tmp_path, "neg", "therapy", needs_positive=True)
    with pytest.raises(InputError, match=r"no well is 'blank' or"):
        viability(layout(tmp_path, "neg", "therapy"), "blank")


def test_an_anchor_that_contradicts_or_is_said_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"have the same median.*it is stated to be 1000"):
        viability(layout(tmp_path, "neg", "therapy"), 1000)
    with pytest.raises(InputError, match="say one of them"):
        Normalisation.of_readout(None, positive=("BzCl",), lower_anchor=0)
    with pytest.raises(InputError, match="is no number"):
        Normalisation.of_readout(None, lower_anchor="nan")


def test_screen_toml_says_it_and_keeps_it(tmp_path: Path) -> None:
    folder = tmp_path / "S_V1_DS1"
    folder.mkdir()
    (folder / "screen.toml").write_text(
        '[controls.ctg]\nlower_anchor = 0\n[layout]\nsheet = "Data"\n[readings.ctg]\nblock = "plate 2"\n'
    )
    screen = Screen.load(folder, {"ctg": "ctg"})
    assert screen.controls["ctg"].lower_anchor == 0
    assert not screen.needs_positive
    assert (screen.settings.layout.sheet, screen.block_of("ctg"), screen.block_of("cnn")) == ("Data", "plate 2", None)
    (folder / "screen.toml").write_text(settings_toml(screen))
    assert read_settings(folder / "screen.toml").controls == screen.settings.controls
    assert read_settings(folder / "screen.toml").readings == screen.settings.readings


def test_the_report_says_that_viability_0_is_stated() -> None:
    from phenodose.reports.sections import anchors_of

    runs = TABLES["runs"].frame(
        [
            {"screen": "S", "run_id": "r", "asset": "viability/ctg", "inputs": '{"lower_anchor": "0"}'},
            {"screen": "S", "run_id": "r", "asset": "layout", "inputs": '{"layout.csv": "h"}'},
        ]
    )
    assert anchors_of(runs) == ["ctg: viability 0 is stated (0), not measured in killed cells."]
